// What a real process has of its system: the Clock and Random seams, and how many files it may have
// open.
#pragma once

#include <array>
#include <cstddef>

#include "engine/base/clock.h"

namespace quorlite::server {

class SystemClock final : public Clock {
public:
    TimePoint now() const override;  // CLOCK_BOOTTIME
    std::int64_t wall_ms() const override;
};

// xoshiro256**, seeded by the kernel. Only on the loop.
class SystemRandom final : public Random {
public:
    SystemRandom();
    std::uint64_t next() override;

private:
    std::array<std::uint64_t, 4> state_;
};

// The soft limit on open files.
std::size_t descriptor_limit();

}  // namespace quorlite::server
