#include "engine/server/loop.h"

#include <signal.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/server/thread.h"
#include "wire/base/mutex.h"

namespace quorlite::server {
namespace {

constexpr unsigned kCallsPerClockReading = 4;  // of may_yield()
// Work that does not ask whether it should leave the loop loses it after one to two of these.
constexpr std::chrono::milliseconds kWatchdogPeriod{2};
constexpr int kQuietPeriodsMax = 500;  // then the watchdog sleeps until something is at work again
constexpr std::chrono::milliseconds kContendedAfter{1};     // between two looks
constexpr std::chrono::milliseconds kContendedPeriod{100};  // no busy polls meanwhile

// Signals belong to the program that the loop is part of, not to its threads.
void block_signals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// Tasks in order. Keeps its memory, so that queueing allocates nothing once it has grown.
class TaskQueue {
public:
    bool empty() const { return next_ == tasks_.size(); }
    std::size_t size() const { return tasks_.size() - next_; }
    void push(Task task) { tasks_.push_back(std::move(task)); }
    Task pop() {
        Task task = std::move(tasks_[next_++]);
        if (empty()) {
            tasks_.clear();
            next_ = 0;
        } else if (next_ >= kCompactAt && next_ > size()) {
            tasks_.erase(tasks_.begin(), tasks_.begin() + static_cast<std::ptrdiff_t>(next_));
            next_ = 0;
        }
        return task;
    }

private:
    static constexpr std::size_t kCompactAt = 1024;
    std::vector<Task> tasks_;
    std::size_t next_ = 0;
};

// Threads for work that blocks. They are made when there is work for them.
class BackgroundPool {
public:
    explicit BackgroundPool(std::size_t threads_max) : threads_max_(threads_max) {}
    ~BackgroundPool() { stop(); }

    void run(Task job) {
        const MutexLock lock(mutex_);
        jobs_.push_back(std::move(job));
        if (idle_ < jobs_.size() && threads_.size() < threads_max_) start_thread();
        awake_.notify_one();
    }

    // Ends the threads once nothing is left to do.
    void stop() {
        std::vector<std::thread> ended;
        {
            const MutexLock lock(mutex_);
            stopping_ = true;
            ended.swap(threads_);
            awake_.notify_all();
        }
        for (std::thread& thread : ended) thread.join();
    }

private:
    void start_thread() QUORLITE_REQUIRES(mutex_) {
        try {
            threads_.emplace_back([this] { work(); });
        } catch (const std::system_error&) {
            if (threads_.empty()) fatal("no thread can be started: raise the limit on processes");
        }
    }

    void work() {
        block_signals();
        MutexLock lock(mutex_);
        for (;;) {
            ++idle_;
            awake_.wait(lock.native(),
                        [this]() QUORLITE_REQUIRES(mutex_) { return stopping_ || !jobs_.empty(); });
            --idle_;
            if (jobs_.empty()) return;
            {
                const Task job = std::move(jobs_.front());
                jobs_.pop_front();
                lock.unlock();
                job();
            }
            lock.lock();
        }
    }

    const std::size_t threads_max_;
    Mutex mutex_;
    std::condition_variable awake_;
    std::deque<Task> jobs_ QUORLITE_GUARDED_BY(mutex_);
    std::vector<std::thread> threads_ QUORLITE_GUARDED_BY(mutex_);
    std::size_t idle_ QUORLITE_GUARDED_BY(mutex_) = 0;
    bool stopping_ QUORLITE_GUARDED_BY(mutex_) = false;
};

// One thread that can hold the loop.
struct Holder {
    Thread thread;
    std::condition_variable awake;
};

struct Step {
    std::uint64_t serial = 0;
    TimePoint begun{};
    TimePoint since{};
    unsigned calls = 0;
    bool asked = false;  // whether the loop was given away is not for this thread to decide again
};

// What the calling thread is to a loop.
struct Here {
    const void* loop = nullptr;  // that this thread holds now
    Holder* holder = nullptr;
    Step* step = nullptr;  // whose work this thread runs
};
thread_local Here here;

}  // namespace

// Large: threads, tasks, timers and busy polls are decided on together, under one lock.
struct Loop::State {
    State(const Clock& clock_, LoopOptions options_)
        : clock(clock_),
          options(options_),
          work(asio::make_work_guard(context)),
          alarm(context),
          pool(options_.background_threads_max) {}

