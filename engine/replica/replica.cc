#include "engine/replica/replica.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/replica/page_repair.h"
#include "engine/replica/peer_codec.h"
#include "engine/replica/snapshot_transfer.h"
#include "engine/replica/waiters.h"

namespace quorlite::replica {
namespace {

// Returned for a capture that could not be proposed: no log index is ever this large.
constexpr Index kNeverProposed{std::numeric_limits<std::uint64_t>::max()};

constexpr Duration kTickMax = std::chrono::milliseconds(100);
constexpr Duration kTickMin = std::chrono::milliseconds(1);
constexpr Duration kAcknowledgedInterval = std::chrono::seconds(10);
constexpr Duration kPromotionMax = std::chrono::seconds(50);  // as the real server

Error not_leader() {
    return {code::kNotLeader, "not leader", Verdict::kNotCommitted};
}
Error leadership_lost() {
    return {code::kLeadershipLost, "leadership lost", Verdict::kInDoubt};
}

Error no_quorum(Duration waited) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
    return {code::kLeadershipLost,
            "no majority of the voters answered within " + std::to_string(ms) +
                " ms: the outcome is unknown; check that the other nodes run and are reachable",
            Verdict::kInDoubt};
}

Error membership_error(Error error) {
    if (error.code == code::kNotLeader) error.message = "server is not the leader";
    if (error.code == code::kLeadershipLost) error.message = "server has lost leadership";
    return error;
}

}  // namespace

struct Replica::State {
    State(Replica& its_owner, Options its_options, Seams its_seams)
        : owner(its_owner), options(std::move(its_options)), seams(its_seams) {}

    // --- start ---
    Status open();
    Status open_identity();
    Status rename();
    Status open_storage();
    raft::Restored restore(disk::RecoveredLog recovered);
    static Status check_term(const raft::Restored& restored);

    // --- the pump: carries out what raft says ---
    void schedule_pump();
    void pump();
    void carry_out(raft::Output output);
    void send(raft::Envelope envelope);
    void send_frame(NodeId to, Channel channel, decltype(PeerMessage::body) body);
    SendBulk send_chunks();
    void apply(std::vector<raft::Entry> entries);
    bool apply_one(const raft::Entry& entry);
    void read_log(const raft::LogRead& read);
    void role_changed();
    void lead();
    void step_down();
    void answer_all();
    void release();
    void release_reads();

    // --- time ---
    void schedule_tick();
    void tick();
    void tick_promotion();
    void tick_transfer();
    void note_acknowledged();

    // --- snapshots and the log's tail ---
    void offer_snapshot(NodeId peer);
    void install(raft::SnapshotRequest request);
    void installed(raft::SnapshotPoint point, Status status);
    void trim_log();
    Index trim_limit() const;

    // --- damaged pages ---
    bool has_others() const;
    void ask_others(const PageRequest& request);
    void damaged(const std::string& database, std::uint32_t page);
    void receive(const PageReply& reply, NodeId from);

    // --- inputs ---
    bool receive(PeerMessage message);
    bool must_hold() const;
    bool hold(NodeId from, raft::AppendRequest& append);
    void take_held();
    bool learn_cluster(const PeerMessage& message);
    void learn_address(const PeerMessage& message);
    bool is_leading() const;
    void change(Result<Index> proposed, Done done);

    TimePoint now() const { return seams.clock.now(); }

    Replica& owner;
    Options options;
    Seams seams;
    disk::Identity identity;

    std::shared_ptr<disk::Records> records;
    std::unique_ptr<disk::Log> log;
    std::unique_ptr<database::Store> store;
    std::unique_ptr<raft::Core> core;
    std::unique_ptr<SnapshotSender> sender;
    std::shared_ptr<SnapshotReceiver> receiver;
    std::unique_ptr<PageRepair> repair;
    std::vector<raft::Entry> unapplied;  // committed; the first one needs a page that is damaged

    struct Held {
        NodeId from;
        raft::AppendRequest append;
        std::size_t bytes;
    };
    std::deque<Held> held;  // until the databases have been flushed
    std::size_t held_bytes = 0;

