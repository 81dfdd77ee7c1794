// Time in the core: points on a steady clock that the front end reads and hands in.
#pragma once

#include <chrono>

namespace quorlite::core {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

inline constexpr Time kNever = Time::max();

// `from` plus `wait`, which may be as long as one likes.
inline Time later(Time from, std::chrono::milliseconds wait) {
    constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);
    return from + (wait < kLongest ? wait : kLongest);
}

}  // namespace quorlite::core
