// Values that tests and scripts of consensus are written with: entries, logs, members, options.
#pragma once

#include <string_view>
#include <vector>

#include "engine/raft/raft.h"

namespace quorlite::raft {

inline constexpr Duration kElectionTimeout = std::chrono::milliseconds(1000);
inline constexpr Duration kHeartbeat = std::chrono::milliseconds(100);

// Draws next to nothing, so that waits are the least: a multiple of one more than the election
// timeout and than four heartbeats in nanoseconds, and so within 200 of a multiple of the other
// bounds drawn from.
class LeastRandom final : public Random {
public:
    std::uint64_t next() override { return 1'000'000'001ull * 400'000'001ull; }
};

SharedBytes payload(std::string_view text);
Entry command(std::uint64_t index, std::uint64_t term, std::string_view text = "x");
Entry configured(std::uint64_t index, std::uint64_t term, const Configuration& configuration);
// Commands with these terms at index 1, 2, ...
std::vector<Entry> log_of(std::vector<std::uint64_t> terms);
// Ids 1.. in this order; a letter per server: 'v', 's' or '-' (spare).
Configuration members(std::string_view roles);
Options options_of(std::uint64_t self);

Restored restored_of(std::uint64_t term, std::vector<Entry> log, std::string_view roles = "vvv");

AppendRequest append_of(std::uint64_t term, std::uint64_t previous_index,
                        std::uint64_t previous_term, std::vector<Entry> entries = {},
                        std::uint64_t commit = 0, std::uint64_t round = 1);

}  // namespace quorlite::raft
