// WalEpoch: what SQLite calls the WAL, the wal-index and the locks of a database, for as long as
// this node stays leader. All of it is memory.
//
//   frames:   0 ....... checkpointed ......... committed ............ captured ........ written
//             in the active    committed by the   visible to readers,    a transaction
//             pages too        quorum             not yet committed      under way
//
// Capture happens inside SQLite's write of a commit frame, which is before SQLite shows the
// transaction to any other connection. So whoever has seen a transaction finds it in
// take_capture(), also when the writer runs on another thread and has not come back yet.
//
// checkpoint() puts the newest image of each page into the page store, by the locking protocol of
// SQLite's own checkpoint: afterwards new readers look below the WAL, and the next writer starts it
// from the beginning. It is done only when all of the WAL is committed, so what lies below is
// committed always.
//
// A reader that need not see the newest may begin at the committed prefix: see wal_index.h.
//
// Threads: frames, wal-index and locks serve any thread; so does capture, for the one writer.
// Everything under "the loop" is for the loop.
//
// The class is large because capture, checkpoint and the two ways to read what is committed share
// five counters and two locks. What needs neither is elsewhere: the WAL's bytes, the wal-index, and
// the queue of what is not committed.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/database/capture_queue.h"
#include "engine/database/client.h"
#include "engine/database/command.h"
#include "engine/database/database.h"
#include "engine/database/pages.h"
#include "engine/database/wal_file.h"
#include "engine/database/wal_index.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

class WalEpoch {
public:
    struct Limits {
        std::size_t command_bytes_max;
        std::size_t transaction_frames_max;
    };
    WalEpoch(std::string database, std::shared_ptr<PageStore> pages, Limits limits);

    // --- the VFS; results are SQLite's codes ---
    int read_main(std::uint64_t offset, std::span<std::uint8_t> into) const;
    std::string read_error() const;  // why a page of the file could last not be read
    std::uint64_t main_size() const;
    int read_wal(std::uint64_t offset, std::span<std::uint8_t> into) const;
    int write_wal(Client& client, std::uint64_t offset, ByteView bytes);
    std::uint64_t wal_size() const { return wal_.size(); }
    WalIndex& index() { return index_; }

    bool retired() const { return retired_.load(std::memory_order_acquire); }
    const std::string& database() const { return database_; }
    std::size_t transaction_bytes_max() const { return limits_.transaction_frames_max * kPageSize; }
    // True if SQLite has shown to others all that was captured. For the writer, after its step.
    bool published() const;
    // One connection more or less that is at work, perhaps on another thread: from its first step
    // until the loop has taken what it captured.
    void count_at_work(int change) { at_work_.fetch_add(change, std::memory_order_acq_rel); }

    // --- the loop ---
    Capture take_capture(Client& client);
    void proposed(Index index);
    void committed(Index index);
    bool has_uncommitted() const;
    // Transactions that `client` begins see the committed prefix, until the wal-index hides it. For
    // a connection at work. False: it cannot be had.
    bool show_committed(const Client& client);

    // Puts the WAL's pages into the page store, if all of it is committed, no one writes, and no
    // reader needs it. True as well if there is nothing to do.
    bool checkpoint();
    std::size_t frames_to_checkpoint() const;
    std::size_t frames_held() const { return wal_.frames_held(); }
    // Frees the images of a WAL that is in the page store, if no reader can ask for them any more.
    void release_checkpointed();
    bool pinned() const;  // by a reader
    // Clients whose snapshot is in the way of checkpoint().
    std::vector<std::shared_ptr<Client>> pinning() const;

    // Ends it: the VFS answers with errors from now on. Committed frames go to the page store.
    void retire();
    // Committed frames that are not in the page store yet, laid over `set`.
    void overlay_committed(PageSet& set) const;
    // One page of the committed prefix.
    Status read_committed(PageNumber page, PageBytes into) const;

    // The first command that is not (entirely) in the page store, if there is one. Commands up to
    // it and not more may be declared flushed.
    Index first_in_wal() const;
    CaptureQueue::Part partly_committed(Index committed) const;

private:
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
    std::uint32_t frames_captured() const;
    void checkpoint_pages() QUORLITE_REQUIRES(writer_mutex_, mutex_);
    template <class Resize, class Put>
    void scan_committed(Resize resize, Put put) const QUORLITE_REQUIRES(mutex_);

    const std::string database_;
    const std::shared_ptr<PageStore> pages_;
    const Limits limits_;
    std::atomic<bool> retired_{false};

    WalFile wal_;  // frames below `captured_` are constant until begin_wal()
    WalIndex index_;

    // The writer's, while it captures; checkpoint()'s, while no one writes.
    Mutex writer_mutex_;
    // Captured frame of each page.
    std::unordered_map<PageNumber, std::uint32_t> newest_ QUORLITE_GUARDED_BY(writer_mutex_);
    PageNumber page_count_ QUORLITE_GUARDED_BY(writer_mutex_);  // after the newest capture
    // Smallest size since the last move.
    PageNumber floor_ QUORLITE_GUARDED_BY(writer_mutex_) = kNoFloor;

    mutable Mutex mutex_;  // also held while retiring
    std::size_t captured_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::size_t committed_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::size_t checkpointed_ QUORLITE_GUARDED_BY(mutex_) = 0;
    Index first_in_wal_ QUORLITE_GUARDED_BY(mutex_);
    CaptureQueue queue_ QUORLITE_GUARDED_BY(mutex_);
    // Of the last transaction that was committed.
    std::optional<WalIndexHeader> committed_header_ QUORLITE_GUARDED_BY(mutex_);

    std::atomic<int> at_work_{0};

    mutable Mutex read_error_mutex_;
    mutable std::string read_error_ QUORLITE_GUARDED_BY(read_error_mutex_);
};

}  // namespace quorlite::database
