#include "engine/database/wal_index.h"

#include <algorithm>
#include <cstring>

#include "engine/base/check.h"

namespace quorlite::database {
namespace {

constexpr int kWriterLock = 0;
constexpr int kCheckpointLock = 1;
constexpr int kRecoveryLock = 2;
constexpr int kReadLock = 3;  // and the four after it
static_assert(kReadLock + kReadMarks == kWalLocks);
constexpr std::size_t kNewestFrameOffset = 16;
constexpr std::size_t kBackfilledOffset = 96;
constexpr std::size_t kReadMarksOffset = 100;
constexpr std::size_t kBackfillAttemptedOffset = 128;
constexpr std::uint32_t kReadMarkNotUsed = 0xffffffff;

constexpr std::uint8_t lock_bits(int first, int count) {
    return static_cast<std::uint8_t>(((1u << count) - 1) << first);
}
constexpr std::uint8_t kReadLockBits = lock_bits(kReadLock, kReadMarks);

}  // namespace

std::uint32_t WalIndex::word(std::size_t offset) const {
    Region* const region = first_region_.load(std::memory_order_acquire);
    if (region == nullptr) return 0;
    auto* const place = reinterpret_cast<std::uint32_t*>(region->bytes.data() + offset);
    return std::atomic_ref(*place).load(std::memory_order_acquire);
}

void WalIndex::set_word(std::size_t offset, std::uint32_t value) {
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    auto* const place = reinterpret_cast<std::uint32_t*>(region->bytes.data() + offset);
    std::atomic_ref(*place).store(value, std::memory_order_release);
}

WalIndexHeader WalIndex::header() const {
    WalIndexHeader copy;
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    std::memcpy(copy.data(), region->bytes.data(), copy.size());
    return copy;
}

// A writer on another thread may not have published that yet, or may have published more, or may be
// in the middle: it writes the second copy first, so what it has not finished differs from that.
std::optional<WalIndexHeader> WalIndex::header_showing(std::size_t frames) const {
    if (newest_frame() != frames) return std::nullopt;
    const WalIndexHeader first = header();
    std::atomic_thread_fence(std::memory_order_acquire);
    const Region* const region = first_region_.load(std::memory_order_acquire);
    const std::uint8_t* const second = region->bytes.data() + kWalIndexHeaderBytes;
    if (std::memcmp(first.data(), second, first.size()) != 0) return std::nullopt;
    return first;
}

void WalIndex::set_header(const WalIndexHeader& header) {
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    std::memcpy(region->bytes.data() + kWalIndexHeaderBytes, header.data(), header.size());
    std::memcpy(region->bytes.data(), header.data(), header.size());
}

std::uint32_t WalIndex::newest_frame() const {
    return word(kNewestFrameOffset);
}

// --- the VFS ---

void volatile* WalIndex::map_region(std::size_t region, bool extend) {
    const MutexLock lock(regions_mutex_);
    if (region >= regions_.size()) {
        if (!extend) return nullptr;
        while (regions_.size() <= region) regions_.push_back(std::make_unique<Region>());
        first_region_.store(regions_.front().get(), std::memory_order_release);
    }
    return regions_[region]->bytes.data();
}

// A reader that finds the wal-index half written takes the writer's lock for a moment, holding no
// other. The queue of writers knows nothing of that, so a writer waits here; a real writer holds a
// read lock too.
bool WalIndex::lock(Client& client, int first, int count, bool exclusive) {
    const std::uint8_t bits = lock_bits(first, count);
    MutexLock lock(locks_mutex_);
    if (first == kWriterLock && exclusive) {
        unlocked_.wait(lock.native(), [&]() QUORLITE_REQUIRES(locks_mutex_) {
            const Client* const holder = exclusive_[kWriterLock];
            return holder == nullptr || (holder->shared_locks & kReadLockBits) != 0;
        });
    }
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive_[i] != nullptr && exclusive_[i] != &client) return false;
        const std::uint32_t mine = (client.shared_locks >> i) & 1;
        if (exclusive && shared_[i] > mine) return false;
    }
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive) {
            exclusive_[i] = &client;
        } else if (((client.shared_locks >> i) & 1) == 0) {
            ++shared_[i];
        }
    }
    if (!exclusive && (bits & kReadLockBits) != 0) {
        client.read_committed.store(shown_to_ == &client, std::memory_order_relaxed);
    }
    std::uint8_t& held = exclusive ? client.exclusive_locks : client.shared_locks;
    held = static_cast<std::uint8_t>(held | bits);
    return true;
}

void WalIndex::unlock(Client& client, int first, int count) {
    const MutexLock lock(locks_mutex_);
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive_[i] == &client) exclusive_[i] = nullptr;
        if (((client.shared_locks >> i) & 1) != 0) --shared_[i];
    }
    const auto others = static_cast<std::uint8_t>(~lock_bits(first, count));
    client.shared_locks &= others;
    client.exclusive_locks &= others;
    if (first == kWriterLock) unlocked_.notify_all();
}

