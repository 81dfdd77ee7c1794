#include "engine/database/file_pool.h"

#include <algorithm>
#include <list>

#include "engine/base/check.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

struct FilePool::State {
    State(Disk& disk_, std::size_t open_max_) : disk(disk_), open_max(open_max_) {}

    struct Entry {
        std::string name;
        std::shared_ptr<File> file;  // null: it is closed
        bool changed = false;        // and not synced
        bool removed = false;        // its name is gone
        bool listed = false;         // it has its place among those that may be closed
        std::list<Entry*>::iterator place{};
    };

    Disk& disk;
    const std::size_t open_max;
    Mutex mutex;
    // Most recently used first; not those that must stay open.
    std::list<Entry*> open QUORLITE_GUARDED_BY(mutex);
    std::list<Entry> known QUORLITE_GUARDED_BY(mutex);  // all

    Status ensure_open(Entry& entry) QUORLITE_REQUIRES(mutex);
    void place(Entry& entry) QUORLITE_REQUIRES(mutex);
    void close_unused() QUORLITE_REQUIRES(mutex);
};

class FilePool::PooledFile final : public File {
public:
    PooledFile(std::shared_ptr<State> state, std::string name, std::unique_ptr<File> file)
        : state_(std::move(state)) {
        const MutexLock lock(state_->mutex);
        entry_ = state_->known.insert(state_->known.end(), {std::move(name), std::move(file)});
        state_->place(*entry_);
    }
    ~PooledFile() override {
        std::list<State::Entry> gone;  // which outlives the lock: it is closed without it
        const MutexLock lock(state_->mutex);
        if (entry_->listed) state_->open.erase(entry_->place);
        gone.splice(gone.end(), state_->known, entry_);
    }

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
        const auto file = use();
        return file ? (*file)->read(offset, into) : file.error();
    }
    Status write(std::uint64_t offset, ByteView bytes) override {
        const auto file = change();
        return file ? (*file)->write(offset, bytes) : file.error();
    }
    Status truncate(std::uint64_t size) override {
        const auto file = change();
        return file ? (*file)->truncate(size) : file.error();
    }
    Result<std::uint64_t> size() override {
        const auto file = use();
        return file ? (*file)->size() : file.error();
    }
    // Nobody writes meanwhile: see BaseFile.
    Status sync() override {
        const auto file = use();
        if (!file) return file.error();
        Status synced = (*file)->sync();
        if (synced) changed(false);
        return synced;
    }
    void write_durable(std::uint64_t, BlockBuffer, Completion) override {
        fatal("a file of the pool is not opened for this");
    }

private:
    // The mutex is held while it is opened: two threads must not open it twice.
    Result<std::shared_ptr<File>> use() {
        const MutexLock lock(state_->mutex);
        const Status opened = state_->ensure_open(*entry_);
        if (!opened) return opened.error();
        std::shared_ptr<File> used = entry_->file;
        state_->place(*entry_);
        return used;
    }
    Result<std::shared_ptr<File>> change() {
        changed(true);
        return use();
    }
    void changed(bool value) {
        const MutexLock lock(state_->mutex);
        entry_->changed = value;
        if (entry_->file) state_->place(*entry_);
    }

    const std::shared_ptr<State> state_;
    std::list<State::Entry>::iterator entry_ QUORLITE_PT_GUARDED_BY(state_->mutex);
};

Status FilePool::State::ensure_open(Entry& entry) {
    if (entry.file) return {};
    auto opened = disk.open(entry.name, OpenMode::kExisting, false);
    if (!opened) return std::move(opened).error();
    entry.file = std::move(*opened);
    return {};
}

void FilePool::State::place(Entry& entry) {
    if (entry.listed) open.erase(entry.place);
    entry.listed = !entry.changed && !entry.removed;
    if (!entry.listed) return;
    entry.place = open.insert(open.begin(), &entry);
    close_unused();
}

// One that is being used has another holder, and is closed another time.
void FilePool::State::close_unused() {
    auto oldest = open.end();
    for (std::size_t many = open.size(); many > open_max && oldest != open.begin();) {
        Entry& entry = **--oldest;
        if (entry.file.use_count() > 1) continue;
        entry.file.reset();
        entry.listed = false;
        oldest = open.erase(oldest);
        --many;
    }
}

FilePool::FilePool(Disk& disk, std::size_t open_max)
    : disk_(disk), state_(std::make_shared<State>(disk, std::max<std::size_t>(open_max, 2))) {}

FilePool::~FilePool() = default;

Result<std::unique_ptr<File>> FilePool::open(const std::string& name, OpenMode mode, bool direct) {
    auto opened = disk_.open(name, mode, direct);
    if (!opened || direct) return opened;
    return std::unique_ptr<File>(std::make_unique<PooledFile>(state_, name, std::move(*opened)));
}

// Whoever cannot have it open then finds that it is gone.
Status FilePool::remove(const std::string& name) {
    const MutexLock lock(state_->mutex);
    for (State::Entry& entry : state_->known) {
        if (entry.name != name) continue;
        static_cast<void>(state_->ensure_open(entry));
        entry.removed = true;
        state_->place(entry);
    }
    return disk_.remove(name);
}

std::size_t FilePool::open_count() const {
    const MutexLock lock(state_->mutex);
    return static_cast<std::size_t>(std::ranges::count_if(
        state_->known, [](const State::Entry& entry) { return entry.file != nullptr; }));
}

}  // namespace quorlite::database
