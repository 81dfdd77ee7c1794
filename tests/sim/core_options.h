// What one run of the core simulation draws from its seed before it begins.
#pragma once

#include <string>

#include "engine/base/clock.h"
#include "tests/sim/seeded.h"

namespace quorlite::sim {

struct CoreOptions {
    explicit CoreOptions(Seeded& random);
    std::string describe() const;

    // The cluster.
    std::size_t voters;
    std::size_t standbys;
    std::size_t spares;
    std::size_t newcomers;  // nodes that are not members yet
    Duration election_timeout;
    Duration heartbeat;
    std::size_t append_bytes_max;
    std::size_t window_bytes_max;
    std::size_t cache_bytes_max;
    std::size_t unapplied_bytes_max;
    Duration duration;  // with faults; the liveness phase follows

    // The machines.
    double drift_max;     // clock rates are within 1 +- this
    Duration disk_least;  // one write of the log
    Duration disk_most;
    double slow_disk;            // the part of writes that take much longer
    Duration notice_most;        // from a write being durable to the node learning of it
    Duration apply_most;         // from delivery to having applied
    double batching;             // the part of inputs after which the output is not taken at once
    bool eager_ticks;            // tick often, rather than at next_deadline()
    std::uint64_t flush_every;   // entries between two checkpoints of the state machine
    std::uint64_t keep_entries;  // of the log, behind the checkpoint

    // The network.
    Duration delay_least;
    Duration delay_most;
    bool in_order;  // a link never reorders, as within one connection
    double loss;
    double duplication;
    double straggler;  // the part of messages delayed by up to several election timeouts
    double forged;     // the part of messages that a forged one follows

    // The faults.
    Duration fault_interval;
    bool crashes;
    bool crashes_in_output;
    bool partitions;
    bool pauses;
    bool true_gone;
    bool false_gone;
    bool memberships;
    bool transfers;
    bool damage;
    bool lost_disks;     // replaced by empty ones
    bool older_disks;    // put back to an older copy
    bool clones;         // a node runs twice
    bool half_open;      // connections that swallow what is sent
    bool altered_entry;  // on one disk, and no checksum notices
    bool mixed_timeouts;
    bool unreadable_log;

    // The clients.
    Duration write_interval;
    std::uint64_t batch_most;
    std::uint64_t payload_bytes_most;
    Duration read_interval;
};

}  // namespace quorlite::sim
