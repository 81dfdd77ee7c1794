// regexp(pattern, text), which `text REGEXP pattern` calls: whether the pattern is found anywhere
// in the text. Patterns are RE2's, whose time is linear in the text: they have neither back
// references nor look-around.
#pragma once

struct sqlite3_context;
struct sqlite3_value;

namespace quorlite::database {

void regexp(sqlite3_context* context, int count, sqlite3_value** arguments);

}  // namespace quorlite::database
