// The owner of a core, as engine/replica is: durability in the right order, and what a crash leaves
// of it.

#include <algorithm>

#include "tests/sim/core_world.h"
#include "wire/base/bytes.h"

namespace quorlite::sim {
namespace {

SharedBytes manifest_of(const Checkpoint& checkpoint) {
    Bytes bytes;
    ByteWriter(bytes).u64(checkpoint.chain);
    return std::make_shared<const Bytes>(std::move(bytes));
}

}  // namespace

// --- starting and crashing ---

void World::start(Node& on) {
    note("start", on.id, on.hard.term.value(), on.disk.last().value());
    on.up = true;
    ++on.incarnation;
    on.written = on.disk;
    on.writes.clear();
    on.disk_busy = false;
    on.unapplied.clear();
    on.applying = on.settling = false;
    on.installing.reset();
    on.acks.clear();
    on.reads.clear();
    on.tick_due = TimePoint();
    on.invariants = {};
    on.role = raft::RoleName::kFollower;
    on.dispute.reset();
    on.machine = {on.checkpoint.point.index, on.checkpoint.point.term, on.checkpoint.chain};

    raft::Restored restored{.hard_state = on.hard,
                            .snapshot = on.checkpoint.point,
                            .log = {},
                            .committed = on.checkpoint.point.index,
                            .vote_barrier = on.barrier,
                            .receipts = on.receipts,
                            .owed = on.promise};
    for (const raft::Entry& entry : on.disk.entries) {
        if (entry.index > on.checkpoint.point.index) restored.log.push_back(entry);
    }
    on.election_timeout = options_.election_timeout;
    if (options_.mixed_timeouts && faults_ && random_.chance(0.4)) {
        on.election_timeout *= kSlowTimeouts;
    }
    keep_promise(on);
    if (!is_clone(on)) open_links(on);
    raft::Options options{.self = on.id,
                          .election_timeout = on.election_timeout,
                          .heartbeat = options_.heartbeat,
                          .append_bytes_max = options_.append_bytes_max,
                          .window_bytes_max = options_.window_bytes_max,
                          .cache_bytes_max = options_.cache_bytes_max,
                          .unapplied_bytes_max = options_.unapplied_bytes_max};
    on.core = std::make_unique<raft::Core>(options, std::move(restored), on.random, local(on));
    input(on);
}

// Writes that were not finished reach the disk up to some point, the last of them in part.
void World::crash(Node& on, Duration restart_most) {
    note("crash", on.id);
    ++counts_.crashes;
    std::erase_if(on.writes, [](const Write& each) { return each.on_disk; });
    std::uint64_t finished = random_.below(on.writes.size() + 1);
    for (const Write& pending : on.writes) {
        if (pending.cut) on.disk.cut(*pending.cut);
        const bool whole = finished > 0;
        const std::size_t entries =
            whole ? pending.entries.size() : random_.below(pending.entries.size() + 1);
        for (std::size_t i = 0; i < entries; ++i) on.disk.put(pending.entries[i]);
        if (!whole) break;
        --finished;
    }
    on.up = false;
    on.core.reset();
    for (auto& row : heard_) row[on.id.value() - 1] = {};  // its connections are closed
    damage(on);
    lose(on);
    alter(on);
    // After a reboot the clock begins anew.
    on.base_global = now_;
    on.base_local = TimePoint(random_.between(Duration(0), std::chrono::seconds(1000)));
    if (options_.true_gone) tell_gone(on, 0.8);
    if (!faults_) return;
    after(random_.between(Duration(0), restart_most), [this, &on] {
        if (!on.up) start(on);
    });
}

bool World::any_damaged() const {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [](const auto& each) { return bool(each->barrier); });
}

