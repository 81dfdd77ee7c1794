// SQLite made replicable: the databases of one node.
//
// A database is a plain SQLite file on disk, always the state at a recorded log index, with newer
// pages in memory above it. SQLite reaches it only through our VFS:
//
//   a page is read from:  WAL frames (on a leader) -> active pages -> pages being flushed -> file
//
// Leader: statements run on Connections. SQLite appends a transaction's frames to a WAL held in
// memory; when a commit frame appears the Connection turns the transaction into a command: per page
// the byte ranges that differ from the page before it (or from zeros, for a page that did not
// exist). The transaction is visible to this node's readers at once ("speculative") and becomes
// part of the committed prefix when the replica says so. When all of the WAL is committed and no
// reader holds an older snapshot a checkpoint copies its newest pages to the active pages, and
// SQLite restarts the WAL.
//
// Everywhere else: apply() patches commands into the active pages. No SQLite connection is
// involved.
//
// Losing leadership retires the WAL epoch (WAL, wal-index, locks): a new one begins at the
// committed prefix. Connections of a retired epoch go on harmlessly; all they get is errors.
//
// Flush: background writes move active pages into the base file, in place. Because a command holds
// absolute bytes, applying commands twice, in order, is harmless: so a base file torn between index
// A and B by a crash is repaired by applying A+1..B again. The manifest says "at A, flushing to B"
// (synced) before the first page is written, and "at B" after the last is synced; the log is never
// trimmed beyond A. A flush takes only what is committed by the quorum and durable in this node's
// own log.
//
// Threads: everything is called on the loop, except what Executor::step() runs (Statement::step,
// prepare) and what the header says; the VFS locks what they share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/disk.h"
#include "engine/base/executor.h"
#include "engine/base/limits.h"
#include "wire/base/bytes.h"
#include "wire/base/ids.h"
#include "wire/base/result.h"
#include "wire/value.h"

namespace quorlite::database {

inline constexpr std::size_t kPageSize = 4096;  // bytes; every database of a node
inline constexpr std::uint32_t kPagesCheckedAtOnce = 64;

struct Options {
    std::size_t command_bytes_max = 1u << 20;  // a larger transaction becomes several commands
    std::size_t transaction_bytes_max = 256u << 20;
    std::size_t wal_frames_soft = 2000;   // then the next writer waits until the WAL can restart
    std::size_t wal_frames_hard = 65536;  // then readers that pin the WAL are ended
    std::size_t flush_bytes = 16u << 20;  // active pages that start a flush
    Duration flush_interval = std::chrono::seconds(30);  // the longest that a page stays unflushed
    std::size_t page_cache_bytes = 2u << 20;             // of one connection, at most
    std::size_t page_caches_bytes = 256u << 20;          // of all of them together
    std::size_t memory_bytes_max = limits::kMemoryBytesMax;
    std::size_t temporary_bytes_max = limits::kTemporaryBytesMax;
    std::size_t temporary_files_max = limits::kTemporaryFilesMax;
    std::size_t base_files_open_max = limits::kBaseFilesOpenMax;
    // Of SQLite's machine, between two offers of a statement to give the loop away: some tens of
    // microseconds.
    int operations_per_yield = 1000;
    bool legacy_null_types = false;
};

class Database;
class WalEpoch;

// How a result column's declared type changes the type code that clients see (protocol
// section 8.3).
enum class DeclaredType { kPlain, kDate, kBoolean };

// The column of a table that a result column shows. Empty for an expression, and where SQLite was
// built without SQLITE_ENABLE_COLUMN_METADATA.
struct ColumnOrigin {
    std::string_view table{};
    std::string_view column{};
    bool not_null = false;
    bool primary_key = false;
    bool auto_increment = false;
};

class Statement {
public:
    virtual ~Statement() = default;

