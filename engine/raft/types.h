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

#include "engine/base/clock.h"
#include "wire/base/bytes.h"
#include "wire/base/ids.h"

namespace quorlite::raft {

enum class EntryKind : std::uint8_t {
    kNoOp = 1,           // empty; the first entry of every leader's term
    kCommand = 2,        // a transaction of one database, opaque to consensus
    kConfiguration = 3,  // an encoded Configuration, in force as soon as it is in the log
};

struct Entry {
    Term term;
    Index index;
    EntryKind kind = EntryKind::kCommand;
    SharedBytes payload;  // never null; empty for a no-op

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

// Whether a membership change leads from one to the other: at most one server differs.
bool is_one_change(const Configuration& before, const Configuration& after);

Bytes encode(const Configuration& configuration);
std::optional<Configuration> decode_configuration(ByteView bytes);  // nothing if malformed

// A hash of all entries after `origin` up to `index`, which are committed; see HashChain.
struct LogHash {
    Index origin;
    Index index;
    std::uint64_t value = 0;
    friend bool operator==(const LogHash&, const LogHash&) = default;
};

// A point in the log that everything before is compacted into, and the configuration as of it.
struct SnapshotPoint {
    Index index;
    Term term;
    Configuration configuration;
    std::optional<LogHash> hash = {};  // as of `index`, if it is known
};

// What must survive a crash before any message of the same term leaves (thesis section 3.8).
struct HardState {
    Term term;
    NodeId vote;  // none if no vote was given in this term
    // This node lacks entries up to here that it acknowledged once, or may have: none of its votes
    // count before a leader has sent them.
    Index vote_barrier = {};
    // Its disk is not the one it had: it may have forgotten terms and votes as well. Its answers
    // count for nothing before a majority without it has confirmed that its leader still leads.
    bool forgot = false;
    friend bool operator==(const HardState&, const HardState&) = default;
};

// Where a log ends. Of two logs the one that ends later is the more complete (thesis
// section 3.6.1).
struct LogEnd {
    Term term;
    Index index;
    friend auto operator<=>(const LogEnd&, const LogEnd&) = default;
};

// A receipt says that a voter has acknowledged everything up to an entry that is committed. Nodes
// remember each other's, because a voter's disk may be replaced, or put back to an older copy: who
// has less than its receipt says has lost what others count on, and its vote counts for nothing
// until it has that again. What is committed is never cut, so no sound voter falls behind its own.
struct Receipt {
    NodeId voter;
    LogEnd upto;
    friend bool operator==(const Receipt&, const Receipt&) = default;
};

// Bounds of what is believed of a peer, far beyond what any cluster reaches.
inline constexpr std::uint64_t kIndexMax = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kTermMax = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kTermStepMax = std::uint64_t{1} << 32;  // in one message

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
    std::optional<LogEnd> log_end = {};  // the voter's; unknown of version 0.1
};

struct AppendRequest {
    Term term;
    Index previous_index;
    Term previous_term;
    Index commit;
    std::uint64_t round = 0;  // of heartbeats, echoed in the reply: dates leases and quorum reads
    std::vector<Entry> entries;          // empty: a heartbeat
    Index last_index = {};               // of the leader's log; 0 from version 0.1
    bool trusted = false;                // what the receiver forgot can do no harm any more
    bool to_voter = false;               // the leader counts the receiver among the voters
    std::vector<Receipt> receipts = {};  // with heartbeats
    std::optional<LogHash> hash = {};    // of what is committed in the leader's log, if it knows
    Index agreed = {};                   // a majority was found to have the leader's hash here
};

struct AppendReply {
    Term term;
    std::uint64_t round = 0;
    bool success = false;
    // Success: everything up to here is durable and equal; else a hint where to look next.
    Index match;
    Index applied;  // for the operator: how far the sender's databases are
    // For so long after the round's message came the sender votes for nobody else, even if it is
    // told that its leader's process is gone; zero from version 0.1, which does not say.
    Duration promise = {};
    bool full = false;    // its disk takes no more
    bool forgot = false;  // see HardState
    Index agrees = {};    // the last index at which its hash was the leader's, in this term
};

// The leader's log no longer holds what the receiver needs: it fetches the snapshot described by
// `manifest` (opaque here) in chunks over a connection of its own, then answers.
struct SnapshotRequest {
    Term term;
    SnapshotPoint point;
    std::uint64_t round = 0;
    SharedBytes manifest;
    Index last_index = {};  // as in AppendRequest
    bool to_voter = false;
};

struct SnapshotReply {
    Term term;
    std::uint64_t round = 0;
    Index index;             // the snapshot's
    bool installed = false;  // false: still at work on it
    Duration promise = {};   // as in AppendReply
    bool forgot = false;
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
