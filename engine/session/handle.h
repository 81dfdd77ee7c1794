// Handle: the database that a session has open: its SQLite connection, its statements, and the
// write lock while its transaction needs it.
//
// It belongs to one leadership. When that is over the handle is void and its owner drops it.
// Destroying it rolls back and frees the lock; nothing of it may be running then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/database/database.h"
#include "engine/replica/replica.h"
#include "engine/session/words.h"

namespace quorlite::session {

struct Prepared {
    std::unique_ptr<database::Statement> statement;  // null: the text has no statement
    std::size_t sql_bytes = 0;                       // of its text; also where the rest begins
    // A PRAGMA that sets something also shows it, so for EXEC its rows are no error.
    bool pragma = false;
    Boundary boundary = Boundary::kNone;
    std::optional<Duration> idle_max;  // that it sets, when it runs
};

class Handle {
public:
    static Result<std::unique_ptr<Handle>> open(replica::Replica& replica, std::string_view name,
                                                Duration idle_max);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    database::Database& database() { return database_; }
    database::Connection& connection() { return *connection_; }
    std::uint64_t epoch() const { return epoch_; }

    // The first statement of `sql`, which a zero byte follows.
    Result<Prepared> prepare(std::string_view sql);

    // Clients that send the same short text again and again (most drivers do) have its statement at
    // hand. Not for a PRAGMA: SQLite carries some out while it compiles them.
    static bool remembers(std::string_view sql, const Prepared& prepared) {
        return sql.size() <= kRememberedSqlBytesMax && !prepared.pragma;
    }
    // `sql` holds nothing but this statement. Replaces the one unused for longest.
    Prepared* remember(std::string_view sql, Prepared prepared);
    Prepared* recall(std::string_view sql);  // null if it is not at hand

    // The table of statements that clients name by number; the lowest free number is given.
    Result<std::uint32_t> keep(Prepared prepared);
    Prepared* find(std::uint64_t id);  // null if there is none
    void drop(std::uint64_t id);       // it is there

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
    static constexpr std::size_t kRememberedMax = 16;
    static constexpr std::size_t kRememberedSqlBytesMax = 1024;

    struct Remembered {
        std::string sql;
        Prepared prepared;
        std::uint64_t used = 0;  // when, counted in uses
    };

    Handle(database::Database& database, std::unique_ptr<database::Connection> connection,
           std::uint64_t epoch, Duration idle_max);
    Result<Prepared> prepare_idle_pragma(const IdlePragma& pragma);
    Status begin();

    database::Database& database_;
    std::unique_ptr<database::Connection> connection_;
    std::uint64_t epoch_;
    database::WriterQueue::Ticket ticket_ = database::WriterQueue::Ticket::kNone;
    Duration idle_max_;
    bool expired_ = false;
    std::vector<Remembered> remembered_;
    std::uint64_t uses_ = 0;
    // Invariant: every number below lowest_free_ is in use.
    std::vector<Prepared> statements_;
    std::size_t lowest_free_ = 0;
    std::size_t sql_bytes_ = 0;  // of all of them
};

}  // namespace quorlite::session
