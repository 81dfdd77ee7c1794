#include "tests/sim/node/world.h"

#include <algorithm>

namespace quorlite::sim {

std::uint64_t World::schedule(Duration at, Event event) {
    const std::uint64_t id = ++last_id_;
    const Duration when = std::max(at, now_);
    events_.emplace(std::pair(when, id), std::move(event));
    times_.emplace(id, when);
    return id;
}

void World::cancel(std::uint64_t id) {
    const auto found = times_.find(id);
    if (found == times_.end()) return;
    events_.erase({found->second, id});
    times_.erase(found);
}

bool World::run_one(Duration end) {
    if (events_.empty() || events_.begin()->first.first > end) return false;
    auto event = events_.extract(events_.begin());
    now_ = event.key().first;
    times_.erase(event.key().second);
    ++steps_;
    note(static_cast<std::uint64_t>(now_.count()) ^ (event.key().second << 32));
    event.mapped()();
    return true;
}

void World::run_beside(Duration duration) {
    if (beside_ == kBesideMax) return;
    ++beside_;
    const Duration end = now_ + duration;
    while (run_one(end)) {
    }
    now_ = std::max(now_, end);
    --beside_;
}

TimePoint NodeExecutor::now() const {
    const double local = static_cast<double>(world_.now().count()) * clock_.rate;
    return TimePoint(clock_.offset + Duration(static_cast<std::int64_t>(local)));
}

std::int64_t NodeExecutor::wall_ms() const {
    const auto monotonic = now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(monotonic).count() +
           clock_.wall_jump_ms;
}

Event NodeExecutor::guarded(Task task, bool timer) {
    return [this, task = std::move(task), timer, guard = std::weak_ptr(alive_)] {
        if (!guard.expired()) run_(task, timer);
    };
}

void NodeExecutor::post(Task task) {
    posted_.push_back(std::move(task));
    world_.schedule(world_.now(), guarded([this] { run_posted(); }));
}

void NodeExecutor::run_posted() {
    const Task task = std::move(posted_.front());
    posted_.pop_front();
    task();
}

void NodeExecutor::drain() {
    while (!posted_.empty()) run_posted();
}

TimerId NodeExecutor::after(Duration delay, Task task) {
    const double global_ns = static_cast<double>(delay.count()) / clock_.rate;
    const Duration global(static_cast<std::int64_t>(global_ns) + 1);
    const TimerId id{++last_timer_};
    const std::uint64_t event =
        world_.schedule(world_.now() + global, guarded([this, id] { run_timer(id); }, true));
    timers_.emplace(id, Timer{event, std::move(task)});
    return id;
}

void NodeExecutor::run_timer(TimerId id) {
    const auto timer = timers_.extract(id);
    if (timer) timer.mapped().task();
}

void NodeExecutor::cancel(TimerId id) {
    const auto timer = timers_.extract(id);
    if (timer) world_.cancel(timer.mapped().event);
}

void NodeExecutor::background(Task work, Task done) {
    const Duration begin = world_.random.between(Duration(0), std::chrono::microseconds(500));
    auto run = [this, work = std::move(work), done = std::move(done)]() mutable {
        work();
        const Duration rest = world_.random.between(Duration(0), std::chrono::microseconds(500));
        world_.schedule(world_.now() + rest, guarded(std::move(done)));
    };
    auto shared = std::make_shared<decltype(run)>(std::move(run));
    world_.schedule(world_.now() + begin, guarded([shared] { (*shared)(); }));
}

void NodeExecutor::step(Task work, Task done) {
    const bool outer = std::exchange(gave_way_, false);
    ++steps_;
    work();
    --steps_;
    const bool gave_way = std::exchange(gave_way_, outer);
    if (gave_way || !alive_) {
        post(std::move(done));
    } else {
        done();
    }
}

bool NodeExecutor::may_yield() {
    if (!alive_ || !world_.random.chance(yields_)) return true;
    gave_way_ = true;
    world_.run_beside(world_.random.between(Duration(0), std::chrono::milliseconds(2)));
    return true;
}

void SimNetwork::send(NodeId from, NodeId to, Channel channel, Bytes frame) {
    const bool listened = faults.forged > 0 && channel == Channel::kConsensus;
    if (listened && world_.random.chance(faults.forged)) overheard(frame);
    if (!connected(from, to) || world_.random.chance(faults.loss)) return;
    const int copies = world_.random.chance(faults.duplication) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        world_.schedule(world_.now() + delay(), [this, from, to, channel, frame]() mutable {
            if (connected(from, to)) deliver_(from, to, channel, std::move(frame));
        });
    }
}

void SimNetwork::inject(NodeId from, NodeId to, Bytes frame) {
    world_.schedule(world_.now() + delay(), [this, from, to, frame = std::move(frame)]() mutable {
        deliver_(from, to, Channel::kConsensus, std::move(frame));
    });
}

Duration SimNetwork::delay() {
    const Duration delay = world_.random.between(faults.delay_min, faults.delay_max);
    return world_.random.chance(faults.slow) ? delay + faults.slow_delay : delay;
}

}  // namespace quorlite::sim
