// Leading: replication and commit (thesis sections 3.5, 3.6, 10.2.1), reads (6.4), transfer (3.10).

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/raft/state.h"
#include "wire/base/errors.h"

namespace quorlite::raft {
namespace {

// One value per voter: `own` for this node, what `of` finds in the peer for the others, nothing for
// those that have lost their memory.
template <class Value, class Of>
std::vector<Value> of_voters(const Configuration& configuration, NodeId self, Value own,
                             const Tracker& tracker, Of of) {
    std::vector<Value> values;
    values.reserve(configuration.servers.size());
    for (const Server& server : configuration.servers) {
        if (server.role != Role::kVoter) continue;
        const Peer* peer = tracker.find(server.id);
        QUORLITE_CHECK(server.id == self || peer != nullptr);
        const bool counts = server.id == self || !peer->forgot_at;
        values.push_back(server.id == self ? own : counts ? of(*peer) : Value{});
    }
    return values;
}

bool is_trusted(const Leader& leader, const Peer& peer) {
    return peer.forgot_at && leader.confirmed_round > *peer.forgot_at;
}

}  // namespace

// --- proposals ---

Result<Index> Core::State::propose(std::vector<SharedBytes> payloads) {
    QUORLITE_CHECK(!payloads.empty());
    if (as_leader() == nullptr) return not_leader();
    for (SharedBytes& payload : payloads) append_own(EntryKind::kCommand, std::move(payload));
    return log.last_index();
}

// --- sending ---

// Sends what the peer lacks, as far as its window allows. The leader's own disk is not waited for.
void Core::State::fill(Leader& leader, Peer& peer) {
    if (peer.state == PeerState::kProbe && !peer.probing) {
        next_round(leader);
        return send_heartbeat(leader, peer);
    }
    if (peer.state != PeerState::kReplicate) return;
    // Even with a full window: an acknowledgement that was lost could no longer be asked for again.
    const bool full = peer.in_flight_bytes >= options.window_bytes_max;
    if (full && mutant(Mutant::kFullWindowHidesCompaction)) return;
    if (peer.next < log.first_index()) return ask_snapshot(peer);
    while (peer.next <= log.last_index() && peer.in_flight_bytes < options.window_bytes_max) {
        if (peer.next < log.cached_from()) {
            if (!peer.reading) {
                output.reads.push_back({peer.id, peer.next, options.append_bytes_max});
            }
            peer.reading = true;
            return;
        }
        send_entries(leader, peer,
                     log.slice(peer.next, log.last_index(), options.append_bytes_max));
    }
}

void Core::State::send_entries(Leader& leader, Peer& peer, std::vector<Entry> entries) {
    QUORLITE_CHECK(!entries.empty() && entries.front().index == peer.next);
    std::size_t bytes = 0;
    for (const Entry& entry : entries) bytes += cost(entry);
    const Index previous = peer.next.previous();
    peer.sent_up_to(entries.back().index, bytes);
    send(peer.id, AppendRequest{.term = hard.term,
                                .previous_index = previous,
                                .previous_term = *log.term_at(previous),
                                .commit = commit,
                                .round = leader.round,
                                .entries = std::move(entries),
                                .last_index = log.last_index(),
                                .trusted = is_trusted(leader, peer),
                                .to_voter = log.configuration().is_voter(peer.id),
                                .hash = chain.head(),
                                .agreed = leader.agreed});
}

// Empty, so that it is answered at once. It asks about the entry before the next one, so a
// heartbeat also finds out that something got lost, and to a peer that is being probed it is the
// probe.
void Core::State::send_heartbeat(Leader& leader, Peer& peer) {
    if (peer.state == PeerState::kSnapshot && peer.offer) {
        send(peer.id, SnapshotRequest{.term = hard.term,
                                      .point = peer.offer->point,
                                      .round = leader.round,
                                      .manifest = peer.offer->manifest,
                                      .last_index = log.last_index(),
                                      .to_voter = log.configuration().is_voter(peer.id)});
        return;
    }
    if (peer.state == PeerState::kProbe) {
        peer.next = std::max(peer.next, log.first_index());
        if (!peer.probing) peer.since_round = leader.round;
        peer.probing = true;
    }
    const Index previous = peer.state == PeerState::kSnapshot
                               ? log.point().index
                               : std::max(peer.next.previous(), log.point().index);
    send(peer.id, AppendRequest{.term = hard.term,
                                .previous_index = previous,
                                .previous_term = *log.term_at(previous),
                                .commit = commit,
                                .round = leader.round,
                                .entries = {},
                                .last_index = log.last_index(),
                                .trusted = is_trusted(leader, peer),
                                .to_voter = log.configuration().is_voter(peer.id),
                                .receipts = receipts_of_voters(),
                                .hash = chain.head(),
                                .agreed = leader.agreed});
}

void Core::State::entries_loaded(NodeId id, std::vector<Entry> entries) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(id) : nullptr;
    if (peer == nullptr) return;
    peer->reading = false;
    // Read for an earlier question, or an earlier leadership: asked again if still needed.
    if (peer->state != PeerState::kReplicate || entries.empty()) return;
    if (entries.front().index != peer->next || peer->next < log.first_index()) return;
    for (const Entry& entry : entries) {
        if (log.term_at(entry.index) != entry.term) return;
    }
    send_entries(*leader, *peer, std::move(entries));
}

