// WalIndex: the shared memory beside a WAL, by which SQLite's connections find frames and lock each
// other out; here it is memory of one process, its header and locks open to us.
//
// A reader that need not see the newest may begin at the committed prefix: while it begins,
// show_committed() puts the wal-index header of the newest committed transaction in the place of
// the newest one. The frames and hash tables are the same; SQLite ignores what lies beyond its
// header. The reader's thread may lose the loop meanwhile, so whatever another connection does, it
// first ends the showing: what it reads, writes or undoes is at the newest.
//
// checkpoint() follows the locking protocol of SQLite's own: afterwards new readers look below the
// WAL, and the next writer starts it from the beginning.
//
// Threads: any. Offsets and locks are those of sqlite.org/walformat.html, section 2.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/database/client.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

inline constexpr std::size_t kWalIndexRegionBytes = 32768;
inline constexpr int kWalLocks = 8;  // writer, checkpoint, recovery, and one per read mark
inline constexpr int kReadMarks = 5;
// The wal-index begins with two copies of it.
inline constexpr std::size_t kWalIndexHeaderBytes = 48;
using WalIndexHeader = std::array<std::uint8_t, kWalIndexHeaderBytes>;

class WalIndex {
public:
    // --- the VFS ---
    // Nothing if it is not there and not to be made.
    void volatile* map_region(std::size_t region, bool extend);
    bool lock(Client& client, int first, int count, bool exclusive);
    void unlock(Client& client, int first, int count);
    void barrier();

    void add_client(const std::shared_ptr<Client>& client);

    // What SQLite has published: how many frames there are, and the header that says so.
    std::uint32_t newest_frame() const;
    WalIndexHeader header() const;
    // The header, if it shows so many frames and is whole.
    std::optional<WalIndexHeader> header_showing(std::size_t frames) const;

    // The next transactions of `client` see what `header` shows, without one the newest, until
    // hide_committed(). False: a reader could not begin there.
    bool show_committed(const Client& client, const std::optional<WalIndexHeader>& header);
    // Before any other connection uses the wal-index.
    void hide_committed() QUORLITE_EXCLUDES(locks_mutex_);

    // Runs `work`, which copies all `frames` below the WAL, while no one can take or give back a
    // lock. False, and nothing ran: someone writes, or reads an older snapshot.
    bool checkpoint(std::uint32_t frames, const std::function<void()>& work);
    // Runs `work` if no one writes or reads the WAL, and no one can begin to meanwhile.
    void run_unread(const std::function<void()>& work);
    // Whether a reader, and which clients, are in the way of a checkpoint of so many frames.
    bool pinned(std::uint32_t frames) const;
    std::vector<std::shared_ptr<Client>> pinning(std::uint32_t frames) const;

private:
    std::uint32_t word(std::size_t offset) const;
    void set_word(std::size_t offset, std::uint32_t value);
    void set_header(const WalIndexHeader& header) QUORLITE_REQUIRES(locks_mutex_);
    bool can_begin_at(const WalIndexHeader& header) const QUORLITE_REQUIRES(locks_mutex_);
    bool pins(int mark, std::uint32_t frames) const QUORLITE_REQUIRES(locks_mutex_);
    bool take_read_marks(std::uint32_t frames) QUORLITE_REQUIRES(locks_mutex_);

    mutable Mutex locks_mutex_;
    std::atomic<const Client*> shown_to_{nullptr};  // the committed prefix; changed under the lock
    // That is not in its place meanwhile.
    std::optional<WalIndexHeader> newest_header_ QUORLITE_GUARDED_BY(locks_mutex_);
    std::array<std::uint32_t, kWalLocks> shared_ QUORLITE_GUARDED_BY(locks_mutex_){};
    std::array<const Client*, kWalLocks> exclusive_ QUORLITE_GUARDED_BY(locks_mutex_){};
    std::condition_variable unlocked_;
    std::vector<std::weak_ptr<Client>> clients_ QUORLITE_GUARDED_BY(locks_mutex_);
    // At this many clients those that are gone are forgotten.
    std::size_t sweep_at_ QUORLITE_GUARDED_BY(locks_mutex_) = 0;

    Mutex regions_mutex_;
    struct alignas(16) Region {
        std::array<std::uint8_t, kWalIndexRegionBytes> bytes;
    };
    std::vector<std::unique_ptr<Region>> regions_ QUORLITE_GUARDED_BY(regions_mutex_);
    std::atomic<Region*> first_region_{nullptr};
    std::atomic<std::uint64_t> barriers_{0};
};

}  // namespace quorlite::database