// Acknowledged entries are lost. At most one node at a time: the fault atlas.
void World::damage(Node& on) {
    if (!options_.damage || !faults_ || any_damaged() || !random_.chance(0.3)) return;
    const Index last = on.disk.last();
    if (last <= on.checkpoint.point.index) return;
    on.barrier = last;
    on.disk.cut(Index(random_.between(on.checkpoint.point.index.value() + 1, last.value())));
    note("damage", on.id, last.value(), on.disk.last().value());
    ++counts_.damages;
}

// An entry that is committed, and that everybody else has by now, becomes another, once in a run.
// Nobody is told: the hashes must tell.
void World::alter(Node& on) {
    if (!options_.altered_entry || !faults_ || altered_ || !random_.chance(0.5)) return;
    if (on.disk.last() <= on.checkpoint.point.index) return;
    const std::uint64_t first = on.checkpoint.point.index.value() + 1;
    const Index index(random_.between(first, on.disk.last().value()));
    for (std::size_t i = 0; i < options_.voters + options_.standbys; ++i) {
        const raft::Entry* there = nodes_[i]->disk.find(index);
        const bool has = there != nullptr && oracle_.is_committed(index, there->term);
        if (!has && nodes_[i]->checkpoint.point.index < index) return;
    }
    for (raft::Entry& entry : on.disk.entries) {
        if (entry.index != index || entry.kind != raft::EntryKind::kCommand) continue;
        on.altered = entry;
        Bytes other = *entry.payload;
        other[random_.below(8)] ^= 0x10;
        entry.payload = std::make_shared<const Bytes>(std::move(other));
        altered_ = on.was_altered = true;
        note("alter", on.id, index.value());
    }
}

// As Replica::State::on(const Conflict&): of two histories the one ends that a majority is without.
void World::disagree(Node& on, const raft::Conflict& conflict) {
    ++counts_.disputes;
    note("dispute", on.id, conflict.leader.value(), conflict.index.value());
    if (!on.was_altered && !node(conflict.leader).was_altered) {
        return oracle_.fail("a false alarm: node " + std::to_string(on.id.value()) +
                            " takes the history of node " +
                            std::to_string(conflict.leader.value()) + " for another");
    }
    if (!on.dispute || on.dispute->term != conflict.term) {
        on.dispute = {conflict.term, local(on)};
    }
    if (!conflict.outvoted || local(on) - on.dispute->since < on.election_timeout * 4) return;
    if (!on.altered) return oracle_.fail("a sound node ends, for one whose history is altered");
    after_on(on, Duration(0), [this, &on] { replace(on); });
}

// An operator replaces the node that has ended.
void World::replace(Node& on) {
    if (on.checkpoint.point.index.value() > oracle_.commits()) return;  // nobody else is as far yet
    note("replace", on.id);
    crash(on, Duration(0));
    for (raft::Entry& entry : on.disk.entries) {
        if (entry.index == on.altered->index) entry = *on.altered;
    }
    on.checkpoint.chain = oracle_.chain(on.checkpoint.point.index);
    on.checkpoint.point.hash.reset();
    on.altered.reset();
    start(on);
}

// One disk in a run is replaced by an empty one, or put back to an older copy. Of the latter only
// the log is older: that it may have forgotten a vote nobody else can know.
void World::lose(Node& on) {
    if (!faults_ || std::ranges::any_of(nodes_, [](const auto& each) { return each->lost; }))
        return;
    const bool scripted = std::exchange(on.goes_back, false);
    Copy other = scripted ? std::move(*on.copy) : Copy{};
    const bool empty = other.disk.entries.empty() && !other.checkpoint.point.index;
    if (scripted ? !empty && !others_know(on) : !options_.lost_disks || !random_.chance(0.1))
        return;
    note(empty ? "lost disk" : "older disk", on.id, on.disk.last().value());
    on.lost = true;
    if (empty) {
        on.hard = {};
        on.promise = Duration::zero();
        oracle_.forgot(on.id);
        other.checkpoint = {};
    }
    on.checkpoint = std::move(other.checkpoint);
    on.disk = std::move(other.disk);
    on.receipts = std::move(other.receipts);
}