    virtual int parameter_count() const = 0;
    // From 1, with its sign; empty if it has none. Looks at one parameter after the other, as the
    // next one does.
    virtual std::string_view parameter_name(int parameter) const = 0;
    virtual int parameter_index(const std::string& name) const = 0;  // 0: there is none
    virtual int column_count() const = 0;
    virtual std::string_view column_name(int column) const = 0;  // from 0
    virtual DeclaredType declared_type(int column) const = 0;
    virtual std::string_view declaration(int column) const = 0;  // the type's words; or empty
    // Borrowed until the next step() or reset().
    virtual ColumnOrigin origin(int column) const = 0;

    virtual bool read_only() const = 0;         // sqlite3_stmt_readonly
    virtual bool explains() const = 0;          // EXPLAIN, or EXPLAIN QUERY PLAN
    virtual bool writes() const = 0;            // or BEGIN IMMEDIATE / EXCLUSIVE
    virtual bool takes_write_lock() const = 0;  // writes not only temporary tables
    // Outside a transaction this undoes a writing statement that is between two rows: it is
    // committed only when step() has returned false.
    virtual void reset() = 0;
    virtual void clear_bindings() = 0;
    virtual Status bind(int parameter, const wire::Value& value) = 0;  // from 1; copies

    // Runs to the next row: true if there is one, false if the statement is done. Inside
    // Executor::step() it may give the loop away. After an error, or false, the statement is reset
    // by the caller.
    virtual Result<bool> step() = 0;
    // Of the current row; one of SQLite's five types, borrowed until the next step() or reset().
    virtual wire::Value value(int column) const = 0;
};

// What a connection hands over when it comes to rest after a step: everything of its database that
// readers can see and nobody has taken, and what is to be known of the step. It must be proposed at
// once, before another one is taken.
struct Capture {
    // In order; the last one completes a transaction. That of the step itself is among them, and
    // those of writers that run on other threads and have not come back.
    std::vector<SharedBytes> commands;
    // The transaction that the step committed, if it changed pages.
    enum class Own {
        kNone,
        kIncluded,
        kTakenByOther,  // another connection saw it, and handed it over before
    };
    Own own = Own::kNone;
    // What the step saw is only what the quorum has committed.
    bool read_committed = false;
    // False once the node has lost leadership: whatever the connection says is void.
    bool current = false;
};

// One SQLite connection, as protocol section 12 wants it: foreign keys on, extended codes,
// authorizer.
class Connection {
public:
    virtual ~Connection() = default;

    struct Prepared {
        std::unique_ptr<Statement> statement;  // null if the text has no statement
        std::size_t tail = 0;                  // byte offset of what follows
    };
    virtual Result<Prepared> prepare(std::string_view sql) = 0;
    // On the loop, around a prepare() that Executor::step() runs.
    virtual void begin_work() = 0;
    virtual void end_work() = 0;

    virtual bool in_transaction() const = 0;           // BEGIN without COMMIT
    virtual bool holds_write_transaction() const = 0;  // uncommitted frames or the write lock
    virtual std::int64_t last_insert_rowid() const = 0;
    virtual std::int64_t changes() const = 0;
    virtual void roll_back() = 0;

    // Makes the running statement, if any, fail with code 9 (interrupted) within milliseconds. Any
    // thread.
    virtual void interrupt() = 0;

    // To be called on the loop after every step that returned, before the write lock is released.
    virtual Capture take_capture() = 0;
    // To be called on the loop, right before the first step of a statement that only reads: outside
    // of a transaction it begins at what the quorum has committed, where that can be had, so that
    // its answer need not wait for the commits that are under way.
    virtual void prefer_committed() = 0;

    // Set by `PRAGMA busy_timeout`; nothing if the connection has no value of its own.
    virtual std::optional<Duration> busy_timeout() const = 0;
};

// The write lock of a database: writers queue in order, so that SQLite itself never finds it taken.
class WriterQueue {
public:
    using Granted = std::function<void(Status)>;
    enum class Ticket : std::uint64_t { kNone = 0 };

