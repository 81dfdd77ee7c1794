// The loop: order, timers, and above all that handing it from thread to thread keeps the one
// promise, that handlers run one at a time. Meant for ThreadSanitizer as well: plain counters are
// changed on the loop only, so any overlap is a reported race.
#include "engine/server/loop.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "engine/base/limits.h"
#include "engine/server/system.h"

namespace quorlite::server {
namespace {

using namespace std::chrono_literals;

// Work that takes `time` on this thread and asks often whether it should leave the loop.
void spin(Loop& loop, Duration time) {
    const SystemClock clock;
    const TimePoint until = clock.now() + time;
    while (clock.now() < until) loop.may_yield();
}

class LoopTest : public testing::Test {
protected:
    void start(LoopOptions options = {}) {
        loop = std::make_unique<Loop>(clock, options);
        loop->start();
    }

    SystemClock clock;
    std::unique_ptr<Loop> loop;
};

TEST_F(LoopTest, RunsPostedTasksInOrder) {
    start();
    std::vector<int> order;
    for (int i = 0; i < 1000; ++i) loop->post([&, i] { order.push_back(i); });
    loop->run([] {});
    ASSERT_EQ(order.size(), 1000u);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_F(LoopTest, TheStackDoesNotDependOnTheUlimit) {
    start();
    std::size_t bytes = 0;
    loop->run([&] {
        pthread_attr_t attributes;
        ASSERT_EQ(::pthread_getattr_np(::pthread_self(), &attributes), 0);
        ASSERT_EQ(::pthread_attr_getstacksize(&attributes, &bytes), 0);
        ::pthread_attr_destroy(&attributes);
    });
    EXPECT_GE(bytes, limits::kStackBytes);
}

TEST_F(LoopTest, ATaskPostedOnTheLoopRunsAfterTheCurrentOne) {
    start();
    std::vector<int> order;
    std::promise<void> over;
    loop->post([&] {
        loop->post([&] {
            order.push_back(2);
            over.set_value();
        });
        order.push_back(1);
    });
    over.get_future().wait();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(LoopTest, TimersRunWhenDueAndInOrder) {
    start();
    std::vector<int> order;
    std::promise<void> over;
    const TimePoint begin = clock.now();
    loop->run([&] {
        loop->after(20ms, [&] { order.push_back(2); });
        loop->after(5ms, [&] { order.push_back(1); });
        const TimerId cancelled = loop->after(10ms, [&] { order.push_back(9); });
        loop->cancel(cancelled);
        loop->cancel(cancelled);
        loop->cancel(TimerId::kNone);
        loop->after(30ms, [&] { over.set_value(); });
    });
    over.get_future().wait();
    EXPECT_GE(clock.now() - begin, Duration(30ms));
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(LoopTest, BackgroundWorkRunsElsewhereAndItsEndOnTheLoop) {
    start();
    std::promise<bool> over;
    bool elsewhere = false;
    loop->run([&] {
        loop->background([&] { elsewhere = !loop->held(); }, [&] { over.set_value(loop->held()); });
    });
    EXPECT_TRUE(over.get_future().get());
    EXPECT_TRUE(elsewhere);
}

TEST_F(LoopTest, WatchesDescriptors) {
    start();
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    std::atomic<int> seen = 0;
    loop->run([&] {
        loop->watch(event, [&] {
            std::uint64_t count = 0;
            if (::read(event, &count, sizeof count) > 0) ++seen;
        });
    });
    for (int i = 1; i <= 3; ++i) {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(event, &one, sizeof one), static_cast<ssize_t>(sizeof one));
        while (seen < i) std::this_thread::yield();
    }
    loop->stop();
    ::close(event);
}

TEST_F(LoopTest, AShortStepKeepsTheLoop) {
    start();
    bool inline_done = false;
    std::thread::id worker;
    std::thread::id finisher;
    loop->run([&] {
        loop->step([&] { worker = std::this_thread::get_id(); },
                   [&] { finisher = std::this_thread::get_id(); });
        inline_done = finisher != std::thread::id();
    });
    EXPECT_TRUE(inline_done);
    EXPECT_EQ(worker, finisher);
    EXPECT_EQ(loop->counters().hand_offs, 0u);
}

TEST_F(LoopTest, OthersRunBesideALongStep) {
    start();
    std::atomic<bool> over = false;
    std::promise<bool> held_again;
    loop->post([&] {
        loop->step(
            [&] {
                while (!over) loop->may_yield();
            },
            [&] { held_again.set_value(loop->held()); });
    });
    // Comes through only if the loop was given away; it then lets the step end.
    loop->run([&] { over = true; });
    EXPECT_TRUE(held_again.get_future().get());
    EXPECT_EQ(loop->counters().hand_offs, 1u);
}

TEST_F(LoopTest, OthersRunBesideAStepThatNeverAsks) {
    start();
    std::atomic<bool> over = false;
    std::promise<bool> held_again;
    // Also after a time in which nothing happened, and again.
    for (int i = 0; i < 2; ++i) {
        if (i > 0) std::this_thread::sleep_for(1200ms);
        over = false;
        held_again = {};
        bool held_inside = true;
        loop->post([&] {
            loop->step(
                [&] {
                    while (!over) std::this_thread::yield();
                    held_inside = loop->held();
                },
                [&] { held_again.set_value(loop->held()); });
        });
        loop->run([&] { over = true; });
        EXPECT_TRUE(held_again.get_future().get());
        EXPECT_FALSE(held_inside);
    }
    EXPECT_EQ(loop->counters().hand_offs, 2u);
}

TEST_F(LoopTest, KeepsTheLoopWhenAllHelpersAreOut) {
    start({.step_budget = 1ms, .kept_max = 5ms, .helper_threads_max = 2});
    std::atomic<int> running = 0;
    std::atomic<bool> let_go = false;
    std::atomic<int> ended = 0;
    for (int i = 0; i < 2; ++i) {
        loop->post([&] {
            loop->step(
                [&] {
                    ++running;
                    while (!let_go) loop->may_yield();
                },
                [&] { ++ended; });
        });
    }
    while (running < 2) std::this_thread::yield();
    bool relieved = true;
    loop->run([&] {
        loop->step(
            [&] {
                while (relieved) relieved = loop->may_yield();  // until it must end
            },
            [&] { ++ended; });
    });
    EXPECT_EQ(loop->counters().hand_offs, 2u);
    EXPECT_GE(loop->counters().kept, 1u);
    let_go = true;
    loop->stop();
    EXPECT_EQ(ended, 3);
}

// How many waits of four are busy polls.
std::uint64_t busy_polls_of_four(const Clock& clock, Duration busy_poll_max) {
    Loop loop(clock, {.busy_poll_max = busy_poll_max});
    loop.start();
    std::promise<void> over;
    int left = 4;
    const std::function<void()> wait = [&] {
        if (left-- == 0) return over.set_value();
        loop.after(10ms, wait);
    };
    loop.run(wait);
    over.get_future().wait();
    loop.stop();
    return loop.counters().busy_polls;
}

// However long the core is somebody else's, little time lies between any two looks at it.
class UndisturbedClock final : public Clock {
public:
    TimePoint now() const override {
        const std::lock_guard lock(mutex_);
        return last_ = std::min(clock_.now(), last_ + 500us);
    }
    std::int64_t wall_ms() const override { return clock_.wall_ms(); }

private:
    SystemClock clock_;
    mutable std::mutex mutex_;
    mutable TimePoint last_ = clock_.now();
};

// With no limit to it every wait but the first is a busy poll.
TEST_F(LoopTest, SpendsShortWaitsAwake) {
    if (std::thread::hardware_concurrency() > 1) {
        EXPECT_GE(busy_polls_of_four(UndisturbedClock(), 1h), 3u);
    }
    EXPECT_EQ(busy_polls_of_four(UndisturbedClock(), Duration::zero()), 0u);
}

// Time in which the core is somebody else's lies between any two looks at it.
class ContendedClock final : public Clock {
public:
    TimePoint now() const override { return clock_.now() + ++looks_ * 2ms; }
    std::int64_t wall_ms() const override { return clock_.wall_ms(); }

private:
    SystemClock clock_;
    mutable std::atomic<int> looks_ = 0;
};

TEST_F(LoopTest, SleepsWhereOthersWantTheCore) {
    EXPECT_LE(busy_polls_of_four(ContendedClock(), 1h), 1u);
}

TEST_F(LoopTest, StopWaitsForEverything) {
    start();
    std::atomic<int> ended = 0;
    loop->post([&] { loop->step([&] { spin(*loop, 20ms); }, [&] { ++ended; }); });
    loop->post(
        [&] { loop->background([&] { std::this_thread::sleep_for(20ms); }, [&] { ++ended; }); });
    loop->post([&] { loop->post([&] { ++ended; }); });
    loop->stop();
    EXPECT_EQ(ended, 3);
    EXPECT_TRUE(loop->held());  // destructors may cancel timers now
}

// Sessions that step for random times, timers, background work and posts from other threads, all
// changing plain variables that belong to the loop.
class Stress {
public:
    explicit Stress(Loop& loop) : loop_(loop) {}

    void session(std::uint64_t seed, int steps) {
        if (steps == 0) {
            ++finished_;
            return;
        }
        std::mt19937_64 random(seed);
        const Duration time = random() % 4 == 0 ? Duration(random() % 3'000'000) : Duration::zero();
        enter();
        auto own = std::make_shared<std::uint64_t>(seed);
        const std::uint64_t next = random();
        loop_.step(
            [this, own, time, seed] {
                if (seed % 2 == 0) {
                    spin(loop_, time);
                } else {
                    std::this_thread::sleep_for(3 * time);  // never asks
                }
                ++*own;
            },
            [this, own, seed, steps, next] {
                EXPECT_EQ(*own, seed + 1);
                ++steps_;
                again(next, steps - 1);
            });
    }

    std::uint64_t steps() const { return steps_; }
    std::atomic<int>& finished() { return finished_; }

private:
    // A handler that overlaps with another is caught here, and by the sanitizer.
    void enter() {
        EXPECT_FALSE(inside_);
        inside_ = true;
        ++plain_;
        inside_ = false;
    }

    void again(std::uint64_t seed, int steps) {
        enter();
        switch (seed % 4) {
            case 0:
                loop_.after(Duration(seed % 500'000), [=, this] { session(seed, steps); });
                break;
            case 1:
                loop_.background([] {}, [=, this] { session(seed, steps); });
                break;
            default:
                loop_.post([=, this] { session(seed, steps); });
        }
    }

    Loop& loop_;
    bool inside_ = false;
    std::uint64_t plain_ = 0;
    std::uint64_t steps_ = 0;
    std::atomic<int> finished_ = 0;
};

TEST_F(LoopTest, Stress) {
    constexpr int kSessions = 40;
    constexpr int kSteps = 60;
    start({.step_budget = 100us, .helper_threads_max = 6});
    Stress stress(*loop);
    std::vector<std::thread> outsiders;
    std::uint64_t outside = 0;
    for (unsigned i = 0; i < 3; ++i) {
        outsiders.emplace_back([&, i] {
            for (unsigned n = 0; n < 500; ++n) {
                if ((n + i) % 7 == 0) {
                    loop->run([&] { ++outside; });
                } else {
                    loop->post([&] { ++outside; });
                }
            }
        });
    }
    for (unsigned i = 0; i < kSessions; ++i) {
        loop->post([&, i] { stress.session(i * 7919 + 1, kSteps); });
    }
    for (std::thread& outsider : outsiders) outsider.join();
    while (stress.finished() < kSessions) std::this_thread::sleep_for(1ms);
    loop->stop();
    EXPECT_EQ(outside, 1500u);
    EXPECT_EQ(stress.steps(), std::uint64_t{kSessions * kSteps});
    EXPECT_GT(loop->counters().hand_offs, 0u);
}

}  // namespace
}  // namespace quorlite::server
