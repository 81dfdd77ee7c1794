// TestExecutor: the Executor and Clock seams for tests, by hand and in simulated time.
//
// Nothing runs until the test says so, and then on the calling thread, in an order that depends on
// nothing but the calls made: tasks run first come, first served; a background job is a task like
// any other, and its `done` another; timers run by time, then by age. So a test can look at every
// state in between, and the same test always sees the same ones.
//
//   run()         everything that is ready now, and what that makes ready; the clock stands still.
//   run_one()     a single task.
//   advance(d)    the clock moves on by d; timers run at their own time, and run() after each.
//   run_until(p)  as much of both as it takes for p() to hold, at most `limit` of simulated time.
//   clear()       forgets all tasks and timers: the node they belonged to has crashed.
//
// step() runs the work inline and `done` after it. With `yields` set, may_yield() gives the loop
// away: what is ready runs, nested, inside the work, as another thread would run it beside, and
// `done` is posted. post() may be called from any thread; everything else belongs to the test's
// own.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/executor.h"

namespace quorlite::test {

class TestExecutor final : public Executor, public Clock {
public:
    bool yields = false;
    bool overloaded = false;  // nobody could take the loop

    void post(Task task) override {
        const std::lock_guard lock(mutex_);
        ready_.push_back(std::move(task));
    }

    TimerId after(Duration delay, Task task) override {
        const TimerId id{++last_timer_};
        timers_.emplace(std::pair(now_ + delay, id), std::move(task));
        return id;
    }

    void cancel(TimerId timer) override {
        std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
    }

    void background(Task work, Task done) override {
        post([this, work = std::move(work), done = std::move(done)]() mutable {
            work();
            post(std::move(done));
        });
    }

    void step(Task work, Task done) override {
        const bool outer = std::exchange(gave_way_, false);
        work();
        const bool gave_way = std::exchange(gave_way_, outer);
        if (gave_way) {
            post(std::move(done));
        } else {
            done();
        }
    }

    bool may_yield() override {
        if (!yields) return !overloaded;
        gave_way_ = true;
        run();
        return true;
    }

    TimePoint now() const override { return now_; }
    std::int64_t wall_ms() const override {
        return std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch())
            .count();
    }

    bool run_one() {
        Task task;
        {
            const std::lock_guard lock(mutex_);
            if (ready_.empty()) return false;
            task = std::move(ready_.front());
            ready_.pop_front();
        }
        task();
        return true;
    }

    void run() {
        while (run_one()) {
        }
    }

    void advance(Duration duration) {
        const TimePoint end = now_ + duration;
        run();
        while (run_timer(end)) run();
        now_ = end;
    }

    // Whether `holds()` came true. Stops early when nothing is left that could make it true.
    template <class Predicate>
    bool run_until(Predicate holds, Duration limit = std::chrono::seconds(60)) {
        const TimePoint end = now_ + limit;
        while (!holds()) {
            if (!run_one() && !run_timer(end)) return false;
        }
        return true;
    }

    bool idle() const {
        const std::lock_guard lock(mutex_);
        return ready_.empty() && timers_.empty();
    }

    void clear() {
        std::deque<Task> forgotten;  // destroyed after the lock: what a task owns may post
        {
            const std::lock_guard lock(mutex_);
            ready_.swap(forgotten);
        }
        timers_.clear();
    }

private:
    bool run_timer(TimePoint end) {
        if (timers_.empty() || timers_.begin()->first.first > end) return false;
        auto timer = timers_.extract(timers_.begin());
        now_ = std::max(now_, timer.key().first);
        timer.mapped()();
        return true;
    }

    mutable std::mutex mutex_;
    std::deque<Task> ready_;
    std::map<std::pair<TimePoint, TimerId>, Task> timers_;
    std::uint64_t last_timer_ = 0;
    TimePoint now_{};
    bool gave_way_ = false;
};

}  // namespace quorlite::test