// Whether all other voters hold receipts for whatever this one acknowledged: what it acknowledged
// in the last moment before its disk goes back is beyond the promise.
bool World::others_know(const Node& of) const {
    const Index least = std::max(of.disk.last(), of.checkpoint.point.index);
    for (std::size_t i = 0; i < options_.voters; ++i) {
        const Node& other = *nodes_[i];
        if (other.id == of.id) continue;
        const auto receipt = std::ranges::find(other.receipts, of.id, &raft::Receipt::voter);
        if (receipt == other.receipts.end() || receipt->upto.index < least) return false;
    }
    return true;
}

// As Replica::State::keep_promise().
void World::keep_promise(Node& on) {
    on.promise = std::max(on.promise, on.election_timeout);
    if (on.promise == on.election_timeout) return;
    after_on(on, global(on, on.promise), [&on] { on.promise = on.election_timeout; });
}

// --- the core's output ---

void World::check(Node& on) {
    const std::string name = "node " + std::to_string(on.id.value());
    if (const auto broken = on.invariants.check(*on.core)) {
        oracle_.fail(name + ": not so: " + *broken);
    }
    // I9: the core believes of the disk only what is so.
    const Index durable = on.core->durable_index();
    const raft::Entry* entry = on.disk.find(durable);
    const bool stored = entry != nullptr && entry->term == on.core->term_at(durable);
    if (durable > on.checkpoint.point.index && !stored) {
        oracle_.fail("I9: " + name + " believes durable what is not on its disk");
    }
}

// Once its term is on disk: a leader that crashed before has not led.
void World::check_leadership(Node& on) {
    if (on.core->role() == raft::RoleName::kLeader &&
        (on.role != raft::RoleName::kLeader || on.role_term != on.core->term())) {
        note("leads", on.id, on.core->term().value(), on.core->last_index().value());
        ++counts_.elections;
        last_election_ = now_;
        oracle_.elected(*on.core);
        check_other_leases(on);
        // Clients that waited for a leader are quick to find it.
        after_on(on, random_.between(Duration(0), options_.delay_most * 4), [this, &on] {
            if (faults_ && on.core->role() == raft::RoleName::kLeader) write_at(on);
        });
    }
    on.role = on.core->role();
    on.role_term = on.core->term();
}

void World::input(Node& on) {
    check(on);
    if (!on.settling && random_.chance(options_.batching)) {
        on.settling = true;
        after_on(on, random_.between(Duration(0), options_.delay_most), [this, &on] {
            on.settling = false;
            carry_out(on);
        });
    }
    if (!on.settling) carry_out(on);
}

bool World::crashes_here(Node& on) {
    if (!faults_ || !options_.crashes_in_output || now_ < calm_until_ || !random_.chance(0.0003))
        return false;
    crash(on, restart_most());
    return true;
}

// In the order that raft.h demands, with a possible crash after each step.
void World::carry_out(Node& on) {
    if (oracle_.failed()) return;
    raft::Ready output = on.core->take_ready();
    check(on);
    if (crashes_here(on)) return;
    if (output.hard_state) on.hard = *output.hard_state;
    if (!on.core->vote_barrier()) on.barrier = Index();
    on.receipts = on.core->receipts();
    check_leadership(on);
    if (crashes_here(on)) return;
    if (output.truncate_from || !output.append.empty()) {
        write(on, output.truncate_from, std::move(output.append));
    }
    for (const raft::Envelope& envelope : output.messages) {
        const auto* reply = std::get_if<raft::VoteReply>(&envelope.message);
        if (reply != nullptr && reply->granted && !reply->pre_vote && !is_clone(on)) {
            oracle_.voted(on.id, reply->term, envelope.to);
        }
        const auto* request = std::get_if<raft::VoteRequest>(&envelope.message);
        if (request != nullptr && !request->pre_vote && !is_clone(on)) {
            oracle_.voted(on.id, request->term, on.id);
        }
        send(on, envelope);
        if (crashes_here(on)) return;
    }
    for (raft::Entry& entry : output.committed) {
        if (!on.altered) oracle_.delivered(on.id, on.core->term(), entry);
        on.unapplied.push_back(std::move(entry));
    }
    apply(on);
    for (const raft::LogRead& read : output.reads) load(on, read);
    for (const NodeId peer : output.snapshots) offer(on, peer);
    if (output.install) install(on, *output.install);
    if (output.conflict) disagree(on, *output.conflict);
    answer_reads(on);
    schedule_tick(on);
}

