// World: a few nodes of consensus whose time, disks and network a script moves, step by step.
//
// Nothing happens by itself: time passes and messages arrive when the script says so. Each node
// carries its output out as the contract in raft.h asks for, and says what it does in trace().
// Disks are fast, so that what is handed over is durable at once, unless they are made slow.
//
// What must hold between nodes is looked at as well, and each node by itself by its invariants; a
// line that begins with BROKEN says what does not.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/raft/invariants.h"
#include "tests/raft/values.h"

namespace quorlite::raft {

// Begins a line that says what must not be.
inline constexpr std::string_view kBroken = "BROKEN: ";

class World {
public:
    // What it did since the last call, line by line.
    std::vector<std::string> take_trace() { return std::exchange(trace_, {}); }
    bool broken() const { return broken_; }

    // --- nodes ---
    void create(std::uint64_t id, Restored restored, std::size_t cache_bytes_max);
    Core& core(std::uint64_t id);  // std::invalid_argument if it does not run
    TimePoint now() const { return now_; }
    void carry_out(std::uint64_t id);  // after each input
    void crash(std::uint64_t id);      // keeps what is durable
    void restart(std::uint64_t id);
    void wait(Duration duration) { now_ += duration; }
    void tick(std::uint64_t id);

    // --- disks ---
    void slow_disk(std::uint64_t id) { node(id).slow = true; }
    void write(std::uint64_t id);  // all that was handed over is durable
    // Gives the leader the entries that it asked for, for `peer`; or says that it cannot.
    void load(std::uint64_t id, std::uint64_t peer);
    void fail_to_load(std::uint64_t id, std::uint64_t peer);

    // --- the network ---
    void deliver();                                           // until nobody has anything to say
    void deliver_link(std::uint64_t from, std::uint64_t to);  // what is under way now
    void drop(std::uint64_t from, std::uint64_t to);          // the same, lost
    void repeat(std::uint64_t from, std::uint64_t to);        // the latest that arrived, again
    void hold(std::uint64_t from, std::uint64_t to);          // late, until let go
    void let_go(std::uint64_t from, std::uint64_t to);
    void cut(std::uint64_t from, std::uint64_t to);  // loses everything from now on
    void heal();
    void forge(Envelope envelope);  // what no sound node sends

    // --- snapshots ---
    void compact(std::uint64_t id);                    // up to what it applied
    void offer(std::uint64_t id, std::uint64_t peer);  // a snapshot of what it applied
    void install(std::uint64_t id);                    // what it was offered
    void install_and_crash(std::uint64_t id);          // before its log hears of it
    void install_again(std::uint64_t id);              // reports the last one a second time
    void refuse(std::uint64_t id);                     // what it was offered cannot be fetched

    // --- reads ---
    void read(std::uint64_t id);  // by a round of heartbeats
    void lease(std::uint64_t id);

    void say(std::uint64_t id, const std::string& text);

private:
    struct Read {
        std::uint64_t number;
        std::uint64_t round;
        Term term;
        Index newest;  // applied anywhere when it began
    };
    struct Node {
        LeastRandom random;
        std::size_t cache_bytes_max = 0;
        std::unique_ptr<Core> core;  // none while it is down
        Invariants invariants;
        bool slow = false;
        // What its disk holds; of the log that which is not durable yet, too.
        HardState hard;
        SnapshotPoint snapshot;
        std::vector<Entry> log;
        Index durable;
        Index applied;
        Configuration members;  // as last told
        std::optional<SnapshotPoint> offered;
        std::optional<SnapshotPoint> installed;
        std::map<std::uint64_t, LogRead> asked;  // by peer
        std::vector<Read> reads;
    };
    using Link = std::pair<std::uint64_t, std::uint64_t>;

    Node& node(std::uint64_t id);
    void carry_out_log(Node& node, const Ready& output);
    void apply(std::uint64_t id, const Entry& entry);
    void send(std::uint64_t id, const Envelope& envelope);
    void arrive(const Envelope& envelope);
    void tell_role(std::uint64_t id);
    void tell_members(std::uint64_t id);
    void answer_reads(std::uint64_t id);
    void check_node(std::uint64_t id);
    void check_claim(std::uint64_t id, const Message& message);
    void check_leader(std::uint64_t id);
    void expect(bool holds, const std::string& otherwise);

    TimePoint now_{std::chrono::hours(1)};
    std::map<std::uint64_t, Node> nodes_;
    std::deque<Envelope> network_;
    std::vector<Envelope> held_;
    std::map<Link, Envelope> latest_;
    std::set<Link> cut_;
    std::set<Link> slow_links_;
    std::map<std::uint64_t, std::string> history_;    // what was applied, by index
    std::map<std::uint64_t, std::uint64_t> leaders_;  // by term
    std::uint64_t reads_ = 0;
    std::vector<std::string> trace_;
    bool broken_ = false;
};

}  // namespace quorlite::raft
