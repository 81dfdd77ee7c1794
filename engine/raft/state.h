// One node's consensus state, and everything that changes it. Private to this module.
//
// Functions live by subject: election.cc (who leads), leader.cc (replication, commit, reads,
// transfer), follower.cc (the log and snapshots as a leader sends them), membership.cc, and
// state.cc (time, durability, what is ready). What exists only in a role is a field of that role.
//
// One large struct, for all of these read and change the same term, log and membership, and their
// order matters. What can be said without them is apart: Tracker, Log, HashChain.
#pragma once

#include <deque>
#include <map>
#include <variant>

#include "engine/raft/hash_chain.h"
#include "engine/raft/log.h"
#include "engine/raft/raft.h"
#include "engine/raft/tracker.h"

namespace quorlite::raft {

struct Follower {
    NodeId leader;                         // none if unknown
    Index confirmed;                       // the log up to here equals the leader's
    Index reported;                        // the match last acknowledged to it
    std::uint64_t round = 0;               // the latest heartbeat round it sent
    bool met = false;                      // something of its came
    bool trusted = false;                  // see AppendRequest
    std::optional<LogHash> expected = {};  // the leader's, of what is not delivered here yet
    Index differs = {};                    // its hash here was another; none: none was
    Index agrees = {};                     // the last index at which it was the same
};

struct Ballot {
    std::vector<NodeId> granted;
    std::vector<NodeId> refused;
};

struct PreCandidate {
    Ballot ballot;
    TimePoint ask_again;
};

struct Candidate {
    Ballot ballot;
    TimePoint ask_again;
    bool transfer = false;
};

struct Leader {
    struct Round {
        std::uint64_t number;
        TimePoint started;
    };
    struct Transfer {
        NodeId to;
        TimePoint deadline;
    };
    struct CatchUp {  // thesis section 4.2.1
        NodeId id;
        Index goal;  // the end of the log when the round began
        TimePoint started;
        TimePoint asked;  // about, by the owner
        bool ready = false;
    };

    Tracker tracker;
    Index no_op;  // the first entry of this term
    TimePoint heartbeat_at;
    std::uint64_t round = 0;            // the latest started
    std::uint64_t open_round = 0;       // sent to all, but not left yet: more reads may join it
    std::deque<Round> rounds;           // started, not yet confirmed; see kReadRoundsMax
    std::uint64_t confirmed_round = 0;  // the latest that a majority answered
    Index agreed;  // a majority, this node included, is known to have the same history up to here
    std::optional<TimePoint> lease_start;
    bool lease_forfeited = false;  // an order to take over was sent: see lease_valid()
    std::optional<Transfer> transfer;
    std::optional<CatchUp> catch_up;
};

// The leader that this node last heard, to whom it owes its vote for a while (thesis
// section 4.2.3).
struct Contact {
    bool promised = false;  // there was one, or, after a restart, there may have been
    NodeId leader;          // none after a restart
    TimePoint at;
    bool gone = false;  // its process is known to have ended
};

// A leader whose history was another: until then it gets no vote from this node.
struct Distrust {
    NodeId leader;  // none: nobody
    TimePoint until;
};

struct Installing {
    Term leader_term;
    Index index;
    Term term;
};

struct Core::State {
    State(Options with, Restored restored, Random& with_random, TimePoint start);

    // --- state.cc ---
    void step(NodeId from, Message& message);
    void tick();
    TimePoint next_deadline() const;
    void durable_up_to(Index index, Term term);
    void applied_up_to(Index index);
    void evict();
    void compacted(const SnapshotPoint& point);
    Ready take_ready();
    void send(NodeId to, Message message);
    void commit_to(Index index);
    std::vector<Entry> deliver_up_to(Index index);
    SnapshotPoint point_up_to(Index limit) const;
    void truncate_log(Index from);
    void reset_log(const SnapshotPoint& point);
    Index append_own(EntryKind kind, SharedBytes payload);
    std::size_t unapplied_bytes() const { return log.bytes_between(applied, log.last_index()); }
    Duration random_up_to(Duration most);
    bool is_voter() const { return log.configuration().is_voter(options.self); }
    bool is_only_voter() const { return is_voter() && log.configuration().voter_count() == 1; }
    RoleName role_name() const;
    NodeId known_leader() const;
    Leader* as_leader() { return std::get_if<Leader>(&role); }
    const Leader* as_leader() const { return std::get_if<Leader>(&role); }
    Follower* as_follower() { return std::get_if<Follower>(&role); }

    // --- election.cc ---
    bool may_campaign() const;
    bool owes_vote_to_leader() const;
    Duration promise() const { return options.election_timeout / 2; }
    bool is_believable(NodeId from, const Message& message) const;
    bool accept_term(NodeId from, const Message& message);
    void become_follower(Term term, NodeId leader);
    void heard_leader(NodeId leader);
    void start_pre_vote();
    void campaign(bool transfer);
    void ask_votes();
    void count_votes();
    void become_leader();
    void draw_election_deadline();
    void campaign_early();
    bool log_is_current(const VoteRequest& request) const;
    bool has_kept_its_log(NodeId voter, LogEnd log_end);
    void on(NodeId from, VoteRequest& request);
    void on(NodeId from, VoteReply& reply);
    void on(NodeId from, TimeoutNow& order);
    void peer_gone(NodeId peer);
    void tick_election();

