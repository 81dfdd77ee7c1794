// What the tests of consensus share: one core driven by hand, and a small cluster without faults.
//
// Every input is followed by the invariants. Time stands still unless a test moves it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/raft/invariants.h"
#include "tests/raft/values.h"
#include "tests/sim/seeded.h"

namespace quorlite::raft {

// One core. Each call hands over what is ready because of it.
class Lone {
public:
    explicit Lone(Restored restored, Options options = options_of(1));

    Ready step(std::uint64_t from, Message message);
    Ready pass(Duration duration);  // in steps of a quarter heartbeat
    Ready take();
    Ready written();  // all that was handed over is durable
    Ready propose(std::vector<std::string> texts);
    // Makes it the leader of the next term, with the votes of these.
    Ready elect(std::vector<std::uint64_t> voters);
    void check();

    Core& core() { return *core_; }
    TimePoint now() const { return now_; }
    void wait(Duration duration) { now_ += duration; }  // without a tick

private:
    LeastRandom random_;
    TimePoint now_{std::chrono::hours(1)};
    std::unique_ptr<Core> core_;
    Invariants invariants_;
};

// The messages of one kind in an output, in order.
template <class Kind>
std::vector<Kind> sent(const Ready& output, std::uint64_t to = 0) {
    std::vector<Kind> found;
    for (const Envelope& envelope : output.messages) {
        if (to != 0 && envelope.to != NodeId(to)) continue;
        if (const Kind* message = std::get_if<Kind>(&envelope.message)) found.push_back(*message);
    }
    return found;
}

// Cores that exchange messages at once, in order, on perfect disks.
class Cluster {
public:
    explicit Cluster(std::string_view roles);

    Core& core(std::uint64_t id) { return *nodes_.at(id)->core; }
    const std::vector<Entry>& applied(std::uint64_t id) { return nodes_.at(id)->applied; }
    void add_node(std::uint64_t id);  // with an empty log and no configuration
    void elect(std::uint64_t id);     // by letting its election timeout pass first
    void run();                       // until nobody has anything to say
    void pass(Duration duration);     // ticks and runs
    std::uint64_t leader();           // 0 if there is not exactly one
    void propose(std::uint64_t id, const std::string& text);

    // Messages that it refuses are lost.
    std::function<bool(const Envelope&)> passes = [](const Envelope&) { return true; };
    void isolate(std::uint64_t id);
    void heal();
    TimePoint now() const { return now_; }

private:
    struct Node {
        explicit Node(std::uint64_t id) : random(id) {}

        sim::Seeded random;
        std::unique_ptr<Core> core;
        Invariants invariants;
        std::vector<Entry> applied;
        std::vector<Entry> log;
    };

    void carry_out(Node& node);

    TimePoint now_{std::chrono::hours(1)};
    std::map<std::uint64_t, std::unique_ptr<Node>> nodes_;
    std::deque<Envelope> network_;
};

}  // namespace quorlite::raft
