// Cluster: whole nodes in one thread. Each is a real replica with real sessions, on a simulated
// clock, disk and network; clients reach it over simulated connections.
//
// A node's life ends by crash(): its memory is gone, and its disk keeps what was synced and a
// random part of what was not. fatal(), in a node, ends its life in the same way.
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
    double clock_rate = 1;
    Duration clock_offset{};
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
    // The node's process stands still for so long, as under SIGSTOP; then it finds all at once what
    // came in.
    void pause(NodeId node, Duration duration);
    bool running(NodeId node) const;
    std::vector<NodeId> ids() const;

    replica::Replica& replica(NodeId node);  // precondition: running
    SimDisk& disk(NodeId node);
    // The running node that leads the highest term and serves, if any.
    std::optional<NodeId> leader();

    // Null if the node does not run.
    std::unique_ptr<Link> dial(NodeId node);

    // Runs `what` as part of that node: if it ends in fatal(), the node dies and there is a
    // complaint.
    void run_on(NodeId node, const std::function<void()>& what);
    // The same once the node is not paused; never, if it crashed before.
    void run_when_awake(NodeId node, Task what);
    std::uint64_t chunks_sent() const { return chunks_sent_; }  // of snapshots

    // Of all running nodes that have applied equally much, the databases are equal to the byte.
    // Nothing if so, else which differ.
    std::optional<std::string> compare_databases();

    const std::string& complaint() const { return complaint_; }

private:
    struct Life;
    struct Node;
    class SessionLink;

    Node& node(NodeId id) { return *nodes_.at(id); }
    void end_life(Node& node);
    void tell_peers(NodeId gone);

    World& world_;
    std::map<NodeId, std::unique_ptr<Node>> nodes_;
    std::string complaint_;
    std::uint64_t last_link_ = 0;
    std::uint64_t chunks_sent_ = 0;
};

}  // namespace quorlite::sim