    const Clock& clock;
    const LoopOptions options;

    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work;

    // Only on the loop.
    Task at_round_end;
    TaskQueue queue;
    std::map<std::pair<TimePoint, std::uint64_t>, Task> timers;
    std::unordered_map<std::uint64_t, TimePoint> timer_deadlines;
    std::uint64_t last_timer = 0;
    asio::steady_timer alarm;
    TimePoint alarm_at = TimePoint::max();
    bool waits_are_short = false;
    TimePoint contended_until{};

    // Tasks from other threads.
    Mutex posted_mutex;
    std::vector<Task> posted QUORLITE_GUARDED_BY(posted_mutex);
    std::atomic<bool> has_posted{false};

    // Who holds the loop.
    Mutex roles_mutex;
    std::vector<std::unique_ptr<Holder>> holders QUORLITE_GUARDED_BY(roles_mutex);
    std::vector<Holder*> idle_threads QUORLITE_GUARDED_BY(roles_mutex);
    Holder* chosen QUORLITE_GUARDED_BY(roles_mutex) = nullptr;  // that holds the loop, or is to
    // Their work has ended: they get the loop before anyone else.
    std::deque<Holder*> returning QUORLITE_GUARDED_BY(roles_mutex);
    std::atomic<bool> wanted{false};   // `returning` is not empty
    std::atomic<std::size_t> away{0};  // threads whose work runs beside the loop
    bool ended QUORLITE_GUARDED_BY(roles_mutex) = false;

    // The step that holds the loop. Whoever changes `at_work` from its serial to none decides what
    // becomes of the loop: the step itself when it ends, or who gives the loop away meanwhile.
    static constexpr std::uint64_t kNone = 0;
    std::atomic<std::uint64_t> at_work{kNone};
    std::uint64_t last_serial = kNone;

    // Takes the loop from work that does not give it away by itself.
    std::thread watchdog_thread;
    Mutex watchdog_mutex;
    std::condition_variable watchdog_wanted;
    std::atomic<bool> watchdog_sleeps{false};
    bool watchdog_ends QUORLITE_GUARDED_BY(watchdog_mutex) = false;

    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> background_jobs{0};
    std::atomic<std::uint64_t> hand_offs{0};
    std::atomic<std::uint64_t> kept{0};
    std::atomic<std::uint64_t> busy_polls{0};

    BackgroundPool pool;

    bool held() const { return here.loop == this; }
    void wake() {
        asio::post(context, [] {});
    }

    void serve(Holder& self);
    void round();
    bool wait();
    bool busy_poll(TimePoint since);
    void take_posted();
    bool quiet();
    bool pass_on(Holder& self);
    void end();

    bool hand_off(std::uint64_t serial);
    void take_back();
    void run_watchdog();
    void wake_watchdog();
    void add_holder() QUORLITE_REQUIRES(roles_mutex);
    void give_to(Holder& next) QUORLITE_REQUIRES(roles_mutex);
    void give_to_idle() QUORLITE_REQUIRES(roles_mutex);
    bool wait_for_loop(MutexLock& lock, Holder& self) QUORLITE_REQUIRES(roles_mutex);

