// The Clock and Random seams: the only ways the engine learns the time or draws a number.
//
// now() is monotonic and counts the time the machine was suspended (CLOCK_BOOTTIME), because a read
// lease must not outlive a suspension. wall_ms() is for SQL's date functions and logs; no decision
// depends on it.
#pragma once

#include <chrono>
#include <cstdint>

namespace quorlite {

using Duration = std::chrono::nanoseconds;

struct BootClock {
    using rep = Duration::rep;
    using period = Duration::period;
    using duration = Duration;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
};
using TimePoint = BootClock::time_point;

class Clock {
public:
    virtual ~Clock() = default;
    virtual TimePoint now() const = 0;
    virtual std::int64_t wall_ms() const = 0;  // since 1970-01-01 UTC
};

class Random {
public:
    virtual ~Random() = default;
    virtual std::uint64_t next() = 0;  // uniform over 64 bits

    // Uniform in [0, bound); 0 if bound is 0.
    std::uint64_t below(std::uint64_t bound) {
        if (bound == 0) return 0;
        const std::uint64_t excess = (0 - bound) % bound;  // 2^64 mod bound
        std::uint64_t drawn = next();
        while (drawn < excess) drawn = next();
        return drawn % bound;
    }
};

}  // namespace quorlite
