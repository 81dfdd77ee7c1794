// Replica: one node's mind. It joins consensus, the durable log and the databases.
//
//   session ── capture ──▶ propose ──▶ raft ──▶ log (durable)      ─┐
//                                       │ └──▶ peers (replicated)  ─┴─▶ committed ──▶ databases,
//                                       answers
//
// Everything runs on the loop. Inputs: receive() from peers, calls of sessions, completions of the
// disk and timers. After each, the replica takes raft's output and does what it says, in the order
// raft.h demands.
//
// The two promises to sessions:
//   when_committed(index): success only when the quorum holds the entry; kLeadershipLost, in doubt,
//     when this node cannot know; and the same after the write timeout without a quorum.
//   when_readable(index): success only when everything up to `index` is committed and this node
//     was leader after the call, by its lease or by a heartbeat round.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/events.h"
#include "engine/base/executor.h"
#include "engine/base/network.h"
#include "engine/database/database.h"
#include "engine/disk/log.h"
#include "engine/raft/raft.h"

namespace quorlite::replica {

struct Options {
    // Both may be left out for a directory that has an identity; if given they must agree with it.
    NodeId id;
    std::string address;     // HOST:PORT, as peers and clients reach this node
    bool bootstrap = false;  // a new directory becomes a cluster of one; an old one ignores it
    Duration election_timeout = std::chrono::milliseconds(600);
    Duration heartbeat = std::chrono::milliseconds(60);
    Duration write_timeout = std::chrono::seconds(10);
    std::size_t log_tail_bytes = 64u << 20;   // kept for slow followers when the log is trimmed
    std::size_t append_bytes_max = 1u << 20;  // entries in one message to a peer
    bool quorum_reads = false;                // never by lease
    disk::LogOptions log;
    database::Options database;
};

// The seams of one node. All outlive it.
struct Seams {
    Clock& clock;
    Random& random;
    Disk& disk;
    Network& network;
    Executor& executor;
    Events& events;
};

struct Leader {
    NodeId id;  // none if unknown
    std::string address;
};

struct ReplicaStatus {
    raft::RoleName role = raft::RoleName::kFollower;
    Term term;
    Leader leader;
    Index first;
    Index last;
    Index durable;
    Index committed;
    Index applied;
    Index flushed;
    std::vector<raft::Progress> peers;
    std::size_t memory_bytes = 0;
    std::uint64_t log_bytes = 0;
};

struct Callbacks {
    // Another leader, or none.
    std::function<void()> leader_changed = nullptr;
    // The node cannot go on (a failed sync is fatal() instead): it was removed from the cluster.
    std::function<void(std::string reason)> removed = nullptr;
    // Nor can it if what it knows to be committed is not in its leader's log.
    std::function<void(std::string reason)> diverged = nullptr;
};

class Replica {
public:
    using Done = std::function<void(Status)>;

    // Blocking: reads the disk, replays the log. Errors are one line with the remedy.
    static Result<std::unique_ptr<Replica>> open(Options options, Seams seams);
    ~Replica();
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    // A frame from a peer, as its Network sent it; `sender` is who the connection belongs to.
    // False: it does not decode, is another's, or is not for this node: the connection must be
    // closed.
    bool receive(NodeId sender, ByteView frame);
    // The process behind that node is known to be gone: its connections closed, new ones are
    // refused.
    void peer_gone(NodeId node);

    // --- for sessions ---
    database::Store& store();
    // Success while this node is leader and may serve; else kNotLeader.
    Status check_leader() const;
    // As check_leader(), and new writes are taken: no transfer under way, disk space, backlog.
    Status check_writable() const;
    // Bumped each time this node stops being leader: a session that sees another number than before
    // has lost its database, its statements and its transaction.
    std::uint64_t leadership_epoch() const;

    // Proposes what was captured of `database`, if anything. To be called after every step, before
    // the write lock is released. Returns the index to wait for: that of the newest transaction
    // that the capturing connection could have seen, its own included. kNotLeader: it was not
    // proposed, and never will be.
    Result<Index> propose(database::Database& database, database::Capture capture);
    // `done` runs once, inline or later.
    void when_committed(Index index, Done done);
    void when_readable(Index index, Done done);

    // A node that joins hears from the members, before it is one, which cluster it is to belong to.
    // From then on it takes no frame of another one.
    void meet_cluster(ClusterId cluster);

    // --- membership; `done` runs once, with the errors of protocol sections 6.12 to 6.17 ---
    void add(NodeId id, std::string address, Done done);
    void assign(NodeId id, raft::Role role, Done done);
    void remove(NodeId id, Done done);
    void transfer(NodeId to, Done done);

    NodeId id() const;
    ClusterId cluster_id() const;  // none: the node has not met its cluster yet
    const std::string& address() const;
    Leader leader() const;  // as protocol section 6.1: nothing unless this node votes
    const raft::Configuration& configuration() const;
    ReplicaStatus status() const;
    std::uint64_t weight() const;
    void set_weight(std::uint64_t weight);

    // What is told from now on, on the loop; what is left out is not.
    void set_callbacks(Callbacks callbacks);

    // Stops timers and flushing and answers everything still waiting. Call before destruction.
    void stop();

private:
    Replica(Options options, Seams seams);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace quorlite::replica
