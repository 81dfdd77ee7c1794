// SQL functions that take the place of SQLite's own, where those can work for hours inside of one
// call, which nothing can interrupt: instr() and replace() compare the needle at every place of the
// haystack, byte by byte; trim() each character with all of a set; json_patch() each member with
// all others. Ours say the same in linear time.
#pragma once

struct sqlite3;

namespace quorlite::database {

int replace_functions(sqlite3* db);  // SQLite's result code

}  // namespace quorlite::database
