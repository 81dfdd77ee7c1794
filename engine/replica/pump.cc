// The pump: carries out what raft says, in the order that raft.h demands; what it means to begin
// and to end leading; and time.

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"
#include "wire/base/errors.h"

namespace quorlite::replica {
namespace {

constexpr Duration kTickMax = std::chrono::milliseconds(100);
constexpr Duration kTickMin = std::chrono::milliseconds(1);
constexpr int kContradictionTimeouts = 4;  // election timeouts
constexpr int kContradictionsMin = 3;
constexpr Duration kRepeatInterval = std::chrono::minutes(1);  // of a warning

Error no_quorum(Duration waited) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
    return {code::kLeadershipLost,
            "no majority of the voters answered within " + std::to_string(ms) +
                " ms: the outcome is unknown; check that the other nodes run and are reachable",
            Verdict::kInDoubt};
}

std::string node(NodeId id) {
    return "node " + std::to_string(id.value());
}

Event contradiction_event(NodeId self, const raft::Conflict& conflict) {
    if (!conflict.by_hash) return event::LogContradicted{conflict.leader, conflict.index};
    return event::HistoryDiffers{self, conflict.leader, conflict.index};
}

std::string divergence_line(NodeId self, const raft::Conflict& conflict, Index committed) {
    if (!conflict.by_hash) {
        return "this node holds acknowledged transactions, up to index " +
               std::to_string(committed.value()) + ", that the cluster led by " +
               node(conflict.leader) +
               " does not have: the disks of a majority were lost, or put back to older copies. "
               "Keep this directory, for it may be the only copy of them; to go on without them "
               "remove this node from the cluster and let it join again with an empty directory";
    }
    return "this node, " + node(self) + ", holds another history than the cluster led by " +
           node(conflict.leader) + ": what is committed differs at log index " +
           std::to_string(conflict.index.value()) +
           ", or before. An entry was altered on one of the nodes, or the disks of a majority were "
           "put back to older copies. Keep this directory, for it may be the only copy of "
           "acknowledged transactions; to go on without it remove this node from the cluster and "
           "let it join again with an empty directory";
}

}  // namespace

void Replica::State::schedule_pump() {
    if (pump_scheduled) return;
    pump_scheduled = true;
    seams.executor.post(lifetime.guard([this] { pump(); }));
}

void Replica::State::pump() {
    pump_scheduled = false;
    for (raft::Ready output = core->take_ready(); !output.empty(); output = core->take_ready()) {
        carry_out(std::move(output));
    }
    serving = is_leading() && core->serving() && unapplied.empty();
    release();
}

void Replica::State::carry_out(raft::Ready output) {
    if (output.hard_state && !mutant(Mutant::kTermNotSaved)) {
        if (const Status saved = records->save(*output.hard_state); !saved.ok()) {
            fatal("the term and vote cannot be saved: " + saved.error().message);
        }
    }
    if (output.truncate_from) log->truncate(*output.truncate_from);
    if (!output.append.empty()) {
        const Index last = output.append.back().index;
        const Term term = output.append.back().term;
        log->append(std::move(output.append));
        if (mutant(Mutant::kFollowerAcksEarly)) core->durable(last, term);
    }
    for (raft::Envelope& envelope : output.messages) send(std::move(envelope));
    if (!output.committed.empty()) apply(std::move(output.committed));
    if (output.role_changed) role_changed();
    for (const raft::LogRead& read : output.reads) read_log(read);
    for (const NodeId peer : output.snapshots) offer_snapshot(peer);
    if (output.install) install(std::move(*output.install));
    if (output.conflict) on(*output.conflict);
    if (output.forgetful) on(*output.forgetful);
}

// One message might be anybody's. A leader repeats itself.
void Replica::State::on(const raft::Conflict& conflict) {
    const bool same =
        contradiction.leader == conflict.leader && contradiction.term == conflict.term;
    if (!same) {
        contradiction = {.leader = conflict.leader, .term = conflict.term, .since = now()};
    }
    ++contradiction.count;
    if (!contradiction_said || now() - *contradiction_said >= kRepeatInterval) {
        contradiction_said = now();
        seams.events.record(contradiction_event(identity.id, conflict));
    }
    const Duration patience = options.election_timeout * kContradictionTimeouts;
    if (contradiction.count < kContradictionsMin || now() - contradiction.since < patience) return;
    if (!callbacks.diverged || (conflict.by_hash && !conflict.outvoted)) return;
    const auto diverged = std::exchange(callbacks.diverged, nullptr);
    diverged(divergence_line(identity.id, conflict, core->commit_index()));
}

void Replica::State::on(const raft::Forgetful& forgetful) {
    const auto said = forgetful_said.find(forgetful.voter);
    if (said != forgetful_said.end() && now() - said->second < kRepeatInterval) return;
    std::erase_if(forgetful_said, [this](const auto& each) {
        return core->configuration().find(each.first) == nullptr;
    });
    if (core->configuration().find(forgetful.voter) == nullptr) return;
    forgetful_said[forgetful.voter] = now();
    seams.events.record(event::VoterForgot{forgetful.voter, forgetful.acknowledged.index});
}

void Replica::State::apply(std::vector<raft::Entry> entries) {
    if (!unapplied.empty()) {
        std::ranges::move(entries, std::back_inserter(unapplied));
        entries = std::exchange(unapplied, {});
    }
    const auto rest = std::ranges::find_if_not(
        entries, [this](const raft::Entry& entry) { return apply_one(entry); });
    unapplied.assign(std::move_iterator(rest), std::move_iterator(entries.end()));
    store->committed(applied);
    core->applied(applied);
}

