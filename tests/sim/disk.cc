#include "tests/sim/disk.h"

#include <algorithm>

#include "engine/base/check.h"

namespace quorlite::sim {
namespace {

std::string parent(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? "" : name.substr(0, slash);
}

Error error(int code, const std::string& what) {
    const char* reason = code == code::kFull       ? "No space left on device"
                         : code == code::kNotFound ? "No such file or directory"
                                                   : "Input/output error";
    return {.code = code, .message = "cannot " + what + ": " + reason};
}

bool changes_something(DiskOperation::Kind kind) {
    return kind != DiskOperation::Kind::kOpen && kind != DiskOperation::Kind::kRead;
}

}  // namespace

struct SimDisk::Change {
    std::uint64_t number = 0;  // in the order in which they were made, on the whole disk
    bool truncate = false;     // to `offset`
    std::uint64_t offset = 0;
    Bytes bytes;
    bool durable = false;
    bool in_flight = false;  // a sync does not wait for it
    bool forsaken = false;   // a sync of it failed: no other will bring it to the disk
};

struct SimDisk::Inode {
    std::uint64_t number = 0;  // for an order that does not depend on addresses
    Bytes durable;
    Bytes content;                       // durable, with all changes
    std::deque<Change> changes;          // the first is not durable
    std::set<std::uint64_t> unreadable;  // blocks

    // Changes that are durable, and have nothing before them that is not, are part of the content.
    void settle() {
        while (!changes.empty() && changes.front().durable) {
            apply(changes.front(), durable);
            changes.pop_front();
        }
    }
};

struct SimDisk::NameChange {
    enum class Kind { kCreate, kMakeDirectory, kRemove, kRename };

    Kind kind;
    std::string name;
    std::string to;
    InodePointer inode;

    // Whose sync makes it durable.
    std::string directory() const { return parent(kind == Kind::kRename ? to : name); }
};

class SimFile final : public File {
public:
    SimFile(SimDisk& disk, SimDisk::InodePointer inode, std::string name, bool direct)
        : disk_(disk),
          inode_(std::move(inode)),
          name_(std::move(name)),
          direct_(direct),
          life_(disk.life_) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
        if (disk_.on_read) disk_.on_read();
        Status status = begin(DiskOperation::Kind::kRead, offset, into.size());
        if (!status) return std::move(status).error();
        disk_.finished();
        const auto bad = inode_->unreadable.lower_bound(offset / kDiskBlock);
        if (bad != inode_->unreadable.end() && *bad * kDiskBlock < offset + into.size()) {
            return error(code::kIo, "read " + name_);
        }
        const Bytes& content = inode_->content;
        if (offset >= content.size()) return std::size_t{0};
        const std::size_t count = std::min<std::size_t>(into.size(), content.size() - offset);
        std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
        return count;
    }

    Status write(std::uint64_t offset, ByteView bytes) override {
        Status status = begin(DiskOperation::Kind::kWrite, offset, bytes.size());
        if (status) status = disk_.room_for(inode_.get(), offset + bytes.size());
        if (status) {
            disk_.change(*inode_, {.offset = offset, .bytes = Bytes(bytes.begin(), bytes.end())});
            disk_.finished();
        } else if (live()) {
            disk_.leave_part(*inode_, offset, bytes);
        }
        return status;
    }

    Status sync() override {
        Status status = begin(DiskOperation::Kind::kSync);
        if (!live()) return status;
        disk_.sync(*inode_, !status);
        if (status) disk_.finished();
        return status;
    }

    Status truncate(std::uint64_t size) override {
        Status status = begin(DiskOperation::Kind::kTruncate, size);
        if (status) status = disk_.room_for(inode_.get(), size);
        if (!status) return status;
        disk_.change(*inode_, {.truncate = true, .offset = size, .bytes = {}});
        disk_.finished();
        return status;
    }

    Result<std::uint64_t> size() override {
        if (!live()) return error(code::kIo, "look at " + name_);
        return std::uint64_t{inode_->content.size()};
    }

    void write_durable(std::uint64_t offset, BlockBuffer buffer, Completion done) override {
        QUORLITE_CHECK(direct_);
        QUORLITE_CHECK(offset % kDiskBlock == 0);
        if (live()) {
            disk_.start_write(inode_, name_, offset, std::move(buffer), std::move(done));
        }
    }

private:
    bool live() const { return life_ == disk_.life_ && !disk_.off_; }

