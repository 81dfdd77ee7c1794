#include "tests/raft/world.h"

#include <algorithm>
#include <stdexcept>

#include "tests/raft/trace.h"

namespace quorlite::raft {
namespace {

template <class Id>
std::string text_of(Id id) {
    return std::to_string(id.value());
}

// More than this means that nodes answer each other for ever.
constexpr int kDeliveriesMax = 500;

}  // namespace

World::Node& World::node(std::uint64_t id) {
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) {
        throw std::invalid_argument("there is no node " + std::to_string(id));
    }
    return found->second;
}

Core& World::core(std::uint64_t id) {
    Node& found = node(id);
    if (!found.core) throw std::invalid_argument("node " + std::to_string(id) + " is down");
    return *found.core;
}

void World::say(std::uint64_t id, const std::string& text) {
    trace_.push_back(std::to_string(id) + " " + text);
}

void World::expect(bool holds, const std::string& otherwise) {
    if (holds) return;
    trace_.push_back(std::string(kBroken) + otherwise);
    broken_ = true;
}

// --- nodes ---

void World::create(std::uint64_t id, Restored restored, std::size_t cache_bytes_max) {
    nodes_.erase(id);
    Node& fresh = nodes_[id];
    fresh.cache_bytes_max = cache_bytes_max;
    fresh.hard = restored.hard_state;
    fresh.snapshot = restored.snapshot;
    fresh.log = restored.log;
    fresh.durable = fresh.log.empty() ? fresh.snapshot.index : fresh.log.back().index;
    fresh.applied = fresh.snapshot.index;
    restart(id);
}

void World::crash(std::uint64_t id) {
    Node& down = node(id);
    down.core.reset();
    down.reads.clear();
    down.offered.reset();
    down.installed.reset();
    down.asked.clear();
    while (!down.log.empty() && down.log.back().index > down.durable) down.log.pop_back();
    const auto concerns = [&](const Envelope& envelope) { return envelope.to == NodeId(id); };
    std::erase_if(network_, concerns);
}

void World::restart(std::uint64_t id) {
    Node& up = node(id);
    Restored restored;
    restored.hard_state = up.hard;
    restored.snapshot = up.snapshot;
    for (const Entry& entry : up.log) {
        if (entry.index > up.snapshot.index) restored.log.push_back(entry);
    }
    Options options = options_of(id);
    options.cache_bytes_max = up.cache_bytes_max;
    up.applied = up.snapshot.index;
    up.invariants = {};
    up.core = std::make_unique<Core>(options, std::move(restored), up.random, now_);
    up.members = up.core->configuration();
    check_node(id);
    carry_out(id);
}

void World::tick(std::uint64_t id) {
    core(id).tick(now_);
    carry_out(id);
}

void World::carry_out(std::uint64_t id) {
    Node& self = node(id);
    for (int outputs = 0; self.core && outputs < 10; ++outputs) {
        check_node(id);
        const Ready output = self.core->take_ready();
        if (output.empty()) break;
        for (std::string& line : describe(NodeId(id), output)) trace_.push_back(std::move(line));
        if (output.hard_state) self.hard = *output.hard_state;
        carry_out_log(self, output);
        for (const Envelope& envelope : output.messages) send(id, envelope);
        for (const Entry& entry : output.committed) apply(id, entry);
        for (const LogRead& read : output.reads)
            self.asked.insert_or_assign(read.peer.value(), read);
        if (output.install) self.offered = output.install->point;
        if (output.role_changed) tell_role(id);
        if (!output.append.empty() && !self.slow) write(id);
    }
    tell_members(id);
    check_leader(id);
    answer_reads(id);
}

void World::carry_out_log(Node& self, const Ready& output) {
    if (output.truncate_from) {
        const Index from = *output.truncate_from;
        while (!self.log.empty() && self.log.back().index >= from) self.log.pop_back();
        if (!self.log.empty() && self.log.back().index.next() < from) self.log.clear();
        const bool anew = self.log.empty();
        self.durable = anew ? from.previous() : std::min(self.durable, from.previous());
    }
    self.log.insert(self.log.end(), output.append.begin(), output.append.end());
}

void World::apply(std::uint64_t id, const Entry& entry) {
    Node& self = node(id);
    expect(entry.index == self.applied.next(), std::to_string(id) + " applies " +
                                                   text_of(entry.index) + " after " +
                                                   text_of(self.applied));
    const std::string text = describe(entry);
    const auto [known, first] = history_.try_emplace(entry.index.value(), text);
    expect(first || known->second == text, "others applied " + known->second);
    self.applied = entry.index;
    self.core->applied(entry.index);
}