void Core::State::entries_unavailable(NodeId id) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(id) : nullptr;
    if (peer == nullptr) return;
    peer->reading = false;
    if (peer->state != PeerState::kReplicate) return;
    if (!mutant(Mutant::kUnreadableSkipped)) return ask_snapshot(*peer);
    peer->next = std::max(peer->next, log.cached_from());
}

void Core::State::ask_snapshot(Peer& peer) {
    peer.become_snapshot();
    output.snapshots.push_back(peer.id);
}

void Core::State::offer_snapshot(NodeId id, SnapshotPoint point, SharedBytes manifest) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(id) : nullptr;
    if (peer == nullptr || peer->state != PeerState::kSnapshot) return;
    QUORLITE_CHECK(point.index <= commit);
    peer->offer = {std::move(point), std::move(manifest)};
    send_heartbeat(*leader, *peer);
}

// The peer is probed again; if it still needs a snapshot, the owner is asked again.
void Core::State::snapshot_unavailable(NodeId id) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(id) : nullptr;
    if (peer == nullptr || peer->state != PeerState::kSnapshot) return;
    peer->become_probe(std::max(peer->match.next(), log.first_index()));
    peer->probing = true;  // with the next heartbeat, not at once
}

// --- answers ---

void Core::State::on(NodeId from, AppendReply& reply) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(from) : nullptr;
    if (peer == nullptr || reply.round > leader->round) return;
    if (reply.match > log.last_index() && !mutant(Mutant::kAcknowledgedBeyondLog)) return;
    if (reply.round >= peer->acked_round) peer->promise = reply.promise;
    peer->full = reply.full;
    note_memory(*leader, *peer, reply.forgot);
    peer->agreed = std::max(peer->agreed, reply.agrees);
    heard_peer(*leader, *peer, reply.round);
    peer->applied = std::max(peer->applied, reply.applied);
    if (reply.success) {
        on_match(*leader, *peer, reply.match, reply.round);
    } else if (reply.round >= peer->since_round) {
        on_reject(*peer, reply.match);
    }
}

// Before it lost its memory the peer may have helped to elect another leader. A majority without it
// that answers a later round has not, and so there is none.
void Core::State::note_memory(Leader& leader, Peer& peer, bool forgot) {
    if (!forgot) {
        peer.forgot_at.reset();
    } else if (!peer.forgot_at) {
        peer.forgot_at = leader.round;
        next_round(leader);
    }
}

void Core::State::heard_peer(Leader& leader, Peer& peer, std::uint64_t round) {
    peer.last_heard = now;
    peer.gone = false;
    if (round <= peer.acked_round) return;
    peer.acked_round = round;
    confirm_rounds(leader);
}

// The last thing done with an answer: a commit may end this leadership.
void Core::State::on_match(Leader& leader, Peer& peer, Index match, std::uint64_t round) {
    peer.acknowledged(match);
    const bool probed = peer.state == PeerState::kProbe && round >= peer.since_round;
    const bool caught_up = peer.state == PeerState::kSnapshot && peer.match >= log.point().index;
    if (probed || caught_up) {
        peer.become_replicate(probed ? peer.next : peer.match.next());
        next_round(leader);
        peer.since_round = leader.round;
    }
    measure_catch_up(leader, peer);
    advance_commit(leader);
    if (Leader* still = as_leader()) order_takeover(*still);
}

void Core::State::on_reject(Peer& peer, Index hint) {
    const bool snapshotting = peer.state == PeerState::kSnapshot;
    if (snapshotting ? hint < log.point().index : hint >= peer.next.previous()) return;
    // Less than it had acknowledged: it lost entries, and what it lacks counts for nothing.
    peer.match = std::min(peer.match, hint);
    const Index agreed = snapshotting ? hint : std::max(peer.backtrack(hint), peer.match);
    if (hint < log.point().index) return ask_snapshot(peer);
    peer.become_probe(std::max(agreed, log.point().index).next());
}

