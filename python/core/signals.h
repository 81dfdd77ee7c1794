// Signals: Ctrl-C, and whatever else Python has handlers for, while the driver waits.
//
// Python runs its handlers between bytecodes of the main thread, so not while that waits in C++.
// The transport made here wakes up now and then and lets them run. What a handler raises is kept in
// the Waiting that is on the stack of the call, which is interrupted and then fails with it.
#pragma once

#include <exception>
#include <functional>
#include <memory>

#include "drivers/sync/transport.h"

namespace quorlite::python {

// Stands on the stack of a call that may wait without the GIL.
class Waiting {
public:
    explicit Waiting(std::function<void()> interrupt);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    // Lets handlers run; interrupts the call if one raises.
    void look();
    // Throws what a handler raised.
    void rethrow() const {
        if (raised_) std::rethrow_exception(raised_);
    }

private:
    const std::function<void()> interrupt_;
    Waiting* const outer_;
    std::exception_ptr raised_;
};

// Sockets whose wait() looks for signals.
std::unique_ptr<sync::Transport> make_interruptible_sockets();

}  // namespace quorlite::python
