#include "engine/raft/state.h"

#include "engine/base/check.h"
#include "engine/base/mutants.h"

namespace quorlite::raft {
namespace {

// A crash between installing a snapshot and cutting the log leaves entries behind the snapshot that
// belong to another history. They are known by their term: had they followed the point, it could
// not be lower (log matching, thesis section 3.5).
bool continues(const SnapshotPoint& point, const std::vector<Entry>& entries) {
    if (entries.empty()) return true;
    return entries.front().index == point.index.next() && entries.front().term >= point.term;
}

}  // namespace

Core::State::State(Options with, Restored restored, Random& with_random, TimePoint start)
    : options(with),
      random(with_random),
      now(start),
      hard(restored.hard_state),
      log(std::move(restored.snapshot)) {
    QUORLITE_CHECK(options.self);
    QUORLITE_CHECK(options.heartbeat > Duration::zero());
    QUORLITE_CHECK(options.heartbeat * 4 <= options.election_timeout);
    if (continues(log.point(), restored.log)) {
        for (Entry& entry : restored.log) log.append(std::move(entry));
    } else {
        output.truncate_from = log.first_index();
    }
    commit = std::clamp(restored.committed, log.point().index, log.last_index());
    delivered = applied = log.point().index;
    chain.begin(log.point());
    handed = durable = log.last_index();
    if (hard.term < log.last_term()) {
        hard.term = log.last_term();
        hard.vote = NodeId();
        hard_dirty = true;
    }
    raise_vote_barrier(restored.vote_barrier);
    for (const Receipt& receipt : restored.receipts) receipts[receipt.voter] = receipt.upto;
    reported_term = hard.term;
    // Just before it stopped, this node may have answered a heartbeat on which a leader's lease
    // rests. Only in a cluster of which it is, for sure, the one voter can there be no such leader.
    const bool alone = is_only_voter() && log.configuration_index() <= commit;
    contact.promised = hard.term && !alone && !mutant(Mutant::kRestartForgetsPromise);
    contact.at = now;
    const bool owes_longer = restored.owed > options.election_timeout;
    if (contact.promised && owes_longer) promised_until = now + restored.owed;
    draw_election_deadline();
    if (alone && may_campaign()) campaign(false);
}

Duration Core::State::random_up_to(Duration most) {
    return Duration(
        static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

RoleName Core::State::role_name() const {
    switch (role.index()) {
        case 0:
            return RoleName::kFollower;
        case 1:
            return RoleName::kPreCandidate;
        case 2:
            return RoleName::kCandidate;
        default:
            return RoleName::kLeader;
    }
}

NodeId Core::State::known_leader() const {
    if (as_leader() != nullptr) return options.self;
    const Follower* follower = std::get_if<Follower>(&role);
    return follower != nullptr ? follower->leader : NodeId();
}

void Core::State::step(NodeId from, Message& message) {
    if (!from || from == options.self || !is_believable(from, message)) return;
    if (!accept_term(from, message)) return;
    std::visit([this, from](auto& content) { on(from, content); }, message);
}

void Core::State::tick() {
    if (Leader* leader = as_leader()) {
        tick_leader(*leader);
    } else {
        tick_election();
    }
}

TimePoint Core::State::next_deadline() const {
    if (const Leader* leader = as_leader()) {
        return leader->transfer ? std::min(leader->heartbeat_at, leader->transfer->deadline)
                                : leader->heartbeat_at;
    }
    if (const auto* asking = std::get_if<PreCandidate>(&role)) return asking->ask_again;
    if (const auto* candidate = std::get_if<Candidate>(&role)) {
        return std::min(candidate->ask_again, election_deadline);
    }
    return may_campaign() ? election_deadline : now + options.election_timeout;
}

void Core::State::durable_up_to(Index index, Term term) {
    if (log.term_at(index) != term && !mutant(Mutant::kStaleDurableBelieved)) return;
    durable = std::max(durable, std::min(index, handed));
    if (Leader* leader = as_leader()) {
        advance_commit(*leader);
        if (Leader* still = as_leader()) order_takeover(*still);
    } else if (Follower* follower = as_follower(); follower != nullptr && follower->leader) {
        const bool more = std::min(durable, follower->confirmed) > follower->reported;
        if (more && !follower->differs) {
            acknowledge(*follower, follower->round);
        }
        lift_vote_barrier();
    }
}

void Core::State::applied_up_to(Index index) {
    applied = std::max(applied, std::min(index, delivered));
    evict();
}

// What the owner has not been given to write stays, even if a snapshot has overtaken it.
void Core::State::evict() {
    log.evict(std::min(applied, handed), options.cache_bytes_max);
}

void Core::State::compacted(const SnapshotPoint& point) {
    if (point.index <= log.point().index || point.index > handed) return;
    QUORLITE_CHECK(point.index <= delivered);
    QUORLITE_CHECK(log.term_at(point.index) == point.term);
    // The databases stand for the log up to the point, whether or not its entries reached the disk.
    applied_up_to(point.index);
    durable = std::max(durable, point.index);
    log.compact(point.index);
    chain.compact(point.index);
}

void Core::State::commit_to(Index index) {
    commit = std::max(commit, index);
}

// From a leader whose history is another nothing is taken, also not that this is committed.
std::vector<Entry> Core::State::deliver_up_to(Index index) {
    if (index <= delivered) return {};
    std::vector<Entry> entries = log.slice(delivered.next(), index, SIZE_MAX);
    Follower* follower = as_follower();
    for (const Entry& entry : entries) {
        chain.add(entry);
        delivered = entry.index;
        const bool awaited =
            follower != nullptr && follower->expected && follower->expected->index <= delivered;
        if (awaited) compare(*follower, *std::exchange(follower->expected, std::nullopt));
    }
    return entries;
}

SnapshotPoint Core::State::point_up_to(Index limit) const {
    const std::optional<LogHash> hash = chain.at_or_before(limit);
    const bool retained = hash && hash->index >= log.point().index;
    const Index index = retained ? hash->index : limit;
    const std::optional<Term> term = log.term_at(index);
    QUORLITE_CHECK(term && index <= delivered);
    return {index, *term, log.configuration_at(index), retained ? hash : std::nullopt};
}

void Core::State::truncate_log(Index from) {
    log.truncate_from(from);
    durable = std::min(durable, from.previous());
    if (from > handed) return;
    handed = from.previous();
    output.truncate_from = std::min(output.truncate_from.value_or(from), from);
}

void Core::State::reset_log(const SnapshotPoint& point) {
    SnapshotPoint kept = point;
    if (mutant(Mutant::kSnapshotForgetsConfiguration)) kept.configuration = log.configuration();
    log.reset(std::move(kept));
    commit = delivered = applied = handed = durable = point.index;
    chain.begin(point);
    output.truncate_from = point.index.next();
}

Index Core::State::append_own(EntryKind kind, SharedBytes payload) {
    log.append({hard.term, log.last_index().next(), kind, std::move(payload)});
    return log.last_index();
}

void Core::State::send(NodeId to, Message message) {
    output.messages.push_back({options.self, to, std::move(message)});
}

Ready Core::State::take_ready() {
    if (Leader* leader = as_leader()) {
        for (Peer& peer : leader->tracker.peers()) fill(*leader, peer);
        if (!mutant(Mutant::kReadRoundReused)) leader->open_round = 0;
    }
    if (hard_dirty) output.hard_state = hard;
    if (hard_dirty && mutant(Mutant::kVoteNotDurable)) output.hard_state->vote = NodeId();
    hard_dirty = false;
    if (handed < log.last_index()) {
        output.append = log.slice(handed.next(), log.last_index(), SIZE_MAX);
        handed = log.last_index();
    }
    const Index deliverable = mutant(Mutant::kApplyBeforeCommit) ? log.last_index() : commit;
    if (as_follower() == nullptr || !as_follower()->differs) {
        output.committed = deliver_up_to(deliverable);
    }
    // Nobody can say any more how this log began.
    if (!chain.head() && serving()) chain.begin({delivered, delivered, hard.term.value()});
    output.role_changed = role_name() != reported_role || hard.term != reported_term ||
                          known_leader() != reported_leader;
    reported_role = role_name();
    reported_term = hard.term;
    reported_leader = known_leader();
    evict();
    if (receipts_of != log.configuration_index() && log.configuration_index() <= commit) {
        forget_receipts();
    }
    return std::exchange(output, Ready{});
}

}  // namespace quorlite::raft
