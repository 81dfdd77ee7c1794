// Who leads: terms, votes, stickiness (thesis sections 3.4, 4.2.3, 9.6).

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/raft/state.h"

namespace quorlite::raft {
namespace {

void note(std::vector<NodeId>& nodes, NodeId node) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
}

}  // namespace

// A server that its newest configuration no longer counts still campaigns while that is not known
// to be committed: it may be the only one whose log can win (section 4.2.2).
bool Core::State::may_campaign() const {
    if (hard.vote_barrier && !mutant(Mutant::kVoteBarrierIgnored)) return false;
    if (is_voter() || mutant(Mutant::kDemotedVoterGivesUp)) return is_voter();
    const Index newest = log.configuration_index();
    return newest > commit && log.configuration_at(newest.previous()).is_voter(options.self);
}

// A voter that heard from a leader keeps its vote for as long as that leader may rely on it: lease
// reads rest on this (section 6.4.1), and so does the peace of a cluster with a disturbed member
// (4.2.3).
bool Core::State::owes_vote_to_leader() const {
    if (mutant(Mutant::kVoterIgnoresStickiness)) return false;
    if (std::holds_alternative<Leader>(role) || now < promised_until) return true;
    if (!contact.promised) return false;
    const Duration owed = contact.gone ? options.election_timeout / 2 : options.election_timeout;
    return now < contact.at + owed;
}

void Core::State::draw_election_deadline() {
    election_deadline = std::max(
        promised_until, now + options.election_timeout + random_up_to(options.election_timeout));
}

void Core::State::become_follower(Term term, NodeId leader) {
    QUORLITE_CHECK(term >= hard.term);
    if (term > hard.term) {
        hard.term = term;
        hard.vote = NodeId();
        hard_dirty = true;
    }
    if (leader != known_leader()) leaders_last = Index();
    if (std::holds_alternative<Leader>(role)) draw_election_deadline();
    output.reads.clear();
    output.snapshots.clear();
    // What is committed is in the log of every leader that comes after (leader
    // completeness, 3.6.3).
    role = Follower{.leader = leader, .confirmed = commit, .reported = Index()};
}

void Core::State::heard_leader(NodeId leader) {
    contact = {.promised = true, .leader = leader, .at = now, .gone = false};
    draw_election_deadline();
}

// What a stranger can say without being caught is believed only where it can do no harm. A leader
// that this node does not know may have joined since; nobody needs it while a known one is heard.
// And no election is asked for in earnest by who was never a voter here.
bool Core::State::is_believable(NodeId from, const Message& message) const {
    const Term term = std::visit([](const auto& content) { return content.term; }, message);
    const std::uint64_t most = std::min(kTermMax, hard.term.value() + kTermStepMax);
    if (term.value() > most && !mutant(Mutant::kTermUnbounded)) return false;
    const Configuration& configuration = log.configuration();
    if (configuration.servers.empty() || configuration.find(from) != nullptr) return true;
    const bool leads = std::holds_alternative<AppendRequest>(message) ||
                       std::holds_alternative<SnapshotRequest>(message);
    const auto* vote = std::get_if<VoteRequest>(&message);
    if (leads) return from == known_leader() || !owes_vote_to_leader();
    return vote == nullptr || !vote->transfer || !owes_vote_to_leader();
}

// Brings this node to the message's term if that is later. False: the message goes no further.
bool Core::State::accept_term(NodeId from, const Message& message) {
    if (const auto* request = std::get_if<VoteRequest>(&message)) {
        if (request->pre_vote || request->term <= hard.term) return true;
        if (owes_vote_to_leader() && !request->transfer) return false;
        become_follower(request->term, NodeId());
        return true;
    }
    const auto* reply = std::get_if<VoteReply>(&message);
    if (reply != nullptr && reply->pre_vote && reply->granted) return true;

    const Term term = std::visit([](const auto& content) { return content.term; }, message);
    const bool from_leader = std::holds_alternative<AppendRequest>(message) ||
                             std::holds_alternative<SnapshotRequest>(message);
    if (term == hard.term) return true;
    if (term < hard.term) {
        // The deposed leader learns of the new term. Or it leads that one, too, and its message is
        // late.
        if (from_leader) send(from, answer(0, false, Index()));
        return false;
    }
    if (std::holds_alternative<TimeoutNow>(message)) return false;
    // A leader that was elected is one, known or not; anyone else must be a member to unseat ours.
    if (!from_leader && log.configuration().find(from) == nullptr) return false;
    become_follower(term, from_leader ? from : NodeId());
    return from_leader;
}

