// Raft: consensus without I/O, clock, randomness or threads of its own.
//
// One input, one output. Inputs are step() (a message), tick() (time passed), propose*() (new
// entries), durable() (the log reached the disk), and a few answers to what a Ready asked for. Each
// only changes state and adds to what is ready; take_ready() hands that over. The owner must take
// it after every batch of inputs and do, in this order:
//
//   1. hard_state, if set, is made durable before anything below.
//   2. truncate_from, if set, cuts the log there; then `append` is given to the log, in order.
//      When entries are durable the owner calls durable(). The core acknowledges to a leader, and
//      counts itself towards a commit, only what is durable; so nothing waits for the disk here.
//   3. `messages` leave. The leader sends entries while its own disk writes them (thesis 10.2.1).
//   4. `committed` is applied, in order, each exactly once.
//   5. the requests: `reads` (entries that are no longer in memory), `snapshots` (a peer needs
//      one), `install` (a leader offers one).
//
// Follows Ongaro's thesis: pre-vote (9.6), check-quorum and leader stickiness (6.2, 4.2.3),
// leadership transfer (3.10), one membership change at a time (4.1) with voters, standbys and
// spares, log compaction (5), and reads by lease or by heartbeat round (6.4).
//
// The lease: a leader may answer reads until `lease` after the start of the last heartbeat round
// that a majority of voters answered. A voter that heard from a leader grants no vote to another
// for its own `election_timeout`, or, once told that the leader's process is gone (peer_gone()),
// for half of it; that half is the promise in its answers. The lease is half the least promise, so
// clocks whose rates differ by 30 % either way cannot break it, whatever timeouts the nodes have.
//
// A voter that lost what it acknowledged: see Receipt in types.h. A disk that is new while the
// cluster counts its node among the voters has lost all; it does not vote before it has what the
// newest leader that it met had.
//
// Core has many functions because each kind of input, and each thing that an owner may ask, is one;
// what they do is in State.
#pragma once

#include <memory>

#include "engine/base/clock.h"
#include "engine/raft/types.h"
#include "wire/base/result.h"

namespace quorlite::raft {

struct Options {
    NodeId self;
    Duration election_timeout;                // the least; each wait is drawn from one to two of it
    Duration heartbeat;                       // at most a quarter of the election timeout
    std::size_t append_bytes_max = 1u << 20;  // entries in one message
    std::size_t window_bytes_max = 8u << 20;  // sent to one peer and not yet acknowledged
    std::size_t cache_bytes_max = 16u << 20;  // kept in memory for peers; older are read back
    std::size_t unapplied_bytes_max = 64u << 20;  // proposals beyond this make it backlogged()
};

// What the disk gave back at start-up.
struct Restored {
    HardState hard_state;
    SnapshotPoint snapshot;  // index 0 in a new node; its configuration is the first one
    std::vector<Entry> log;  // from snapshot.index + 1 on, possibly empty; all durable
    Index committed;         // known to be committed (at least snapshot.index)
    // The node acknowledged entries that its damaged log no longer has: it must not vote, nor lead,
    // before its log reaches this index again.
    Index vote_barrier;
    std::vector<Receipt> receipts = {};
    // The longest promise that this node may have given just before it stopped, if its election
    // timeout was another then.
    Duration owed = {};
};

// The leader's log contradicts what is committed here. One of the two histories was acknowledged
// and is not the cluster's any more: only people can know which.
struct Conflict {
    NodeId leader;
    Term term;  // of its leadership
    Index index;
    bool by_hash = false;  // the terms agree: the logs differ at the index, or before it
    // By hash, and a majority was found to have the leader's at this index or behind it.
    bool outvoted = false;
};

// A voter that asked for a vote, or gave one, lacks entries that it has acknowledged.
struct Forgetful {
    NodeId voter;
    LogEnd acknowledged;
    LogEnd log_end;
};

enum class RoleName { kFollower, kPreCandidate, kCandidate, kLeader };

// Give entries_loaded() the entries from `from` on, at least one, about `bytes_max`.
struct LogRead {
    NodeId peer;
    Index from;
    std::size_t bytes_max;
};

struct Ready {
    std::optional<HardState> hard_state;
    // The log is cut here. After snapshot_installed() beyond its end it begins anew at this index.
    std::optional<Index> truncate_from;
    std::vector<Entry> append;
    std::vector<Envelope> messages;
    std::vector<Entry> committed;
    std::vector<LogRead> reads;
    std::vector<NodeId> snapshots;           // await offer_snapshot() or snapshot_unavailable()
    std::optional<SnapshotRequest> install;  // awaits snapshot_installed() or snapshot_refused()
    bool role_changed = false;  // role(), term() or leader() differ from the last Ready
    // For people.
    std::optional<Conflict> conflict;
    std::optional<Forgetful> forgetful;