void Core::State::on(NodeId from, SnapshotReply& reply) {
    Leader* leader = as_leader();
    Peer* peer = leader != nullptr ? leader->tracker.find(from) : nullptr;
    if (peer == nullptr || reply.round > leader->round || reply.index > commit) return;
    if (reply.round >= peer->acked_round) peer->promise = reply.promise;
    note_memory(*leader, *peer, reply.forgot);
    heard_peer(*leader, *peer, reply.round);
    if (!reply.installed) return;
    // The log may have been compacted further while the peer installed.
    const bool outdated = peer->state == PeerState::kSnapshot && reply.index < log.point().index;
    if (outdated && peer->offer && peer->offer->point.index <= reply.index) ask_snapshot(*peer);
    on_match(*leader, *peer, reply.index, reply.round);
}

// --- commit ---

// Counts replicas only for entries of this leader's term (section 3.6.2); itself like anyone else,
// by what is durable, and only if it is a voter.
void Core::State::advance_commit(Leader& leader) {
    const Index own = mutant(Mutant::kLeaderCountsItselfEarly) ? log.last_index() : durable;
    std::vector<Index> matches = of_voters(log.configuration(), options.self, own, leader.tracker,
                                           [](const Peer& peer) { return peer.match; });
    if (mutant(Mutant::kStandbyCounted)) {
        std::sort(matches.begin(), matches.end());
        for (const Peer& peer : leader.tracker.peers()) {
            const bool counted = log.configuration().is_voter(peer.id) || matches.empty();
            if (!counted) matches.front() = std::max(matches.front(), peer.match);
        }
    }
    const Index reached = majority_of(matches);
    if (reached <= commit) return;
    if (log.term_at(reached) != hard.term && !mutant(Mutant::kCommitOlderTerm)) return;
    const bool configures = commit < log.configuration_index();
    commit_to(reached);
    if (configures && commit >= log.configuration_index()) configuration_committed();
}

bool Core::State::serving() const {
    const Leader* leader = as_leader();
    if (leader == nullptr) return false;
    return commit >= leader->no_op || mutant(Mutant::kServeBeforeBarrier);
}

// --- rounds and leases ---

void Core::State::next_round(Leader& leader) {
    ++leader.round;
    leader.rounds.push_back({leader.round, now});
    if (leader.rounds.size() > limits::kReadRoundsMax) leader.rounds.pop_front();
}

void Core::State::start_round(Leader& leader) {
    next_round(leader);
    leader.open_round = leader.round;
    leader.heartbeat_at = now + options.heartbeat;
    write_receipts(leader);
    for (Peer& peer : leader.tracker.peers()) send_heartbeat(leader, peer);
    confirm_rounds(leader);
}

void Core::State::confirm_rounds(Leader& leader) {
    std::vector<std::uint64_t> answered =
        of_voters(log.configuration(), options.self, leader.round, leader.tracker,
                  [](const Peer& peer) { return peer.acked_round; });
    leader.confirmed_round = std::max(leader.confirmed_round, majority_of(answered));
    std::vector<Index> agreed =
        of_voters(log.configuration(), options.self, delivered, leader.tracker,
                  [](const Peer& peer) { return peer.agreed; });
    leader.agreed = std::max(leader.agreed, majority_of(agreed));
    while (!leader.rounds.empty() && leader.rounds.front().number <= leader.confirmed_round) {
        leader.lease_start = leader.rounds.front().started;
        leader.rounds.pop_front();
    }
}

std::uint64_t Core::State::start_read_round() {
    Leader* leader = as_leader();
    if (leader == nullptr) return 0;
    if (leader->open_round == 0) start_round(*leader);
    return leader->open_round;
}

// Before its first entry is committed, a leader may not know of every commit (section 6.4, step 1).
std::uint64_t Core::State::confirmed_round() const {
    if (!serving()) return 0;
    return mutant(Mutant::kRoundConfirmedEarly) ? as_leader()->round : as_leader()->confirmed_round;
}

// Once the order to take over was sent, it may arrive at any time, and the voters will not defend
// this leader against its target. So the lease is given up for the rest of the term.
bool Core::State::lease_valid(TimePoint at) const {
    if (!serving()) return false;
    const Leader& leader = *as_leader();
    if (leader.lease_forfeited && !mutant(Mutant::kLeaseSurvivesTransfer)) return false;
    if (is_only_voter() || mutant(Mutant::kLeaseNeverEnds)) return true;
    return leader.lease_start && at < *leader.lease_start + lease_of(leader);
}

