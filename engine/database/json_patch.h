// json_patch() and jsonb_patch() in linear time: SQLite's own look each member of the patch up by
// going through all members of the target. They say the same, but for a member that an object has
// twice.
#pragma once

struct sqlite3_context;
struct sqlite3_value;

namespace quorlite::database {

// With the connection's json() and, for `binary` ones, jsonb().
void json_patch(sqlite3_context* context, sqlite3_value** arguments, bool binary);

}  // namespace quorlite::database
