#include "tests/sim/core_oracle.h"

#include <algorithm>

namespace quorlite::sim {
namespace {

std::string text(NodeId id) {
    return "node " + std::to_string(id.value());
}
std::string text(Index index) {
    return "index " + std::to_string(index.value());
}
std::string text(Term term) {
    return "term " + std::to_string(term.value());
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x9fb21c651e98df25;
    return hash ^ (hash >> 32);
}

}  // namespace

std::uint64_t content_hash(const raft::Entry& entry) {
    std::uint64_t hash = mix(0x51ed27, static_cast<std::uint64_t>(entry.kind));
    hash = mix(hash, entry.payload->size());
    for (std::size_t i = 0; i < std::min<std::size_t>(16, entry.payload->size()); ++i) {
        hash = mix(hash, (*entry.payload)[i]);
    }
    return hash;
}

std::uint64_t chained(std::uint64_t chain, const raft::Entry& entry) {
    return mix(mix(chain, entry.term.value()), content_hash(entry));
}

void Oracle::fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
}

void Oracle::voted(NodeId voter, Term term, NodeId candidate) {
    const auto [vote, first] = votes_.try_emplace({voter, term}, candidate);
    if (!first && vote->second != candidate) {
        fail("I2: " + text(voter) + " voted twice in " + text(term));
    }
}

void Oracle::forgot(NodeId voter) {
    std::erase_if(votes_, [voter](const auto& vote) { return vote.first.first == voter; });
}

void Oracle::elected(const raft::Core& core) {
    const auto [leader, first] = leaders_.try_emplace(core.term(), core.self());
    if (!first) fail("I2: two elections were won in " + text(core.term()));
    // The newest entry that was committed in an earlier term; log matching covers those before it.
    for (std::size_t i = chain_.size(); i > 0; --i) {
        const Committed& committed = chain_[i - 1];
        if (committed.known_in >= core.term()) continue;
        const std::optional<Term> term = core.term_at(Index(i));
        if (Index(i) >= core.first_index() && term != committed.term) {
            fail("I1: the leader of " + text(core.term()) + ", " + text(core.self()) +
                 ", lacks the committed entry at " + text(Index(i)));
        }
        return;
    }
}

void Oracle::appended(NodeId node, const raft::Entry& entry, Term previous_term) {
    const Seen seen{previous_term, content_hash(entry)};
    const auto [known, first] = entries_.try_emplace({entry.index, entry.term}, seen);
    if (first) return;
    if (known->second.content != seen.content || known->second.previous_term != previous_term) {
        fail("I3: " + text(node) + " has another entry, or another history, at " +
             text(entry.index) + " of " + text(entry.term));
    }
}

void Oracle::delivered(NodeId node, Term node_term, const raft::Entry& entry) {
    const std::size_t at = entry.index.value() - 1;
    const std::uint64_t before = at == 0 ? 0 : at <= chain_.size() ? chain_[at - 1].chain : 0;
    if (at > chain_.size()) return fail("I4: " + text(node) + " skipped to " + text(entry.index));
    const std::uint64_t chain = chained(before, entry);
    if (at < chain_.size()) {
        chain_[at].known_in = std::min(chain_[at].known_in, node_term);
        if (chain_[at].chain != chain) {
            fail("I4: " + text(node) + " applies another entry at " + text(entry.index));
        }
        return;
    }
    chain_.push_back({entry.term, node_term, chain});
    if (entry.kind != raft::EntryKind::kConfiguration) return;
    const auto decoded = raft::decode_configuration(*entry.payload);
    if (!decoded) return fail("a committed configuration cannot be decoded");
    std::size_t differing = 0;
    for (std::uint64_t id = 1; id < 64; ++id) {
        const bool was = configuration_.is_voter(NodeId(id));
        if (was != decoded->is_voter(NodeId(id))) ++differing;
    }
    if (differing > 1 && !configuration_.servers.empty()) {
        fail("I6: two voters changed at once, at " + text(entry.index));
    }
    configuration_ = *decoded;
}

void Oracle::stands_for(Index index, Term term, std::uint64_t chain) {
    if (!index) return;
    const std::size_t at = index.value() - 1;
    if (at >= chain_.size() || chain_[at].chain != chain || chain_[at].term != term) {
        fail("I4: a snapshot at " + text(index) + " stands for something else");
    }
}

void Oracle::acknowledged(Index index, Term term) {
    const std::size_t at = index.value() - 1;
    if (at >= chain_.size() || chain_[at].term != term) {
        fail("I1: an acknowledged write is not what was committed at " + text(index));
    }
    floor_ = std::max(floor_, index);
}

void Oracle::read(const std::string& how, Index floor, Index index) {
    if (index < floor) {
        fail("a stale read, " + how + ": it saw the state at " + text(index) + ", but " +
             text(floor) + " was observed before");
    }
    floor_ = std::max(floor_, index);
}

}  // namespace quorlite::sim