// Of voters that do not say what they promise it is assumed that they were started like this node.
Duration Core::State::lease_of(const Leader& leader) const {
    if (mutant(Mutant::kLeaseTooLong)) return options.election_timeout * 3;
    Duration least = promise();
    for (const Peer& peer : leader.tracker.peers()) {
        const bool says = peer.promise > Duration::zero() && !mutant(Mutant::kLeaseTrustsItself);
        if (says && log.configuration().is_voter(peer.id)) least = std::min(least, peer.promise);
    }
    return least / 2;
}

// --- receipts ---

void Core::State::write_receipts(const Leader& leader) {
    for (const Server& server : log.configuration().servers) {
        if (server.role != Role::kVoter) continue;
        const Peer* peer = leader.tracker.find(server.id);
        const Index index = std::min(server.id == options.self ? durable : peer->match, commit);
        LogEnd& known = receipts[server.id];
        const std::optional<Term> term = log.term_at(index);
        if (term && index > known.index) known = {*term, index};
    }
}

std::vector<Receipt> Core::State::receipts_of_voters() const {
    std::vector<Receipt> all;
    for (const auto& [voter, upto] : receipts) {
        if (log.configuration().is_voter(voter)) all.push_back({voter, upto});
    }
    return all;
}

// --- time ---

bool Core::State::heard_by_majority(const Leader& leader) const {
    std::vector<TimePoint> heard = of_voters(log.configuration(), options.self, now, leader.tracker,
                                             [](const Peer& peer) { return peer.last_heard; });
    return majority_of(heard) + options.election_timeout > now;
}

void Core::State::tick_leader(Leader& leader) {
    if (!heard_by_majority(leader)) return become_follower(hard.term, NodeId());  // section 6.2
    if (leader.transfer && now >= leader.transfer->deadline) leader.transfer.reset();
    if (now < leader.heartbeat_at) return;
    for (Peer& peer : leader.tracker.peers()) {
        const bool silent = peer.gone || peer.last_heard + options.election_timeout <= now;
        // Nothing is kept in flight for a peer that does not answer.
        if (silent && peer.state != PeerState::kProbe) {
            peer.become_probe(std::max(peer.match.next(), log.first_index()));
        }
    }
    start_round(leader);
    order_takeover(leader);
}

// --- transfer ---

NodeId Core::State::most_advanced_voter(const Leader& leader) const {
    const Peer* best = nullptr;
    for (const Peer& peer : leader.tracker.peers()) {
        if (!log.configuration().is_voter(peer.id)) continue;
        if (peer.forgot_at) continue;
        if (best == nullptr || peer.match > best->match) best = &peer;
    }
    return best != nullptr ? best->id : NodeId();
}

Status Core::State::transfer(NodeId to) {
    Leader* leader = as_leader();
    if (leader == nullptr || leader->transfer) return not_leader();
    if (!to) {
        to = most_advanced_voter(*leader);
        if (!to) return Error{code::kError, "Resource not found", Verdict::kNotCommitted};
    }
    if (to == options.self || !log.configuration().is_voter(to)) {
        return Error{code::kError, "server ID is not valid", Verdict::kNotCommitted};
    }
    leader->transfer = {.to = to, .deadline = now + options.election_timeout};
    order_takeover(*leader);
    return {};
}

// Orders the target to campaign as soon as it has the whole log, and again with every heartbeat.
// Not before all of that is committed: who waits for a write is to hear so from this leader.
void Core::State::order_takeover(Leader& leader) {
    const bool waits = commit != log.last_index();
    if (!leader.transfer || waits) return;
    const Peer* peer = leader.tracker.find(leader.transfer->to);
    if (peer == nullptr || peer->match != log.last_index()) return;
    leader.lease_forfeited = true;
    send(peer->id, TimeoutNow{.term = hard.term});
}

std::vector<Progress> Core::State::progress() const {
    std::vector<Progress> all;
    const Leader* leader = as_leader();
    if (leader == nullptr) return all;
    for (const Peer& peer : leader->tracker.peers()) {
        all.push_back({.id = peer.id,
                       .match = peer.match,
                       .next = peer.next,
                       .applied = peer.applied,
                       .active = !peer.gone && peer.last_heard + options.election_timeout > now,
                       .silent = now - peer.last_heard,
                       .snapshotting = peer.state == PeerState::kSnapshot,
                       .full = peer.full,
                       .in_flight_bytes = peer.in_flight_bytes});
    }
    return all;
}

}  // namespace quorlite::raft