    void set_alarm();
    void run_timers();
    void watch_again(const std::shared_ptr<asio::posix::stream_descriptor>& descriptor,
                     const std::shared_ptr<Task>& readable);
};

Loop::Loop(const Clock& clock, LoopOptions options) {
    if (options.helper_threads_max == 0) options.helper_threads_max = limits::kHelperThreadsMax;
    if (std::thread::hardware_concurrency() < 2) options.busy_poll_max = Duration::zero();
    state_ = std::make_unique<State>(clock, options);
}

Loop::~Loop() {
    if (!held()) stop();
    here = {};
}

void Loop::start() {
    const MutexLock lock(state_->roles_mutex);
    QUORLITE_CHECK(state_->holders.empty());
    state_->at_round_end = round_ended;
    state_->add_holder();
    state_->give_to_idle();
    state_->watchdog_thread = std::thread([state = state_.get()] { state->run_watchdog(); });
}

void Loop::stop() {
    QUORLITE_CHECK(!held());
    if (state_->stopping.exchange(true)) return;
    state_->wake();
    // No holder is added any more once the last one has ended the loop.
    for (std::size_t i = 0;; ++i) {
        Thread thread;
        {
            const MutexLock lock(state_->roles_mutex);
            if (i == state_->holders.size()) break;
            thread = std::move(state_->holders[i]->thread);
        }
        thread.join();
    }
    {
        const MutexLock lock(state_->watchdog_mutex);
        state_->watchdog_ends = true;
        state_->watchdog_wanted.notify_one();
    }
    if (state_->watchdog_thread.joinable()) state_->watchdog_thread.join();
    state_->pool.stop();
    here = {state_.get(), nullptr, nullptr};
}

asio::io_context& Loop::context() {
    return state_->context;
}

bool Loop::held() const {
    return state_->held();
}

Loop::Counters Loop::counters() const {
    return {state_->hand_offs.load(), state_->kept.load(), state_->busy_polls.load()};
}

// ---- Tasks ----

void Loop::post(Task task) {
    if (held()) {
        state_->queue.push(std::move(task));
        return;
    }
    const MutexLock lock(state_->posted_mutex);
    state_->posted.push_back(std::move(task));
    if (!state_->has_posted.exchange(true)) state_->wake();
}

void Loop::run(const Task& task) {
    QUORLITE_CHECK(!held());
    std::promise<void> ended;
    post([&] {
        task();
        ended.set_value();
    });
    ended.get_future().wait();
}

void Loop::State::take_posted() {
    if (!has_posted.load(std::memory_order_acquire)) return;
    std::vector<Task> taken;
    {
        const MutexLock lock(posted_mutex);
        taken.swap(posted);
        has_posted = false;
    }
    for (Task& task : taken) queue.push(std::move(task));
}

void Loop::background(Task work, Task done) {
    ++state_->background_jobs;
    state_->pool.run([this, work = std::move(work), done = std::move(done)]() mutable {
        work();
        work = nullptr;  // what it captured is not kept until the loop comes round
        post([this, done = std::move(done)] {
            --state_->background_jobs;
            done();
        });
    });
}

void Loop::watch(int descriptor, Task readable) {
    const int own = ::dup(descriptor);
    QUORLITE_CHECK(own >= 0);
    auto watched = std::make_shared<asio::posix::stream_descriptor>(state_->context, own);
    state_->watch_again(watched, std::make_shared<Task>(std::move(readable)));
}

void Loop::State::watch_again(const std::shared_ptr<asio::posix::stream_descriptor>& descriptor,
                              const std::shared_ptr<Task>& readable) {
    descriptor->async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, descriptor, readable](const asio::error_code& error) {
                               if (error) return;
                               queue.push([this, descriptor, readable] {
                                   (*readable)();
                                   watch_again(descriptor, readable);
                               });
                           });
}

// ---- Timers ----

TimerId Loop::after(Duration delay, Task task) {
    QUORLITE_CHECK(held());
    const TimePoint deadline = state_->clock.now() + std::max(delay, Duration::zero());
    const std::uint64_t id = ++state_->last_timer;
    state_->timers.emplace(std::pair(deadline, id), std::move(task));
    state_->timer_deadlines.emplace(id, deadline);
    if (deadline < state_->alarm_at) state_->set_alarm();
    return TimerId{id};
}

void Loop::cancel(TimerId timer) {
    QUORLITE_CHECK(held());
    const auto id = static_cast<std::uint64_t>(timer);
    const auto found = state_->timer_deadlines.find(id);
    if (found == state_->timer_deadlines.end()) return;
    // The alarm stays set: to be woken for nothing once is cheaper than to set it again each time.
    state_->timers.erase({found->second, id});
    state_->timer_deadlines.erase(found);
}

