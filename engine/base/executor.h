// The Executor seam: where work runs.
//
// A node's mind is single-threaded: everything but `work` functions below runs on "the loop", one
// handler at a time. There are three ways off it:
//
//   background()  for work that would block (creating files, flushing, reading old log
//                 segments): it runs on a helper thread, then `done` runs on the loop.
//   step()        for one statement's execution. `work` starts at once on the calling thread,
//                 which holds the loop. When its time budget is spent, at the latest soon after
//                 that, another thread takes the loop over and `work` goes on beside it; nothing
//                 is run twice and nothing moves. `done` runs inline when the loop was kept (no
//                 hand-over at all), else later, on the loop.
//   after()       for timers.
//
// So `work` must touch only what is its own or locked. The simulator runs all of it inline on one
// thread.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/base/clock.h"

namespace quorlite {

using Task = std::function<void()>;

enum class TimerId : std::uint64_t { kNone = 0 };

class Executor {
public:
    virtual ~Executor() = default;

    // Runs on the loop after the current handler. Callable from any thread.
    virtual void post(Task task) = 0;

    // Runs on the loop once `delay` has passed. Cancelling a timer that ran or never was is
    // harmless.
    virtual TimerId after(Duration delay, Task task) = 0;
    virtual void cancel(TimerId timer) = 0;

    virtual void background(Task work, Task done) = 0;

    virtual void step(Task work, Task done) = 0;
    // Only from inside step()'s work, often (SQLite's progress handler): gives the loop away when
    // due. False: it is long overdue and nobody can take the loop, so the work must end, with an
    // error.
    virtual bool may_yield() = 0;
};

}  // namespace quorlite
