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
#include "engine/raft/raft.h"
#include "tests/sim/seeded.h"

namespace quorlite::raft {

inline constexpr Duration kElectionTimeout = std::chrono::milliseconds(1000);
inline constexpr Duration kHeartbeat = std::chrono::milliseconds(100);

// Draws next to nothing, so that waits are the least: a multiple of one more than the election
// timeout and than four heartbeats in nanoseconds, and so within 200 of a multiple of the other
// bounds drawn from.
class LeastRandom final : public Random {
public:
    std::uint64_t next() override { return 1'000'000'001ull * 400'000'001ull; }
};

SharedBytes payload(std::string_view text);
Entry command(std::uint64_t index, std::uint64_t term, std::string_view text = "x");
Entry configured(std::uint64_t index, std::uint64_t term, const Configuration& configuration);
// Commands with these terms at index 1, 2, ...
std::vector<Entry> log_of(std::vector<std::uint64_t> terms);
// Ids 1.. in this order; a letter per server: 'v', 's' or '-' (spare).
Configuration members(std::string_view roles);
Options options_of(std::uint64_t self);

// One core. Each call hands over the output that follows from it.
class Lone {
public:
    explicit Lone(Restored restored, Options options = options_of(1));

    Output step(std::uint64_t from, Message message);
    Output pass(Duration duration);  // in steps of a quarter heartbeat
    Output take();
    Output written();  // all that was handed over is durable
    Output propose(std::vector<std::string> texts);
    // Makes it the leader of the next term, with the votes of these.
    Output elect(std::vector<std::uint64_t> voters);
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

Restored restored_of(std::uint64_t term, std::vector<Entry> log, std::string_view roles = "vvv");

// The messages of one kind in an output, in order.
template <class Kind>
std::vector<Kind> sent(const Output& output, std::uint64_t to = 0) {
    std::vector<Kind> found;
    for (const Envelope& envelope : output.messages) {
        if (to != 0 && envelope.to != NodeId(to)) continue;
        if (const Kind* message = std::get_if<Kind>(&envelope.message)) found.push_back(*message);
    }
    return found;
}

AppendRequest append_of(std::uint64_t term, std::uint64_t previous_index,
                        std::uint64_t previous_term, std::vector<Entry> entries = {},
                        std::uint64_t commit = 0, std::uint64_t round = 1);

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
