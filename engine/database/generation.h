// Generation: what SQLite calls the WAL, the wal-index and the locks of a database, for as long as
// this node stays leader. All of it is memory.
//
//   frames:   0 ............ moved ............ committed ............ captured ........ written
//             in the active   committed by the   visible to readers,    a transaction
//             pages too       quorum             not yet committed      under way
//
// Capture happens inside SQLite's write of a commit frame, which is before SQLite shows the
// transaction to any other connection. So whoever has seen a transaction finds it in
// take_capture(), also when the writer runs on another thread and has not come back yet.
//
// move() puts the newest image of each page into the page store, by the locking protocol of
// SQLite's own checkpoint: afterwards new readers look below the WAL, and the next writer starts it
// from the beginning. It is done only when all of the WAL is committed, so what lies below is
// committed always.
//
// A reader that need not see the newest may begin at the committed prefix: while it begins,
// show_committed() puts the wal-index header of the newest committed transaction in the place of
// the newest one. The frames and hash tables are the same; SQLite ignores what lies beyond its
// header. The reader's thread may lose the loop meanwhile, so whatever another connection does, it
// first ends the showing: what it reads, writes or undoes is at the newest.
//
// Threads: frames, wal-index and locks serve any thread; so does capture, for the one writer.
// Everything under "the loop" is for the loop.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/database/command.h"
#include "engine/database/database.h"
#include "engine/database/pages.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

inline constexpr std::size_t kWalHeaderBytes = 32;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kFrameBytes = kFrameHeaderBytes + kPageSize;
inline constexpr std::size_t kWalIndexRegionBytes = 32768;
inline constexpr int kWalLocks = 8;  // writer, checkpoint, recovery, and one per read mark
inline constexpr int kReadMarks = 5;
// The wal-index begins with two copies of it.
inline constexpr std::size_t kWalIndexHeaderBytes = 48;
using WalIndexHeader = std::array<std::uint8_t, kWalIndexHeaderBytes>;

// The first frames of a WAL, in chunks that double in size and never move, so that readers need no
// lock.
class FrameTable {
public:
    struct Frame {
        std::array<std::uint8_t, kFrameHeaderBytes> header{};
        PageRef page;

        PageNumber number() const { return load_big<PageNumber>(header.data()); }
        // Not zero in the last frame of a transaction: the size of the database afterwards, in
        // pages.
        PageNumber commit_size() const { return load_big<PageNumber>(header.data() + 4); }
    };

    FrameTable() = default;
    FrameTable(const FrameTable&) = delete;
    FrameTable& operator=(const FrameTable&) = delete;
    ~FrameTable();

    Frame& grow_to(std::size_t frame);  // one writer
    // Precondition: grow_to(frame) happened before.
    const Frame& operator[](std::size_t frame) const;
    void release_pages(std::size_t count);  // forgets the images of the first `count` frames

private:
    static constexpr std::size_t kFirstChunk = 64;
    static constexpr std::size_t kChunks = 32;
    struct Place {
        std::size_t chunk;
        std::size_t offset;
    };
    static Place place(std::size_t frame) {
        const std::size_t chunk =
            static_cast<std::size_t>(std::bit_width(frame / kFirstChunk + 1)) - 1;
        return {chunk, frame - kFirstChunk * ((std::size_t{1} << chunk) - 1)};
    }

    std::array<std::atomic<Frame*>, kChunks> chunks_{};
};

class Generation;

// What one connection holds of a generation. Shared by the connection and its open files.
struct Client : std::enable_shared_from_this<Client> {
    std::shared_ptr<Generation> generation;
    std::uint64_t number = 0;
    std::uint8_t shared_locks = 0;     // bits by lock; guarded by the generation
    std::uint8_t exclusive_locks = 0;  // the same
    // What the last write met; for the connection, which must clear them.
    bool captured = false;
    bool transaction_too_large = false;
    // The statement that runs must end: the next page that it reads is an error, once. For
    // operations that SQLite itself does not interrupt. It has to look like a failed read: only
    // after one of those SQLite knows that an undoing may have stopped half way, and forgets the
    // pages that it has.
    std::atomic<bool> stop{false};
    bool stopped = false;   // that read has happened; for the connection, which must clear it
    bool stepping = false;  // a statement runs
    // Another connection's take_capture() gave out what this one has committed.
    std::atomic<bool> taken_by_other{false};
    // Its read transaction began while show_committed() was in force for it.
    std::atomic<bool> read_committed{false};
};