    virtual ~WriterQueue() = default;
    // `granted` runs on the loop: inline if the lock is free, else later; with code::kBusy and the
    // holder's name in the message after `timeout`. `holder` describes the caller for others'
    // errors.
    virtual Ticket acquire(std::string holder, Duration timeout, Granted granted) = 0;
    // Gives the lock back, or leaves the queue. The next one is granted inline.
    virtual void release(Ticket ticket) = 0;
};

class Database {
public:
    virtual ~Database() = default;

    virtual const std::string& name() const = 0;
    virtual Result<std::unique_ptr<Connection>> connect() = 0;  // of the current WAL epoch
    virtual WriterQueue& writers() = 0;

    // The commands of a capture were proposed, one after the other; the last one is at `index`.
    // Order here is order in the log.
    virtual void proposed(Index index) = 0;
    // The newest log index whose transaction readers can see; what an answer must wait for.
    virtual Index newest_proposed() const = 0;

    virtual std::uint32_t page_count() const = 0;  // of the committed prefix
    // Of the committed prefix, for comparing replicas: a checksum over every page. Slow.
    virtual Result<std::uint64_t> checksum() = 0;
};

// What the manifest records for the log: everything up to `index` is in the base files.
struct SnapshotPoint {
    Index index;
    Term term;
    SharedBytes configuration;  // opaque; as of that index
};

// The content of a database at one index, read in pieces, while the database goes on. Holds its
// pages until destroyed; one that is read so slowly that this would take too much memory fails.
class Image {
public:
    virtual ~Image() = default;
    virtual std::uint64_t size() const = 0;  // bytes
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
};

// A page of a database as one node has it, for another whose disk has lost it.
struct PageCopy {
    Bytes bytes;  // kPageSize of them
    Index as_of;  // with every transaction up to here, and none after
};

// A set of base files as they are, for a peer that needs a snapshot; it can be read whatever
// becomes of them. Pages may be newer than its point (never older), up to consistent_from() as of
// the last read: the receiver is exact once it has applied that far. All of that is committed, so a
// receiver that leads or serves has done so.
class SnapshotSource {
public:
    virtual ~SnapshotSource() = default;
    virtual const SnapshotPoint& point() const = 0;
    // Names and sizes of the files: what the installer wants.
    virtual SharedBytes manifest() const = 0;
    // Reads from file number `file` of the manifest; fewer bytes at its end. Any thread.
    virtual Result<std::size_t> read(std::size_t file, std::uint64_t offset,
                                     std::span<std::uint8_t> into) = 0;
    virtual Index consistent_from() const = 0;  // any thread
};

// Receives a snapshot beside the live databases; finish() replaces them in one durable step.
class SnapshotInstaller {
public:
    virtual ~SnapshotInstaller() = default;
    virtual const SnapshotPoint& point() const = 0;
    virtual std::size_t file_count() const = 0;
    virtual std::uint64_t file_size(std::size_t file) const = 0;
    // In order within a file; what an interrupted transfer left is kept: resume at received(file).
    virtual std::uint64_t received(std::size_t file) const = 0;
    virtual Status write(std::size_t file, std::uint64_t offset, ByteView bytes) = 0;  // any thread
    virtual Status sync() = 0;  // blocking: for a helper thread; before finish()
    // What a source said after one of its reads; the highest counts. On the loop.
    virtual void set_consistent_from(Index index) = 0;
};

class Store {
public:
    // Opens the databases in the directory "databases", or an empty store. Blocking. Errors name
    // the file. The seams outlive the store, and the store all that it gives out.
    static Result<std::unique_ptr<Store>> open(Disk& disk, Executor& executor, Clock& clock,
                                               Random& random, Options options);
    virtual ~Store() = default;