void World::tell_role(std::uint64_t id) {
    const Core& core = *node(id).core;
    const std::string term = " term " + text_of(core.term());
    switch (core.role()) {
        case RoleName::kFollower:
            return say(id, "follows " + (core.leader() ? text_of(core.leader()) : "nobody") +
                               " in" + term);
        case RoleName::kPreCandidate:
            return say(id, "is a pre-candidate in" + term);
        case RoleName::kCandidate:
            return say(id, "is a candidate in" + term);
        case RoleName::kLeader:
            return say(id, "leads" + term);
    }
}

void World::tell_members(std::uint64_t id) {
    Node& self = node(id);
    if (!self.core || self.core->configuration() == self.members) return;
    self.members = self.core->configuration();
    say(id, "knows the members " + describe(self.members));
}

// --- disks ---

void World::write(std::uint64_t id) {
    Node& self = node(id);
    if (self.log.empty() || self.durable == self.log.back().index) return;
    self.durable = self.log.back().index;
    if (self.slow) say(id, "has written up to " + text_of(self.durable));
    core(id).durable(self.durable, self.log.back().term);
    if (self.slow) carry_out(id);
}

void World::load(std::uint64_t id, std::uint64_t peer) {
    const auto asked = node(id).asked.extract(peer);
    if (asked.empty()) throw std::invalid_argument("it reads nothing for that peer");
    std::vector<Entry> entries;
    for (const Entry& entry : node(id).log) {
        if (entry.index >= asked.mapped().from) entries.push_back(entry);
    }
    core(id).entries_loaded(now_, NodeId(peer), std::move(entries));
    carry_out(id);
}

void World::fail_to_load(std::uint64_t id, std::uint64_t peer) {
    if (node(id).asked.erase(peer) == 0) {
        throw std::invalid_argument("it reads nothing for that peer");
    }
    core(id).entries_unavailable(now_, NodeId(peer));
    carry_out(id);
}

// --- the network ---

void World::send(std::uint64_t id, const Envelope& envelope) {
    check_claim(id, envelope.message);
    const Link link{envelope.from.value(), envelope.to.value()};
    if (cut_.contains(link) || !nodes_.contains(link.second)) return;
    if (slow_links_.contains(link)) {
        held_.push_back(envelope);
    } else {
        network_.push_back(envelope);
    }
}

void World::arrive(const Envelope& envelope) {
    latest_.insert_or_assign({envelope.from.value(), envelope.to.value()}, envelope);
    Node& receiver = node(envelope.to.value());
    if (!receiver.core) return;
    receiver.core->step(now_, envelope.from, envelope.message);
    carry_out(envelope.to.value());
}

void World::deliver() {
    for (int deliveries = 0; !network_.empty(); ++deliveries) {
        if (deliveries == kDeliveriesMax) return expect(false, "they never come to an end");
        const Envelope envelope = std::move(network_.front());
        network_.pop_front();
        arrive(envelope);
    }
}

void World::deliver_link(std::uint64_t from, std::uint64_t to) {
    std::vector<Envelope> arriving;
    std::erase_if(network_, [&](const Envelope& envelope) {
        const bool meant = envelope.from == NodeId(from) && envelope.to == NodeId(to);
        if (meant) arriving.push_back(envelope);
        return meant;
    });
    for (const Envelope& envelope : arriving) arrive(envelope);
}

void World::drop(std::uint64_t from, std::uint64_t to) {
    std::erase_if(network_, [&](const Envelope& envelope) {
        return envelope.from == NodeId(from) && envelope.to == NodeId(to);
    });
}

void World::repeat(std::uint64_t from, std::uint64_t to) {
    const auto found = latest_.find({from, to});
    if (found == latest_.end()) throw std::invalid_argument("nothing came over that link");
    const Envelope again = found->second;
    arrive(again);
}

void World::hold(std::uint64_t from, std::uint64_t to) {
    slow_links_.insert({from, to});
}

void World::let_go(std::uint64_t from, std::uint64_t to) {
    slow_links_.erase({from, to});
    std::erase_if(held_, [&](const Envelope& envelope) {
        const bool let_go = envelope.from == NodeId(from) && envelope.to == NodeId(to);
        if (let_go) network_.push_back(envelope);
        return let_go;
    });
}

