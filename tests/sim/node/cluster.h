// Cluster: whole nodes in one thread. Each is a real replica with real sessions, on a simulated
// clock, disk and network; clients reach it over simulated connections.
//
// A node's life ends by crash() (the power goes: its disk keeps what was synced and a random part
// of what was not), by kill() (the process goes, the machine stays), or by fatal(), which is a bug
// unless the disk was made to fail. In the middle of a statement that gave the loop away the node
// is over at once for everyone else, and its memory goes when the statement has come to its border.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/replica/replica.h"
#include "engine/session/session.h"
#include "tests/sim/disk.h"
#include "tests/sim/node/client.h"
#include "tests/sim/node/world.h"

namespace quorlite::sim {

struct NodeOptions {
    replica::Options replica;
    NodeClock clock;
    double yields = 0;  // see NodeExecutor
};

class Cluster {
public:
    explicit Cluster(World& world);
    ~Cluster();

    SimNetwork network;

    void add(NodeOptions options);
    // Starts a node from what its disk holds. A failure is a complaint: nodes always start.
    void start(NodeId node);
    void crash(NodeId node);
    void kill(NodeId node);
    // It will not run again: it was removed, or its disk is lost.
    void retire(NodeId node);
    // The node's process stands still for so long, as under SIGSTOP; then it finds all at once what
    // came in, its timers and its connections in any order.
    void pause(NodeId node, Duration duration);
    void wake_all();
    // From now on fatal() is what a node must do, until it is started again.
    void expect_death(NodeId node);
    // Right after this many of its next changes to its disk the node's power goes.
    void crash_after_changes(NodeId node, std::uint64_t count);
    // A node died by itself, as was expected.
    std::function<void(NodeId)> on_expected_death;
    bool running(NodeId node) const;
    bool retired(NodeId node) const;
    bool paused(NodeId node) const;
    std::uint64_t lives(NodeId node) const;  // that have begun
    std::vector<NodeId> ids() const;         // of those that are not retired
    std::vector<NodeId> running_ids() const;

    replica::Replica& replica(NodeId node);  // precondition: running
    SimDisk& disk(NodeId node);
    NodeClock& clock(NodeId node);
    // The running node that leads the highest term and serves, if any.
    std::optional<NodeId> leader();

    // What nodes tell of themselves.
    std::function<void(NodeId node, const quorlite::Event& event)> on_event;

    // Null if the node does not run.
    std::unique_ptr<Link> dial(NodeId node);

    // Runs `what` as part of that node: if it ends in fatal(), the node dies.
    void run_on(NodeId node, const std::function<void()>& what);
    std::uint64_t chunks_sent() const { return chunks_sent_; }  // of snapshots
    std::uint64_t deaths() const { return deaths_; }            // that were expected

    // Of all running nodes that have applied equally much, the databases are equal to the byte.
    // Nothing if so, else which differ. `damaged`: some may have pages that cannot be read for now.
    std::optional<std::string> compare_databases(bool damaged = false);
    // All pages of all running nodes can be read.
    bool readable();
    bool is_member(NodeId id);  // as the leader has it; true if there is no leader

    const std::string& complaint() const { return complaint_; }

private:
    struct Life;
    struct Node;
    class SessionLink;
    class NodeEvents;
    enum class End { kNone, kCrash, kKill };

    Node& node(NodeId id) { return *nodes_.at(id); }
    const Node& node(NodeId id) const { return *nodes_.at(id); }
    void open(NodeId id, Node& node);
    void end(NodeId id, End how);
    void bury(Node& node);
    void run_unordered(NodeId node, Task what);
    void run_when_awake(NodeId node, Task what);
    void tell_peers(NodeId gone);
    void tell_sessions(NodeId node);

    World& world_;
    std::map<NodeId, std::unique_ptr<Node>> nodes_;
    std::string complaint_;
    std::uint64_t last_link_ = 0;
    std::uint64_t chunks_sent_ = 0;
    std::uint64_t deaths_ = 0;
};

}  // namespace quorlite::sim
