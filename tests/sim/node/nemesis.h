// Nemesis: strikes a running cluster with the faults of a plan.
//
// It keeps to what the cluster promises to survive: any number of crashes, cuts and pauses; failed
// syncs, after which a node starts again; of durable data, the log of one node is damaged, or pages
// of one node are, or the disk of one node is lost, in clusters of three or more, but only one of
// these; and of membership changes, those after which the nodes that are left can still form a
// majority.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "tests/sim/node/cluster.h"
#include "tests/sim/node/plan.h"

namespace quorlite::sim {

class Nemesis {
public:
    using Say = std::function<void(const std::string&)>;

    Nemesis(World& world, Cluster& cluster, const Plan& plan, std::function<NodeId()> add_node,
            Say say);

    // From now until `end`, at random moments.
    void rage(Duration end);
    // Nothing is struck any more; what was struck is healed, and all nodes run that are not
    // retired.
    void make_peace();
    // Who gets the log, as the leader knows it; no one if there is no leader.
    std::vector<NodeId> members() const;

    std::uint64_t strikes() const { return strikes_; }
    bool disks_failed() const { return disks_failed_; }
    // By pairs of faults: how often the second struck while the first was in effect.
    using Pairs = std::array<std::array<std::uint32_t, kFaults>, kFaults>;
    const Pairs& pairs() const { return pairs_; }
    const std::string& complaint() const { return complaint_; }

private:
    void schedule_strike();
    void strike(Fault fault);
    void note(Fault fault, Duration lasts);

    void end_life(NodeId node, bool power);
    void cut_sides();
    void cut_ways();
    void isolate_leader();
    void pause();
    void transfer();
    void fill_disk();
    void slow_disk();
    void fail_sync();
    void watch_sync(NodeId node, std::uint64_t life, bool seen);
    void rot();
    void damage_log(NodeId node);
    void rot_pages();
    void damage_page(bool or_checksum);
    bool pages_are_whole();
    void jump_wall_clock();
    void cut_off(NodeId node);
    void lose_disk();
    void change_members();
    void replace(NodeId lost);

    void heal_after(Fault fault, Duration duration);
    void start_after(NodeId node, Duration duration);
    NodeId leader_or_any();
    NodeId any() { return world_.random.one_of(cluster_.ids()); }
    bool majority_without(NodeId node) const;
    void later(Duration delay, std::function<void()> what);
    Duration between(Duration least, Duration most) { return world_.random.between(least, most); }

    World& world_;
    Cluster& cluster_;
    const Plan& plan_;
    const std::function<NodeId()> add_node_;
    const Say say_;
    std::vector<Fault> arsenal_;
    Duration end_{};
    bool peace_ = false;
    bool disks_failed_ = false;
    bool durable_loss_ = false;  // the one that is allowed has happened
    NodeId damaged_;             // who may not vote before its peers have repaired it
    NodeId rotten_;              // whose pages are damaged
    std::uint64_t strikes_ = 0;
    std::array<Duration, kFaults> active_until_{};
    Pairs pairs_{};
    std::string complaint_;
};

}  // namespace quorlite::sim
