// One simulated node: what its disk holds, and what is lost when it crashes.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/raft/invariants.h"
#include "engine/raft/raft.h"
#include "tests/sim/seeded.h"

namespace quorlite::sim {

// The toy state machine: a hash chain over everything applied.
struct Machine {
    Index applied;
    Term term;
    std::uint64_t chain = 0;
};

// The machine as of a point, durably.
struct Checkpoint {
    raft::SnapshotPoint point;
    std::uint64_t chain = 0;
};

// A log file: contiguous entries. An entry that does not follow the last begins it anew.
struct Stored {
    std::deque<raft::Entry> entries;

    Index last() const { return entries.empty() ? Index() : entries.back().index; }
    void cut(Index from) {
        while (!entries.empty() && entries.back().index >= from) entries.pop_back();
    }
    void put(const raft::Entry& entry) {
        if (entry.index != last().next()) entries.clear();
        entries.push_back(entry);
    }
    void trim(Index upto) {
        while (!entries.empty() && entries.front().index <= upto) entries.pop_front();
    }
    const raft::Entry* find(Index index) const {
        if (entries.empty() || index < entries.front().index || index > last()) return nullptr;
        return &entries[index.value() - entries.front().index.value()];
    }
};

// A write of the log: under way until it is on the disk, and then until the core is told.
struct Write {
    std::uint64_t number;
    std::optional<Index> cut;
    std::vector<raft::Entry> entries;
    bool on_disk = false;
    bool told = true;  // false: its completion is not reported any more

    bool contains(const raft::Entry& entry) const {
        if (entries.empty() || entry.index < entries.front().index) return false;
        if (entry.index > entries.back().index) return false;
        return entries[entry.index.value() - entries.front().index.value()].term == entry.term;
    }
};

struct PendingAck {
    Index index;
    Term term;
};

struct PendingRead {
    std::uint64_t round;
    Term term;
    Index floor;
};

// With a leader whose history is not this node's.
struct Dispute {
    Term term;
    TimePoint since;  // by the node's clock
};

// A disk as it was at one time.
struct Copy {
    Checkpoint checkpoint;
    Stored disk;
    std::vector<raft::Receipt> receipts;
};

struct Node {
    Node(NodeId with_id, std::uint64_t seed) : id(with_id), random(seed) {}

    const NodeId id;
    Seeded random;  // the core's

    // The clock: local = base_local + (global - base_global) * rate.
    double rate = 1;
    TimePoint base_global;
    TimePoint base_local;

    // Durable.
    raft::HardState hard;
    Checkpoint checkpoint;
    Stored disk;
    Index barrier;  // damage was found and is not repaired yet
    std::vector<raft::Receipt> receipts;
    Duration promise{};  // the longest that may be owed
    bool lost = false;   // its disk was replaced, or put back to an older copy, once
    // An entry on its disk became another, which no checksum noticed; this is what it was.
    std::optional<raft::Entry> altered;
    bool was_altered = false;
    std::optional<Copy> copy;
    bool goes_back = false;  // to the copy, with the next crash

    // Lost in a crash.
    bool up = false;
    Duration election_timeout{};  // of this life
    std::uint64_t incarnation = 0;
    TimePoint paused_until;
    std::vector<std::function<void()>> deferred;  // until then
    std::unique_ptr<raft::Core> core;
    raft::Invariants invariants;
    Machine machine;
    Stored written;  // what the log will be when all writes are done
    std::vector<Write> writes;
    bool disk_busy = false;
    std::deque<raft::Entry> unapplied;
    bool applying = false;
    std::optional<raft::SnapshotRequest> installing;
    bool settling = false;  // the output is to be taken soon
    TimePoint tick_due;     // the next tick that is scheduled
    raft::RoleName role = raft::RoleName::kFollower;
    Term role_term;
    std::optional<Dispute> dispute;
    std::vector<PendingAck> acks;
    std::vector<PendingRead> reads;
    std::uint64_t round_reads = 0;
};

}  // namespace quorlite::sim