    bool empty() const;
};

// Where a peer stands, for operators and for planning.
struct Progress {
    NodeId id;
    Index match;
    Index next;
    Index applied;
    bool active = false;  // heard from within an election timeout
    Duration silent{};    // since it was heard
    bool snapshotting = false;
    bool full = false;  // its disk takes no more
    std::size_t in_flight_bytes = 0;
};

class Core {
public:
    Core(Options options, Restored restored, Random& random, TimePoint now);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // --- inputs ---
    void step(TimePoint now, NodeId from, Message message);
    void tick(TimePoint now);  // call at least every quarter heartbeat, or at next_deadline()
    TimePoint next_deadline() const;

    // Appends commands to the leader's log; returns the index of the last. Refused, with nothing
    // proposed, only when this node is not leader (code::kNotLeader): the databases have committed
    // it already. Writers are held back before they begin, while transferring() or backlogged().
    Result<Index> propose(TimePoint now, std::vector<SharedBytes> payloads);

    // The entry at `index`, whose term is `term`, and everything before it is on stable storage.
    // Ignored if the log has another entry there by now. Entries that were cut and handed over
    // again are durable only once they are written again: the owner must not report the first write
    // of them any more.
    void durable(Index index, Term term);

    // The process behind `peer` is known to be gone (its connections were closed and new ones
    // refused).
    void peer_gone(TimePoint now, NodeId peer);

    void entries_loaded(TimePoint now, NodeId peer, std::vector<Entry> entries);
    void entries_unavailable(TimePoint now, NodeId peer);  // trimmed meanwhile, or unreadable
    void offer_snapshot(TimePoint now, NodeId peer, SnapshotPoint point, SharedBytes manifest);
    void snapshot_unavailable(TimePoint now, NodeId peer);
    // The databases are at point.index, durably.
    void snapshot_installed(TimePoint now, const SnapshotPoint& point);
    void snapshot_refused(TimePoint now);  // it could not be fetched; the leader will offer again

    // The log up to `point` is no longer needed: the owner has it, durably, in its databases.
    void compacted(SnapshotPoint point);
    void applied(Index index);  // the owner applied up to here; reported to the leader
    void disk_full(bool full);  // reported to the leader

    // --- membership, on the leader; each answers with the index of its configuration entry ---
    // Errors: kNotLeader; kBusy "a configuration change is already in progress"; kError with the
    // texts of spec/wire-protocol.md sections 6.12 to 6.14.
    Result<Index> add(TimePoint now, NodeId id, std::string address);
    // To voter: a node that does not get the log yet is first made standby and caught up by the
    // owner's repeated calls; code::kCatchingUp until its log is near the leader's (then the change
    // is proposed).
    Result<Index> assign(TimePoint now, NodeId id, Role role);
    Result<Index> remove(TimePoint now, NodeId id);
    // Starts a transfer; NodeId() lets the leader choose its most advanced voter. Ends when this
    // node is no longer leader, or after an election timeout.
    Status transfer(TimePoint now, NodeId to);
    bool transferring() const;
    bool backlogged() const;  // more than unapplied_bytes_max are in the log and not yet applied

    // --- reads ---
    // True while this node may answer reads without asking anyone: leader, first entry of its term
    // committed, lease running at `now`. Not again in a term in which the order to take over was
    // sent: it may still arrive after a transfer was given up. Reads by round go on.
    bool lease_valid(TimePoint now) const;
    // Starts a heartbeat round and returns its number; the read it stands for may be answered when
    // confirmed_round() has reached it and all that is committed is applied. 0 if this node is not
    // leader. confirmed_round() is 0 while the first entry of its term is not committed.
    std::uint64_t start_read_round(TimePoint now);
    std::uint64_t confirmed_round() const;

    Ready take_ready();

    // --- state ---
    NodeId self() const;
    RoleName role() const;
    Term term() const;
    NodeId leader() const;      // none if unknown
    Index first_index() const;  // of the log: snapshot point + 1
    Index last_index() const;
    Index commit_index() const;
    Index durable_index() const;
    bool serving() const;        // leader, and the first entry of its own term is committed
    Index vote_barrier() const;  // none once the log, as a leader sent it, has durably reached it
    // Of the log of the leader that this node follows, as last heard; 0 if there is none.
    Index leaders_last_index() const;
    std::vector<Receipt> receipts() const;              // to be kept, for Restored
    std::optional<Term> term_at(Index index) const;     // from the snapshot point to last_index()
    const Configuration& configuration() const;         // the newest in the log
    Configuration configuration_at(Index index) const;  // index from the snapshot point on
    // Where the log may be compacted, at or shortly before `limit`, so that the hash there is
    // known. If it is known nowhere, then at `limit`, which is delivered and not before the
    // snapshot point.
    SnapshotPoint point_up_to(Index limit) const;
    std::vector<Progress> progress() const;  // of the peers; leaders only

private:
    friend class Invariants;
    struct State;
    State& at(TimePoint now);  // the state, with its clock moved on

    std::unique_ptr<State> state_;
};

}  // namespace quorlite::raft