void World::schedule_tick(Node& on) {
    const Duration wait =
        options_.eager_ticks ? options_.heartbeat / 4 : on.core->next_deadline() - local(on);
    const TimePoint due = now_ + std::max(global(on, wait), Duration(1000));
    if (on.tick_due > now_ && on.tick_due <= due) return;
    on.tick_due = due;
    after_on(on, due - now_, [this, &on, due] {
        if (on.tick_due == due) tick(on);
    });
}

void World::tick(Node& on) {
    on.tick_due = TimePoint();
    note("tick", on.id, on.core->term().value());
    on.core->tick(local(on));
    input(on);
    if (on.up) schedule_tick(on);
}

// --- the log on disk ---

void World::write(Node& on, std::optional<Index> cut, std::vector<raft::Entry> entries) {
    Write next{.number = order_++, .cut = cut, .entries = std::move(entries)};
    if (cut) on.written.cut(*cut);
    for (const raft::Entry& entry : next.entries) {
        // An entry that was cut and is written again: its first write must not be reported any
        // more.
        for (Write& earlier : on.writes) {
            if (earlier.contains(entry)) earlier.told = false;
        }
        const raft::Entry* before = on.written.find(entry.index.previous());
        if (before != nullptr) oracle_.appended(on.id, entry, before->term);
        on.written.put(entry);
    }
    on.writes.push_back(std::move(next));
    start_writing(on);
}

// Whatever gathered while the disk was busy is written together.
void World::start_writing(Node& on) {
    if (on.disk_busy || on.writes.empty() || on.writes.back().on_disk) return;
    on.disk_busy = true;
    Duration takes = random_.between(options_.disk_least, options_.disk_most);
    if (faults_ && random_.chance(options_.slow_disk)) takes = options_.election_timeout * 2;
    after_on(on, takes, [this, &on, last = on.writes.back().number] {
        on.disk_busy = false;
        for (Write& each : on.writes) {
            if (!each.on_disk && each.number <= last) write_done(on, each);
        }
        start_writing(on);
    });
}

void World::write_done(Node& on, Write& done) {
    if (done.cut) on.disk.cut(*done.cut);
    for (const raft::Entry& entry : done.entries) on.disk.put(entry);
    done.on_disk = true;
    after_on(on, random_.between(Duration(0), options_.notice_most),
             [this, &on, number = done.number] {
                 const auto found =
                     std::find_if(on.writes.begin(), on.writes.end(),
                                  [number](const Write& each) { return each.number == number; });
                 const Write finished = std::move(*found);
                 on.writes.erase(found);
                 if (!finished.told || finished.entries.empty()) return;
                 const raft::Entry& last = finished.entries.back();
                 note("durable", on.id, last.index.value(), last.term.value());
                 on.core->durable(last.index, last.term);
                 input(on);
             });
}

void World::load(Node& on, const raft::LogRead& read) {
    after_on(on, random_.between(options_.disk_least, options_.disk_most), [this, &on, read] {
        std::vector<raft::Entry> entries;
        std::size_t bytes = 0;
        for (Index at = read.from; bytes < read.bytes_max; at = at.next()) {
            const raft::Entry* entry = on.written.find(at);
            if (entry == nullptr) break;
            bytes += entry->size();
            entries.push_back(*entry);
        }
        const bool unreadable = faults_ && options_.unreadable_log && random_.chance(0.05);
        if (entries.empty() || unreadable) {
            on.core->entries_unavailable(local(on), read.peer);
        } else {
            on.core->entries_loaded(local(on), read.peer, std::move(entries));
        }
        input(on);
    });
}

