// What SQL functions are written with: their arguments as bytes, their results, and how a
// connection gets to know them.
//
// SQLite is C: nothing may be thrown through it. A function that allocates is wrapped by guarded().
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <new>
#include <span>
#include <string_view>

#include "wire/base/bytes.h"

namespace quorlite::database {

using SqlFunction = void (*)(sqlite3_context*, int, sqlite3_value**);

inline bool is_null(sqlite3_value* value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}
inline bool is_blob(sqlite3_value* value) {
    return sqlite3_value_type(value) == SQLITE_BLOB;
}

// The value as bytes. Null data: SQLite is out of memory, and says so itself.
inline ByteView bytes_of(sqlite3_value* value, bool as_blob) {
    const void* const data =
        as_blob ? sqlite3_value_blob(value) : static_cast<const void*>(sqlite3_value_text(value));
    const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
    return {static_cast<const std::uint8_t*>(data), size};
}
inline std::string_view text_of(sqlite3_value* value) {
    const ByteView bytes = bytes_of(value, false);
    if (bytes.data() == nullptr) return {};
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void result_text(sqlite3_context* context, std::string_view text) {
    const char* const data = text.empty() ? "" : text.data();  // null would be NULL
    sqlite3_result_text64(context, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}
// Cut where it quotes an argument that is long.
inline void result_error(sqlite3_context* context, std::string_view message) {
    constexpr std::size_t kMessageBytesMax = 500;
    const std::size_t size = std::min(message.size(), kMessageBytesMax);
    sqlite3_result_error(context, message.data(), static_cast<int>(size));
}

// How large a value may be, in bytes.
inline std::size_t value_bytes_max(sqlite3_context* context) {
    return static_cast<std::size_t>(
        sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1));
}

enum class Nulls { kGiveNull, kPassed };  // what becomes of an argument that is NULL

// Without memory the statement fails, and not the process.
template <SqlFunction function, Nulls nulls = Nulls::kGiveNull>
void guarded(sqlite3_context* context, int count, sqlite3_value** arguments) {
    if (nulls == Nulls::kGiveNull && std::any_of(arguments, arguments + count, is_null)) return;
    try {
        function(context, count, arguments);
    } catch (const std::bad_alloc&) {
        sqlite3_result_error_nomem(context);
    }
}

// Views, indexes and generated columns may use it. SQLite's result code.
inline int add_function(sqlite3* db, const char* name, int arguments, SqlFunction function,
                        const void* data = nullptr, int flags = SQLITE_DETERMINISTIC) {
    return sqlite3_create_function_v2(db, name, arguments, SQLITE_UTF8 | SQLITE_INNOCUOUS | flags,
                                      const_cast<void*>(data), function, nullptr, nullptr, nullptr);
}

struct FunctionEntry {
    const char* name;
    int arguments;
    SqlFunction function;
    // Not where the answer may be another one next time: an index must not change with it.
    int flags = SQLITE_DETERMINISTIC;
};

inline int add_functions(sqlite3* db, std::span<const FunctionEntry> entries) {
    for (const auto& [name, arguments, function, flags] : entries) {
        const int added = add_function(db, name, arguments, function, nullptr, flags);
        if (added != SQLITE_OK) return added;
    }
    return SQLITE_OK;
}

}  // namespace quorlite::database