    Status begin(DiskOperation::Kind kind, std::uint64_t offset = 0, std::uint64_t bytes = 0) {
        if (!live()) return error(code::kIo, "use " + name_ + " after a crash");
        return disk_.begin(kind, name_, offset, bytes);
    }

    SimDisk& disk_;
    SimDisk::InodePointer inode_;
    const std::string name_;
    const bool direct_;
    const std::uint64_t life_;
};

std::string DiskOperation::text() const {
    static constexpr const char* kNames[] = {
        "open",         "read",           "write",  "sync",   "truncate",      "start write",
        "finish write", "make directory", "remove", "rename", "sync directory"};
    return std::string(kNames[static_cast<std::size_t>(kind)]) + " " + name + " at " +
           std::to_string(offset) + ", " + std::to_string(bytes) + " bytes";
}

SimDisk::SimDisk(std::uint64_t seed) : random_(seed), directories_{""}, durable_directories_{""} {}

SimDisk::~SimDisk() = default;

std::unique_ptr<SimDisk> SimDisk::clone() const {
    auto copy = std::make_unique<SimDisk>(0);
    copy->random_ = random_;
    copy->changes_ = changes_;
    copy->directories_ = directories_;
    copy->durable_directories_ = durable_directories_;
    std::map<InodePointer, InodePointer> copies;
    const auto copied = [&](const InodePointer& inode) {
        InodePointer& twin = copies[inode];
        if (twin == nullptr && inode != nullptr) twin = std::make_shared<Inode>(*inode);
        return twin;
    };
    for (const auto& [name, inode] : names_) copy->names_[name] = copied(inode);
    for (const auto& [name, inode] : durable_names_) copy->durable_names_[name] = copied(inode);
    copy->name_changes_ = name_changes_;
    for (NameChange& change : copy->name_changes_) change.inode = copied(change.inode);
    return copy;
}

void SimDisk::attach(Executor& executor) {
    executor_ = &executor;
    off_ = false;
    sync_failure_ = SyncFailure::kNone;
    sync_failed_ = false;
}

void SimDisk::kill() {
    ++life_;
    executor_ = nullptr;
    // What the kernel was writing is on its way, but nobody was told that it is durable.
    for (const InodePointer& inode : inodes()) {
        for (Change& change : inode->changes) change.in_flight = false;
    }
}

void SimDisk::crash(const Tail& tail) {
    ++life_;
    off_ = false;
    executor_ = nullptr;
    fail_operation_ = cut_operation_ = fill_operation_ = changes_to_cut_ = 0;
    const std::uint64_t last = last_write();
    std::vector<InodePointer> ordered;
    for (const InodePointer& inode : inodes()) ordered.push_back(inode);
    std::sort(ordered.begin(), ordered.end(),
              [](const InodePointer& a, const InodePointer& b) { return a->number < b->number; });
    for (const InodePointer& inode : ordered) crash_inode(*inode, tail, last);
    crash_names(tail);
}

void SimDisk::crash_inode(Inode& inode, const Tail& tail, std::uint64_t last) const {
    for (Change& change : inode.changes) {
        const std::uint64_t blocks = (change.bytes.size() + kDiskBlock - 1) / kDiskBlock;
        std::uint64_t kept = blocks;  // of the beginning
        bool torn = false;            // in any place
        if (change.durable || tail.kind == Tail::Kind::kAll) {
        } else if (tail.kind == Tail::Kind::kNone) {
            continue;
        } else if (tail.kind == Tail::Kind::kPrefix) {
            if (change.number == last) kept = std::min(tail.blocks, blocks);
        } else {
            const std::uint64_t fate = tail.random->below(3);
            if (fate == 0) continue;
            torn = fate == 1 && !change.truncate;
        }
        if (!torn && kept == blocks) {
            apply(change, inode.durable);
            continue;
        }
        for (std::uint64_t i = 0; i < kept; ++i) {
            if (torn && tail.random->below(2) == 0) continue;
            const auto from = change.bytes.begin() + static_cast<std::ptrdiff_t>(i * kDiskBlock);
            const auto left = static_cast<std::uint64_t>(change.bytes.end() - from);
            const auto to = from + static_cast<std::ptrdiff_t>(std::min(left, kDiskBlock));
            apply({.offset = change.offset + i * kDiskBlock, .bytes = Bytes(from, to)},
                  inode.durable);
        }
    }
    inode.changes.clear();
    inode.content = inode.durable;
}

