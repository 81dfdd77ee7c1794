// SQLite itself: how it is set up for the process and for each connection, and which it is.
#pragma once

#include <string>

struct sqlite3;

namespace quorlite::database {

// Before SQLite is first used in this process. Connections are never shared between threads that
// run at the same time, so SQLite needs no locks of its own. An embedding program that shares the
// system's SQLite with us may have chosen before: fine too.
void configure_sqlite();

// What a server has to keep a client from: values, rows and programs without bound, and whatever
// SQLite itself can switch off.
void restrict_sqlite(sqlite3* db);

std::string sqlite_version();  // 3.54.1
std::string sqlite_origin();   // whose build that is

}  // namespace quorlite::database