    // --- follower.cc ---
    void on(NodeId from, AppendRequest& request);
    void on(NodeId from, SnapshotRequest& request);
    bool follow(NodeId from, std::uint64_t round, const std::optional<LogHash>& hash);
    bool well_formed(const AppendRequest& request) const;
    bool accept_entries(Follower& follower, AppendRequest& request);
    Index agreement_hint(const AppendRequest& request) const;
    void acknowledge(Follower& follower, std::uint64_t round);
    void reject(std::uint64_t round, Index hint);
    AppendReply answer(std::uint64_t round, bool success, Index match) const;
    void snapshot_installed(const SnapshotPoint& point);
    void lift_vote_barrier();
    void raise_vote_barrier(Index index);
    void admit_loss(Index index);
    void meet_leader(Follower& follower, Index last_index, bool to_voter);
    void take_receipts(const AppendRequest& request);
    std::optional<Index> contradiction(const AppendRequest& request) const;
    void report_conflict(Index index);
    void report_difference(Index agreed);
    void compare(Follower& follower, const LogHash& theirs);

    // --- leader.cc ---
    Result<Index> propose(std::vector<SharedBytes> payloads);
    void on(NodeId from, AppendReply& reply);
    void on(NodeId from, SnapshotReply& reply);
    void on_reject(Peer& peer, Index hint);
    void note_memory(Leader& leader, Peer& peer, bool forgot);
    void on_match(Leader& leader, Peer& peer, Index match, std::uint64_t round);
    void heard_peer(Leader& leader, Peer& peer, std::uint64_t round);
    void fill(Leader& leader, Peer& peer);
    void ask_snapshot(Peer& peer);
    void send_entries(Leader& leader, Peer& peer, std::vector<Entry> entries);
    void send_heartbeat(Leader& leader, Peer& peer);
    void next_round(Leader& leader);
    void start_round(Leader& leader);
    void confirm_rounds(Leader& leader);
    void advance_commit(Leader& leader);
    void tick_leader(Leader& leader);
    bool heard_by_majority(const Leader& leader) const;
    Duration lease_of(const Leader& leader) const;
    LogEnd log_end() const { return {log.last_term(), log.last_index()}; }
    void write_receipts(const Leader& leader);
    std::vector<Receipt> receipts_of_voters() const;
    void entries_loaded(NodeId id, std::vector<Entry> entries);
    void entries_unavailable(NodeId id);
    void offer_snapshot(NodeId id, SnapshotPoint point, SharedBytes manifest);
    void snapshot_unavailable(NodeId id);
    bool serving() const;
    bool lease_valid(TimePoint at) const;
    std::uint64_t start_read_round();
    std::uint64_t confirmed_round() const;
    Status transfer(NodeId to);
    void order_takeover(Leader& leader);
    NodeId most_advanced_voter(const Leader& leader) const;
    std::vector<Progress> progress() const;

    // --- membership.cc ---
    Result<Index> add(NodeId id, std::string address);
    Result<Index> assign(NodeId id, Role new_role);
    Result<Index> remove(NodeId id);
    std::optional<Error> refuse_change() const;
    Result<Index> promote(Leader& leader, const Server& server);
    Index change_role(Leader& leader, NodeId id, Role new_role);
    Index append_configuration(Leader& leader, const Configuration& configuration);
    void configuration_committed();
    void measure_catch_up(Leader& leader, const Peer& peer);
    void forget_receipts();

    Options options;
    Random& random;
    TimePoint now;  // of the latest input; never goes back

    HardState hard;
    bool hard_dirty = false;
    std::variant<Follower, PreCandidate, Candidate, Leader> role;
    Contact contact;
    TimePoint election_deadline;
    TimePoint promised_until;  // by this node before it was restarted: it votes for nobody
    Distrust distrusted;
    std::optional<Installing> installing;
    std::map<NodeId, LogEnd> receipts;  // only of members
    Index receipts_of;                  // the configuration that they were last compared with
    Index leaders_last;                 // as the leader said; 0: there is none
    bool disk_full = false;

    // Invariant: log.point().index <= applied <= delivered <= commit <= log.last_index(), and
    // durable <= handed <= log.last_index().
    Log log;
    Index commit;
    Index delivered;  // handed to the owner as committed
    HashChain chain;  // up to there
    Index applied;
    Index handed;   // handed to the owner to be written
    Index durable;  // known to be on stable storage

    Ready output;
    RoleName reported_role = RoleName::kFollower;
    Term reported_term;
    NodeId reported_leader;
};

}  // namespace quorlite::raft
