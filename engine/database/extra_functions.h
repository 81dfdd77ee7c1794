// SQL functions that programs add to their own SQLite, which a client cannot do with a node's:
// REGEXP, texts that are padded or turned round, hashes, uuid7(), deviations, Django's dates.
// spec/functions.md says what each does.
//
// Their work is bounded by what a value may hold: a call takes some seconds at most.
#pragma once

struct sqlite3;

namespace quorlite::database {

int add_extra_functions(sqlite3* db);  // SQLite's result code

}  // namespace quorlite::database
