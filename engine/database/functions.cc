#include "engine/database/functions.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/base/limits.h"
#include "engine/database/json_patch.h"
#include "engine/database/sql_function.h"
#include "wire/base/bytes.h"

namespace quorlite::database {
namespace {

// Where `needle`, which is not empty, first is in `text`; its size if nowhere. memmem() is linear.
std::size_t find(ByteView text, ByteView needle) {
    const void* const found = ::memmem(text.data(), text.size(), needle.data(), needle.size());
    if (found == nullptr) return text.size();
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - text.data());
}

bool begins_character(std::uint8_t byte) {
    return (byte & 0xc0) != 0x80;
}

std::int64_t characters(ByteView text) {
    return std::count_if(text.begin(), text.end(), begins_character);
}

// instr(text, needle): the place from 1 on, in characters; in bytes if both are blobs. As SQLite
// does it also for a text that is not UTF-8: it looks at the first byte, and then at each that
// begins a character.
void instr(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (is_null(arguments[0]) || is_null(arguments[1])) return;
    const bool blobs = is_blob(arguments[0]) && is_blob(arguments[1]);
    const ByteView text = bytes_of(arguments[0], blobs);
    const ByteView needle = bytes_of(arguments[1], blobs);
    if (needle.empty()) return sqlite3_result_int(context, 1);
    if (needle.data() == nullptr || (text.data() == nullptr && !text.empty())) return;
    std::size_t at = text.empty() ? 0 : find(text, needle);
    if (!blobs && at > 0 && !begins_character(needle[0])) at = text.size();
    if (at == text.size()) return sqlite3_result_int(context, 0);
    const auto skipped = blobs     ? static_cast<std::int64_t>(at)
                         : at == 0 ? 0
                                   : characters(text.subspan(1, at));
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

void result_bytes(sqlite3_context* context, ByteView text) {
    result_text(context, {reinterpret_cast<const char*>(text.data()), text.size()});
}

// Whether replace(12, '', ...) is a number, as in older SQLites.
bool keeps_type = false;

void ask_for_type(sqlite3* db) {
    static std::once_flag once;
    std::call_once(once, [db] {
        constexpr const char* kQuestion = "SELECT 1 WHERE typeof(replace(1, '', '')) = 'integer'";
        sqlite3_stmt* statement = nullptr;
        sqlite3_prepare_v2(db, kQuestion, -1, &statement, nullptr);
        keeps_type = sqlite3_step(statement) == SQLITE_ROW;
        sqlite3_finalize(statement);
    });
}

// replace(text, needle, other). Its size is known before it is made: no limit is passed on the way,
// and nothing is moved.
void replace(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (is_null(arguments[0]) || is_null(arguments[1])) return;
    const ByteView text = bytes_of(arguments[0], false);
    const ByteView needle = bytes_of(arguments[1], false);
    if (text.data() == nullptr || needle.data() == nullptr) return;
    if (needle.empty() || needle[0] == 0) {
        if (keeps_type) return sqlite3_result_value(context, arguments[0]);
        return result_bytes(context, text);
    }
    const ByteView other = bytes_of(arguments[2], false);
    if (other.data() == nullptr) return;

    std::size_t parts = 0;
    for_each_part(text, needle, [&](ByteView) { ++parts; });
    const std::size_t needles = parts - 1;
    const std::size_t size = text.size() - needles * needle.size() + needles * other.size();
    if (size > value_bytes_max(context)) return sqlite3_result_error_toobig(context);
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

// The characters that trim() takes away. A character is what SQLite takes for one: a byte, or a
// byte from 0xc0 on with all that follow and begin none. If the text is not UTF-8 some of them may
// be the beginnings of others: then the first in the set counts.
class CharacterSet {
public:
    // False: they are too many, or, which no UTF-8 is, too long.
    bool add(ByteView set) {
        for (std::size_t at = 0; at < set.size() && set[at] != 0;) {
            std::size_t end = at + 1;
            if (set[at] >= 0xc0) {
                while (end < set.size() && !begins_character(set[end])) ++end;
            }
            if (end - at > kCharacterBytesMax || places_.size() >= limits::kTrimmedCharactersMax)
                return false;
            places_.try_emplace(as_text(set.subspan(at, end - at)), places_.size());
            at = end;
        }
        return true;
    }
    // How many bytes of `text`, at its beginning or its end, are the first of the characters that
    // is there; or 0.
    std::size_t match(ByteView text, bool at_end) const {
        std::size_t found = 0;
        std::size_t first = places_.size();
        for (std::size_t size = 1; size <= std::min(kCharacterBytesMax, text.size()); ++size) {
            const ByteView candidate = at_end ? text.last(size) : text.first(size);
            const auto place = places_.find(as_text(candidate));
            if (place == places_.end() || place->second >= first) continue;
            found = size;
            first = place->second;
        }
        return found;
    }

private:
    static constexpr std::size_t kCharacterBytesMax = 8;
    static std::string_view as_text(ByteView bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    std::unordered_map<std::string_view, std::size_t> places_;  // borrowed from the set
};

struct Sides {
    const char* function;
    bool left;
    bool right;
};
constexpr std::array kTrims = {Sides{"trim", true, true}, Sides{"ltrim", true, false},
                               Sides{"rtrim", false, true}};

// trim(text[, characters])
void trim(sqlite3_context* context, int count, sqlite3_value** arguments) {
    constexpr std::uint8_t kSpace[] = {' '};
    const auto& sides = *static_cast<const Sides*>(sqlite3_user_data(context));
    if (is_null(arguments[0]) || (count == 2 && is_null(arguments[1]))) return;
    ByteView text = bytes_of(arguments[0], false);
    const ByteView set = count == 2 ? bytes_of(arguments[1], false) : ByteView(kSpace);
    if (text.data() == nullptr || set.data() == nullptr) return;
    CharacterSet characters;
    if (!characters.add(set)) return sqlite3_result_error_toobig(context);
    const auto strip = [&](bool at_end) {
        while (const std::size_t size = characters.match(text, at_end)) {
            text = at_end ? text.first(text.size() - size) : text.subspan(size);
        }
    };
    if (sides.left) strip(false);
    if (sides.right) strip(true);
    result_bytes(context, text);
}

// What full text search puts its own function in the place of, where a query uses its tables.
// Declared here as harmless, so that views may use it though their schema is not trusted.
struct Overloaded {
    const char* name;
    int arguments;
};
constexpr std::array kOverloaded = {
    Overloaded{"match", 2},     Overloaded{"snippet", -1},         Overloaded{"highlight", -1},
    Overloaded{"bm25", -1},     Overloaded{"offsets", 1},          Overloaded{"matchinfo", 1},
    Overloaded{"matchinfo", 2}, Overloaded{"fts5_get_locale", -1},
};

void out_of_place(sqlite3_context* context, int, sqlite3_value**) {
    const auto* const name = static_cast<const char*>(sqlite3_user_data(context));
    const std::string message =
        "unable to use function " + std::string(name) + " in the requested context";
    sqlite3_result_error(context, message.c_str(), -1);
}

#ifdef SQLITE_RESULT_SUBTYPE
constexpr int kJsonFlags = SQLITE_DETERMINISTIC | SQLITE_RESULT_SUBTYPE;
#else
constexpr int kJsonFlags = SQLITE_DETERMINISTIC;
#endif
constexpr int kJsonbVersion = 3'045'000;

template <bool binary>
void patch(sqlite3_context* context, int, sqlite3_value** arguments) {
    json_patch(context, arguments, binary);
}

}  // namespace

int replace_functions(sqlite3* db) {
    ask_for_type(db);
    int added = add_function(db, "instr", 2, instr);
    if (added == SQLITE_OK) added = add_function(db, "replace", 3, replace);
    for (const Sides& sides : kTrims) {
        for (const int arguments : {1, 2}) {
            if (added == SQLITE_OK)
                added = add_function(db, sides.function, arguments, trim, &sides);
        }
    }
    if (added == SQLITE_OK)
        added = add_function(db, "json_patch", 2, patch<false>, nullptr, kJsonFlags);
    if (added == SQLITE_OK && sqlite3_libversion_number() >= kJsonbVersion) {
        added = add_function(db, "jsonb_patch", 2, patch<true>);
    }
    for (const Overloaded& each : kOverloaded) {
        if (added != SQLITE_OK) break;
        added = add_function(db, each.name, each.arguments, out_of_place, each.name, 0);
    }
    return added;
}

}  // namespace quorlite::database
