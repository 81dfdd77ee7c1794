// What a node of consensus says and does, as text: a line each, every field that is not as usual.
//
//   5/2 is the entry at index 5 of term 2; "1v 2v 3s 4-" are members: voters, a standby, a spare.
#pragma once

#include <string>
#include <vector>

#include "engine/raft/raft.h"

namespace quorlite::raft {

std::string describe(const Configuration& configuration);
std::string describe(const Entry& entry);
std::string describe(const Message& message);

// The lines of an output, in the order in which its owner carries it out.
std::vector<std::string> describe(NodeId self, const Ready& output);

}  // namespace quorlite::raft
