// The durable log and the node's other small durable records.
//
// Log: entries in segments of fixed size, created ahead of need, zero-filled so that an append is a
// pure data write, recycled rather than deleted. While one write is in flight further entries
// gather; its completion starts the next with all of them (group commit).
//
// Records: term and vote; the snapshot point; the node's identity. Each lives in two checksummed
// slots, written one after the other, so a torn write leaves the previous content, and damage to
// one slot leaves the last.
//
// The format on disk is described in spec/disk-format.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/disk.h"
#include "engine/base/executor.h"
#include "engine/raft/types.h"

namespace quorlite::disk {

struct LogOptions {
    std::uint64_t segment_bytes = 8u << 20;
    std::size_t batch_bytes_max =
        1u << 20;                    // one write; an entry larger than this is a batch by itself
    std::size_t spare_segments = 2;  // kept ready, zeroed, beyond the one in use
};

// What opening found.
struct RecoveredLog {
    std::vector<raft::Entry> entries;  // contiguous; from the first kept index on
    // Set if entries that were acknowledged are damaged or missing: the log was cut before the
    // damage (the damaged files are kept aside under a new name) and the node must not vote before
    // it has everything up to this index from its peers again. `damage` is the line for the
    // operator.
    Index vote_barrier;
    std::string damage;
    // The term of the entry at the snapshot's index, if the log still held it. If that is not the
    // snapshot's term, the snapshot came from another node and a crash preceded reset(): the
    // entries contradict it, and the owner must call reset() now.
    Term term_at_snapshot;
};

class Log {
public:
    // Opens, or creates, the log in the directory "log". `snapshot` is where the log starts:
    // entries up to its index are dropped, and an empty log continues after it. `acknowledged` is
    // the least index known to have been acknowledged (from the records), for telling damage from a
    // torn tail. Errors name the file and the remedy. The log may be destroyed at any time, the
    // disk only when the executor's background work has ended.
    static Result<std::unique_ptr<Log>> open(Disk& disk, Executor& executor, LogOptions options,
                                             Index snapshot, Index acknowledged,
                                             RecoveredLog& recovered);
    virtual ~Log() = default;

    // The entries are written in order, after everything appended before. The first follows the
    // last.
    virtual void append(std::vector<raft::Entry> entries) = 0;

    // Forgets everything from `from` on; the next append may begin there. Entries that were given
    // to append() and are being written may reach the disk, but never come back after a restart
    // once something appended later is durable.
    virtual void truncate(Index from) = 0;

    // Entries up to `upto` are no longer needed, because a snapshot at or after it is durable:
    // whole segments are recycled. What is not durable in the log yet is kept.
    virtual void trim(Index upto) = 0;

    // The databases came from a snapshot at `point`, and the record of it is durable: the log is
    // empty and continues after it.
    virtual void reset(Index point) = 0;

    // Reads entries back, at least one, until about `bytes_max`. Blocking: for helper threads. Safe
    // to run beside the other calls. An error if `from` is trimmed or not durable yet.
    virtual Result<std::vector<raft::Entry>> read(Index from, std::size_t bytes_max) = 0;

    // Runs on the loop each time a write is durable: everything up to `index`, whose entry has
    // `term`.
    std::function<void(Index index, Term term)> on_durable;
    // A write failed because the disk is full (code::kFull): nothing is lost, the log retries by
    // itself, and calls on_space(false), then on_space(true) once it goes on. Any other failure is
    // fatal().
    std::function<void(bool available)> on_space;

    virtual Index first_index() const = 0;
    virtual Index last_index() const = 0;
    virtual Index durable_index() const = 0;
    virtual std::uint64_t bytes_on_disk() const = 0;
};

// Who this directory belongs to; written once, or again while the cluster is not known.
struct Identity {
    NodeId id;
    ClusterId cluster;  // drawn where the cluster is founded, learnt by those who join
    std::string address;
    bool removed = false;  // the cluster has removed this node: the directory cannot be used again
};

class Records {
public:
    // Opens or creates the records in the node's directory. An unreadable record is an error that
    // names the file and says what to do (restore it, or empty the directory and join again).
    static Result<std::unique_ptr<Records>> open(Disk& disk);
    virtual ~Records() = default;

    virtual std::optional<Identity> identity() const = 0;
    virtual raft::HardState hard_state() const = 0;
    virtual raft::SnapshotPoint snapshot() const = 0;
    // At least this index was acknowledged by this node; a lower bound, written now and then. It
    // must be one that is never truncated any more, because it is committed: a log that is rightly
    // shorter would be taken for a damaged one.
    virtual Index acknowledged() const = 0;
    // What is known of the other voters; see raft::Receipt. Lower bounds, too, saved now and then.
    virtual std::vector<raft::Receipt> receipts() const = 0;
    // One is of the log up to where it is compacted; none in directories of version 0.1.
    virtual std::vector<raft::LogHash> log_hashes() const = 0;
    // For how long this node may have promised its vote, at most; zero if that is not known.
    virtual Duration promise() const = 0;

    // Each returns when it is durable. A failure leaves the record unknown: the caller must stop.
    virtual Status save(const Identity& identity) = 0;
    virtual Status save(const raft::HardState& state) = 0;
    virtual Status save(const raft::SnapshotPoint& point) = 0;
    virtual Status save_acknowledged(Index index) = 0;
    // At most limits::kServersMax.
    virtual Status save(const std::vector<raft::Receipt>& receipts) = 0;
    // At most two: where the log is compacted, and where it is about to be.
    virtual Status save(const std::vector<raft::LogHash>& hashes) = 0;
    virtual Status save_promise(Duration promise) = 0;
};

// What to do about a directory that has been in use and lacks a file that it must have.
Error missing(const std::string& name);

// Where a node that is to join finds members of its cluster; none once it is a member. Apart from
// the other records, because only a node that has not joined yet has any use for it.
Result<std::vector<std::string>> load_seeds(Disk& disk);
// At most limits::kSeedsMax addresses of at most limits::kAddressBytesMax bytes. Durable on return.
Status save_seeds(Disk& disk, const std::vector<std::string>& addresses);

// A node's directory: made if it is missing, and locked ("lock") until the last who shares it lets
// go. code::kBusy, with the process that holds it, if there is another.
class Directory;
Result<std::shared_ptr<const Directory>> open_directory(const std::string& path);

// The real disks. `libaio` writes past the page cache; `portable` works on every system; `blocking`
// has no write_durable(), which is enough for the records. `reactor` is told of a file descriptor
// to watch for reading, with what to run then.
struct Reactor {
    std::function<void(int descriptor, Task readable)> watch;
};
Result<std::unique_ptr<Disk>> open_libaio_disk(std::shared_ptr<const Directory> directory,
                                               Executor& executor, const Reactor& reactor);
std::unique_ptr<Disk> portable_disk(std::shared_ptr<const Directory> directory, Executor& executor);
std::unique_ptr<Disk> blocking_disk(std::shared_ptr<const Directory> directory);

}  // namespace quorlite::disk
