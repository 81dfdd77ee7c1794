// Loop: the Executor of a real process. One logical loop that is handed from thread to thread: the
// pattern called leader/followers.
//
// Exactly one thread at a time holds the loop; only that thread runs handlers. It waits in Asio for
// sockets, timers and posted tasks. Asio's own handlers only note what happened and queue a task:
// tasks run outside of Asio, so a thread may leave the loop in the middle of one without leaving
// Asio's state behind.
//
// step(work, done) runs `work` on the holder. When may_yield() finds the time budget spent, the
// loop is handed off to an idle thread, or to a new one, and `work` goes on without it. Work that
// does not call may_yield(), for some single operations take long, loses the loop a few
// milliseconds later all the same: it touches nothing that belongs to the loop, so it can be taken
// away at any moment, and a watchdog does so. When `work` has ended its thread waits for
// the loop, gets it at the end of the holder's current task, and runs `done`. So
//
//     step() always returns holding the loop, after `done` ran; but other tasks may have run
//     meanwhile.
//
// Whoever calls step() must therefore expect that the world has changed when it returns: the
// simplest way is to return as well. On the usual path (the budget is not spent) there is no
// hand-off and no lock.
//
// stop() lets everything queued, running beside the loop or in the background end first. Then the
// thread that called it holds the loop, so that destructors may cancel timers.
#pragma once

#include <memory>

#include "engine/base/executor.h"

namespace asio {
class io_context;
}

namespace quorlite::server {

struct LoopOptions {
    Duration step_budget = std::chrono::milliseconds(1);
    Duration kept_max = std::chrono::milliseconds(100);  // of a step that nobody could relieve
    std::size_t helper_threads_max = 0;  // statements beside the loop; 0: limits::kHelperThreadsMax
    std::size_t background_threads_max = 4;
    // The longest wait that is spent polling, if the one before was no longer: a thread that sleeps
    // is woken some 25 microseconds late. Never where there is only one core, nor for a while where
    // others contend for the core.
    Duration busy_poll_max = Duration::zero();
};

class Loop final : public Executor {
public:
    explicit Loop(const Clock& clock, LoopOptions options = {});
    ~Loop() override;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void start();
    // Ends all threads. Not from the loop. What is posted afterwards never runs.
    void stop();

    void post(Task task) override;
    TimerId after(Duration delay, Task task) override;
    void cancel(TimerId timer) override;
    void background(Task work, Task done) override;
    void step(Task work, Task done) override;
    bool may_yield() override;

    // True on the thread that holds the loop.
    bool held() const;
    // Runs `task` on the loop and waits for it. Not from the loop.
    void run(const Task& task);

    // Runs `readable` on the loop each time the descriptor becomes readable. The descriptor is
    // duplicated.
    void watch(int descriptor, Task readable);

    // Runs on the loop at the end of each round, when everything that had happened was handled:
    // what was gathered meanwhile should leave now. To be set before start().
    Task round_ended;

    asio::io_context& context();

    struct Counters {
        std::uint64_t hand_offs = 0;   // steps that overstayed
        std::uint64_t kept = 0;        // steps that overstayed and found no thread to take the loop
        std::uint64_t busy_polls = 0;  // waits that ended in one
    };
    Counters counters() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace quorlite::server