// False: not yet, for it changes a page that is damaged.
bool Replica::State::apply_one(const raft::Entry& entry) {
    // A later leader's entry: what this node captured and is not committed by now never happened.
    if (leading && entry.term > leading_term) step_down();
    const bool captured_here = leading && entry.term == leading_term;
    if (entry.kind == raft::EntryKind::kCommand && !captured_here) {
        store->committed(applied);
        const Status status = store->apply(entry.index, entry.term, *entry.payload);
        if (!status.ok()) {
            if (status.error().code == code::kIo && has_others()) return false;
            fatal("log entry " + std::to_string(entry.index.value()) +
                  " cannot be applied: " + status.error().message);
        }
    }
    applied = entry.index;
    if (entry.kind == raft::EntryKind::kConfiguration) {
        if (auto configuration = raft::decode_configuration(*entry.payload)) {
            membership_applied(*configuration);
        }
    }
    return true;
}

void Replica::State::read_log(const raft::LogRead& read) {
    auto entries = std::make_shared<Result<std::vector<raft::Entry>>>(std::vector<raft::Entry>{});
    seams.executor.background(
        [log = log.get(), read, entries] { *entries = log->read(read.from, read.bytes_max); },
        lifetime.guard([this, read, entries] {
            if (entries->ok() && !(*entries)->empty()) {
                core->entries_loaded(now(), read.peer, std::move(entries->value()));
            } else {
                core->entries_unavailable(now(), read.peer);
            }
            schedule_pump();
        }));
}

bool Replica::State::is_leading() const {
    return leading && core->role() == raft::RoleName::kLeader && core->term() == leading_term;
}

bool Replica::State::may_read_by_lease(TimePoint at) const {
    return (!options.quorum_reads && core->lease_valid(at)) || mutant(Mutant::kReadWithoutLease);
}

void Replica::State::role_changed() {
    if (leading && !is_leading()) step_down();
    if (!leading && core->role() == raft::RoleName::kLeader) lead();
    tell_of_leadership();
}

void Replica::State::tell_of_leadership() {
    const bool stood = std::exchange(standing, core->role() == raft::RoleName::kPreCandidate ||
                                                   core->role() == raft::RoleName::kCandidate);
    if (standing && !stood) seams.events.record(event::CandidacyStarted{core->term()});
    if (core->leader() == known_leader) return;
    known_leader = core->leader();
    seams.events.record(event::LeaderChanged{core->term(), known_leader});
    if (callbacks.leader_changed) callbacks.leader_changed();
}

void Replica::State::lead() {
    leading = true;
    leading_term = core->term();
}

void Replica::State::step_down() {
    store->committed(applied);  // what is not by now goes with the WAL epoch
    leading = false;
    serving = false;
    ++epoch;
    if (!mutant(Mutant::kSpeculationSurvives)) store->begin_epoch();
    sender->release_all();
    answer_all();
}

// Whoever waits learns that the leadership is over. Later, in a task of its own: an answer may
// start a statement, and with it anything, while the step down may be in the middle of applying
// entries.
void Replica::State::answer_all() {
    struct Ended {
        std::deque<Waiter> writes;
        std::deque<Waiter> reads;
        std::deque<Change> changes;
        Done promotion;
        Done transfer;
    };
    auto ended = std::make_shared<Ended>(Ended{
        .writes = writes.take_all(),
        .reads = reads.take_all(),
        .changes = std::exchange(changes_waiting, {}),
        .promotion = nullptr,
        .transfer = std::exchange(transfer_done, nullptr),
    });
    if (promotion) ended->promotion = std::move(promotion->done);
    promotion.reset();
    seams.executor.post([ended, committed = applied] {
        const Error lost =
            mutant(Mutant::kDoubtReportedAsRefusal) ? not_leader() : leadership_lost();
        for (const Waiter& write : ended->writes) {
            const bool known = write.index <= committed || mutant(Mutant::kDeposedAnswersSuccess);
            write.done(known ? Status() : Status(lost));
        }
        for (const Waiter& read : ended->reads) read.done(not_leader());
        for (const Change& change : ended->changes) change.done(membership_error(not_leader()));
        if (ended->promotion) ended->promotion(membership_error(leadership_lost()));
        if (ended->transfer) ended->transfer({});
    });
}

void Replica::State::release() {
    writes.release(applied, [](const Waiter&) { return true; });
    release_reads();
}

void Replica::State::release_reads() {
    if (reads.empty() || !is_leading()) return;
    // Asked anew for each: an answer may take long, and a lease does not wait.
    reads.release(applied, [&](const Waiter& waiter) {
        if (!is_leading()) return false;
        return may_read_by_lease(now()) ||
               (waiter.round != 0 && core->confirmed_round() >= waiter.round);
    });
    Waiter* blocked = reads.front();
    if (blocked != nullptr && blocked->index <= applied && blocked->round == 0) {
        blocked->round = core->start_read_round(now());
        schedule_pump();
    }
}

void Replica::State::schedule_tick() {
    const Duration wait = std::clamp(core->next_deadline() - now(), kTickMin, kTickMax);
    tick_timer = seams.executor.after(wait, lifetime.guard([this] { tick(); }));
}

void Replica::State::tick() {
    core->tick(now());
    tick_changes();
    tick_promotion();
    tick_transfer();
    hand_over_if_full();
    tick_removal();
    note_acknowledged();
    note_receipts();
    writes.expire(now(), no_quorum(options.write_timeout));
    reads.expire(now(), no_quorum(options.write_timeout));
    sender->release_silent(now());
    if (receiver) receiver->tick(now());
    repair->tick(now());
    if (!unapplied.empty()) apply({});
    take_held();
    pump();
    schedule_tick();
}

}  // namespace quorlite::replica