// --- the state machine ---

void World::apply(Node& on) {
    if (on.applying || on.unapplied.empty()) return;
    on.applying = true;
    after_on(on, random_.between(Duration(0), options_.apply_most), [this, &on] {
        on.applying = false;
        for (const raft::Entry& entry : on.unapplied) {
            if (entry.index <= on.machine.applied) continue;  // a snapshot overtook it
            if (entry.index != on.machine.applied.next())
                oracle_.fail("I4: a gap in what is applied");
            on.machine.chain = chained(on.machine.chain, entry);
            on.machine.applied = entry.index;
            on.machine.term = entry.term;
        }
        on.unapplied.clear();
        note("applied", on.id, on.machine.applied.value(), on.machine.chain);
        on.core->applied(on.machine.applied);
        acknowledge(on);
        const std::uint64_t behind = on.machine.applied.value() - on.checkpoint.point.index.value();
        if (behind >= options_.flush_every) checkpoint(on);
        input(on);
    });
}

void World::checkpoint(Node& on) {
    const Index applied = on.machine.applied;
    if (applied <= on.checkpoint.point.index) return;
    on.checkpoint = {{applied, on.machine.term, on.core->configuration_at(applied)},
                     on.machine.chain};
    const raft::SnapshotPoint point = on.core->point_up_to(applied);
    if (point.index == applied) on.checkpoint.point.hash = point.hash;
    if (!on.altered) oracle_.stands_for(applied, on.machine.term, on.machine.chain);
    if (applied.value() <= options_.keep_entries) return;
    const Index upto(applied.value() - options_.keep_entries);
    const std::optional<Term> term = on.core->term_at(upto);
    if (!term || upto < on.core->first_index()) return;
    on.core->compacted({upto, *term, on.core->configuration_at(upto)});
    on.disk.trim(upto);
    on.written.trim(upto);
}

// --- snapshots ---

void World::offer(Node& on, NodeId peer) {
    after_on(on, random_.between(Duration(0), options_.disk_most), [this, &on, peer] {
        if (on.checkpoint.point.index < on.core->first_index().previous()) checkpoint(on);
        if (!on.checkpoint.point.index) checkpoint(on);
        const bool refused = on.altered || (faults_ && random_.chance(0.05));
        if (!on.checkpoint.point.index || refused) {
            on.core->snapshot_unavailable(local(on), peer);
        } else {
            on.core->offer_snapshot(local(on), peer, on.checkpoint.point,
                                    manifest_of(on.checkpoint));
        }
        input(on);
    });
}

void World::install(Node& on, const raft::SnapshotRequest& request) {
    on.installing = request;
    const Duration takes = random_.between(Duration(0), options_.election_timeout * 2);
    after_on(on, takes, [this, &on, request] {
        const raft::SnapshotPoint& point = request.point;
        // A newer offer replaced this one.
        if (!on.installing || on.installing->point.index != point.index ||
            on.installing->term != request.term) {
            return;
        }
        on.installing.reset();
        if (faults_ && random_.chance(0.1)) {
            on.core->snapshot_refused(local(on));
            return input(on);
        }
        ++counts_.snapshots;
        note("installed", on.id, point.index.value(), point.term.value());
        if (point.index > on.machine.applied) {
            ByteReader reader(*request.manifest);
            on.checkpoint = {point, reader.u64()};
            on.machine = {point.index, point.term, on.checkpoint.chain};
            oracle_.stands_for(point.index, point.term, on.checkpoint.chain);
            on.disk.trim(point.index);
            on.written.trim(point.index);
            on.altered.reset();
        }
        on.core->snapshot_installed(local(on), point);
        input(on);
    });
}

}  // namespace quorlite::sim
