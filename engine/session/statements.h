// A session's compiled statements: the cache of those that it sends as text again and again, and
// the table of those that its client names by number. Both are bounded.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/limits.h"
#include "engine/database/database.h"
#include "engine/session/words.h"

namespace quorlite::session {

struct Prepared {
    std::unique_ptr<database::Statement> statement{};  // null: the text has no statement
    std::size_t sql_bytes = 0;                         // of its text; also where the rest begins
    // A PRAGMA that sets something also shows it, so for EXEC its rows are no error.
    bool pragma = false;
    bool changes_rows = false;  // so that the connection counts those of this statement
    Boundary boundary = Boundary::kNone;
    std::optional<Duration> idle_max{};  // that it sets, when it runs
};

// By text. Most drivers send the same few short texts all the time.
class StatementCache {
public:
    // Not for a PRAGMA: SQLite carries some out while it compiles them.
    static bool takes(std::string_view sql, const Prepared& prepared) {
        return sql.size() <= limits::kCachedSqlBytesMax && !prepared.pragma;
    }
    // `sql` holds nothing but this statement. Replaces the one unused for longest.
    Prepared* insert(std::string_view sql, Prepared prepared);
    Prepared* find(std::string_view sql);  // null if it is not here
    void clear() { entries_.clear(); }

private:
    struct Entry {
        std::string sql;
        Prepared prepared;
        std::uint64_t used = 0;  // when, counted in uses
    };

    std::vector<Entry> entries_;  // never grows beyond what is reserved: pointers stay good
    std::uint64_t uses_ = 0;
};

// By number: the lowest that is free is given.
class StatementTable {
public:
    Result<std::uint32_t> insert(Prepared prepared);
    Prepared* find(std::uint64_t id);  // null if there is none
    void erase(std::uint64_t id);      // it is there
    void clear() { *this = StatementTable(); }

private:
    // Invariant: every number below lowest_free_ is in use.
    std::vector<Prepared> statements_;
    std::size_t lowest_free_ = 0;
    std::size_t sql_bytes_ = 0;  // of all of them
};

}  // namespace quorlite::session