class Generation {
public:
    struct Limits {
        std::size_t command_bytes_max;
        std::size_t transaction_frames_max;
    };
    Generation(std::string database, std::shared_ptr<PageStore> pages, Limits limits);

    // --- the VFS; results are SQLite's codes ---
    int read_main(std::uint64_t offset, std::span<std::uint8_t> into) const;
    std::string read_error() const;  // why a page of the file could last not be read
    std::uint64_t main_size() const;
    int read_wal(std::uint64_t offset, std::span<std::uint8_t> into) const;
    int write_wal(Client& client, std::uint64_t offset, ByteView bytes);
    std::uint64_t wal_size() const;
    int map_region(std::size_t region, bool extend, void volatile** address);
    bool lock(Client& client, int first, int count, bool exclusive);
    void unlock(Client& client, int first, int count);
    void barrier();

    bool retired() const { return retired_.load(std::memory_order_acquire); }
    const std::string& database() const { return database_; }
    std::size_t transaction_bytes_max() const { return limits_.transaction_frames_max * kPageSize; }
    // True if SQLite has shown to others all that was captured. For the writer, after its step.
    bool published() const;
    // One connection more or less that is at work, perhaps on another thread: from its first step
    // until the loop has taken what it captured.
    void count_at_work(int change) { at_work_.fetch_add(change, std::memory_order_acq_rel); }

    // --- the loop ---
    void add_client(const std::shared_ptr<Client>& client);
    Capture take_capture(Client& client);
    void proposed(Index index);
    void committed(Index index);
    bool has_uncommitted() const;
    // Transactions that `client` begins see the committed prefix, until hide_committed(). For a
    // connection at work. False: it cannot be had.
    bool show_committed(const Client& client);
    // Any thread. Before any other connection uses the wal-index.
    void hide_committed() QUORLITE_EXCLUDES(locks_mutex_);

    // Moves the WAL into the page store if all of it is committed, no one writes, and no reader
    // needs it.
    bool move();
    std::size_t frames_to_move() const;
    std::size_t frames_held() const { return frames_held_.load(std::memory_order_relaxed); }
    // Frees the images of a WAL that was moved, if no reader can ask for them any more.
    void release_moved();
    bool pinned() const;  // by a reader
    // Clients whose snapshot keeps move() from working.
    std::vector<std::shared_ptr<Client>> pinning() const;

    // Ends it: the VFS answers with errors from now on. Committed frames go to the page store.
    void retire();
    // Committed frames that are not in the page store yet, laid over `set`.
    void overlay_committed(PageSet& set) const;
    // One page of the committed prefix.
    Status read_committed(PageNumber page, PageBytes into) const;

    // The first command that is not (entirely) in the page store, if there is one. Commands up to
    // it and not more may be declared flushed.
    Index first_unmoved() const;
    // Commands of a transaction of which only the first ones are committed: the next leader may
    // commit the rest.
    struct Part {
        Index first;
        std::vector<SharedBytes> commands;
    };
    Part partly_committed(Index committed) const;

private:
    struct Record {
        std::size_t frames_end = 0;
        std::vector<SharedBytes> commands;
        std::weak_ptr<Client> writer;
        Index last;  // of its commands, once proposed; they are consecutive
        std::optional<WalIndexHeader> header;  // that shows it and nothing newer

        Index first() const { return Index(last.value() - commands.size() + 1); }
    };

