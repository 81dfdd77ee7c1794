// What operators' commands share: finding a node, and the state of all of them as a result.
#pragma once

#include <string>
#include <vector>

#include "drivers/shell/renderer.h"
#include "quorlite/cluster.h"

namespace quorlite::shell {

class Shell;

// The member with this id or address; an empty word means the leader. Throws if there is none.
node_info find_node(Shell& shell, const std::string& word);

// Every node: role, term, indices, lag, latency. Lag is in entries of the log, behind the last that
// any node has. Pure.
Relation status_relation(const std::vector<node_status>& nodes);

}  // namespace quorlite::shell
