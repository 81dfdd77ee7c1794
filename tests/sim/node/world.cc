#include "tests/sim/node/world.h"

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

TimePoint NodeExecutor::now() const {
    const double local = static_cast<double>(world_.now().count()) * rate_;
    return TimePoint(offset_ + Duration(static_cast<std::int64_t>(local)));
}

std::int64_t NodeExecutor::wall_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch()).count();
}

Event NodeExecutor::guarded(Task task) {
    return [this, task = std::move(task), guard = std::weak_ptr(alive_)] {
        if (!guard.expired()) run_(task);
    };
}

void NodeExecutor::post(Task task) {
    world_.schedule(world_.now(), guarded(std::move(task)));
}

TimerId NodeExecutor::after(Duration delay, Task task) {
    const Duration global(static_cast<std::int64_t>(static_cast<double>(delay.count()) / rate_) +
                          1);
    return TimerId{world_.schedule(world_.now() + global, guarded(std::move(task)))};
}

void NodeExecutor::cancel(TimerId timer) {
    world_.cancel(static_cast<std::uint64_t>(timer));
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
    work();
    done();
}

void SimNetwork::send(NodeId from, NodeId to, Channel channel, Bytes frame) {
    if (!connected(from, to) || world_.random.chance(faults.loss)) return;
    const int copies = world_.random.chance(faults.duplication) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        Duration delay = world_.random.between(faults.delay_min, faults.delay_max);
        if (world_.random.chance(faults.slow)) delay += faults.slow_delay;
        world_.schedule(world_.now() + delay, [this, from, to, channel, frame]() mutable {
            if (connected(from, to)) deliver_(to, channel, std::move(frame));
        });
    }
}

}  // namespace quorlite::sim
