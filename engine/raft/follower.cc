// What a leader sends: entries and snapshots (thesis sections 3.5 and 5).

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/raft/state.h"

namespace quorlite::raft {
namespace {

constexpr int kDistrust = 8;  // election timeouts

}  // namespace

// Takes the sender as the leader of this term. False if it cannot be: somebody else leads it. One
// with another history is owed no vote.
bool Core::State::follow(NodeId from, std::uint64_t round, const std::optional<LogHash>& hash) {
    if (as_leader() != nullptr) return false;
    const Follower* known = as_follower();
    if (known != nullptr && known->leader && known->leader != from) return false;
    if (known == nullptr || !known->leader) become_follower(hard.term, from);
    Follower& follower = *as_follower();
    follower.round = std::max(follower.round, round);
    if (hash) compare(follower, *hash);
    if (mutant(Mutant::kRefusalIsNoContact)) return true;
    follower.differs ? draw_election_deadline() : heard_leader(from);
    return true;
}

// A peer's bytes may decode and still be nonsense; the log takes only what keeps its invariants.
bool Core::State::well_formed(const AppendRequest& request) const {
    Index index = request.previous_index;
    Term term = request.previous_term;
    // What is in force before the entries, if that is known here.
    std::optional<Configuration> before;
    if (log.term_at(index) == term) before = log.configuration_at(index);
    for (const Entry& entry : request.entries) {
        index = index.next();
        const bool follows = entry.index == index && entry.term >= term;
        if (!follows && !mutant(Mutant::kOrderUnchecked)) return false;
        if (entry.term > request.term) return false;
        if (entry.payload == nullptr || entry.size() > limits::kLogEntryBytesMax) return false;
        if (entry.kind == EntryKind::kNoOp && entry.size() != 0) return false;
        if (entry.kind == EntryKind::kConfiguration) {
            std::optional<Configuration> after = decode_configuration(*entry.payload);
            const bool sound = after && after->voter_count() > 0;
            if (!sound && !mutant(Mutant::kMembershipUnchecked)) return false;
            if (!sound) continue;
            const bool first = !before || before->servers.empty();
            if (!first && !is_one_change(*before, *after)) return false;
            before = std::move(after);
        }
        term = entry.term;
    }
    return term <= request.term;
}

void Core::State::on(NodeId from, AppendRequest& request) {
    if (!well_formed(request) || !follow(from, request.round, request.hash)) return;
    Follower& follower = *as_follower();
    if (const std::optional<Index> where = contradiction(request)) return report_conflict(*where);
    if (follower.differs) return report_difference(request.agreed);
    meet_leader(follower, request.last_index, request.to_voter);
    take_receipts(request);
    follower.trusted = request.trusted;
    const Index last_before = log.last_index();
    if (!accept_entries(follower, request)) return;
    const Index known = mutant(Mutant::kCommitBeyondMatch) ? log.last_index() : follower.confirmed;
    commit_to(std::min(request.commit, known));
    lift_vote_barrier();
    // New entries are acknowledged when they are durable; all else is answered at once.
    if (log.last_index() == last_before) acknowledge(follower, request.round);
}

// Brings the log into agreement with the message. False if it was refused, or must be ignored.
bool Core::State::accept_entries(Follower& follower, AppendRequest& request) {
    std::vector<Entry>& entries = request.entries;
    auto next = entries.begin();
    if (request.previous_index < log.point().index) {
        // Up to the point everything is committed, so it is equal without looking.
        const std::uint64_t behind = log.point().index.value() - request.previous_index.value();
        next += static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(behind, entries.size()));
    } else {
        const std::optional<Term> term = log.term_at(request.previous_index);
        const bool equal =
            mutant(Mutant::kAppendWithoutCheck) ? term.has_value() : term == request.previous_term;
        if (!equal) {
            reject(request.round, agreement_hint(request));
            return false;
        }
        follower.confirmed = std::max(follower.confirmed, request.previous_index);
    }
    while (next != entries.end() && log.term_at(next->index) == next->term) ++next;
    if (next != entries.begin()) {
        follower.confirmed = std::max(follower.confirmed, std::prev(next)->index);
    }
    if (mutant(Mutant::kTruncateWithoutConflict) && next == entries.end() && !entries.empty() &&
        entries.back().index < log.last_index() && entries.back().index > log.point().index) {
        truncate_log(entries.back().index.next());
    }
    if (next == entries.end()) return true;
    if (next->index <= follower.confirmed) return false;  // no leader contradicts itself
    if (next->index <= log.last_index()) truncate_log(next->index);
    // An owner that cannot keep up with applying gets no more. The leader's next heartbeat finds
    // the gap.
    if (log.bytes_between(applied, commit) > options.unapplied_bytes_max) return true;
    for (; next != entries.end(); ++next) log.append(std::move(*next));
    follower.confirmed = std::max(follower.confirmed, log.last_index());
    return true;
}

