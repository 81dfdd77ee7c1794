// Who should do what in a cluster: choices made from what the leader knows, without doing anything.
#pragma once

#include <optional>
#include <vector>

#include "engine/base/clock.h"
#include "engine/raft/raft.h"

namespace quorlite::cluster {

// The voter that should lead after this one: heard from lately, with the most complete log and,
// among equals, the most applied and then the lowest id. None if no other voter is alive.
NodeId best_successor(NodeId self, const raft::Configuration& configuration,
                      const std::vector<raft::Progress>& peers);

struct RoleChange {
    NodeId node;
    raft::Role role;
    friend bool operator==(const RoleChange&, const RoleChange&) = default;
};

// How many voters a cluster has if it has nodes enough.
inline constexpr std::size_t kVotersWanted = 3;

// What a leader should change so that the next death does not end the cluster: a standby takes the
// place of a voter that has been silent for `patience`, or of one that was removed (`vacancy`);
// then the silent one becomes a standby, so that it does not count in majorities while it is away.
// Nothing if all is well, or nobody is there to be promoted.
std::optional<RoleChange> next_role_change(NodeId self, const raft::Configuration& configuration,
                                           const std::vector<raft::Progress>& peers,
                                           Duration patience, bool vacancy);

}  // namespace quorlite::cluster