// --- asking ---

void Core::State::start_pre_vote() {
    if (is_only_voter()) return campaign(false);
    role = PreCandidate{.ballot = {{options.self}, {}}, .ask_again = now};
    ask_votes();
}

void Core::State::campaign(bool by_transfer) {
    QUORLITE_CHECK(may_campaign());
    hard.term = hard.term.next();
    hard.vote = options.self;
    hard_dirty = true;
    leaders_last = Index();
    role = Candidate{.ballot = {{options.self}, {}}, .ask_again = now, .transfer = by_transfer};
    draw_election_deadline();
    ask_votes();
    count_votes();
}

// Asks every voter that has not granted yet. Repeated: a message may be lost, and a pre-vote that
// was refused because the voter had just heard the old leader is granted a little later.
void Core::State::ask_votes() {
    auto* pre = std::get_if<PreCandidate>(&role);
    auto* candidate = std::get_if<Candidate>(&role);
    QUORLITE_CHECK(pre != nullptr || candidate != nullptr);
    const VoteRequest request{.term = pre != nullptr ? hard.term.next() : hard.term,
                              .last_index = log.last_index(),
                              .last_term = log.last_term(),
                              .pre_vote = pre != nullptr,
                              .transfer = candidate != nullptr && candidate->transfer};
    const Ballot& ballot = pre != nullptr ? pre->ballot : candidate->ballot;
    for (const Server& server : log.configuration().servers) {
        const bool granted = std::find(ballot.granted.begin(), ballot.granted.end(), server.id) !=
                             ballot.granted.end();
        if (server.role == Role::kVoter && !granted) send(server.id, request);
    }
    (pre != nullptr ? pre->ask_again : candidate->ask_again) =
        now + options.heartbeat / 2 + random_up_to(options.heartbeat / 2);
}

void Core::State::count_votes() {
    const Configuration& configuration = log.configuration();
    const std::size_t quorum = quorum_of(configuration.voter_count());
    const auto voters_in = [&configuration](const std::vector<NodeId>& nodes) {
        return static_cast<std::size_t>(std::ranges::count_if(nodes, [&](NodeId node) {
            return configuration.is_voter(node) || mutant(Mutant::kStrangersVote);
        }));
    };
    if (const auto* pre = std::get_if<PreCandidate>(&role)) {
        if (voters_in(pre->ballot.granted) >= quorum) campaign(false);
    } else if (const auto* candidate = std::get_if<Candidate>(&role)) {
        if (voters_in(candidate->ballot.granted) >= quorum) {
            become_leader();
        } else if (voters_in(candidate->ballot.refused) > configuration.voter_count() - quorum) {
            // A split vote: try again soon, after a wait that tells the candidates apart.
            election_deadline =
                std::min(election_deadline, now + random_up_to(options.heartbeat * 4));
        }
    }
}

void Core::State::become_leader() {
    QUORLITE_CHECK(std::holds_alternative<Candidate>(role));
    Leader& leader = role.emplace<Leader>();
    leader.tracker.configure(log.configuration(), options.self, log.last_index().next(), now);
    start_round(leader);
    // Earlier terms' entries are committed only together with one of this term (section 3.6.2).
    leader.no_op = append_own(EntryKind::kNoOp, std::make_shared<const Bytes>());
}

// --- answering ---

bool Core::State::log_is_current(const VoteRequest& request) const {
    if (mutant(Mutant::kVoteWithoutLogCheck)) return true;
    if (request.last_term != log.last_term()) return request.last_term > log.last_term();
    return request.last_index >= log.last_index();
}