    Waiters writes;
    Waiters reads;
    Index applied;

    // This node's leadership as the databases know it: entries of `leading_term` are its own
    // captures.
    bool leading = false;
    Term leading_term;
    bool serving = false;
    std::uint64_t epoch = 1;
    NodeId known_leader;

    struct Promotion {
        NodeId id;
        raft::Role role;
        TimePoint deadline;
        Done done;
    };
    std::optional<Promotion> promotion;
    Done transfer_done;

    std::map<NodeId, std::string> learnt_addresses;  // where nodes say they are: not all are in the
                                                     // configuration, yet or still
    std::uint64_t weight = 0;
    bool disk_has_space = true;
    bool saving_mark = false;
    // What the record `acknowledged` says, or will, and when it may be written next.
    Index acknowledged_noted;
    bool saving_acknowledged = false;
    TimePoint acknowledged_due;
    bool pump_scheduled = false;
    bool was_member = false;
    TimerId tick_timer = TimerId::kNone;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

// --- start
// -------------------------------------------------------------------------------------------

Status Replica::State::open_identity() {
    const auto recorded = records->identity();
    if (!recorded) {
        identity = {.id = options.id, .cluster = 0, .address = options.address};
        if (!identity.id) return Error{code::kError, "a new node needs an id other than 0"};
        if (identity.address.empty()) {
            return Error{code::kError, "a new node needs an address, HOST:PORT"};
        }
        if (!options.bootstrap) return records->save(identity);
        do identity.cluster = seams.random.next();
        while (identity.cluster == 0);
        // The configuration first: a directory with an identity is never mistaken for a new one.
        const raft::SnapshotPoint first{
            Index(0), Term(0), {{{identity.id, identity.address, raft::Role::kVoter}}}};
        if (Status saved = records->save(first); !saved.ok()) return saved;
        return records->save(identity);
    }
    identity = *recorded;
    if (identity.cluster == 0) return rename();
    if (options.id && options.id != identity.id) {
        return Error{code::kError, "the directory belongs to node " +
                                       std::to_string(identity.id.value()) + ", not to node " +
                                       std::to_string(options.id.value()) +
                                       ": leave the id out, or use another directory"};
    }
    if (!options.address.empty() && options.address != identity.address) {
        return Error{code::kError, "the directory belongs to the node at " + identity.address +
                                       ", not at " + options.address +
                                       ": leave the address out, or remove the node from the "
                                       "cluster and join it anew with an empty directory"};
    }
    return {};
}

// No cluster has spoken to the node yet: it may still be told another name, above all when the one
// that it asked for is taken.
Status Replica::State::rename() {
    const disk::Identity before = identity;
    if (options.id) identity.id = options.id;
    if (!options.address.empty()) identity.address = options.address;
    const bool same = identity.id == before.id && identity.address == before.address;
    return same ? Status() : records->save(identity);
}

Status Replica::State::open_storage() {
    auto opened_store = database::Store::open(seams.disk, seams.executor, seams.clock, seams.random,
                                              options.database);
    if (!opened_store.ok()) return opened_store.error();
    store = std::move(*opened_store);

    const bool has_taken_part = records->hard_state().term > Term();
    if (has_taken_part && !seams.disk.exists("log")) return disk::missing("log");
    disk::RecoveredLog recovered;
    const Index snapshot = std::max(store->mark().index, records->snapshot().index);
    const Index acknowledged = std::max(records->acknowledged(), store->known_committed());
    auto opened_log =
        disk::Log::open(seams.disk, seams.executor, options.log, snapshot, acknowledged, recovered);
    if (!opened_log.ok()) return opened_log.error();
    log = std::move(*opened_log);

    const raft::Options raft_options{.self = identity.id,
                                     .election_timeout = options.election_timeout,
                                     .heartbeat = options.heartbeat,
                                     .append_bytes_max = options.append_bytes_max};
    raft::Restored restored = restore(std::move(recovered));
    if (Status whole = check_term(restored); !whole.ok()) return whole;
    core = std::make_unique<raft::Core>(raft_options, std::move(restored), seams.random, now());
    return {};
}

// A term is durable before anything of it is. A record that is older was put back from a copy, and
// with it a vote may be forgotten.
Status Replica::State::check_term(const raft::Restored& restored) {
    const Term newest = restored.log.empty() ? restored.snapshot.term : restored.log.back().term;
    if (restored.hard_state.term >= newest) return {};
    return Error{code::kCorrupt,
                 "the record \"vote\" in the node's directory is older than its log: restore "
                 "the whole directory as it was at one moment, or remove this node from the "
                 "cluster, empty the directory and let it join again under a new id"};
}

raft::Restored Replica::State::restore(disk::RecoveredLog recovered) {
    raft::Restored restored;
    restored.hard_state = records->hard_state();
    restored.snapshot = records->snapshot();
    if (const auto& mark = store->mark(); mark.index > restored.snapshot.index) {
        auto configuration = raft::decode_configuration(*mark.configuration);
        if (!configuration) fatal("the manifest's configuration does not decode");
        restored.snapshot = {mark.index, mark.term, std::move(*configuration)};
        if (mutant(Mutant::kMarkForgetsConfiguration)) {
            restored.snapshot.configuration = records->snapshot().configuration;
        }
    }
    // A snapshot was installed, and the crash came before the log was emptied: its entries belong
    // to a history that the snapshot replaced.
    const Term snapshot_term = restored.snapshot.term;
    const bool outdated =
        (recovered.term_at_snapshot && recovered.term_at_snapshot != snapshot_term) ||
        (!recovered.entries.empty() && recovered.entries.front().term < snapshot_term);
    if (outdated) {
        log->reset(restored.snapshot.index);
        recovered.entries.clear();
    }
    restored.log = std::move(recovered.entries);
    if (!mutant(Mutant::kBarrierForgotten)) restored.vote_barrier = recovered.vote_barrier;
    const Index last = restored.snapshot.index.plus(restored.log.size());
    restored.committed = std::clamp(store->known_committed(), restored.snapshot.index, last);
    applied = restored.snapshot.index;
    was_member = restored.snapshot.configuration.find(identity.id) != nullptr;
    return restored;
}

Status Replica::State::open() {
    auto opened_records = disk::Records::open(seams.disk);
    if (!opened_records.ok()) return opened_records.error();
    records = std::move(*opened_records);
    if (Status status = open_identity(); !status.ok()) return status;
    if (Status status = open_storage(); !status.ok()) return status;

    sender = std::make_unique<SnapshotSender>(*store, seams.executor, send_chunks());
    repair = std::make_unique<PageRepair>(
        *store, seams.executor, [this](const PageRequest& request) { ask_others(request); });
    store->on_damage = [this](const std::string& database, std::uint32_t page) {
        damaged(database, page);
    };

    log->on_durable = [this](Index index, Term term) {
        core->durable(index, term);
        store->log_durable(index);
        schedule_pump();
    };
    log->on_space = [this](bool available) { disk_has_space = available; };
    store->on_flushed = [this] {
        trim_log();
        take_held();
    };
    store->log_durable(log->durable_index());
    acknowledged_noted = records->acknowledged();
    acknowledged_due = now() + kAcknowledgedInterval;
    pump();
    schedule_tick();
    return {};
}

// --- the pump
// ----------------------------------------------------------------------------------------

void Replica::State::schedule_pump() {
    if (pump_scheduled) return;
    pump_scheduled = true;
    seams.executor.post([this, guard = std::weak_ptr(alive)] {
        if (!guard.expired()) pump();
    });
}

void Replica::State::pump() {
    pump_scheduled = false;
    for (raft::Output output = core->take_output(); !output.empty(); output = core->take_output()) {
        carry_out(std::move(output));
    }
    serving = is_leading() && core->serving() && unapplied.empty();
    release();
}

void Replica::State::carry_out(raft::Output output) {
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
}

void Replica::State::send(raft::Envelope envelope) {
    send_frame(envelope.to, Channel::kConsensus, std::move(envelope.message));
}

void Replica::State::send_frame(NodeId to, Channel channel, decltype(PeerMessage::body) body) {
    std::string address;
    if (const raft::Server* server = core->configuration().find(to)) {
        address = server->address;
    } else if (const auto learnt = learnt_addresses.find(to); learnt != learnt_addresses.end()) {
        address = learnt->second;
    } else {
        return;  // removed meanwhile, and never heard from
    }
    seams.network.send(to, address, channel,
                       encode({.cluster = identity.cluster,
                               .from = identity.id,
                               .to = to,
                               .from_address = identity.address,
                               .body = std::move(body)}));
}

SendBulk Replica::State::send_chunks() {
    return [this](NodeId to, std::variant<ChunkRequest, Chunk> body) {
        std::visit([&](auto& part) { send_frame(to, Channel::kBulk, std::move(part)); }, body);
    };
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
    if (entry.kind == raft::EntryKind::kConfiguration) {
        const auto configuration = raft::decode_configuration(*entry.payload);
        const bool member = configuration && configuration->find(identity.id) != nullptr;
        if (was_member && !member && owner.on_removed) {
            owner.on_removed("this node was removed from the cluster");
        }
        was_member = member;
    }
    applied = entry.index;
    return true;
}

void Replica::State::read_log(const raft::LogRead& read) {
    auto entries = std::make_shared<Result<std::vector<raft::Entry>>>(std::vector<raft::Entry>{});
    seams.executor.background(
        [log = log.get(), read, entries] { *entries = log->read(read.from, read.bytes_max); },
        [this, read, entries, guard = std::weak_ptr(alive)] {
            if (guard.expired()) return;
            if (entries->ok() && !(*entries)->empty()) {
                core->entries_loaded(now(), read.peer, std::move(entries->value()));
            } else {
                core->entries_unavailable(now(), read.peer);
            }
            schedule_pump();
        });
}

bool Replica::State::is_leading() const {
    return leading && core->role() == raft::RoleName::kLeader && core->term() == leading_term;
}

void Replica::State::role_changed() {
    if (leading && !is_leading()) step_down();
    if (!leading && core->role() == raft::RoleName::kLeader) lead();
    if (core->leader() != known_leader) {
        known_leader = core->leader();
        if (owner.on_leader_change) owner.on_leader_change();
    }
}

void Replica::State::lead() {
    leading = true;
    leading_term = core->term();
}

void Replica::State::step_down() {
    store->committed(applied);  // what is not by now goes with the generation
    leading = false;
    serving = false;
    ++epoch;
    if (!mutant(Mutant::kSpeculationSurvives)) store->new_generation();
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
        Done promotion;
        Done transfer;
    };
    auto ended = std::make_shared<Ended>(
        Ended{writes.take_all(), reads.take_all(), nullptr, std::exchange(transfer_done, nullptr)});
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
        const bool lease = (!options.quorum_reads && core->lease_valid(now())) ||
                           mutant(Mutant::kReadWithoutLease);
        return lease || (waiter.round != 0 && core->confirmed_round() >= waiter.round);
    });
    Waiter* blocked = reads.front();
    if (blocked != nullptr && blocked->index <= applied && blocked->round == 0) {
        blocked->round = core->start_read_round(now());
        schedule_pump();
    }
}