void Loop::State::set_alarm() {
    if (timers.empty()) return;
    alarm_at = timers.begin()->first.first;
    alarm.expires_after(std::max(alarm_at - clock.now(), Duration::zero()));
    alarm.async_wait([this](const asio::error_code& error) {
        if (!error) queue.push([this] { run_timers(); });
    });
}

void Loop::State::run_timers() {
    alarm_at = TimePoint::max();
    const TimePoint now = clock.now();
    while (!timers.empty() && timers.begin()->first.first <= now) {
        auto due = timers.extract(timers.begin());
        timer_deadlines.erase(due.key().second);
        due.mapped()();
    }
    if (!timers.empty() && timers.begin()->first.first < alarm_at) set_alarm();
}

// ---- Holding the loop ----

// One more thread that stands by.
void Loop::State::add_holder() {
    holders.push_back(std::make_unique<Holder>());
    Holder& holder = *holders.back();
    try {
        holder.thread = Thread([this, &holder] { serve(holder); });
    } catch (...) {
        holders.pop_back();
        throw;
    }
    idle_threads.push_back(&holder);
}

void Loop::State::give_to(Holder& next) {
    chosen = &next;
    next.awake.notify_one();
}

void Loop::State::give_to_idle() {
    Holder& next = *idle_threads.back();
    idle_threads.pop_back();
    give_to(next);
}

// False: the loop has ended.
bool Loop::State::wait_for_loop(MutexLock& lock, Holder& self) {
    self.awake.wait(lock.native(),
                    [&]() QUORLITE_REQUIRES(roles_mutex) { return chosen == &self || ended; });
    if (chosen != &self) return false;
    here.loop = this;
    return true;
}

void Loop::State::serve(Holder& self) {
    block_signals();
    here = {nullptr, &self, nullptr};
    {
        MutexLock lock(roles_mutex);
        if (!wait_for_loop(lock, self)) return;
    }
    for (;;) {
        while (!wanted.load(std::memory_order_acquire)) {
            if (stopping.load(std::memory_order_relaxed) && quiet()) return end();
            round();
        }
        if (!pass_on(self)) return;
    }
}

// Handles the first thing that happens. True: it had to be waited for.
bool Loop::State::wait() {
    if (context.poll_one() != 0) {
        waits_are_short = true;
        return false;
    }
    const TimePoint since = clock.now();
    if (waits_are_short && since >= contended_until && busy_poll(since)) {
        ++busy_polls;
    } else {
        context.run_one();
    }
    waits_are_short = clock.now() - since < options.busy_poll_max;
    return true;
}

// Whether something has happened. If another thread takes the core for long between two polls,
// sleeping is better: the scheduler favours a thread that slept over one that used up its slice.
bool Loop::State::busy_poll(TimePoint since) {
    bool happened = false;
    for (TimePoint looked = since; !happened && looked - since < options.busy_poll_max;) {
        std::this_thread::yield();
        const TimePoint now = clock.now();
        if (now - looked > kContendedAfter) contended_until = now + kContendedPeriod;
        looked = now;
        happened = context.poll_one() != 0;
    }
    return happened;
}

// Handles what has happened, waiting for something if need be.
void Loop::State::round() {
    // Each of these is set before the context is woken, so none can be missed by going to sleep.
    const bool busy = !queue.empty() || has_posted.load() || wanted.load();
    // What was waited for is worked on at once: if more has happened, the next round will not wait.
    const bool waited = !busy && wait();
    for (int events = 0; !waited && events < limits::kEventsPerRoundMax; ++events) {
        if (context.poll_one() == 0) break;
    }
    take_posted();
    // Tasks queued by these tasks wait for the next round, so that sockets get their turn.
    for (std::size_t left = queue.size(); left > 0 && !queue.empty(); --left) {
        queue.pop()();
        if (wanted.load(std::memory_order_relaxed)) break;
    }
    if (at_round_end) at_round_end();
}

// Gives the loop to the first thread that wants it back and waits for it to come round again.
// False: the loop has ended.
bool Loop::State::pass_on(Holder& self) {
    MutexLock lock(roles_mutex);
    Holder& next = *returning.front();
    returning.pop_front();
    wanted = !returning.empty();
    idle_threads.push_back(&self);
    give_to(next);
    here.loop = nullptr;
    return wait_for_loop(lock, self);
}