    // A new database exists in this node's memory only, until its first transaction is committed.
    // Error: code::kError for names that SQLite treats specially (empty, ":memory:",
    // "file:...?mode=memory") or longer than 504 bytes.
    virtual Result<Database*> open_database(std::string_view name) = 0;
    virtual Database* find(std::string_view name) = 0;
    virtual std::vector<std::string> names() const = 0;  // with at least one committed transaction

    // A committed command that this node did not capture in its current WAL epoch, in log order.
    // Commands at or below what the database already holds are skipped. Errors: code::kCorrupt,
    // malformed (the node must stop); code::kIo, a page cannot be read: the same command again once
    // it is repaired.
    virtual Status apply(Index index, Term term, ByteView command) = 0;
    // Everything captured and proposed up to `index` is committed by the quorum.
    virtual void committed(Index index) = 0;
    // Everything up to `index` is durable in this node's log; flushes go no further.
    virtual void log_durable(Index index) = 0;
    // Leadership is lost, or begins: each database begins a WAL epoch at the
    // committed prefix.
    virtual void begin_epoch() = 0;
    // For shutdown: no flush begins any more. One that runs ends by itself, on its helper thread.
    virtual void stop_flushing() = 0;

    // What the log may be trimmed to, once save_snapshot_point() is done: the base files hold
    // everything up to it.
    virtual Index flushed_index() const = 0;
    // Records `point` in the manifest, in the background; `done` runs on the loop when the log may
    // be trimmed up to it. point.index must not exceed flushed_index().
    virtual void save_snapshot_point(SnapshotPoint point, std::function<void(Status)> done) = 0;
    virtual const SnapshotPoint& snapshot_point() const = 0;  // as recorded
    // The highest index that was ever being flushed: everything up to it is committed. For
    // restarts.
    virtual Index known_committed() const = 0;
    virtual Index applied_index() const = 0;

    // Or kNoDatabase; or kBusy, while this node still catches up after a crash.
    virtual Result<std::unique_ptr<Image>> image(std::string_view name) = 0;
    virtual std::unique_ptr<SnapshotSource> snapshot_source() = 0;
    virtual Result<std::unique_ptr<SnapshotInstaller>> start_install(SharedBytes manifest) = 0;
    // Blocking, brief: the durable switch. Every WAL epoch is retired; databases are those
    // received.
    virtual Status finish_install(SnapshotInstaller& installer) = 0;

    // A page of the base files that cannot be read, or is not what was written, is repaired by a
    // copy from another node: on_damage, on the loop, each time that someone wanted the page;
    // copy_page() there; repair() here. The file gets the very page that it had, known by its
    // checksum. `newer`: a page as of a later index than this node has applied will do as well;
    // never while it serves, for then it would be seen. False, or nothing: this copy, or this node,
    // does not help.
    std::function<void(const std::string& database, std::uint32_t page)> on_damage;
    virtual std::optional<PageCopy> copy_page(std::string_view database, std::uint32_t page) = 0;
    virtual bool repair(std::string_view database, std::uint32_t page, const PageCopy& copy,
                        bool newer) = 0;
    // Reads kPagesCheckedAtOnce pages of the base file from `first` on, in the background; damage
    // is told as above, before `done`, which says where to go on, or 0 for nowhere.
    virtual void check_pages(std::string_view database, std::uint32_t first,
                             std::function<void(std::uint32_t next)> done) = 0;

    virtual std::size_t memory_bytes() const = 0;  // frames and pages held
    // Much more was applied than flushed, and a flush is under way, or waits for room: what would
    // be applied next should wait for it, or memory grows without bound.
    virtual bool behind() const = 0;
    // Runs on the loop when flushed_index() advanced.
    std::function<void()> on_flushed;
    // The disk is full (false) or has space again (true); flushing pauses meanwhile.
    std::function<void(bool available)> on_space;
};

// Whether the payload of an entry is a command that a Store can read.
bool is_command(ByteView payload);

}  // namespace quorlite::database
