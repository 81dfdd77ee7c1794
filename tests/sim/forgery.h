// Forgery: messages that no sound node sends, made of those that one does.
//
// Each breaks a rule that its receiver can check, and does harm if it is believed. A lie that fits,
// told in the name of a member, no receiver can tell from the truth while peers prove nothing:
// there are none of these here.
#pragma once

#include <optional>

#include "engine/raft/types.h"
#include "tests/sim/seeded.h"

namespace quorlite::sim {

// Nodes with these ids and the few after it belong to no cluster.
inline constexpr NodeId kStranger{7777};
inline constexpr std::uint64_t kStrangers = 3;

// `real` with one field at an extreme, or as a stranger would say it; nothing if the kind of
// forgery that was drawn does not fit.
std::optional<raft::Envelope> forge(const raft::Envelope& real, Seeded& random);

// What does most harm if somebody listens who must not.
raft::Message tempting(const raft::Message& real, Seeded& random);

}  // namespace quorlite::sim
