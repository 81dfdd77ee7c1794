// What replaces the log's beginning: snapshots, offered and installed; the tail that is kept for
// slow peers; and the record of how far the log was acknowledged.

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"

namespace quorlite::replica {
namespace {

constexpr Duration kReceiptsInterval = std::chrono::seconds(1);

}  // namespace

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
        lifetime.guard([this, saved] {
            saving_acknowledged = false;
            if (!saved->ok()) fatal("the record cannot be saved: " + saved->error().message);
        }));
}

// Receipts move with every commit; on disk they may lag a little.
void Replica::State::note_receipts() {
    if (receipts_saving || now() < receipts_due) return;
    std::vector<raft::Receipt> receipts = core->receipts();
    if (receipts == receipts_saved) return;
    receipts_due = now() + kReceiptsInterval;
    receipts_saving = true;
    receipts_saved = receipts;
    auto saved = std::make_shared<Status>();
    seams.executor.background(
        [records = records, receipts = std::move(receipts), saved] {
            *saved = records->save(receipts);
        },
        lifetime.guard([this, saved] {
            receipts_saving = false;
            if (!saved->ok()) fatal("the receipts cannot be saved: " + saved->error().message);
        }));
}

// What was promised with a longer election timeout, before a restart, is owed for as long.
void Replica::State::keep_promise() {
    const Duration owed = std::max(records->promise(), options.election_timeout);
    const auto save = [this](Duration promise) {
        if (records->promise() == promise) return;
        if (const Status saved = records->save_promise(promise); !saved.ok()) {
            fatal("the record of promises cannot be saved: " + saved.error().message);
        }
    };
    save(owed);
    if (owed == options.election_timeout) return;
    seams.executor.after(owed, lifetime.guard([this, save] { save(options.election_timeout); }));
}

void Replica::State::offer_snapshot(NodeId peer) {
    const database::SnapshotSource& source = sender->hold_for(peer, now());
    auto configuration = raft::decode_configuration(*source.point().configuration);
    if (!configuration || source.point().index < core->first_index().previous()) {
        sender->release(peer);
        core->snapshot_unavailable(now(), peer);
        return;
    }
    seams.events.record(event::SnapshotOffered{peer, source.point().index});
    raft::SnapshotPoint point{source.point().index, source.point().term, std::move(*configuration)};
    if (snapshot_hash && snapshot_hash->index == point.index) point.hash = snapshot_hash;
    core->offer_snapshot(now(), peer, std::move(point), source.manifest());
}

void Replica::State::install(raft::SnapshotRequest request) {
    if (receiver) receiver->cancel();
    receiver = nullptr;
    auto installer = store->start_install(request.manifest);
    const bool right =
        installer.ok() && (*installer)->point().index == request.point.index &&
        (*installer)->point().term == request.point.term &&
        *(*installer)->point().configuration == raft::encode(request.point.configuration);
    if (!right) {
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
        if (point.hash && !saving_snapshot_point) {
            if (const Status saved = records->save(hashes_with(*point.hash)); !saved.ok()) {
                fatal("the hash of the log cannot be saved: " + saved.error().message);
            }
        }
        snapshot_hash = point.hash;
        if (const Status switched = store->finish_install(finished->installer()); !switched.ok()) {
            fatal("the received snapshot cannot be put in place: " + switched.error().message);
        }
        applied = point.index;
        std::erase_if(unapplied, [&](const auto& entry) { return entry.index <= applied; });
        core->snapshot_installed(now(), point);
        seams.events.record(event::SnapshotInstalled{point.index});
        if (core->last_index() > point.index) {
            log->trim(point.index);
        } else {
            log->reset(point.index);
        }
    } else {
        seams.events.record(event::SnapshotRefused{core->leader(), point.index});
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
    if (saving_snapshot_point || log->bytes_on_disk() <= options.log_tail_bytes) return;
    const Index limit = trim_limit();
    if (limit <= store->snapshot_point().index || !core->term_at(limit)) return;
    raft::SnapshotPoint point = core->point_up_to(limit);
    if (point.index <= store->snapshot_point().index) return;
    saving_snapshot_point = true;
    if (!point.hash) return save_snapshot_point(std::move(point));
    auto saved = std::make_shared<Status>();
    seams.executor.background(
        [records = records, hashes = hashes_with(*point.hash), saved] {
            *saved = records->save(hashes);
        },
        lifetime.guard([this, point, saved] {
            if (!saved->ok()) {
                fatal("the hash of the log cannot be saved: " + saved->error().message);
            }
            save_snapshot_point(point);
        }));
}

// The record is saved before the snapshot point moves; until then the hash at the old one counts.
std::vector<raft::LogHash> Replica::State::hashes_with(const raft::LogHash& next) const {
    if (snapshot_hash && snapshot_hash->index != next.index) return {*snapshot_hash, next};
    return {next};
}

void Replica::State::save_snapshot_point(raft::SnapshotPoint point) {
    auto configuration = std::make_shared<const Bytes>(raft::encode(point.configuration));
    store->save_snapshot_point({point.index, point.term, std::move(configuration)},
                               lifetime.guard([this, point](Status saved) {
                                   saving_snapshot_point = false;
                                   if (!saved.ok())
                                       return;  // the disk is full: the next flush tries again
                                   snapshot_hash = point.hash;
                                   core->compacted(point);
                                   log->trim(point.index);
                                   schedule_pump();
                               }));
}

}  // namespace quorlite::replica
