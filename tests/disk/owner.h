// Owner: stands in for a node that keeps its log and records on a simulated disk, and remembers
// what it was promised. A script drives it; whatever is done to the disk meanwhile, check() says
// whether what is found at the next start is a state that the promises allow.
//
// What they allow: the log is the result of the first m appended entries, for an m no smaller than
// what was reported durable (a later entry with the index of an earlier one replaces it and all
// that followed).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/disk/rig.h"

namespace quorlite::test {

// Everything that was asked of the log, over all lives of the node.
class History {
public:
    void append(const raft::Entry& entry) { events_.push_back({.entry = entry, .reset = {}}); }
    void reset(Index point) { events_.push_back({.entry = {}, .reset = point}); }
    void durable(Index index, Term term);
    // The log was found to be `entries` after the snapshot: it is durable, and nothing else is to
    // come.
    void restart(const std::vector<raft::Entry>& entries);

    // Why `found` cannot be the log; empty if it can.
    std::string check(const std::vector<raft::Entry>& found, Index snapshot) const;

private:
    struct Event {
        raft::Entry entry;  // or, without payload:
        Index reset;
    };

    static void replay(const Event& event, std::vector<raft::Entry>& log);

    std::vector<Event> events_;
    std::size_t durable_ = 0;  // so many events
};

// What the node was promised. A copy can be checked against a copy of the disk.
struct Promises {
    History log;
    // Of each record: what was saved last, and what was perhaps.
    raft::HardState voted;
    std::optional<raft::HardState> voting;
    raft::SnapshotPoint snapshot;
    std::optional<raft::SnapshotPoint> snapshotting;
};

class Owner {
public:
    explicit Owner(sim::SimDisk& disk, Promises made = {})
        : promises(std::move(made)), disk_(disk) {}

    // Starts the node; an empty answer, or what is wrong with what it found. An error of open() is
    // left in `refused`.
    std::string start();
    std::string refused;
    // The life ends, in whatever way the disk is told.
    void end();

    // --- for scripts; an error of the records ends the node, as fatal() does ---
    void append(std::uint64_t count, std::uint64_t term, std::size_t bytes);
    void truncate(std::uint64_t from);
    void snapshot(std::uint64_t upto);                      // the databases are at `upto`: trims
    void install(std::uint64_t point, std::uint64_t term);  // a snapshot from elsewhere: resets
    void vote(std::uint64_t term, std::uint64_t node);
    void acknowledge();  // everything durable is also committed: it is not truncated any more
    void settle();
    void pass(Duration time) { executor.advance(time); }
    void restart();

    std::uint64_t last() const { return log->last_index().value(); }
    std::uint64_t first() const { return log->first_index().value(); }

    Promises promises;
    std::vector<raft::Entry> written;  // all that were ever appended
    TestExecutor executor;
    std::unique_ptr<disk::Records> records;
    std::unique_ptr<disk::Log> log;
    disk::RecoveredLog recovered;
    bool space = true;
    int space_reports = 0;

private:
    std::string check_records();
    void require(Status status);

    sim::SimDisk& disk_;
};

inline constexpr disk::LogOptions kTinySegments{
    .segment_bytes = 4u << 10, .batch_bytes_max = 2u << 10, .spare_segments = 2};

}  // namespace quorlite::test
