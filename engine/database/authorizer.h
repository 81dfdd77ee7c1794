// What SQL may not do here, and why: everything that would reach files of the node, or change how a
// database is stored, because both belong to replication.
#pragma once

#include <string>
#include <string_view>

namespace quorlite::database {

// An action as SQLite's authorizer is told it; null arguments are null.
struct SqlAction {
    int code = 0;
    const char* first = nullptr;
    const char* second = nullptr;
};

// Why the action is refused; empty if it is allowed.
std::string_view refusal_of(const SqlAction& action);

// PRAGMAs that would tune what the server decides on. Programs set them by habit, so that is
// accepted, and has no effect. `value` is null if they only ask.
bool is_ignored_pragma(const char* name, const char* value);

}  // namespace quorlite::database
