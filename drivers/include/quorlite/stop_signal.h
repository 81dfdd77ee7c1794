// stop_signal: ends blocking calls, of administration above all, from a signal handler or another
// thread.
//
// What: a signal that is given to options::stop concerns every blocking call that is made under
// these options and waits for a node while the signal is raised: it fails with
// error_kind::cancelled unless it was done already, as after connection::interrupt(). A rollback is
// not stopped. The signal stays raised until it is lowered.
//
// Errors: none. In a process that has no descriptor left, calls are stopped at the next event only.
//
// Exception safety: nothing throws.
//
// Lifetimes: shared with the clusters that it was given to.
//
// Thread safety: raise() and raised() from everywhere, signal handlers included; lower() from one
// thread at a time.
#pragma once

#include <atomic>
#include <cstdint>

#include "quorlite/export.h"

namespace quorlite {

class QUORLITE_EXPORT stop_signal {
public:
    stop_signal() noexcept;
    stop_signal(const stop_signal&) = delete;
    stop_signal& operator=(const stop_signal&) = delete;
    ~stop_signal();

    void raise() noexcept;
    void lower() noexcept;
    bool raised() const noexcept { return times_.load() != lowered_.load(); }

    // Readable while it is raised, for poll(); -1 if there is none.
    int descriptor() const noexcept { return descriptor_; }

private:
    void poke() const noexcept;

    const int descriptor_;
    std::atomic<std::uint64_t> times_ = 0;    // it was raised
    std::atomic<std::uint64_t> lowered_ = 0;  // of these, when it was lowered last
};

}  // namespace quorlite
