// Who should do what in a cluster: choices made from what the leader knows, without doing anything.
#pragma once

#include <vector>

#include "engine/raft/raft.h"

namespace quorlite::cluster {

// The voter that should lead after this one: heard from lately, with the most complete log and,
// among equals, the most applied and then the lowest id. None if no other voter is alive.
NodeId best_successor(NodeId self, const raft::Configuration& configuration,
                      const std::vector<raft::Progress>& peers);

}  // namespace quorlite::cluster
