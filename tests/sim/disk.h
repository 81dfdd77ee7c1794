// SimDisk: the Disk seam as a file system in memory that forgets like a real one.
//
// Each file has a durable content and a list of changes since that were not synced; each directory,
// a list of creations, renames and removals. A crash keeps any subset of the unsynced writes, each
// whole or in any of its 512-byte blocks, whatever their order; of a directory's changes it keeps
// any beginning. Durable writes take simulated time and may complete in any order. A sync that
// fails drops what it should have synced from all later syncs, as Linux does: it looks written, and
// is not.
//
// The fault model stops where the engine's promises do: what was synced stays, unless flip()
// damages it.
//
// The object is the hardware. It outlives the lives of a node: attach() begins one, crash() or
// kill() ends it, and file handles of an ended life answer with errors. The same seed gives the
// same latencies.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/disk.h"
#include "engine/base/executor.h"
#include "tests/sim/seeded.h"

namespace quorlite::sim {

// Thrown out of the operation at which the power was cut; see cut_after().
struct PowerCut {};

struct DiskOperation {
    enum class Kind {
        kOpen,
        kRead,
        kWrite,
        kSync,
        kTruncate,
        kStartWrite,   // write_durable() was called
        kFinishWrite,  // and what it wrote is durable now; its completion has not run yet
        kMakeDirectory,
        kRemove,
        kRename,
        kSyncDirectory,
    };

    Kind kind;
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;

    std::string text() const;
};

// What a crash keeps of the changes that were not synced.
struct Tail {
    enum class Kind {
        kNone,
        kAll,
        kPrefix,  // all, but of the last write only the first `blocks` blocks
        kRandom,  // any subset, drawn from `random`
    };

    Kind kind = Kind::kNone;
    std::uint64_t blocks = 0;
    Random* random = nullptr;
};

class SimDisk final : public Disk {
public:
    explicit SimDisk(std::uint64_t seed);
    ~SimDisk() override;
    // A disk with the same content, unsynced changes included, to try several crashes of one state.
    std::unique_ptr<SimDisk> clone() const;

    // --- the lives of the node ---
    void attach(Executor& executor);
    void crash(const Tail& tail);
    void crash(Random& random) { crash({.kind = Tail::Kind::kRandom, .random = &random}); }
    // The process ends, the machine goes on: nothing is lost, and nothing is synced by it either.
    void kill();

    // --- faults ---
    Duration latency_min = std::chrono::microseconds(50);
    static constexpr Duration kLatencyMax = std::chrono::microseconds(300);
    Duration latency_max = kLatencyMax;
    // Nothing can be created or grow; with `overwrites`, as on a copy-on-write file system, nothing
    // can be written at all.
    void set_full(bool full, bool overwrites = false);
    // set_full(true, overwrites) once operation number `operation` has happened.
    void fill_after(std::uint64_t operation, bool overwrites);
    // The disk is full when all files together would be larger than this.
    void set_capacity(std::uint64_t bytes);
    // Operation number `operation` fails with `code`; with `forever`, all later ones do too.
    void fail(std::uint64_t operation, int code, bool forever = false);
    // As cut_after(), but counts only operations that change something, from 1, from now on; never
    // in the middle of a read.
    void cut_after_changes(std::uint64_t count) { changes_to_cut_ = count; }
    // One of the next operations that make something durable fails, after `spared` others: of syncs
    // and durable writes, or else of syncs only.
    enum class SyncFailure { kNone, kAny, kSync };
    void fail_a_sync(SyncFailure failure, std::uint64_t spared = 0) {
        sync_failure_ = failure;
        syncs_spared_ = spared;
    }
    bool sync_failed() const { return sync_failed_; }  // in this life, because of that
    // Right after operation number `operation` the disk throws PowerCut and answers nothing but
    // errors until crash().
    void cut_after(std::uint64_t operation);
    // Damages one durable byte. False if the file is shorter.
    bool flip(const std::string& name, std::uint64_t offset, std::uint8_t mask);
    // The block that holds this byte cannot be read before it is written again.
    void make_unreadable(const std::string& name, std::uint64_t offset);

    // Runs before each read: for what is to happen in the middle of something.
    std::function<void()> on_read;

    // --- what a test may know ---
    std::uint64_t operations() const { return operations_; }  // so far; the first has number 1
    bool tracing = false;                                     // if set, trace() is kept
    const std::vector<DiskOperation>& trace() const { return trace_; }
    std::vector<std::string> files() const;
    Bytes content(const std::string& name) const;
    std::uint64_t unsynced_changes() const;
    std::uint64_t last_write_blocks() const;  // of the last unsynced write; 0 if there is none

    // --- Disk ---
    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode,
                                       bool direct) override;
    Status make_directory(const std::string& name) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    bool exists(const std::string& name) override;
    Status remove(const std::string& name) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status sync_directory(const std::string& directory) override;

private:
    friend class SimFile;
    struct Change;
    struct Inode;
    struct NameChange;
    using InodePointer = std::shared_ptr<Inode>;

    // Counts an operation; the error it is to fail with, if any. Then finished(), once it has
    // happened.
    Status begin(DiskOperation::Kind kind, const std::string& name, std::uint64_t offset = 0,
                 std::uint64_t bytes = 0);
    void finished();
    bool sync_fails(DiskOperation::Kind kind);
    Status room_for(const Inode* inode, std::uint64_t end) const;
    void change(Inode& inode, Change change);
    void leave_part(Inode& inode, std::uint64_t offset, ByteView bytes);
    void sync(Inode& inode, bool failed);
    void start_write(InodePointer inode, const std::string& name, std::uint64_t offset,
                     BlockBuffer buffer, File::Completion done);
    void finish_write(InodePointer inode, std::uint64_t number, const std::string& name,
                      const File::Completion& done);
    void change_name(NameChange change);
    static void apply(const NameChange& change, std::map<std::string, InodePointer>& names,
                      std::set<std::string>& directories);
    static void apply(const Change& change, Bytes& content);
    void crash_names(const Tail& tail);
    void crash_inode(Inode& inode, const Tail& tail, std::uint64_t last_write) const;
    std::uint64_t last_write() const;
    std::set<InodePointer> inodes() const;

    Seeded random_;
    Executor* executor_ = nullptr;
    std::uint64_t life_ = 0;  // handles and completions of an earlier one are dead
    bool off_ = false;
    bool full_ = false;
    bool full_overwrites_ = false;
    std::optional<std::uint64_t> capacity_bytes_;
    std::uint64_t fail_operation_ = 0;
    int fail_code_ = 0;
    bool fail_forever_ = false;
    std::uint64_t changes_to_cut_ = 0;
    SyncFailure sync_failure_ = SyncFailure::kNone;
    std::uint64_t syncs_spared_ = 0;
    bool sync_failed_ = false;
    std::uint64_t cut_operation_ = 0;
    std::uint64_t fill_operation_ = 0;
    bool fill_overwrites_ = false;
    std::uint64_t operations_ = 0;
    std::uint64_t changes_ = 0;
    std::vector<DiskOperation> trace_;
    // As the node sees them, and as a crash would leave them if nothing unsynced were kept.
    std::map<std::string, InodePointer> names_;
    std::map<std::string, InodePointer> durable_names_;
    std::set<std::string> directories_;
    std::set<std::string> durable_directories_;
    std::deque<NameChange> name_changes_;
};

}  // namespace quorlite::sim