// No leader can contradict what is committed: if one does, a majority of the disks is not what it
// was when that was acknowledged. It is not followed any further, and nothing is cut.
std::optional<Index> Core::State::contradiction(const AppendRequest& request) const {
    const auto differs = [this](Index index, Term term) {
        return index <= commit && index >= log.point().index && log.term_at(index) != term;
    };
    if (differs(request.previous_index, request.previous_term)) return request.previous_index;
    for (const Entry& entry : request.entries) {
        if (differs(entry.index, entry.term)) return entry.index;
    }
    return std::nullopt;
}

void Core::State::report_conflict(Index index) {
    output.conflict = {.leader = known_leader(), .term = hard.term, .index = index};
}

// Which of the two is the odd one out the others decide: those that have the leader's history say
// so. Its log may be the longest, of entries that nobody took; it gets no vote for a while, or
// it would lead again and again.
void Core::State::report_difference(Index agreed) {
    const Follower& follower = *as_follower();
    distrusted = {.leader = follower.leader, .until = now + options.election_timeout * kDistrust};
    report_conflict(follower.differs);
    output.conflict->by_hash = true;
    output.conflict->outvoted = agreed >= follower.differs;
}

// Now, or when this node is as far. A follower that acknowledged a message before it could tell has
// acknowledged one too many, and no more.
void Core::State::compare(Follower& follower, const LogHash& theirs) {
    if (follower.differs) return;
    if (theirs.index > delivered) {
        const bool sooner = !follower.expected || theirs.index < follower.expected->index;
        if (sooner) follower.expected = theirs;
        return;
    }
    const std::optional<LogHash> ours = chain.at(theirs.index);
    if (ours && ours->origin == theirs.origin) {
        const bool same = ours->value == theirs.value || mutant(Mutant::kHashesIgnored);
        Index& found = same ? follower.agrees : follower.differs;
        found = std::max(found, theirs.index);
    } else if (theirs.index == delivered) {
        chain.begin(theirs);
    }
}

// The largest index at which the logs may still agree. Entries of a later term than the leader's at
// its previous index cannot be the leader's, so whole terms are skipped (the optimisation of
// section 3.5).
Index Core::State::agreement_hint(const AppendRequest& request) const {
    Index hint = std::min(request.previous_index.previous(), log.last_index());
    while (hint > commit && *log.term_at(hint) > request.previous_term) {
        hint = log.run_start(hint).previous();
    }
    return std::max(hint, commit);
}

void Core::State::acknowledge(Follower& follower, std::uint64_t round) {
    const bool early = mutant(Mutant::kAckBeforeDurable);
    Index match = early ? follower.confirmed : std::min(durable, follower.confirmed);
    if (mutant(Mutant::kRefusalIsNoContact)) heard_leader(follower.leader);
    if (mutant(Mutant::kMatchFrozen) && follower.reported) match = follower.reported;
    follower.reported = std::max(follower.reported, match);
    AppendReply reply = answer(round, true, match);
    reply.agrees = follower.agrees;
    send(follower.leader, reply);
}

void Core::State::reject(std::uint64_t round, Index hint) {
    send(known_leader(), answer(round, false, hint));
}

AppendReply Core::State::answer(std::uint64_t round, bool success, Index match) const {
    return {.term = hard.term,
            .round = round,
            .success = success,
            .match = match,
            .applied = applied,
            .promise = promise(),
            .full = disk_full,
            .forgot = hard.forgot};
}

// Only entries from a leader restore what the damaged log lost: this node's own claims do not
// count.
void Core::State::lift_vote_barrier() {
    const Follower* follower = as_follower();
    if (!hard.vote_barrier || follower == nullptr || !follower->leader) return;
    if (std::min(durable, follower->confirmed) < hard.vote_barrier) return;
    if (hard.forgot && !follower->trusted) return;
    hard.vote_barrier = Index();
    hard.forgot = false;
    hard_dirty = true;
}