// Hands the loop of that step off, unless the step has ended or was asked before. False: nobody
// can take it now.
bool Loop::State::hand_off(std::uint64_t serial) {
    const MutexLock lock(roles_mutex);
    if (ended) return true;
    if (away.load() >= options.helper_threads_max) return false;
    try {
        if (idle_threads.empty()) add_holder();
    } catch (const std::system_error&) {
        return false;
    }
    if (!at_work.compare_exchange_strong(serial, kNone)) return true;
    ++away;
    ++hand_offs;
    give_to_idle();
    return true;
}

void Loop::State::take_back() {
    MutexLock lock(roles_mutex);
    Holder& self = *here.holder;
    returning.push_back(&self);
    wanted = true;
    wake();
    self.awake.wait(lock.native(),
                    [&]() QUORLITE_REQUIRES(roles_mutex) { return chosen == &self; });
    --away;
    here.loop = this;
}

// Nothing is left to do, reports of cancelled waits included.
bool Loop::State::quiet() {
    context.poll();
    return queue.empty() && away.load() == 0 && background_jobs.load() == 0 && !has_posted.load();
}

void Loop::State::end() {
    const MutexLock lock(roles_mutex);
    here.loop = nullptr;
    ended = true;
    for (Holder* holder : idle_threads) holder->awake.notify_one();
}

// ---- Steps ----

// While it works a thread does not know whether it still holds the loop, and does as if it did not.
void Loop::step(Task work, Task done) {
    QUORLITE_CHECK(held());
    QUORLITE_CHECK(here.step == nullptr);
    State& state = *state_;
    Step step;
    step.serial = ++state.last_serial;
    here.step = &step;
    here.loop = nullptr;
    state.at_work = step.serial;
    if (state.watchdog_sleeps) state.wake_watchdog();
    work();
    here.step = nullptr;
    std::uint64_t expected = step.serial;
    if (state.at_work.compare_exchange_strong(expected, State::kNone)) {
        here.loop = state_.get();
    } else {
        state.take_back();
    }
    done();
}

bool Loop::may_yield() {
    Step* step = here.step;
    if (step == nullptr || step->asked) return true;
    if (step->calls++ % kCallsPerClockReading != 0) return true;
    const TimePoint now = state_->clock.now();
    if (step->calls == 1) step->begun = step->since = now;
    if (now - step->since < state_->options.step_budget) return true;
    step->asked = state_->hand_off(step->serial);
    if (step->asked) return true;
    ++state_->kept;
    step->since = now;  // nobody was free: ask again after another budget
    return now - step->begun < state_->options.kept_max;
}

// ---- The watchdog ----

void Loop::State::run_watchdog() {
    block_signals();
    MutexLock lock(watchdog_mutex);
    const auto ends = [this]() QUORLITE_REQUIRES(watchdog_mutex) { return watchdog_ends; };
    std::uint64_t seen = kNone;
    for (int quiet_periods = 0; !watchdog_ends;) {
        if (quiet_periods > kQuietPeriodsMax) {
            watchdog_sleeps = true;  // before the last look: a step looks here after it has begun
            if (at_work == seen) {
                watchdog_wanted.wait(lock.native(), [&]() QUORLITE_REQUIRES(watchdog_mutex) {
                    return !watchdog_sleeps || watchdog_ends;
                });
            }
            watchdog_sleeps = false;
            quiet_periods = 0;
        }
        watchdog_wanted.wait_for(lock.native(), kWatchdogPeriod, ends);
        const std::uint64_t serial = at_work;
        if (serial != kNone && serial == seen && !hand_off(serial)) ++kept;
        quiet_periods = serial == kNone && serial == seen ? quiet_periods + 1 : 0;
        seen = serial;
    }
}

void Loop::State::wake_watchdog() {
    const MutexLock lock(watchdog_mutex);
    watchdog_sleeps = false;
    watchdog_wanted.notify_one();
}

}  // namespace quorlite::server
