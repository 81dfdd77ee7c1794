// ReplicatedDatabase: one database of a store: its page store, its current WAL epoch and its
// writers, and the index arithmetic that says what may be called flushed.
//
//   base_at        the base file holds every command of this database up to here
//   first_flushing the oldest command in the frozen layer, if there is one
//   first_active   the oldest command in the active layer, if there is one
//   (WAL epoch)    the oldest command that is in the WAL only, if there is one
//   parts          the first commands of a transaction whose last one has not come, if any
//   newer_until    pages above the base file may be as of this, newer than what was applied: a copy
//                  of another node's, or of a transaction whose pages cannot all be read
//
// Large, for all that may change these indexes has to be here: who else set one would have to know
// the others. The pages, the WAL, the queue of writers and the file are classes of their own.
//
// Belongs to the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/executor.h"
#include "engine/database/connection.h"
#include "engine/database/flush.h"
#include "engine/database/wal_epoch.h"
#include "engine/database/writer_queue.h"

namespace quorlite::database {

class ReplicatedDatabase;

// What a database needs of its store.
class DatabaseHost {
public:
    virtual Vfs& vfs() = 0;
    virtual Executor& executor() = 0;
    virtual const Options& options() const = 0;
    virtual void note_proposed(ReplicatedDatabase& database, Index index) = 0;
    virtual void note_pages(ReplicatedDatabase& database) = 0;  // the active layer has changed
    // The active layers are much larger than they should be: writers wait for the flush.
    virtual bool must_wait() const = 0;
    virtual std::size_t page_cache_bytes() const = 0;                   // of each connection, now
    virtual void count_connection(int change) = 0;                      // one more, or one less
    virtual void note_closed(const std::string& database) = 0;          // its last connection
    virtual const std::shared_ptr<PageBudget>& held_pages() const = 0;  // of all images
    // Something to call, on any thread, for each page that cannot be read.
    virtual std::function<void(PageNumber)> damage_report(const std::string& database) = 0;

protected:
    ~DatabaseHost() = default;
};

class ReplicatedDatabase final : public Database {
public:
    ReplicatedDatabase(DatabaseHost& host, std::string name);
    ReplicatedDatabase(const ReplicatedDatabase&) = delete;
    ReplicatedDatabase& operator=(const ReplicatedDatabase&) = delete;
    ~ReplicatedDatabase() override;

    const std::string& name() const override { return name_; }
    Result<std::unique_ptr<Connection>> connect() override;
    WriterQueue& writers() override { return writers_; }
    void proposed(Index index) override;
    Index newest_proposed() const override { return newest_proposed_; }
    std::uint32_t page_count() const override { return pages_now().page_count; }
    Result<std::uint64_t> checksum() override;

    // --- the store ---
    // The content is that of a base file (or nothing), as of `at`; what came after is gone.
    void restart(Base base, std::uint64_t number, Index at, Index flushing_to);
    Status apply(Index index, const CommandHeader& header, ByteView command);
    void committed(Index index);
    // A transaction has begun and not ended. Its commands follow each other in the log, so once
    // another entry has come it never will.
    bool unfinished() const { return static_cast<bool>(parts_.first); }
    void forget_unfinished(Index committed);
    // Everything up to `applied` is committed; what was captured and is not, never happened.
    void renew(Index applied);

    bool committed_once() const { return committed_once_; }
    std::size_t active_pages() const { return pages_->active_pages(); }
    std::size_t memory_bytes() const;
    Index flushable(Index applied) const;
    Index flushed(Index applied) const;
    bool dirty() const { return pages_->dirty() || (epoch_ && epoch_->frames_to_checkpoint() > 0); }

    // Takes part in a flush, unless it has nothing to flush.
    std::optional<FlushItem> freeze(Index applied);
    void flush_finished(const FlushItem& item);
    // Checkpoints as soon as that is possible, however small the WAL is.
    void checkpoint_soon();
    void release_idle_memory(Index applied);
    void limit_page_caches(std::size_t bytes);
    void continue_writers();
    void refuse_writers(std::optional<Error> error) { writers_.refuse(std::move(error)); }

    // All pages are as of one moment. They are not after a crash in a flush, nor while some are
    // newer than what was applied: until the log has caught up.
    bool exact(Index applied) const;
    // True once an interrupted flush of the file, if there was one, is wholly in memory again, so
    // that the pages that it did not touch can be checked.
    bool redone(Index applied);
    // For other nodes, and from them; see Store.
    std::optional<PageCopy> copy_page(PageNumber page, Index applied) const;
    bool repair(PageNumber page, const PageCopy& copy, Index applied, bool newer);

    PageSet pages_now() const;  // the committed prefix
    // The same, to be read whatever is flushed meanwhile. Null: too much is held already.
    std::shared_ptr<HeldPages> hold_pages();
    // Nothing was ever written, and nobody is connected: it may be forgotten.
    bool unused() const;
    const Base& base() const { return base_; }
    std::uint64_t number() const { return number_; }
    void set_number(std::uint64_t number) { number_ = number; }
    Index base_at() const { return base_at_; }
    Index flushing_to() const { return flushing_to_; }

    std::size_t counted_pages = 0;  // the store's: of the active layer, as it last saw them

private:
    struct Parts {
        Index first;
        std::vector<SharedBytes> commands;
        std::size_t bytes = 0;

        Index last() const { return Index(first.value() + commands.size() - 1); }
    };

    WalEpoch& epoch();
    Status keep_part(Index index, const CommandHeader& header, ByteView command);
    Status patch(const CommandHeader& header, ByteView last);
    void maybe_checkpoint();
    bool checkpoint();
    void take(Base base);
    // Up to here all is in the committed prefix, and after it nothing.
    Index settled(Index applied) const;
    void evict_pinning();

    DatabaseHost& host_;
    const std::string name_;
    std::shared_ptr<PageStore> pages_;
    std::shared_ptr<WalEpoch> epoch_;  // none until someone connects
    std::vector<PinningConnection*> connections_;
    FairQueue writers_;
    Index newest_proposed_;
    bool committed_once_ = false;
    bool checkpoint_wanted_ = false;

    Base base_;
    std::uint64_t number_ = 0;
    Index base_at_;
    Index flushing_to_;
    Index first_active_;
    Index first_flushing_;
    Index newer_until_;
    Parts parts_;
    std::vector<std::weak_ptr<HeldPages>> held_;
    std::weak_ptr<HeldPages> held_now_;  // of what is there now: its content has not changed since
};

std::uint64_t hash_page(std::uint64_t seed, ConstPageBytes page);

}  // namespace quorlite::database