void Core::State::raise_vote_barrier(Index index) {
    if (index <= hard.vote_barrier) return;
    hard.vote_barrier = index;
    hard_dirty = true;
}

void Core::State::admit_loss(Index index) {
    hard_dirty = hard_dirty || !hard.forgot;
    hard.forgot = true;
    raise_vote_barrier(std::max(index, Index(1)));
}

// A voter without any memory has had its disk replaced: nobody becomes one before it has a log. All
// that it acknowledged and that was committed is in the log of whoever is elected; what is not
// committed may never come, so the barrier is where the newest leader's log ended.
void Core::State::meet_leader(Follower& follower, Index last_index, bool to_voter) {
    leaders_last = last_index;
    const bool blank = log.configuration().servers.empty() && !log.last_index();
    if (blank && to_voter && !mutant(Mutant::kEmptyDiskVotes)) admit_loss(last_index);
    if (!std::exchange(follower.met, true) && hard.forgot && last_index) {
        hard.vote_barrier = last_index;
        hard_dirty = true;
    }
}

void Core::State::take_receipts(const AppendRequest& request) {
    for (const auto& [voter, upto] : request.receipts) {
        if (upto.index > request.commit || upto.term > request.term) continue;
        if (log.configuration().find(voter) == nullptr) continue;
        LogEnd& known = receipts[voter];
        if (upto.index > known.index) known = upto;
        const bool kept = known.index < log.first_index() || log.term_at(known.index) == known.term;
        if (voter == options.self && !kept && !mutant(Mutant::kReceiptsIgnored)) {
            admit_loss(known.index);
        }
    }
}

// --- snapshots ---

void Core::State::on(NodeId from, SnapshotRequest& request) {
    const SnapshotPoint& point = request.point;
    if (!point.index || point.term > request.term) return;
    if (!follow(from, request.round, point.hash)) return;
    Follower& follower = *as_follower();
    const std::optional<Term> here = log.term_at(point.index);
    const bool contradicts = point.index <= commit && here && here != point.term &&
                             !mutant(Mutant::kSnapshotConflictIgnored);
    if (contradicts) return report_conflict(point.index);
    if (follower.differs) return report_difference({});
    meet_leader(follower, request.last_index, request.to_voter);
    const bool contained = here == point.term;
    if (contained) {
        commit_to(point.index);
        follower.confirmed = std::max(follower.confirmed, point.index);
        lift_vote_barrier();
    }
    const bool needless = contained || point.index <= commit;
    const bool new_offer = !installing || installing->leader_term < hard.term ||
                           installing->index < point.index || mutant(Mutant::kInstallBegunTwice);
    if ((!needless || mutant(Mutant::kSnapshotGoesBack)) && new_offer) {
        installing = {.leader_term = hard.term, .index = point.index, .term = point.term};
        output.install = request;
    }
    send(from, SnapshotReply{.term = hard.term,
                             .round = request.round,
                             .index = point.index,
                             .installed = (needless && durable >= point.index) ||
                                          mutant(Mutant::kOfferTakenForInstalled),
                             .promise = promise(),
                             .forgot = hard.forgot});
}

void Core::State::snapshot_installed(const SnapshotPoint& point) {
    if (installing && installing->index <= point.index) installing.reset();
    const bool newer = point.index > delivered || mutant(Mutant::kSnapshotGoesBack);
    const std::optional<Term> here = log.term_at(point.index);
    if (newer && (here == point.term || (here && mutant(Mutant::kSnapshotKeepsConflict)))) {
        commit_to(point.index);
        delivered = point.index;
        chain.begin(point);  // the databases come from there, not from this log
        applied_up_to(point.index);
        durable = std::max(durable, point.index);
    } else if (newer && as_leader() == nullptr) {
        reset_log(point);
    }
    Follower* follower = as_follower();
    if (follower == nullptr || !follower->leader || follower->differs) return;
    follower->confirmed = std::max(follower->confirmed, commit);
    lift_vote_barrier();
    send(follower->leader, SnapshotReply{.term = hard.term,
                                         .round = follower->round,
                                         .index = point.index,
                                         .installed = durable >= point.index,
                                         .promise = promise(),
                                         .forgot = hard.forgot});
}

}  // namespace quorlite::raft
