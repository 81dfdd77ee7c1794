// Plan: everything about one run of the layer `node` that is drawn from its seed before it begins.
// A run has some kinds of faults and not others, so that each is also seen alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/replica/replica.h"
#include "tests/sim/node/world.h"

namespace quorlite::sim {

enum class Fault {
    kCrash,       // the power of one node goes
    kKill,        // its process
    kCrashAll,    // the power of all
    kPartition,   // two sides
    kOneWay,      // single directions
    kIsolation,   // the leader from its peers, not from its clients
    kPause,       // a process stands still
    kTransfer,    // leadership is handed over
    kFullDisk,    //
    kSlowDisk,    //
    kFailedSync,  // a sync or write fails: the node must stop
    kRot,         // one node's log is damaged while it is down
    kRottenPage,  // pages of one node's base files are damaged
    kLostDisk,    // one node is gone for ever, and is replaced
    kMember,      // nodes are added, removed, promoted, demoted
    kWallJump,    // the time of day jumps
    // Not struck, but there all the time:
    kLoss,
    kDuplication,
    kSlowNetwork,
    kForgery,  // frames that no node has sent; see forger.h
    kDrift,    // clocks run up to 30 % too fast or too slow
    kYields,   // statements give the loop away
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::kYields) + 1;
std::string_view name_of(Fault fault);

struct Plan {
    // A run with nothing but lost leaders, killed or with a full disk, and default timeouts, in
    // which each must be followed soon.
    bool failovers = false;
    std::uint64_t voters = 3;
    std::uint64_t clients = 4;
    std::uint64_t watchers = 0;  // clients that look for a leader that is none, or wander
    Duration pause_max = std::chrono::milliseconds(50);
    Duration fault_every = std::chrono::milliseconds(800);
    std::vector<Fault> faults;
    bool late_joiner = false;
    bool auto_vacuum = false;
    double yields = 0;
    NetworkFaults network;
    replica::Options replica;  // but for a node's own name

    bool has(Fault fault) const;
    std::string describe() const;
};

Plan draw_plan(Seeded& random);

}  // namespace quorlite::sim
