// DatabaseHandle: the database that a session has open: its SQLite connection, its statements, and
// the write lock while its transaction needs it.
//
// It belongs to one leadership. When that is over the handle is void and its owner drops it.
// Destroying it rolls back and frees the lock; nothing of it may be running then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/database/database.h"
#include "engine/replica/replica.h"
#include "engine/session/statements.h"

namespace quorlite::session {

class DatabaseHandle {
public:
    static Result<std::unique_ptr<DatabaseHandle>> open(replica::Replica& replica,
                                                        std::string_view name, Duration idle_max);
    ~DatabaseHandle();
    DatabaseHandle(const DatabaseHandle&) = delete;
    DatabaseHandle& operator=(const DatabaseHandle&) = delete;

    database::Database& database() { return database_; }
    database::Connection& connection() { return *connection_; }
    std::uint64_t epoch() const { return epoch_; }

    // The first statement of `sql`, which a zero byte follows.
    Result<Prepared> prepare(std::string_view sql);

    StatementCache& cache() { return cache_; }
    StatementTable& table() { return table_; }

    // --- the write lock ---
    bool has_lock() const { return ticket_ != database::WriterQueue::Ticket::kNone; }
    // `granted` may run before this returns. After an error call lock_refused().
    void lock(std::string holder, Duration timeout, database::WriterQueue::Granted granted);
    void lock_refused() { ticket_ = database::WriterQueue::Ticket::kNone; }
    // Gives the lock back, or leaves the queue.
    void unlock();
    // Gives the lock back unless a transaction still needs it.
    void unlock_if_idle();

    // --- a transaction that holds the lock while its client rests ---
    Duration idle_max() const { return idle_max_; }
    void set_idle_max(Duration value) { idle_max_ = value; }
    // It rested too long: it is rolled back, and others write.
    void expire();
    Error rested() const;  // what its client is told
    // Whether a statement may run, by what it says of transactions. Not after expire(), until the
    // client ends the transaction, or begins another: what it takes for a part of one must not be
    // carried out by itself. ROLLBACK succeeds, everything else is told what has happened.
    Status admit(Boundary next);

private:
    DatabaseHandle(database::Database& database, std::unique_ptr<database::Connection> connection,
                   std::uint64_t epoch, Duration idle_max);
    Result<Prepared> prepare_idle_pragma(const IdlePragma& pragma);
    Status begin();

    database::Database& database_;
    std::unique_ptr<database::Connection> connection_;
    std::uint64_t epoch_;
    database::WriterQueue::Ticket ticket_ = database::WriterQueue::Ticket::kNone;
    Duration idle_max_;
    bool expired_ = false;
    StatementCache cache_;
    StatementTable table_;
};

}  // namespace quorlite::session
