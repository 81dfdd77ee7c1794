#include "quorlite/stop_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace quorlite {

stop_signal::stop_signal() noexcept : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

stop_signal::~stop_signal() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void stop_signal::poke() const noexcept {
    const int saved = errno;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(descriptor_, &one, sizeof one));
    errno = saved;
}

void stop_signal::raise() noexcept {
    times_.fetch_add(1);
    poke();
}

void stop_signal::lower() noexcept {
    const std::uint64_t times = times_.load();
    std::uint64_t count = 0;
    static_cast<void>(!::read(descriptor_, &count, sizeof count));
    lowered_.store(times);
    // Raised once more meanwhile: what that wrote may have been read.
    if (raised()) poke();
}

}  // namespace quorlite
