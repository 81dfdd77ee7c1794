// Start: what the node's directory holds becomes a replica, or an error that says why not.

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"

namespace quorlite::replica {

Status Replica::State::open_identity() {
    const auto recorded = records->identity();
    if (!recorded) {
        identity = {.id = options.id, .cluster = {}, .address = options.address};
        if (!identity.id) return Error{code::kError, "a new node needs an id other than 0"};
        if (identity.address.empty()) {
            return Error{code::kError, "a new node needs an address, HOST:PORT"};
        }
        if (!options.bootstrap) return records->save(identity);
        // The high half is what tells it from the ids of 64 bits that version 0.1 drew.
        do identity.cluster = {seams.random.next(), seams.random.next()};
        while (identity.cluster.high == 0 || identity.cluster.low == 0);
        // The configuration first: a directory with an identity is never mistaken for a new one.
        const raft::SnapshotPoint first{
            Index(0), Term(0), {{{identity.id, identity.address, raft::Role::kVoter}}}};
        if (Status saved = records->save(first); !saved.ok()) return saved;
        return records->save(identity);
    }
    identity = *recorded;
    if (!identity.cluster) return rename();
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
    const bool had_databases = seams.disk.exists("databases");
    auto opened_store = database::Store::open(seams.disk, seams.executor, seams.clock, seams.random,
                                              options.database);
    if (!opened_store.ok()) return opened_store.error();
    store = std::move(*opened_store);

    const bool has_taken_part = records->hard_state().term > Term();
    if (has_taken_part && !had_databases) return disk::missing("databases");
    if (has_taken_part && !seams.disk.exists("log")) return disk::missing("log");
    disk::RecoveredLog recovered;
    const Index snapshot = std::max(store->snapshot_point().index, records->snapshot().index);
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
    if (const auto& point = store->snapshot_point(); point.index > restored.snapshot.index) {
        auto configuration = raft::decode_configuration(*point.configuration);
        if (!configuration) fatal("the manifest's configuration does not decode");
        restored.snapshot = {point.index, point.term, std::move(*configuration)};
        if (mutant(Mutant::kMarkForgetsConfiguration)) {
            restored.snapshot.configuration = records->snapshot().configuration;
        }
    }
    for (const raft::LogHash& hash : records->log_hashes()) {
        if (hash.index == restored.snapshot.index) restored.snapshot.hash = hash;
    }
    snapshot_hash = restored.snapshot.hash;
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
    restored.committed = std::clamp(std::max(store->known_committed(), records->acknowledged()),
                                    restored.snapshot.index, last);
    applied = restored.snapshot.index;
    members = restored.snapshot.configuration;
    restored.receipts = receipts_saved = records->receipts();
    restored.owed = records->promise();
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
    log->on_space = [this](bool available) { note_space(log_has_space, available); };
    store->on_space = [this](bool available) { note_space(store_has_space, available); };
    store->on_flushed = [this] {
        trim_log();
        take_held();
    };
    store->log_durable(log->durable_index());
    acknowledged_noted = records->acknowledged();
    acknowledged_due = now() + kAcknowledgedInterval;
    keep_promise();
    pump();
    schedule_tick();
    return {};
}

}  // namespace quorlite::replica