// Keeps a beginning of each directory's changes.
void SimDisk::crash_names(const Tail& tail) {
    std::map<std::string, std::uint64_t> kept;
    for (const NameChange& change : name_changes_) ++kept[change.directory()];
    for (auto& [directory, count] : kept) {
        if (tail.kind == Tail::Kind::kNone) count = 0;
        if (tail.kind == Tail::Kind::kRandom) count = tail.random->below(count + 1);
    }
    for (const NameChange& change : name_changes_) {
        std::uint64_t& count = kept[change.directory()];
        if (count == 0) continue;
        --count;
        apply(change, durable_names_, durable_directories_);
    }
    name_changes_.clear();
    // What is in a folder that is gone is gone.
    std::erase_if(durable_directories_, [&](const std::string& name) {
        return !durable_directories_.contains(parent(name));
    });
    std::erase_if(durable_names_, [&](const auto& entry) {
        return !durable_directories_.contains(parent(entry.first));
    });
    names_ = durable_names_;
    directories_ = durable_directories_;
}

void SimDisk::set_full(bool full, bool overwrites) {
    full_ = full;
    full_overwrites_ = overwrites;
}

void SimDisk::fill_after(std::uint64_t operation, bool overwrites) {
    fill_operation_ = operation;
    fill_overwrites_ = overwrites;
}

void SimDisk::set_capacity(std::uint64_t bytes) {
    capacity_bytes_ = bytes;
}

void SimDisk::fail(std::uint64_t operation, int code, bool forever) {
    fail_operation_ = operation;
    fail_code_ = code;
    fail_forever_ = forever;
}

void SimDisk::cut_after(std::uint64_t operation) {
    cut_operation_ = operation;
}

bool SimDisk::flip(const std::string& name, std::uint64_t offset, std::uint8_t mask) {
    const auto found = names_.find(name);
    if (found == names_.end() || offset >= found->second->durable.size()) return false;
    for (Bytes* bytes : {&found->second->durable, &found->second->content}) {
        (*bytes)[offset] = static_cast<std::uint8_t>((*bytes)[offset] ^ mask);
    }
    return true;
}

void SimDisk::make_unreadable(const std::string& name, std::uint64_t offset) {
    names_.at(name)->unreadable.insert(offset / kDiskBlock);
}

std::vector<std::string> SimDisk::files() const {
    std::vector<std::string> names;
    for (const auto& [name, inode] : names_) names.push_back(name);
    return names;
}

Bytes SimDisk::content(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? Bytes() : found->second->content;
}

std::uint64_t SimDisk::unsynced_changes() const {
    std::uint64_t count = name_changes_.size();
    for (const InodePointer& inode : inodes()) count += inode->changes.size();
    return count;
}

std::uint64_t SimDisk::last_write_blocks() const {
    const std::uint64_t last = last_write();
    for (const InodePointer& inode : inodes()) {
        for (const Change& change : inode->changes) {
            if (change.number == last) return (change.bytes.size() + kDiskBlock - 1) / kDiskBlock;
        }
    }
    return 0;
}

std::uint64_t SimDisk::last_write() const {
    std::uint64_t last = 0;
    for (const InodePointer& inode : inodes()) {
        for (const Change& change : inode->changes) {
            if (!change.durable && !change.truncate) last = std::max(last, change.number);
        }
    }
    return last;
}

std::set<SimDisk::InodePointer> SimDisk::inodes() const {
    std::set<InodePointer> found;
    for (const auto& [name, inode] : names_) found.insert(inode);
    for (const auto& [name, inode] : durable_names_) found.insert(inode);
    for (const NameChange& change : name_changes_) {
        if (change.inode != nullptr) found.insert(change.inode);
    }
    return found;
}

Status SimDisk::begin(DiskOperation::Kind kind, const std::string& name, std::uint64_t offset,
                      std::uint64_t bytes) {
    if (off_) return error(code::kIo, "use " + name + " after a power cut");
    if (fill_operation_ != 0 && operations_ == fill_operation_) set_full(true, fill_overwrites_);
    ++operations_;
    const DiskOperation operation{kind, name, offset, bytes};
    if (tracing) trace_.push_back(operation);
    if (changes_to_cut_ > 0 && changes_something(kind) && --changes_to_cut_ == 0) {
        cut_operation_ = operations_;
    }
    if (sync_fails(kind)) {
        sync_failure_ = SyncFailure::kNone;
        sync_failed_ = true;
        return error(code::kIo, operation.text());
    }
    const bool fails = fail_operation_ != 0 && (operations_ == fail_operation_ ||
                                                (fail_forever_ && operations_ > fail_operation_));
    return fails ? Status(error(fail_code_, operation.text())) : Status();
}