void WalIndex::barrier() {
    barriers_.fetch_add(1, std::memory_order_seq_cst);
}

void WalIndex::add_client(const std::shared_ptr<Client>& client) {
    const MutexLock lock(locks_mutex_);
    if (clients_.size() >= sweep_at_) {
        constexpr std::size_t kSweepAtLeast = 64;
        std::erase_if(clients_, [](const auto& weak) { return weak.expired(); });
        sweep_at_ = 2 * clients_.size() + kSweepAtLeast;
    }
    clients_.push_back(client);
}

// --- the committed prefix ---

// A reader needs a read mark that is not beyond its snapshot, or a free one to set. Among readers
// of the newest there is always one, and SQLite would wait for one.
bool WalIndex::can_begin_at(const WalIndexHeader& header) const {
    std::uint32_t newest = 0;
    std::memcpy(&newest, header.data() + kNewestFrameOffset, sizeof newest);
    for (std::size_t mark = 1; mark < kReadMarks; ++mark) {
        const bool free = shared_[kReadLock + mark] == 0 && exclusive_[kReadLock + mark] == nullptr;
        if (free || word(kReadMarksOffset + 4 * mark) <= newest) return true;
    }
    return false;
}

bool WalIndex::show_committed(const Client& client, const std::optional<WalIndexHeader>& header) {
    const MutexLock lock(locks_mutex_);
    QUORLITE_CHECK(shown_to_ == nullptr);
    if (header) {
        if (!can_begin_at(*header)) return false;
        newest_header_ = this->header();
        set_header(*header);
    }
    shown_to_ = &client;
    return true;
}

void WalIndex::hide_committed() {
    if (shown_to_ == nullptr) return;
    const MutexLock lock(locks_mutex_);
    if (newest_header_) set_header(*newest_header_);
    newest_header_.reset();
    shown_to_ = nullptr;
}

// --- checkpoints ---

bool WalIndex::pins(int mark, std::uint32_t frames) const {
    const int lock = kReadLock + mark;
    if (shared_[static_cast<std::size_t>(lock)] == 0) return false;
    if (mark == 0) return true;
    return word(kReadMarksOffset + 4 * static_cast<std::size_t>(mark)) < frames;
}

// As SQLite's walCheckpoint(): readers of the whole WAL may go on, all others are in the way.
bool WalIndex::take_read_marks(std::uint32_t frames) {
    for (const int lock : {kWriterLock, kCheckpointLock, kRecoveryLock}) {
        if (exclusive_[static_cast<std::size_t>(lock)] != nullptr) return false;
    }
    for (int mark = 0; mark < kReadMarks; ++mark) {
        if (pins(mark, frames)) return false;
        if (exclusive_[static_cast<std::size_t>(kReadLock + mark)] != nullptr) return false;
    }
    for (std::size_t mark = 1; mark < kReadMarks; ++mark) {
        const std::size_t offset = kReadMarksOffset + 4 * mark;
        if (word(offset) >= frames) continue;
        set_word(offset, mark == 1 ? frames : kReadMarkNotUsed);
    }
    return true;
}

// While the mutex is held no one can take or give back a lock: as good as holding them all.
bool WalIndex::checkpoint(std::uint32_t frames, const std::function<void()>& work) {
    const MutexLock lock(locks_mutex_);
    if (!take_read_marks(frames)) return false;
    work();
    set_word(kBackfillAttemptedOffset, frames);
    set_word(kBackfilledOffset, frames);
    return true;
}

void WalIndex::run_unread(const std::function<void()>& work) {
    const MutexLock lock(locks_mutex_);
    if (exclusive_[kWriterLock] != nullptr) return;
    for (int mark = 1; mark < kReadMarks; ++mark) {
        if (shared_[static_cast<std::size_t>(kReadLock + mark)] != 0) return;
    }
    work();
}

bool WalIndex::pinned(std::uint32_t frames) const {
    const MutexLock lock(locks_mutex_);
    for (int mark = 0; mark < kReadMarks; ++mark) {
        if (pins(mark, frames)) return true;
    }
    return false;
}

std::vector<std::shared_ptr<Client>> WalIndex::pinning(std::uint32_t frames) const {
    std::vector<std::shared_ptr<Client>> found;
    const MutexLock lock(locks_mutex_);
    for (const auto& weak : clients_) {
        const auto client = weak.lock();
        if (!client) continue;
        for (int mark = 0; mark < kReadMarks; ++mark) {
            const bool holds = (client->shared_locks & lock_bits(kReadLock + mark, 1)) != 0;
            if (holds && pins(mark, frames)) {
                found.push_back(client);
                break;
            }
        }
    }
    return found;
}

}  // namespace quorlite::database
