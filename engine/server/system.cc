#include "engine/server/system.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <bit>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace quorlite::server {
namespace {

std::int64_t read_ns(clockid_t clock) {
    timespec time{};
    QUORLITE_CHECK(::clock_gettime(clock, &time) == 0);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TimePoint SystemClock::now() const {
    return TimePoint(Duration(read_ns(CLOCK_BOOTTIME)));
}

std::int64_t SystemClock::wall_ms() const {
    return read_ns(CLOCK_REALTIME) / 1'000'000;
}

SystemRandom::SystemRandom() {
    constexpr std::size_t kBytes = sizeof state_;
    const ssize_t got = ::getrandom(state_.data(), kBytes, 0);
    QUORLITE_CHECK(got == static_cast<ssize_t>(kBytes));  // 256 bytes or less are never cut short
    state_[0] |= 1;                                       // the generator must not start at zero
}

std::uint64_t SystemRandom::next() {
    const std::uint64_t drawn = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return drawn;
}

std::size_t descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return limits::kDescriptorsMax;
    return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, limits::kDescriptorsMax));
}

}  // namespace quorlite::server
