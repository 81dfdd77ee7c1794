// World: simulated time for whole nodes. One queue of events, one thread, one seed.
//
// Every node sees the world through its own seams: a clock with a rate and an offset of its own, an
// executor whose tasks and timers are events, a network whose frames are. A crashed node's events
// are void: each belongs to one life of one node.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/executor.h"
#include "engine/base/network.h"
#include "tests/sim/seeded.h"

namespace quorlite::sim {

using Event = std::function<void()>;

class World {
public:
    explicit World(std::uint64_t seed) : random(seed) {}

    Seeded random;

    Duration now() const { return now_; }
    std::uint64_t steps() const { return steps_; }
    // A number over everything that happened, in order: equal for equal runs.
    std::uint64_t trace() const { return trace_; }
    void note(std::uint64_t what) { trace_ = (trace_ ^ what) * 0x100000001b3; }

    std::uint64_t schedule(Duration at, Event event);
    void cancel(std::uint64_t id);
    // Runs the next event if it is due by `end`; false if none is.
    bool run_one(Duration end);
    // In the middle of an event: what is due in the next `duration` runs, as other threads would
    // run it beside. Nothing, if too much is under way already.
    void run_beside(Duration duration);

private:
    static constexpr int kBesideMax = 3;  // events inside each other

    std::map<std::pair<Duration, std::uint64_t>, Event> events_;
    std::map<std::uint64_t, Duration> times_;
    Duration now_{};
    std::uint64_t last_id_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t trace_ = 0xcbf29ce484222325;
    int beside_ = 0;
};

// How one node sees time. Its monotonic clock may run slow or fast; its wall clock may jump.
struct NodeClock {
    double rate = 1;
    Duration offset{};
    std::int64_t wall_jump_ms = 0;
};

// The clock and executor of one life of one node. Every task runs inside `run`, which catches the
// node's death.
//
// A statement that may yield gives the loop away now and then: other events run in the middle of
// it, this node's own among them. If the life ends meanwhile, the statement still comes to its
// border, and nothing follows.
class NodeExecutor final : public Executor, public Clock {
public:
    // `timer`: the task waited for a time, not for another task.
    using Run = std::function<void(const Task&, bool timer)>;

    NodeExecutor(World& world, const NodeClock& clock, double yields, Run run)
        : world_(world), clock_(clock), yields_(yields), run_(std::move(run)) {}

    // Nothing scheduled by this life runs any more, but drain() runs what was posted: it lets go of
    // what it owns.
    void end() { alive_.reset(); }
    void drain();
    // Statements of this life are on the stack.
    bool stepping() const { return steps_ > 0; }

    TimePoint now() const override;
    std::int64_t wall_ms() const override;

    void post(Task task) override;
    TimerId after(Duration delay, Task task) override;
    void cancel(TimerId timer) override;
    void background(Task work, Task done) override;
    void step(Task work, Task done) override;
    bool may_yield() override;

private:
    struct Timer {
        std::uint64_t event = 0;  // of the world, until the time has come
        Task task;
    };

    Event guarded(Task task, bool timer = false);
    void run_posted();
    void run_timer(TimerId timer);

    World& world_;
    const NodeClock& clock_;
    const double yields_;  // the chance that a statement gives the loop away when it may
    Run run_;
    std::deque<Task> posted_;
    // Those that have neither run nor been cancelled. A pause may lie between the time of a timer
    // and its run: cancelled meanwhile it does not run.
    std::map<TimerId, Timer> timers_;
    std::uint64_t last_timer_ = 0;
    int steps_ = 0;
    bool gave_way_ = false;  // the innermost of them gave the loop away
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// What may go wrong between nodes; drawn from the seed.
struct NetworkFaults {
    double loss = 0;
    double duplication = 0;
    Duration delay_min = std::chrono::microseconds(50);
    Duration delay_max = std::chrono::milliseconds(1);
    double forged = 0;  // of frames that a forged one follows
    double slow = 0;    // of frames that take `slow_delay`
    Duration slow_delay = std::chrono::milliseconds(100);
};

class SimNetwork {
public:
    using Deliver = std::function<void(NodeId from, NodeId to, Channel channel, Bytes frame)>;

    SimNetwork(World& world, Deliver deliver) : world_(world), deliver_(std::move(deliver)) {}

    NetworkFaults faults;
    // Somebody listens, to consensus only.
    std::function<void(const Bytes& frame)> overheard;

    void cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
    void heal() { cuts_.clear(); }
    bool connected(NodeId from, NodeId to) const { return !cuts_.contains({from, to}); }
    void send(NodeId from, NodeId to, Channel channel, Bytes frame);
    // What comes from somebody whom cuts do not stop.
    void inject(NodeId from, NodeId to, Bytes frame);

private:
    Duration delay();

    World& world_;
    Deliver deliver_;
    std::set<std::pair<NodeId, NodeId>> cuts_;
};

// The Network seam of one node.
class NodeNetwork final : public Network {
public:
    NodeNetwork(SimNetwork& network, NodeId self) : network_(network), self_(self) {}
    void send(NodeId to, const std::string&, Channel channel, Bytes frame) override {
        if (!off) network_.send(self_, to, channel, std::move(frame));
    }
    void forget(NodeId) override {}

    bool off = false;

private:
    SimNetwork& network_;
    NodeId self_;
};

}  // namespace quorlite::sim
