// One simulated run of a whole cluster: real replicas, databases, logs and sessions; clients at
// work; faults of every kind drawn from the seed; then peace, in which everything must come right.
//
// Checked: acknowledged writes survive, refused ones are not there, the history is strictly
// serialisable, sums hold in every read, replicas that have applied equally much are equal to the
// byte, integrity_check is clean, every node starts from whatever its disk holds, and once the
// faults stop the cluster serves.
#pragma once

#include "tests/sim/layer.h"

namespace quorlite::sim {

Outcome run_node(std::uint64_t seed, bool trace);

}  // namespace quorlite::sim
