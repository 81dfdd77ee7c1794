#include "engine/database/file_pool.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "engine/base/check.h"

namespace quorlite::database {

struct FilePool::State {
    State(Disk& disk_, std::size_t open_max_) : disk(disk_), open_max(open_max_) {}

    Disk& disk;
    const std::size_t open_max;
    std::mutex mutex;              // of what follows, and of what the files hold
    std::list<PooledFile*> open;   // most recently used first; not those that must stay open
    std::list<PooledFile*> known;  // all

    Result<std::shared_ptr<File>> use(PooledFile& file);
    void place(PooledFile& file);
    void close_unused();
};

class FilePool::PooledFile final : public File {
public:
    PooledFile(std::shared_ptr<State> state, std::string name, std::unique_ptr<File> file)
        : state_(std::move(state)), name_(std::move(name)), file_(std::move(file)) {
        const std::lock_guard lock(state_->mutex);
        known_ = state_->known.insert(state_->known.end(), this);
        state_->place(*this);
    }
    ~PooledFile() override {
        const std::lock_guard lock(state_->mutex);
        state_->known.erase(known_);
        if (listed_) state_->open.erase(place_);
    }

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
        const auto file = state_->use(*this);
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
        const auto file = state_->use(*this);
        return file ? (*file)->size() : file.error();
    }
    // Nobody writes meanwhile: see BaseFile.
    Status sync() override {
        const auto file = state_->use(*this);
        if (!file) return file.error();
        Status synced = (*file)->sync();
        if (synced) changed(false);
        return synced;
    }
    void write_durable(std::uint64_t, BlockBuffer, Completion) override {
        fatal("a file of the pool is not opened for this");
    }

private:
    friend struct FilePool::State;
    friend class FilePool;

    Result<std::shared_ptr<File>> change() {
        changed(true);
        return state_->use(*this);
    }
    void changed(bool value) {
        const std::lock_guard lock(state_->mutex);
        changed_ = value;
        if (file_) state_->place(*this);
    }

    const std::shared_ptr<State> state_;
    const std::string name_;
    std::shared_ptr<File> file_;  // null: it is closed
    bool changed_ = false;        // and not synced
    bool removed_ = false;        // its name is gone
    bool listed_ = false;         // it has its place among those that may be closed
    std::list<PooledFile*>::iterator place_;
    std::list<PooledFile*>::iterator known_;
};

// Opens it if need be. The mutex is held while that is done: two threads must not open it twice.
Result<std::shared_ptr<File>> FilePool::State::use(PooledFile& file) {
    const std::lock_guard lock(mutex);
    if (!file.file_) {
        auto opened = disk.open(file.name_, OpenMode::kExisting, false);
        if (!opened) return std::move(opened).error();
        file.file_ = std::move(*opened);
    }
    std::shared_ptr<File> used = file.file_;
    place(file);
    return used;
}

void FilePool::State::place(PooledFile& file) {
    if (file.listed_) open.erase(file.place_);
    file.listed_ = !file.changed_ && !file.removed_;
    if (!file.listed_) return;
    file.place_ = open.insert(open.begin(), &file);
    close_unused();
}

// One that is being used has another holder, and is closed another time.
void FilePool::State::close_unused() {
    auto oldest = open.end();
    for (std::size_t many = open.size(); many > open_max && oldest != open.begin();) {
        PooledFile& file = **--oldest;
        if (file.file_.use_count() > 1) continue;
        file.file_.reset();
        file.listed_ = false;
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
    const std::lock_guard lock(state_->mutex);
    for (PooledFile* const file : state_->known) {
        if (file->name_ != name) continue;
        if (!file->file_) {
            auto opened = disk_.open(name, OpenMode::kExisting, false);
            if (opened) file->file_ = std::move(*opened);
        }
        file->removed_ = true;
        state_->place(*file);
    }
    return disk_.remove(name);
}

std::size_t FilePool::open_count() const {
    const std::lock_guard lock(state_->mutex);
    return static_cast<std::size_t>(std::ranges::count_if(
        state_->known, [](const PooledFile* file) { return file->file_ != nullptr; }));
}

}  // namespace quorlite::database