void Core::State::on(NodeId from, VoteRequest& request) {
    // A node that was never told a configuration has no memory to vote from. Whether it is a voter
    // in the configuration it knows does not matter: the candidate's may be newer (section 4.2.1).
    bool grant =
        log_is_current(request) && !log.configuration().servers.empty() &&
        (!hard.vote_barrier || mutant(Mutant::kVoteBarrierIgnored)) &&
        (!owes_vote_to_leader() || request.transfer) &&
        (from != distrusted.leader || now >= distrusted.until) &&
        (log.configuration().is_voter(from) || !mutant(Mutant::kUnknownCandidateRefused)) &&
        has_kept_its_log(from, {request.last_term, request.last_index});
    if (request.pre_vote) {
        grant = grant && request.term > hard.term;
        send(from, VoteReply{.term = grant ? request.term : hard.term,
                             .pre_vote = true,
                             .granted = grant,
                             .log_end = log_end()});
        return;
    }
    const bool free = !hard.vote || hard.vote == from || mutant(Mutant::kVoteTwice);
    grant = grant && request.term == hard.term && free;
    if (grant && hard.vote != from) {
        hard.vote = from;
        hard_dirty = true;
        become_follower(hard.term, NodeId());
        draw_election_deadline();
    }
    send(from,
         VoteReply{.term = hard.term, .pre_vote = false, .granted = grant, .log_end = log_end()});
}

// Whether the voter still has what it is known to have acknowledged; see Receipt in types.h.
bool Core::State::has_kept_its_log(NodeId voter, LogEnd log_end) {
    const auto receipt = receipts.find(voter);
    if (receipt == receipts.end() || receipt->second <= log_end) return true;
    if (mutant(Mutant::kReceiptsIgnored)) return true;
    output.forgetful = {.voter = voter, .acknowledged = receipt->second, .log_end = log_end};
    return false;
}

void Core::State::on(NodeId from, VoteReply& reply) {
    if (reply.granted && reply.log_end && !has_kept_its_log(from, *reply.log_end)) {
        reply.granted = false;
    }
    if (auto* pre = std::get_if<PreCandidate>(&role); pre != nullptr && reply.pre_vote) {
        if (reply.granted && reply.term == hard.term.next()) note(pre->ballot.granted, from);
        count_votes();
    } else if (auto* candidate = std::get_if<Candidate>(&role);
               candidate != nullptr && !reply.pre_vote) {
        note(reply.granted ? candidate->ballot.granted : candidate->ballot.refused, from);
        count_votes();
    }
}

void Core::State::on(NodeId from, TimeoutNow&) {
    const Follower* follower = as_follower();
    const bool ordered = follower != nullptr && follower->leader == from;
    if (ordered && may_campaign()) campaign(true);
}

// --- time ---

// The leader's process ended, so its lease is all that must be waited for, not the silence of a
// whole election timeout. A little chance keeps the followers from campaigning all at once.
void Core::State::campaign_early() {
    const TimePoint due =
        std::max({now, promised_until, contact.at + options.election_timeout / 2});
    election_deadline = std::min(election_deadline, due + random_up_to(options.heartbeat));
}

void Core::State::peer_gone(NodeId peer) {
    if (Leader* leader = as_leader()) {
        if (Peer* known = leader->tracker.find(peer)) known->gone = true;
        return;
    }
    if (!contact.leader || contact.leader != peer || contact.gone) return;
    contact.gone = true;
    campaign_early();
}

void Core::State::tick_election() {
    if (!may_campaign()) {
        if (!std::holds_alternative<Follower>(role)) become_follower(hard.term, NodeId());
        return;
    }
    if (const auto* pre = std::get_if<PreCandidate>(&role)) {
        if (now >= pre->ask_again) ask_votes();
    } else if (now >= election_deadline) {
        start_pre_vote();
    } else if (const auto* candidate = std::get_if<Candidate>(&role)) {
        if (now >= candidate->ask_again) ask_votes();
    }
}

}  // namespace quorlite::raft
