#include "engine/database/functions.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

#include "wire/base/bytes.h"

namespace quorlite::database {
namespace {

// Where `needle`, which is not empty, first is in `text`; its size if nowhere. memmem() is linear.
std::size_t find(ByteView text, ByteView needle) {
    const void* const found = ::memmem(text.data(), text.size(), needle.data(), needle.size());
    if (found == nullptr) return text.size();
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - text.data());
}

// The value as bytes. Null data: SQLite is out of memory, and says so itself.
ByteView bytes_of(sqlite3_value* value, bool as_blob) {
    const void* const data =
        as_blob ? sqlite3_value_blob(value) : static_cast<const void*>(sqlite3_value_text(value));
    const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
    return {static_cast<const std::uint8_t*>(data), size};
}

bool is_null(sqlite3_value* value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}
bool is_blob(sqlite3_value* value) {
    return sqlite3_value_type(value) == SQLITE_BLOB;
}

// Characters count from their first byte on.
std::int64_t characters(ByteView text) {
    return std::count_if(text.begin(), text.end(),
                         [](std::uint8_t byte) { return (byte & 0xc0) != 0x80; });
}

// instr(text, needle): the place from 1 on, in characters; in bytes if both are blobs.
void instr(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (is_null(arguments[0]) || is_null(arguments[1])) return;
    const bool blobs = is_blob(arguments[0]) && is_blob(arguments[1]);
    const ByteView text = bytes_of(arguments[0], blobs);
    const ByteView needle = bytes_of(arguments[1], blobs);
    if (needle.empty()) return sqlite3_result_int(context, 1);
    if (needle.data() == nullptr || (text.data() == nullptr && !text.empty())) return;
    const std::size_t at = text.empty() ? 0 : find(text, needle);
    if (at == text.size()) return sqlite3_result_int(context, 0);
    const ByteView before = text.first(at);
    const auto skipped = blobs ? static_cast<std::int64_t>(at) : characters(before);
    sqlite3_result_int64(context, skipped + 1);
}

// What is before, between and behind the needles.
template <class Function>
void for_each_part(ByteView text, ByteView needle, Function function) {
    for (;;) {
        const std::size_t at = find(text, needle);
        function(text.first(at));
        if (at == text.size()) return;
        text = text.subspan(at + needle.size());
    }
}

// replace(text, needle, other). Its size is known before it is made: no limit is passed on the way,
// and nothing is moved.
void replace(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (is_null(arguments[0]) || is_null(arguments[1])) return;
    const ByteView text = bytes_of(arguments[0], false);
    const ByteView needle = bytes_of(arguments[1], false);
    if (text.data() == nullptr || needle.data() == nullptr) return;
    if (needle.empty() || needle[0] == 0) return sqlite3_result_value(context, arguments[0]);
    const ByteView other = bytes_of(arguments[2], false);
    if (other.data() == nullptr) return;

    std::size_t parts = 0;
    for_each_part(text, needle, [&](ByteView) { ++parts; });
    const std::size_t needles = parts - 1;
    const std::size_t size = text.size() - needles * needle.size() + needles * other.size();
    const int limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
    if (size > static_cast<std::size_t>(limit)) return sqlite3_result_error_toobig(context);
    auto* const bytes = static_cast<std::uint8_t*>(sqlite3_malloc64(size + 1));
    if (bytes == nullptr) return sqlite3_result_error_nomem(context);
    std::uint8_t* to = bytes;
    for_each_part(text, needle, [&, left = needles](ByteView part) mutable {
        to = std::copy(part.begin(), part.end(), to);
        if (left > 0) {
            to = std::copy(other.begin(), other.end(), to);
            --left;
        }
    });
    *to = 0;
    sqlite3_result_text64(context, reinterpret_cast<char*>(bytes), size, sqlite3_free, SQLITE_UTF8);
}

}  // namespace

int replace_functions(sqlite3* db) {
    constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    const int added = sqlite3_create_function_v2(db, "instr", 2, kFlags, nullptr, instr, nullptr,
                                                 nullptr, nullptr);
    if (added != SQLITE_OK) return added;
    return sqlite3_create_function_v2(db, "replace", 3, kFlags, nullptr, replace, nullptr, nullptr,
                                      nullptr);
}

}  // namespace quorlite::database