void World::cut(std::uint64_t from, std::uint64_t to) {
    cut_.insert({from, to});
    drop(from, to);
}

void World::heal() {
    cut_.clear();
}

void World::forge(Envelope envelope) {
    arrive(envelope);
}

// --- snapshots ---

void World::compact(std::uint64_t id) {
    Node& self = node(id);
    Core& here = core(id);
    self.snapshot = here.point_up_to(self.applied);
    here.compacted(self.snapshot);
    std::erase_if(self.log, [&](const Entry& entry) { return entry.index <= self.snapshot.index; });
    self.durable = std::max(self.durable, self.snapshot.index);
    carry_out(id);
}

void World::offer(std::uint64_t id, std::uint64_t peer) {
    Core& here = core(id);
    here.offer_snapshot(now_, NodeId(peer), here.point_up_to(node(id).applied),
                        payload("manifest"));
    carry_out(id);
}

void World::install(std::uint64_t id) {
    Node& self = node(id);
    if (!self.offered) throw std::invalid_argument("no snapshot was offered to it");
    self.installed = std::exchange(self.offered, std::nullopt);
    if (self.installed->index > self.snapshot.index) self.snapshot = *self.installed;
    self.applied = std::max(self.applied, self.installed->index);
    core(id).snapshot_installed(now_, *self.installed);
    carry_out(id);
}

void World::install_and_crash(std::uint64_t id) {
    Node& self = node(id);
    if (!self.offered) throw std::invalid_argument("no snapshot was offered to it");
    self.snapshot = *self.offered;
    crash(id);
}

void World::install_again(std::uint64_t id) {
    Node& self = node(id);
    if (!self.installed) throw std::invalid_argument("it has installed none");
    core(id).snapshot_installed(now_, *self.installed);
    carry_out(id);
}

void World::refuse(std::uint64_t id) {
    node(id).offered.reset();
    core(id).snapshot_refused(now_);
    carry_out(id);
}

// --- reads ---

void World::read(std::uint64_t id) {
    Node& self = node(id);
    const std::uint64_t round = core(id).start_read_round(now_);
    const std::uint64_t number = ++reads_;
    if (round == 0) return say(id, "cannot read: it does not lead");
    const Index newest(history_.empty() ? 0 : history_.rbegin()->first);
    say(id, "begins read " + std::to_string(number) + ", of round " + std::to_string(round));
    self.reads.push_back({number, round, core(id).term(), newest});
    carry_out(id);
}

void World::answer_reads(std::uint64_t id) {
    Node& self = node(id);
    if (!self.core) return;
    std::erase_if(self.reads, [&](const Read& read) {
        const std::string name = "read " + std::to_string(read.number);
        const bool lost = self.core->leader() != NodeId(id) || self.core->term() != read.term;
        if (lost) {
            say(id, "gives up " + name);
        } else if (self.core->confirmed_round() >= read.round) {
            say(id, "answers " + name + " as of " + text_of(self.applied));
            expect(self.applied >= read.newest,
                   name + " does not see what was applied at " + text_of(read.newest));
        } else {
            return false;
        }
        return true;
    });
}

void World::lease(std::uint64_t id) {
    say(id, core(id).lease_valid(now_) ? "may read by its lease" : "has no lease");
}

// --- what must hold ---

void World::check_node(std::uint64_t id) {
    const auto found = node(id).invariants.check(core(id));
    if (found) expect(false, "not so of " + std::to_string(id) + ": " + *found);
}

// What a node acknowledges is on its disk, and what it says to have installed is there.
void World::check_claim(std::uint64_t id, const Message& message) {
    const Node& self = node(id);
    if (const auto* reply = std::get_if<AppendReply>(&message); reply && reply->success) {
        expect(reply->match <= std::max(self.durable, self.snapshot.index),
               std::to_string(id) + " acknowledges what is not durable");
    }
    if (const auto* reply = std::get_if<SnapshotReply>(&message); reply && reply->installed) {
        expect(reply->index <= std::max(self.durable, self.snapshot.index),
               std::to_string(id) + " has not installed that");
    }
}

void World::check_leader(std::uint64_t id) {
    const Node& self = node(id);
    if (!self.core || self.core->role() != RoleName::kLeader) return;
    const auto [leads, first] = leaders_.try_emplace(self.core->term().value(), id);
    expect(first || leads->second == id,
           "term " + std::to_string(leads->first) + " has two leaders");
}

}  // namespace quorlite::raft
