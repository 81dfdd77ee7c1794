// Words: what a session reads in the text of a statement by itself, without SQLite.
#pragma once

#include <optional>
#include <string_view>

#include "engine/base/clock.h"
#include "wire/base/result.h"

namespace quorlite::session {

// What is left of `sql` after white space, comments and empty statements.
std::string_view skip_blanks(std::string_view sql);

bool starts_with_pragma(std::string_view sql);

// INSERT, REPLACE, UPDATE or DELETE; or WITH, which may also begin a query.
bool starts_with_row_change(std::string_view sql);

// What the first statement of a text says of transactions. ROLLBACK TO is no boundary.
enum class Boundary { kNone, kBegin, kCommit, kRollback };
Boundary boundary_of(std::string_view sql);

// PRAGMA idle_transaction, of this server: how long a transaction may hold the write lock while its
// client asks for nothing.
struct IdlePragma {
    std::size_t sql_bytes = 0;      // of its text
    std::optional<Duration> value;  // none: it is asked for
};
// Nothing if the first statement of `sql` is another one. Error: a value that makes no sense.
Result<std::optional<IdlePragma>> idle_pragma(std::string_view sql);

}  // namespace quorlite::session
