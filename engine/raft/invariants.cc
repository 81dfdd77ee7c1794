#include "engine/raft/invariants.h"

#include "engine/raft/state.h"

namespace quorlite::raft {

std::optional<std::string> Invariants::check(const Core& core) {
    const Core::State& state = *core.state_;
    check_log(state);
    check_role(state);
    check_bounds(state);
    if (before_) check_change(state);
    remember(state);
    return std::exchange(broken_, std::nullopt);
}

void Invariants::expect(bool holds, const char* property) {
    if (!holds && !broken_) broken_ = property;
}

void Invariants::check_log(const Core::State& state) {
    const Log& log = state.log;
    expect(log.point().index <= state.applied, "the log is compacted only as far as it is applied");
    expect(state.applied <= state.delivered, "only what was delivered is applied");
    expect(state.delivered <= state.commit, "only what is committed is delivered");
    expect(!state.chain.head() || state.chain.head()->index == state.delivered,
           "the hash is of what was delivered");
    expect(state.commit <= log.last_index(), "what is committed is in the log");
    expect(state.handed <= log.last_index(), "what was handed over is in the log");
    expect(state.durable <= log.last_index(), "what is durable is in the log");
    expect(log.last_term() <= state.hard.term, "no entry is of a later term than the node");
    expect(log.cached_from() <= state.applied.next(), "what is not applied is in memory");
    expect(log.configuration_index() <= log.last_index(), "the configuration is in the log");
    Term term = log.last_term();
    Index index = log.last_index();
    for (int runs = 0; runs < 4 && index > log.point().index; ++runs) {
        expect(*log.term_at(index) <= term, "terms never decrease along the log");
        term = *log.term_at(index);
        index = log.run_start(index).previous();
    }
}

void Invariants::check_role(const Core::State& state) {
    const NodeId self = state.options.self;
    if (const auto* follower = std::get_if<Follower>(&state.role)) {
        expect(follower->leader != self, "no node follows itself");
        expect(follower->confirmed <= state.log.last_index(), "what a leader confirmed is there");
        expect(follower->reported <= follower->confirmed || !follower->leader,
               "only what the leader's log has is acknowledged to it");
    } else if (state.as_leader() != nullptr) {
        check_leader(state);
    } else {
        expect(!state.hard.vote_barrier, "a node with a damaged log does not campaign");
    }
    if (std::holds_alternative<Candidate>(state.role)) {
        expect(state.hard.vote == self, "a candidate voted for itself");
    }
}

void Invariants::check_leader(const Core::State& state) {
    const Leader& leader = *state.as_leader();
    const Log& log = state.log;
    expect(state.hard.vote == state.options.self, "a leader voted for itself");
    expect(log.last_term() == state.hard.term, "a leader's log ends with its own term");
    expect(log.term_at(leader.no_op).value_or(state.hard.term) == state.hard.term,
           "the no-op is of the leader's term");
    std::size_t tracked = 0;
    for (const Server& server : log.configuration().servers) {
        if (server.id == state.options.self || server.role == Role::kSpare) continue;
        ++tracked;
        const Peer* peer = leader.tracker.find(server.id);
        expect(peer != nullptr && !peer->leaving, "who gets the log is tracked");
    }
    std::size_t leaving = 0;
    for (const Peer& peer : leader.tracker.peers()) leaving += peer.leaving ? 1 : 0;
    expect(leader.tracker.peers().size() == tracked + leaving, "only who gets the log is tracked");
    expect(leaving == 0 || log.configuration_index() > state.commit,
           "who left is not tracked any more");
    for (const Peer& peer : leader.tracker.peers()) {
        expect(peer.match < peer.next, "what is acknowledged is not sent again");
        expect(peer.next <= log.last_index().next(), "nothing is sent that is not in the log");
        expect(peer.acked_round <= leader.round, "no round is answered before it starts");
        expect(peer.state == PeerState::kReplicate || peer.in_flight.empty(),
               "only while replicating are entries in flight");
    }
    expect(leader.confirmed_round <= leader.round, "no round is confirmed before it starts");
    expect(!leader.transfer || log.configuration().is_voter(leader.transfer->to),
           "leadership goes to a voter");
    expect(log.configuration_at(state.commit) == log.configuration() ||
               log.configuration_index() > state.commit,
           "a configuration that is not in force yet is not committed");
}

void Invariants::check_bounds(const Core::State& state) {
    const Options& options = state.options;
    expect(state.role.index() != 3 || state.as_leader()->rounds.size() <= 1024,
           "the rounds remembered are bounded");
    if (const Leader* leader = state.as_leader()) {
        for (const Peer& peer : leader->tracker.peers()) {
            // One message more than the window, and one entry more than a message.
            std::size_t largest = 0;
            if (!peer.in_flight.empty()) largest = peer.in_flight.back().bytes;
            expect(peer.in_flight_bytes <= options.window_bytes_max + largest,
                   "what is in flight to a peer is bounded");
        }
    }
    if (state.handed == state.log.last_index()) {
        expect(state.log.cached_bytes() <= options.cache_bytes_max ||
                   state.log.cached_from() > state.applied,
               "what is applied and kept for peers is bounded");
    }
}

void Invariants::check_change(const Core::State& state) {
    const Before& before = *before_;
    const Log& log = state.log;
    const bool same_term = state.hard.term == before.hard.term;
    expect(state.hard.term >= before.hard.term, "the term never goes back");
    expect(!same_term || !before.hard.vote || state.hard.vote == before.hard.vote,
           "one vote per term");
    expect(state.commit >= before.commit, "the commit index never goes back");
    expect(state.delivered >= before.delivered, "each entry is delivered once");
    expect(state.applied >= before.applied, "the applied index never goes back");
    expect(log.point().index >= before.point, "the snapshot point never goes back");
    expect(state.durable >= before.durable || log.term_at(before.durable) != before.durable_term,
           "what is durable stays until a new leader's log cuts it");
    expect(!state.hard.vote_barrier || state.hard.vote_barrier >= before.vote_barrier ||
               state.hard.forgot,
           "a damaged log's vote barrier is lifted or raised, never lowered");
    const std::optional<Term> commit_term = log.term_at(before.commit);
    expect(!commit_term || commit_term == before.commit_term, "what is committed stays");
    const NodeId leader = state.known_leader();
    expect(!same_term || !leader || !before.leader || leader == before.leader,
           "one leader per term");
    if (state.as_leader() == nullptr || before.role != RoleName::kLeader || !same_term) return;
    expect(log.last_index() >= before.last, "a leader only appends to its log");
    expect(!log.term_at(before.last) || log.term_at(before.last) == before.last_term,
           "a leader never overwrites its log");
    expect(state.commit == before.commit || log.term_at(state.commit) == state.hard.term,
           "a leader commits by counting entries of its own term");
}

void Invariants::remember(const Core::State& state) {
    const bool same_term = before_ && before_->hard.term == state.hard.term;
    const NodeId known = state.known_leader();
    const NodeId leader = known || !same_term ? known : before_->leader;
    before_ = Before{.hard = state.hard,
                     .role = state.role_name(),
                     .last = state.log.last_index(),
                     .commit = state.commit,
                     .delivered = state.delivered,
                     .applied = state.applied,
                     .durable = state.durable,
                     .point = state.log.point().index,
                     .vote_barrier = state.hard.vote_barrier,
                     .last_term = state.log.term_at(state.log.last_index()),
                     .durable_term = state.log.term_at(state.durable),
                     .commit_term = state.log.term_at(state.commit),
                     .leader = leader};
}

}  // namespace quorlite::raft
