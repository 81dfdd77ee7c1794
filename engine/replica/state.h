// What a replica is made of, and everything that changes it. Private to this module.
//
// Functions live by subject: start.cc (what a directory holds becomes a replica), pump.cc (what
// raft says is done; leading; time), peers.cc (messages), membership.cc, tail.cc (snapshots and the
// log's tail), and replica.cc (what sessions call).
//
// One large struct: each input may touch consensus, log and databases, in an order that matters.
// What has a state of its own is apart: Waiters, SnapshotSender and -Receiver, PageRepair.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "engine/base/lifetime.h"
#include "engine/replica/page_repair.h"
#include "engine/replica/peer_codec.h"
#include "engine/replica/replica.h"
#include "engine/replica/snapshot_transfer.h"
#include "engine/replica/waiters.h"

namespace quorlite::replica {

Error membership_error(Error error);  // in the words of protocol sections 6.12 to 6.17

struct Replica::State {
    State(Options its_options, Seams its_seams)
        : options(std::move(its_options)), seams(its_seams) {}

    // --- replica.cc ---
    void when_committed(Index index, Done done);

    // --- start.cc ---
    Status open();
    Status open_identity();
    Status rename();
    Status open_storage();
    raft::Restored restore(disk::RecoveredLog recovered);
    static Status check_term(const raft::Restored& restored);

    // --- pump.cc ---
    void schedule_pump();
    void pump();
    void carry_out(raft::Ready output);
    void apply(std::vector<raft::Entry> entries);
    bool apply_one(const raft::Entry& entry);
    void read_log(const raft::LogRead& read);
    bool is_leading() const;
    bool may_read_by_lease(TimePoint at) const;
    void role_changed();
    void lead();
    void step_down();
    void answer_all();
    void tell_of_leadership();
    void on(const raft::Conflict& conflict);
    void on(const raft::Forgetful& forgetful);
    void release();
    void release_reads();
    void schedule_tick();
    void tick();

    // --- peers.cc ---
    void send(raft::Envelope envelope);
    void send_frame(NodeId to, Channel channel, decltype(PeerMessage::body) body);
    SendBulk send_chunks();
    bool receive(PeerMessage message);
    bool learn_cluster(ClusterId cluster);
    void learn_address(const PeerMessage& message);
    bool must_hold() const;
    bool hold(NodeId from, raft::AppendRequest& append);
    void take_held();
    bool has_others() const;
    bool is_acceptable(const raft::Message& message) const;
    void ask_others(const PageRequest& request);
    void damaged(const std::string& database, std::uint32_t page);
    void receive(const PageReply& reply, NodeId from);

    // --- membership.cc ---
    struct Change;
    void request(Change change);
    bool try_change(Change& change);
    void answer_when_committed(Result<Index> proposed, Done done);
    void tick_changes();
    void tick_promotion();
    void tick_transfer();
    void membership_applied(const raft::Configuration& configuration);
    void tick_removal();
    void leave();
    void forget_later(NodeId node);
    bool has_space() const { return log_has_space && store_has_space; }
    void note_space(bool& where, bool available);
    void hand_over_if_full();

    // --- tail.cc ---
    void offer_snapshot(NodeId peer);
    void install(raft::SnapshotRequest request);
    void installed(raft::SnapshotPoint point, Status status);
    void trim_log();
    void save_snapshot_point(raft::SnapshotPoint point);
    std::vector<raft::LogHash> hashes_with(const raft::LogHash& next) const;
    Index trim_limit() const;
    void note_acknowledged();
    void note_receipts();
    void keep_promise();

    TimePoint now() const { return seams.clock.now(); }

    Options options;
    Seams seams;
    Callbacks callbacks;
    disk::Identity identity;

    std::shared_ptr<disk::Records> records;
    std::unique_ptr<disk::Log> log;
    std::unique_ptr<database::Store> store;
    std::unique_ptr<raft::Core> core;
    std::unique_ptr<SnapshotSender> sender;
    std::shared_ptr<SnapshotReceiver> receiver;
    std::unique_ptr<PageRepair> repair;
    std::vector<raft::Entry> unapplied;  // committed; the first one needs a page that is damaged

    struct Held {
        NodeId from;
        raft::AppendRequest append;
        std::size_t bytes;
    };
    std::deque<Held> held;  // until the databases have been flushed
    std::size_t held_bytes = 0;

    Waiters writes;
    Waiters reads;
    Index applied;

    // This node's leadership as the databases know it: entries of `leading_term` are its own
    // captures.
    bool leading = false;
    Term leading_term;
    bool serving = false;
    std::uint64_t epoch = 1;
    NodeId known_leader;
    bool standing = false;  // for election

    struct Promotion {
        NodeId id;
        raft::Role role;
        TimePoint deadline;
        Done done;
    };
    std::optional<Promotion> promotion;
    // What to propose, and for how long it waits for a change that is under way.
    struct Change {
        std::function<Result<Index>()> propose;
        Done done;
        std::optional<std::pair<NodeId, raft::Role>> assigns = {};  // may have to catch up
        TimePoint deadline = {};
    };
    std::deque<Change> changes_waiting;  // in order; at most limits::kChangesWaitingMax
    Done transfer_done;

    std::map<NodeId, std::string> learnt_addresses;  // where nodes say they are: not all are in the
                                                     // configuration, yet or still
    std::uint64_t weight = 0;
    bool log_has_space = true;
    bool store_has_space = true;
    bool saving_snapshot_point = false;
    std::optional<raft::LogHash> snapshot_hash;  // at the recorded point, if it is known
    // What the record `acknowledged` says, or will, and when it may be written next.
    static constexpr Duration kAcknowledgedInterval = std::chrono::seconds(10);
    Index acknowledged_noted;
    bool saving_acknowledged = false;
    TimePoint acknowledged_due;
    bool pump_scheduled = false;
    // As of the last configuration that was applied.
    raft::Configuration members;
    bool removal_applied = false;  // of this node; see leave()
    TimePoint appended_at{};       // when a leader last sent something
    bool receipts_saving = false;
    std::vector<raft::Receipt> receipts_saved;
    TimePoint receipts_due;
    // Since when, and how often, this leader's log contradicts what is committed here.
    struct Contradiction {
        NodeId leader;
        Term term;
        TimePoint since;
        int count = 0;
    };
    Contradiction contradiction;
    std::optional<TimePoint> contradiction_said;
    std::map<NodeId, TimePoint> forgetful_said;  // only of members
    TimePoint handed_over_at;                    // because the disk was full
    TimerId tick_timer = TimerId::kNone;
    Lifetime lifetime;
};

}  // namespace quorlite::replica
