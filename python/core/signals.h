// Signals: Ctrl-C, and whatever else Python has handlers for, while the driver waits.
//
// Python runs its handlers between bytecodes of the main thread, so not while that waits in C++.
// The transport made here looks now and then, ten times a second, and lets them run. What a handler
// raises is kept in the Waiting that is on the stack of the call, which is interrupted and then
// fails with it.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <type_traits>

#include "drivers/sync/transport.h"
#include "quorlite/error.h"

namespace quorlite::python {

// Stands on the stack of a call that may wait without the GIL.
class Waiting {
public:
    Waiting();
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    // Lets handlers run, if it is time to. False if one has raised: the call is to end.
    bool look();
    // Throws what a handler raised.
    void rethrow() const {
        if (raised_) std::rethrow_exception(raised_);
    }

private:
    Waiting* const outer_;
    std::chrono::steady_clock::time_point looks_at_;
    std::exception_ptr raised_;
};

// Calls function(), which may wait, without the GIL; whatever a handler raised ends it.
template <class Function>
auto interruptibly(Function function) {
    Waiting waiting;
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Function>>) {
            function();
            waiting.rethrow();
        } else {
            auto value = function();
            waiting.rethrow();
            return value;
        }
    } catch (const error&) {
        waiting.rethrow();
        throw;
    }
}

// Sockets whose wait() looks for signals.
std::unique_ptr<sync::Transport> make_interruptible_sockets();

}  // namespace quorlite::python
