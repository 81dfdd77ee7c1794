// The core simulation: a cluster of consensus cores, their machines, network and clients, in one
// thread.
//
// World owns the global time and the queue of events. Nodes see only their own clocks. Each input
// to a core is followed by its invariants and the oracle; the first contradiction ends the run. A
// run has two phases: with faults, and then healed, when a write must commit soon and all nodes
// must converge.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "engine/server/link_rules.h"
#include "tests/sim/core_node.h"
#include "tests/sim/core_options.h"
#include "tests/sim/core_oracle.h"
#include "tests/sim/layer.h"

namespace quorlite::sim {

class World {
public:
    World(std::uint64_t seed, bool trace);
    Outcome run();

private:
    using Action = std::function<void()>;
    struct Event {
        TimePoint at;
        std::uint64_t order;
        Action action;
    };

    // --- core_world.cc: time, events, network ---
    void after(Duration delay, Action action);
    void after_on(Node& node, Duration delay, Action action);
    void wake(Node& node);
    void run_until(TimePoint end, const std::function<bool()>& done);
    TimePoint local(const Node& node) const;
    Duration global(const Node& node, Duration local_duration) const;
    double in_timeouts(Duration duration) const;
    void send(Node& on, const raft::Envelope& envelope);
    void deliver(const Node& from, const raft::Envelope& envelope);
    void hand_over(Node& to, const raft::Envelope& envelope);
    void forge_one(const raft::Envelope& real);
    Node& node(NodeId id) { return *nodes_[id.value() - 1]; }
    std::vector<Node*> leaders();
    void heal();
    void check_liveness();
    bool converged();
    void note(const char* what, NodeId id, std::uint64_t a = 0, std::uint64_t b = 0);
    std::string summary() const;
    std::string describe(const Node& node) const;

    // --- core_links.cc: connections ---
    // One, from a node to another.
    struct Link {
        server::LinkSilence silence;  // as its sender sees it
        bool is_half_open = false;    // what is sent is swallowed
        bool is_dialling = false;     // a new one
    };
    // Of all processes of a node, the one that is listened to.
    struct Heard {
        const Node* process = nullptr;
        TimePoint at;
    };
    void open_links(Node& node);
    bool enters_link(Node& node, NodeId to);
    bool leaves_link(const Node& from, Node& to);
    void dial(Node& node, Node& to);
    void half_open(bool all);
    void clone_one();
    void end_clone(Node& leader, std::uint64_t refused_before);
    void stop_clone();
    bool runs_twice() const;
    bool is_clone(const Node& node) const { return &node == clone_.get(); }
    Node& addressed(NodeId id);

    // --- core_owner.cc: what the owner of a core does ---
    void start(Node& node);
    void crash(Node& node, Duration restart_most);
    void damage(Node& node);
    void alter(Node& node);
    void disagree(Node& node, const raft::Conflict& conflict);
    void replace(Node& node);
    void lose(Node& node);
    bool others_know(const Node& of) const;
    void keep_promise(Node& node);
    void input(Node& node);  // after each input: checks, and the output now or a little later
    void check(Node& node);
    void check_leadership(Node& node);
    void carry_out(Node& node);
    bool crashes_here(Node& node);
    void schedule_tick(Node& node);
    void tick(Node& node);
    void write(Node& node, std::optional<Index> cut, std::vector<raft::Entry> entries);
    void start_writing(Node& node);
    void write_done(Node& node, Write& done);
    void apply(Node& node);
    void checkpoint(Node& node);
    void load(Node& node, const raft::LogRead& read);
    void offer(Node& node, NodeId peer);
    void install(Node& node, const raft::SnapshotRequest& request);

    static constexpr int kSlowTimeouts = 8;  // of mixed timeouts

    // --- core_clients.cc ---
    void client_write();
    void write_at(Node& node);
    void client_read();
    void read_at(Node& node);
    void answer_reads(Node& node);
    void acknowledge(Node& node);
    void check_other_leases(const Node& leader);

    // --- core_faults.cc ---
    void inject();
    void change_membership();
    void partition();
    void isolate(Node& node, bool in, bool out);
    void pause(Node& node);
    void tempt();
    void put_back();
    void await_snapshot(Node& leader, Node& back);
    void await_receipts(Node& leader, Node& back);
    Duration restart_most();
    void tell_gone(const Node& gone, double probability);
    Node& victim();
    bool any_damaged() const;

    const std::uint64_t seed_;
    const bool trace_;
    Seeded random_;
    CoreOptions options_;
    TimePoint now_{std::chrono::hours(1)};
    std::uint64_t order_ = 0;
    std::vector<Event> events_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::vector<bool>> cut_;             // [from][to]: nothing passes
    std::vector<std::vector<Link>> links_;           // [from][to]
    std::vector<std::vector<Heard>> heard_;          // [by][whom]
    std::unique_ptr<Node> clone_;                    // of one of the nodes, once in a run
    NodeId sealed_;                                  // nothing reaches it, nothing comes from it
    NodeId starved_;                                 // heartbeats reach it, entries do not
    TimePoint calm_until_;                           // no faults are injected before
    std::vector<std::vector<TimePoint>> link_last_;  // the last delivery, for links in order
    Oracle oracle_;
    bool faults_ = true;
    bool altered_ = false;  // an entry, in this run
    NodeId promoting_;
    TimePoint quiet_until_;  // clients do not write before
    std::uint64_t next_command_ = 1;
    std::uint64_t hash_ = 0xcbf29ce484222325;
    Index healed_write_;  // acknowledged after healing
    TimePoint healed_at_;
    TimePoint last_election_;

    struct Counts {
        std::uint64_t events = 0, messages = 0, elections = 0, crashes = 0, partitions = 0,
                      pauses = 0, changes = 0, forged = 0, half_opens = 0, replaced = 0,
                      refused = 0, transfers = 0, snapshots = 0, damages = 0, disputes = 0,
                      acknowledged = 0, lease_reads = 0, round_reads = 0;
        // Election timeouts from healing to the last election, and to the first commit.
        double recovery = 0;
        double resumed = 0;
    } counts_;
};

}  // namespace quorlite::sim
