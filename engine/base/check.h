// CHECK: an assertion about this program that stays on in release builds.
//
// It states what the programmer believes, never what a client, a peer, a disk or an operator sent:
// input gets an Error. fatal() is for a broken machine (a failed sync, a damaged term): the node
// stops at once, because going on could acknowledge what is not durable.
#pragma once

#include <string_view>

namespace quorlite {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

// Prints one line, what broke and what to do, and ends the process with exit status 70
// (EX_SOFTWARE).
[[noreturn]] void fatal(std::string_view what);

// Replaces what fatal() does; the simulator turns it into the crash of one simulated node by
// throwing.
using FatalHandler = void (*)(std::string_view what);
void set_fatal_handler(FatalHandler handler);

}  // namespace quorlite

#define QUORLITE_CHECK(condition)           \
    (static_cast<bool>(condition) ? void(0) \
                                  : ::quorlite::check_failed(#condition, __FILE__, __LINE__))
