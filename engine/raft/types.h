// The vocabulary of consensus: entries, servers, configurations and the messages between nodes.
//
// Plain values, copied and moved freely. An entry's payload is shared, immutable bytes: the same
// memory is written to the log, sent to every peer and applied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "wire/base/bytes.h"
#include "wire/base/ids.h"

namespace quorlite::raft {

enum class EntryKind : std::uint8_t {
    kBarrier = 1,        // empty; the first entry of every leader's term
    kCommand = 2,        // a transaction of one database, opaque to consensus
    kConfiguration = 3,  // an encoded Configuration, in force as soon as it is in the log
};

struct Entry {
    Term term;
    Index index;
    EntryKind kind = EntryKind::kCommand;
    SharedBytes payload;  // never null; empty for a barrier

    std::size_t size() const { return payload->size(); }
};

enum class Role : std::uint8_t {
    kVoter = 0,    // gets the log and votes
    kStandby = 1,  // gets the log, does not vote
    kSpare = 2,    // gets nothing
};

struct Server {
    NodeId id;
    std::string address;  // HOST:PORT
    Role role = Role::kSpare;
    friend bool operator==(const Server&, const Server&) = default;
};

struct Configuration {
    std::vector<Server> servers;  // ordered by id, ids and addresses unique

    const Server* find(NodeId id) const;
    bool is_voter(NodeId id) const;
    std::size_t voter_count() const;
    friend bool operator==(const Configuration&, const Configuration&) = default;
};

Bytes encode(const Configuration& configuration);
std::optional<Configuration> decode_configuration(ByteView bytes);  // nothing if malformed

// A point in the log that everything before is compacted into, and the configuration as of it.
struct SnapshotPoint {
    Index index;
    Term term;
    Configuration configuration;
};

// What must survive a crash before any message of the same term leaves (thesis section 3.8).
struct HardState {
    Term term;
    NodeId vote;  // none if no vote was given in this term
    friend bool operator==(const HardState&, const HardState&) = default;
};

// --- Messages. `term` is the sender's term; in a pre-vote it is the term it would have. ---

struct VoteRequest {
    Term term;
    Index last_index;
    Term last_term;
    bool pre_vote = false;
    bool transfer = false;  // the leader asked for this election: voters do not defend it
};

struct VoteReply {
    Term term;
    bool pre_vote = false;
    bool granted = false;
};

struct AppendRequest {
    Term term;
    Index previous_index;
    Term previous_term;
    Index commit;
    std::uint64_t round = 0;  // of heartbeats, echoed in the reply: dates leases and quorum reads
    std::vector<Entry> entries;  // empty: a heartbeat
};

struct AppendReply {
    Term term;
    std::uint64_t round = 0;
    bool success = false;
    // Success: everything up to here is durable and equal; else a hint where to look next.
    Index match;
    Index applied;  // for the operator: how far the sender's databases are
};

// The leader's log no longer holds what the receiver needs: it fetches the snapshot described by
// `manifest` (opaque here) in chunks over a connection of its own, then answers.
struct SnapshotRequest {
    Term term;
    SnapshotPoint point;
    std::uint64_t round = 0;
    SharedBytes manifest;
};

struct SnapshotReply {
    Term term;
    std::uint64_t round = 0;
    Index index;             // the snapshot's
    bool installed = false;  // false: still at work on it
};

struct TimeoutNow {  // leadership transfer: campaign at once (thesis section 3.10)
    Term term;
};

using Message = std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, SnapshotRequest,
                             SnapshotReply, TimeoutNow>;

struct Envelope {
    NodeId from;
    NodeId to;
    Message message;
};

}  // namespace quorlite::raft