bool SimDisk::sync_fails(DiskOperation::Kind kind) {
    const bool sync =
        kind == DiskOperation::Kind::kSync || kind == DiskOperation::Kind::kSyncDirectory;
    const bool counts = sync_failure_ == SyncFailure::kSync
                            ? sync
                            : sync || kind == DiskOperation::Kind::kFinishWrite;
    if (sync_failure_ == SyncFailure::kNone || !counts) return false;
    return syncs_spared_ == 0 || syncs_spared_-- == 0;
}

void SimDisk::finished() {
    if (cut_operation_ == 0 || operations_ < cut_operation_) return;
    off_ = true;
    throw PowerCut();
}

Status SimDisk::room_for(const Inode* inode, std::uint64_t end) const {
    const std::uint64_t size = inode == nullptr ? 0 : inode->content.size();
    const bool grows = inode == nullptr || end > size;
    std::uint64_t sum = grows ? end - size : 0;
    for (const auto& [name, other] : names_) sum += other->content.size();
    const bool full = (full_ && (grows || full_overwrites_)) ||
                      (grows && capacity_bytes_ && sum > *capacity_bytes_);
    return full ? Status(error(code::kFull, "write")) : Status();
}

void SimDisk::apply(const Change& change, Bytes& content) {
    const std::uint64_t end = change.offset + change.bytes.size();
    if (change.truncate || content.size() < end) content.resize(end);
    if (change.bytes.empty()) return;
    std::memcpy(content.data() + change.offset, change.bytes.data(), change.bytes.size());
}

void SimDisk::change(Inode& inode, Change change) {
    change.number = ++changes_;
    for (std::uint64_t at = 0; at + kDiskBlock <= change.bytes.size(); at += kDiskBlock) {
        inode.unreadable.erase((change.offset + at) / kDiskBlock);
    }
    apply(change, inode.content);
    inode.changes.push_back(std::move(change));
    inode.settle();
}

// A write that failed may have reached the disk in any part.
void SimDisk::leave_part(Inode& inode, std::uint64_t offset, ByteView bytes) {
    for (std::uint64_t at = 0; at < bytes.size(); at += kDiskBlock) {
        const std::uint64_t end = std::min<std::uint64_t>(at + kDiskBlock, bytes.size());
        if (offset + end > inode.content.size() || random_.below(2) == 0) continue;
        const ByteView block = bytes.subspan(at, end - at);
        change(
            inode,
            {.offset = offset + at, .bytes = Bytes(block.begin(), block.end()), .durable = true});
    }
}

void SimDisk::sync(Inode& inode, bool failed) {
    for (Change& change : inode.changes) {
        if (change.in_flight || change.forsaken) continue;
        (failed ? change.forsaken : change.durable) = true;
    }
    inode.settle();
}

void SimDisk::start_write(InodePointer inode, const std::string& name, std::uint64_t offset,
                          BlockBuffer buffer, File::Completion done) {
    Status status = begin(DiskOperation::Kind::kStartWrite, name, offset, buffer.size());
    if (status) status = room_for(inode.get(), offset + buffer.size());
    if (!status) {
        leave_part(*inode, offset, buffer.view());
        executor_->post([status, done = std::move(done)] { done(status); });
        return;
    }
    change(*inode, {.offset = offset,
                    .bytes = Bytes(buffer.view().begin(), buffer.view().end()),
                    .in_flight = true});
    const std::uint64_t span = static_cast<std::uint64_t>((latency_max - latency_min).count()) + 1;
    const Duration latency = latency_min + Duration(static_cast<std::int64_t>(random_.below(span)));
    executor_->after(latency,
                     [this, inode, name, number = changes_, life = life_, done = std::move(done)] {
                         if (life == life_ && !off_) finish_write(inode, number, name, done);
                     });
    finished();
}

