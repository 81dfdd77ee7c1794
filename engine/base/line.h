// Lines for people: on standard error, and in the log.
//
// What clients, peers and disks sent ends up in them: names of databases, addresses, SQLite's
// messages. It must neither look like a line of its own nor tell a terminal what to do.
#pragma once

#include <string>
#include <string_view>

namespace quorlite {

// The same text without control characters, and without bytes that are no UTF-8: these are written
// as \xNN.
std::string one_line(std::string_view text);

// Prints one line to standard error. Who has stopped to read it is waited for one second.
void print_line(std::string_view text);

}  // namespace quorlite