    int begin_wal(ByteView header);
    int write_frame_header(Client& client, std::size_t frame, ByteView header);
    int write_frame_page(Client& client, std::size_t frame, ByteView page);
    bool capture(Client& client, std::size_t commit_frame);
    std::vector<std::pair<PageNumber, std::uint32_t>> transaction_pages(std::size_t first,
                                                                        std::size_t commit_frame);
    std::vector<SharedBytes> encode(const std::vector<std::pair<PageNumber, std::uint32_t>>& pages,
                                    PageNumber page_count) QUORLITE_REQUIRES(writer_mutex_);
    // For the writer: nobody else changes it.
    std::size_t captured_by_writer() const QUORLITE_UNCHECKED { return captured_; }
    std::uint32_t wal_index_word(std::size_t offset) const;
    void set_wal_index_word(std::size_t offset, std::uint32_t value);
    bool can_begin_at(const WalIndexHeader& header) const QUORLITE_REQUIRES(locks_mutex_);
    WalIndexHeader shown_header() const;
    // What SQLite has published, if it shows so many frames and is whole.
    std::optional<WalIndexHeader> header_showing(std::size_t frames) const;
    void show_header(const WalIndexHeader& header) QUORLITE_REQUIRES(locks_mutex_);
    std::size_t frames_captured() const;
    bool pins(int mark, std::uint32_t newest) const QUORLITE_REQUIRES(locks_mutex_);
    bool take_read_marks(std::uint32_t newest) QUORLITE_REQUIRES(locks_mutex_);
    void move_pages() QUORLITE_REQUIRES(writer_mutex_, mutex_);
    template <class Resize, class Put>
    void scan_committed(Resize resize, Put put) const QUORLITE_REQUIRES(mutex_);

    const std::string database_;
    const std::shared_ptr<PageStore> pages_;
    const Limits limits_;
    std::atomic<bool> retired_{false};

    // Written by the one writer; frames below `captured_` are constant until begin_wal().
    FrameTable frames_;
    std::array<std::uint8_t, kWalHeaderBytes> wal_header_{};
    std::atomic<std::size_t> frames_held_{0};  // that have an image
    std::atomic<std::size_t> written_{0};
    std::atomic<bool> wal_begun_{false};

    // The writer's, while it captures; of move(), while no one writes.
    Mutex writer_mutex_;
    // Captured frame of each page.
    std::unordered_map<PageNumber, std::uint32_t> newest_ QUORLITE_GUARDED_BY(writer_mutex_);
    PageNumber page_count_ QUORLITE_GUARDED_BY(writer_mutex_);  // after the newest capture
    // Smallest size since the last move.
    PageNumber floor_ QUORLITE_GUARDED_BY(writer_mutex_) = kNoFloor;

    mutable Mutex mutex_;  // also held while retiring
    std::size_t captured_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::size_t committed_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::size_t moved_ QUORLITE_GUARDED_BY(mutex_) = 0;
    Index first_unmoved_ QUORLITE_GUARDED_BY(mutex_);
    // Captured and not committed, oldest first: proposed ones, then those in `batches_`, then new
    // ones.
    std::deque<Record> records_ QUORLITE_GUARDED_BY(mutex_);
    std::size_t proposed_records_ QUORLITE_GUARDED_BY(mutex_) = 0;
    // Records that each take_capture() gave out, not proposed yet.
    std::deque<std::size_t> batches_ QUORLITE_GUARDED_BY(mutex_);
    // Of the last record that was committed.
    std::optional<WalIndexHeader> committed_header_ QUORLITE_GUARDED_BY(mutex_);

    std::atomic<int> at_work_{0};

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

    mutable Mutex read_error_mutex_;
    mutable std::string read_error_ QUORLITE_GUARDED_BY(read_error_mutex_);

    Mutex regions_mutex_;
    struct alignas(16) Region {
        std::array<std::uint8_t, kWalIndexRegionBytes> bytes;
    };
    std::vector<std::unique_ptr<Region>> regions_ QUORLITE_GUARDED_BY(regions_mutex_);
    std::atomic<Region*> first_region_{nullptr};
    std::atomic<std::uint64_t> barriers_{0};
};

}  // namespace quorlite::database