// --- time
// --------------------------------------------------------------------------------------------

void Replica::State::schedule_tick() {
    const Duration wait = std::clamp(core->next_deadline() - now(), kTickMin, kTickMax);
    tick_timer = seams.executor.after(wait, [this, guard = std::weak_ptr(alive)] {
        if (!guard.expired()) tick();
    });
}

void Replica::State::tick() {
    core->tick(now());
    tick_promotion();
    tick_transfer();
    note_acknowledged();
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

void Replica::State::tick_promotion() {
    if (!promotion) return;
    Result<Index> assigned = core->assign(now(), promotion->id, promotion->role);
    const bool wait = !assigned.ok() && (assigned.error().code == code::kCatchingUp ||
                                         assigned.error().code == code::kBusy);
    if (wait && now() < promotion->deadline) return;
    Promotion ended = std::move(*promotion);
    promotion.reset();
    if (!assigned.ok() && assigned.error().code == code::kCatchingUp) {
        assigned = Error{code::kError, "no connection to remote server available"};
    }
    change(std::move(assigned), std::move(ended.done));
}

void Replica::State::tick_transfer() {
    if (!transfer_done || core->transferring() || !is_leading()) return;
    std::exchange(transfer_done, nullptr)(Error{code::kError, "leadership transfer failed"});
}

// Damage to the end of the log looks like a write that a crash tore, and that nobody was told of.
// The record of what is committed tells them apart; it is written now and then.
void Replica::State::note_acknowledged() {
    const Index index = std::min(core->commit_index(), core->durable_index());
    if (saving_acknowledged || index <= acknowledged_noted || now() < acknowledged_due) return;
    acknowledged_noted = index;
    acknowledged_due = now() + kAcknowledgedInterval;
    saving_acknowledged = true;
    auto saved = std::make_shared<Status>();
    seams.executor.background(
        [records = records, index, saved] { *saved = records->save_acknowledged(index); },
        [this, saved, guard = std::weak_ptr(alive)] {
            if (guard.expired()) return;
            saving_acknowledged = false;
            if (!saved->ok()) fatal("the record cannot be saved: " + saved->error().message);
        });
}

// --- snapshots and the log's tail
// --------------------------------------------------------------------

void Replica::State::offer_snapshot(NodeId peer) {
    const database::SnapshotSource& source = sender->hold_for(peer, now());
    auto configuration = raft::decode_configuration(*source.mark().configuration);
    if (!configuration || source.mark().index < core->first_index().previous()) {
        sender->release(peer);
        core->snapshot_unavailable(now(), peer);
        return;
    }
    core->offer_snapshot(now(), peer,
                         {source.mark().index, source.mark().term, std::move(*configuration)},
                         source.manifest());
}

void Replica::State::install(raft::SnapshotRequest request) {
    if (receiver) receiver->cancel();
    receiver = nullptr;
    auto installer = store->start_install(request.manifest);
    if (!installer.ok() || (*installer)->mark().index != request.point.index) {
        core->snapshot_refused(now());
        schedule_pump();
        return;
    }
    receiver = std::make_shared<SnapshotReceiver>(
        core->leader(), request.point.index, std::move(*installer), seams.executor, send_chunks(),
        [this, point = request.point](Status status) { installed(point, std::move(status)); });
    receiver->start(now());
}

void Replica::State::installed(raft::SnapshotPoint point, Status status) {
    const auto finished = std::exchange(receiver, nullptr);
    if (status.ok() && point.index > applied) {
        if (const Status switched = store->finish_install(finished->installer()); !switched.ok()) {
            fatal("the received snapshot cannot be put in place: " + switched.error().message);
        }
        applied = point.index;
        std::erase_if(unapplied, [&](const auto& entry) { return entry.index <= applied; });
        core->snapshot_installed(now(), point);
        if (core->last_index() > point.index) {
            log->trim(point.index);
        } else {
            log->reset(point.index);
        }
    } else {
        core->snapshot_refused(now());
    }
    schedule_pump();
}

// A tail is kept for peers that are a little behind; beyond twice its size they get a snapshot
// instead.
Index Replica::State::trim_limit() const {
    Index limit = std::min(store->flushed_index(), applied);
    if (mutant(Mutant::kTrimBeyondFlush)) limit = applied;
    if (const auto oldest = sender->oldest_held()) limit = std::min(limit, *oldest);
    if (log->bytes_on_disk() > 2 * options.log_tail_bytes) return limit;
    for (const raft::Progress& peer : core->progress()) {
        const raft::Server* server = core->configuration().find(peer.id);
        if (server != nullptr && server->role != raft::Role::kSpare) {
            limit = std::min(limit, peer.match);
        }
    }
    return limit;
}

void Replica::State::trim_log() {
    if (saving_mark || log->bytes_on_disk() <= options.log_tail_bytes) return;
    const Index limit = trim_limit();
    const auto term = core->term_at(limit);
    if (limit <= store->mark().index || !term) return;
    const raft::SnapshotPoint point{limit, *term, core->configuration_at(limit)};
    auto configuration = std::make_shared<const Bytes>(raft::encode(point.configuration));
    saving_mark = true;
    store->save_mark({limit, *term, std::move(configuration)},
                     [this, point, guard = std::weak_ptr(alive)](Status saved) {
                         if (guard.expired()) return;
                         saving_mark = false;
                         if (!saved.ok()) return;  // the disk is full: the next flush tries again
                         core->compacted(point);
                         log->trim(point.index);
                         schedule_pump();
                     });
}

// --- damaged pages
// -----------------------------------------------------------------------------------

bool Replica::State::has_others() const {
    return std::ranges::any_of(core->configuration().servers, [this](const raft::Server& server) {
        return server.id != identity.id;
    });
}

void Replica::State::ask_others(const PageRequest& request) {
    for (const raft::Server& server : core->configuration().servers) {
        if (server.id != identity.id) send_frame(server.id, Channel::kBulk, request);
    }
}

void Replica::State::damaged(const std::string& database, std::uint32_t page) {
    if (!repair->damaged(database, page, now()) || !owner.on_damage) return;
    owner.on_damage("page " + std::to_string(page) + " of the database " + database +
                    " is damaged on this node's disk: the other nodes are asked for it");
}

void Replica::State::receive(const PageReply& reply, NodeId from) {
    if (!repair->receive(reply, !serving)) return;
    if (owner.on_damage) {
        owner.on_damage("page " + std::to_string(reply.page) + " of the database " +
                        reply.database + " is mended, by node " + std::to_string(from.value()));
    }
    if (unapplied.empty()) return;
    apply({});
    schedule_pump();
}

// --- inputs
// ------------------------------------------------------------------------------------------

bool Replica::State::learn_cluster(const PeerMessage& message) {
    if (message.cluster == 0 || message.cluster == identity.cluster) return true;
    if (identity.cluster != 0) return false;
    identity.cluster = message.cluster;
    if (const Status saved = records->save(identity); !saved.ok()) {
        fatal("the cluster's id cannot be saved: " + saved.error().message);
    }
    return true;
}

void Replica::State::learn_address(const PeerMessage& message) {
    const auto known = learnt_addresses.find(message.from);
    if (known != learnt_addresses.end() && known->second == message.from_address) return;
    if (learnt_addresses.size() >= limits::kPeersMax) learnt_addresses.clear();
    learnt_addresses[message.from] = message.from_address;
}

bool Replica::State::receive(PeerMessage message) {
    if (message.to != identity.id || message.from == identity.id || !learn_cluster(message)) {
        return false;
    }
    learn_address(message);
    if (auto* request = std::get_if<ChunkRequest>(&message.body)) {
        if (!sender->answer(message.from, *request, now())) {
            core->snapshot_unavailable(now(), message.from);
            schedule_pump();
        }
        return true;
    }
    if (auto* chunk = std::get_if<Chunk>(&message.body)) {
        if (receiver && receiver->from() == message.from) receiver->receive(*chunk, now());
        return true;
    }
    if (const auto* request = std::get_if<PageRequest>(&message.body)) {
        send_frame(message.from, Channel::kBulk, repair->answer(*request));
        return true;
    }
    if (const auto* reply = std::get_if<PageReply>(&message.body)) {
        receive(*reply, message.from);
        return true;
    }
    auto& consensus = std::get<raft::Message>(message.body);
    if (const auto* reply = std::get_if<raft::SnapshotReply>(&consensus);
        reply != nullptr && reply->installed) {
        sender->installed(message.from, reply->index);
    }
    auto* const append = std::get_if<raft::AppendRequest>(&consensus);
    if (append != nullptr && must_hold() && hold(message.from, *append)) return true;
    core->step(now(), message.from, std::move(consensus));
    schedule_pump();
    return true;
}

// While the disk does not keep up with what was applied, nothing more is taken in. What comes is
// held, unacknowledged, so that the leader's window bounds it.
bool Replica::State::must_hold() const {
    return !leading && (store->behind() || !held.empty());
}

// False: the message must be handled now.
bool Replica::State::hold(NodeId from, raft::AppendRequest& append) {
    if (append.entries.empty()) {
        // A heartbeat is answered, or there would be an election; but it must not ask about what is
        // held. What is committed here is in the leader's log too.
        append.commit = std::min(append.commit, core->commit_index());
        append.previous_index = core->commit_index();
        append.previous_term = core->term_at(append.previous_index).value_or(Term());
        return false;
    }
    std::size_t bytes = 0;
    for (const raft::Entry& entry : append.entries) bytes += entry.size();
    if (held_bytes + bytes > limits::kHeldAppendBytesMax) return true;  // as if lost on the way
    held_bytes += bytes;
    held.push_back({from, std::move(append), bytes});
    return true;
}

void Replica::State::take_held() {
    while (!held.empty() && (leading || !store->behind())) {
        Held next = std::move(held.front());
        held.pop_front();
        held_bytes -= next.bytes;
        core->step(now(), next.from, raft::Message(std::move(next.append)));
        pump();
    }
}

void Replica::State::change(Result<Index> proposed, Done done) {
    auto answer = [done = std::move(done)](Status status) {
        done(status.ok() ? std::move(status) : Status(membership_error(status.error())));
    };
    if (!proposed.ok()) {
        answer(proposed.error());
        return;
    }
    owner.when_committed(*proposed, std::move(answer));
    schedule_pump();
}

// --- the public face
// ---------------------------------------------------------------------------------

Result<std::unique_ptr<Replica>> Replica::open(Options options, Seams seams) {
    auto replica = std::unique_ptr<Replica>(new Replica(std::move(options), seams));
    if (const Status status = replica->state_->open(); !status.ok()) return status.error();
    return replica;
}

Replica::Replica(Options options, Seams seams)
    : state_(std::make_unique<State>(*this, std::move(options), seams)) {}

Replica::~Replica() = default;

bool Replica::receive(Channel, ByteView frame) {
    auto message = decode_peer_message(frame);
    return message && state_->receive(std::move(*message));
}

void Replica::peer_gone(NodeId node) {
    state_->core->peer_gone(state_->now(), node);
    state_->schedule_pump();
}

database::Store& Replica::store() {
    return *state_->store;
}

Status Replica::check_leader() const {
    if (state_->serving && state_->is_leading()) return {};
    return not_leader();
}

Status Replica::check_writable() const {
    if (Status leader = check_leader(); !leader.ok()) return leader;
    if (state_->core->transferring()) return not_leader();
    if (state_->core->backlogged()) {
        return Error{code::kBusy,
                     "too many writes wait for the other nodes or the disk: try again"};
    }
    if (!state_->disk_has_space) {
        return Error{code::kFull,
                     "the disk of the leader is full: free some space; writing goes on "
                     "by itself then"};
    }
    return {};
}

std::uint64_t Replica::leadership_epoch() const {
    return state_->epoch;
}

Index Replica::propose_capture(database::Connection& connection) {
    auto capture = connection.take_capture();
    if (!connection.current() || !state_->is_leading()) return kNeverProposed;
    database::Database& database = connection.database();
    if (capture) {
        const Result<Index> proposed =
            state_->core->propose(state_->now(), std::move(capture->commands));
        QUORLITE_CHECK(proposed.ok());  // a leader takes what its databases have committed already
        database.proposed(*proposed);
        state_->schedule_pump();
    }
    const bool committed = connection.read_committed() || mutant(Mutant::kPrefixRunsAhead);
    return committed ? state_->applied : database.newest_proposed();
}

void Replica::when_committed(Index index, Done done) {
    if (index == kNeverProposed || !state_->is_leading()) {
        done(index == kNeverProposed ? not_leader() : leadership_lost());
        return;
    }
    if (index <= state_->applied || mutant(Mutant::kAnswerBeforeCommit)) {
        done({});
        return;
    }
    state_->writes.add({.index = index,
                        .deadline = state_->now() + state_->options.write_timeout,
                        .done = std::move(done)});
}

void Replica::when_readable(Index index, Done done) {
    const TimePoint now = state_->now();
    if (index == kNeverProposed || !state_->is_leading()) {
        done(not_leader());
        return;
    }
    const bool lease = (!state_->options.quorum_reads && state_->core->lease_valid(now)) ||
                       mutant(Mutant::kReadWithoutLease);
    if (lease && (index <= state_->applied || mutant(Mutant::kReadBeforeCommit))) {
        done({});
        return;
    }
    const std::uint64_t round = lease ? 0 : state_->core->start_read_round(now);
    state_->reads.add({.index = index,
                       .deadline = now + state_->options.write_timeout,
                       .round = round,
                       .done = std::move(done)});
    state_->schedule_pump();
}

void Replica::add(NodeId id, std::string address, Done done) {
    state_->change(state_->core->add(state_->now(), id, std::move(address)), std::move(done));
}

void Replica::assign(NodeId id, raft::Role role, Done done) {
    if (state_->promotion) {
        done(Error{code::kBusy, "a configuration change is already in progress"});
        return;
    }
    Result<Index> assigned = state_->core->assign(state_->now(), id, role);
    if (!assigned.ok() && assigned.error().code == code::kCatchingUp) {
        state_->promotion = {id, role, state_->now() + kPromotionMax, std::move(done)};
        state_->schedule_pump();
        return;
    }
    state_->change(std::move(assigned), std::move(done));
}

void Replica::remove(NodeId id, Done done) {
    state_->change(state_->core->remove(state_->now(), id), std::move(done));
}

void Replica::transfer(NodeId to, Done done) {
    if (const Status started = state_->core->transfer(state_->now(), to); !started.ok()) {
        done(membership_error(started.error()));
        return;
    }
    if (state_->transfer_done) std::exchange(state_->transfer_done, nullptr)({});
    state_->transfer_done = std::move(done);
    state_->schedule_pump();
}

NodeId Replica::id() const {
    return state_->identity.id;
}
const std::string& Replica::address() const {
    return state_->identity.address;
}

Leader Replica::leader() const {
    const raft::Configuration& configuration = state_->core->configuration();
    if (!configuration.is_voter(state_->identity.id)) return {};
    const raft::Server* leader = configuration.find(state_->core->leader());
    // Until it serves, a new leader would only send away the clients that come to it.
    if (leader == nullptr || (leader->id == id() && !state_->serving)) return {};
    return {leader->id, leader->address};
}

const raft::Configuration& Replica::configuration() const {
    return state_->core->configuration();
}

ReplicaStatus Replica::status() const {
    const raft::Core& core = *state_->core;
    return {.role = core.role(),
            .term = core.term(),
            .leader = leader(),
            .first = core.first_index(),
            .last = core.last_index(),
            .durable = core.durable_index(),
            .committed = core.commit_index(),
            .applied = state_->applied,
            .flushed = state_->store->flushed_index(),
            .peers = core.progress(),
            .memory_bytes = state_->store->memory_bytes(),
            .log_bytes = state_->log->bytes_on_disk()};
}

std::uint64_t Replica::weight() const {
    return state_->weight;
}
void Replica::set_weight(std::uint64_t weight) {
    state_->weight = weight;
}

void Replica::stop() {
    state_->seams.executor.cancel(state_->tick_timer);
    state_->step_down();
    state_->store->stop_flushing();
    state_->alive.reset();
}

}  // namespace quorlite::replica
