// What surrounds the measurements: making a cluster of nodes that were just started, filling it,
// and killing its leader to see how long its clients wait. Everything is bounded by a deadline.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drivers/shell/bench/link.h"

namespace quorlite::benchmark {

// The nodes have the ids 1, 2, 3 ... in the order of `nodes`.
//
// Waits until each node lists all of them as voters and one leads. With `join` the first is alone
// in its cluster, and the others are added by this program; without it they join by themselves.
Status form_cluster(const std::vector<std::string>& nodes, bool join, Time deadline);

// Makes the tables of workload.h, with their rows. May be repeated.
Status make_tables(const std::vector<std::string>& nodes, Time deadline);

// Inserts `megabytes` of incompressible rows of 1,000 bytes, 1,000 rows to a transaction.
Status fill(const std::vector<std::string>& nodes, std::uint64_t megabytes, Time deadline);

// Kills the leader with SIGKILL and returns the time until a write was acknowledged by a new one.
// `processes` are the ids of the nodes' processes, in the order of `nodes`.
Result<double> fail_over(const std::vector<std::string>& nodes, const std::vector<int>& processes,
                         Time deadline);

}  // namespace quorlite::benchmark