void SimDisk::finish_write(InodePointer inode, std::uint64_t number, const std::string& name,
                           const File::Completion& done) {
    Status status = begin(DiskOperation::Kind::kFinishWrite, name);
    const auto change = std::find_if(inode->changes.begin(), inode->changes.end(),
                                     [&](const Change& other) { return other.number == number; });
    QUORLITE_CHECK(change != inode->changes.end());
    change->in_flight = false;
    if (status) {
        change->durable = true;
        inode->settle();
        finished();
    } else {
        change->forsaken = true;
    }
    done(status);
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& name, OpenMode mode, bool direct) {
    Status status = begin(DiskOperation::Kind::kOpen, name);
    if (!status) return std::move(status).error();
    auto found = names_.find(name);
    if (found == names_.end()) {
        const bool possible = mode != OpenMode::kExisting && directories_.contains(parent(name));
        if (!possible) return error(code::kNotFound, "open " + name);
        status = room_for(nullptr, 0);
        if (!status) return std::move(status).error();
        auto inode = std::make_shared<Inode>();
        inode->number = ++changes_;
        change_name({.kind = NameChange::Kind::kCreate, .name = name, .to = {}, .inode = inode});
        found = names_.find(name);
    } else if (mode == OpenMode::kCreateEmpty) {
        change(*found->second, {.truncate = true, .offset = 0, .bytes = {}});
    }
    finished();
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, found->second, name, direct));
}

Status SimDisk::make_directory(const std::string& name) {
    Status status = begin(DiskOperation::Kind::kMakeDirectory, name);
    if (!status) return status;
    if (!directories_.contains(name)) {
        if (names_.contains(name)) return error(code::kIo, "create the directory " + name);
        status = room_for(nullptr, 0);
        if (!status) return status;
        change_name(
            {.kind = NameChange::Kind::kMakeDirectory, .name = name, .to = {}, .inode = nullptr});
    }
    finished();
    return status;
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
    if (off_ || !directories_.contains(directory)) {
        return error(off_ ? code::kIo : code::kNotFound, "list " + directory);
    }
    std::vector<std::string> names;
    const std::size_t skipped = directory.empty() ? 0 : directory.size() + 1;
    for (const auto& [name, inode] : names_) {
        if (parent(name) == directory) names.push_back(name.substr(skipped));
    }
    for (const std::string& name : directories_) {
        if (!name.empty() && parent(name) == directory) names.push_back(name.substr(skipped));
    }
    std::sort(names.begin(), names.end());
    return names;
}

bool SimDisk::exists(const std::string& name) {
    return names_.contains(name) || directories_.contains(name);
}

Status SimDisk::remove(const std::string& name) {
    Status status = begin(DiskOperation::Kind::kRemove, name);
    if (!status) return status;
    if (names_.contains(name)) {
        change_name({.kind = NameChange::Kind::kRemove, .name = name, .to = {}, .inode = nullptr});
    }
    finished();
    return status;
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
    Status status = begin(DiskOperation::Kind::kRename, from);
    if (!status) return status;
    const auto found = names_.find(from);
    if (found == names_.end() || !directories_.contains(parent(to))) {
        return error(code::kNotFound, "rename " + from + " to " + to);
    }
    change_name(
        {.kind = NameChange::Kind::kRename, .name = from, .to = to, .inode = found->second});
    finished();
    return status;
}

Status SimDisk::sync_directory(const std::string& directory) {
    Status status = begin(DiskOperation::Kind::kSyncDirectory, directory);
    if (!status) return status;
    std::erase_if(name_changes_, [&](const NameChange& change) {
        if (change.directory() != directory) return false;
        apply(change, durable_names_, durable_directories_);
        return true;
    });
    finished();
    return status;
}

void SimDisk::change_name(NameChange change) {
    apply(change, names_, directories_);
    name_changes_.push_back(std::move(change));
}

void SimDisk::apply(const NameChange& change, std::map<std::string, InodePointer>& names,
                    std::set<std::string>& directories) {
    switch (change.kind) {
        case NameChange::Kind::kCreate:
            names[change.name] = change.inode;
            break;
        case NameChange::Kind::kMakeDirectory:
            directories.insert(change.name);
            break;
        case NameChange::Kind::kRemove:
            names.erase(change.name);
            break;
        case NameChange::Kind::kRename:
            names.erase(change.name);
            names[change.to] = change.inode;
            break;
    }
}

}  // namespace quorlite::sim
