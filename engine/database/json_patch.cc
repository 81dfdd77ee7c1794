#include "engine/database/json_patch.h"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace quorlite::database {
namespace {

// What json() has written: valid, without white space.
using Json = std::string_view;

struct Member {
    Json key;  // in quotes
    Json value;
};

bool is_object(Json value) {
    return value.starts_with('{');
}

std::size_t string_end(Json text, std::size_t at) {
    for (++at; text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
    }
    return at + 1;
}

// Where the value that begins at `at` ends.
std::size_t value_end(Json text, std::size_t at) {
    int depth = 0;
    while (at < text.size()) {
        const char next = text[at];
        if (next == '"') {
            at = string_end(text, at);
        } else if (next == '{' || next == '[') {
            ++depth;
            ++at;
            continue;
        } else if (next == '}' || next == ']') {
            --depth;
            ++at;
        } else if (next == ',' || next == ':') {
            ++at;
            continue;
        } else {
            at = std::min(text.find_first_of(",]}", at), text.size());
        }
        if (depth == 0) break;
    }
    return at;
}

std::vector<Member> members_of(Json object) {
    std::vector<Member> members;
    for (std::size_t at = 1; at + 1 < object.size();) {
        const std::size_t key_end = string_end(object, at);
        const std::size_t end = value_end(object, key_end + 1);
        members.push_back(
            {object.substr(at, key_end - at), object.substr(key_end + 1, end - key_end - 1)});
        at = end + 1;
    }
    return members;
}

void append_utf8(std::string& text, std::uint32_t character) {
    const auto rest = [&](int shift) {
        text += static_cast<char>(0x80 | ((character >> shift) & 0x3f));
    };
    if (character < 0x80) {
        text += static_cast<char>(character);
    } else if (character < 0x800) {
        text += static_cast<char>(0xc0 | (character >> 6));
        rest(0);
    } else if (character < 0x10000) {
        text += static_cast<char>(0xe0 | (character >> 12));
        rest(6);
        rest(0);
    } else {
        text += static_cast<char>(0xf0 | (character >> 18));
        rest(12);
        rest(6);
        rest(0);
    }
}

std::uint32_t four_digits(Json text, std::size_t at) {
    std::uint32_t number = 0;
    const Json digits = text.substr(std::min(at, text.size()), 4);
    std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    return number;
}

// A key as it is meant: one that is written with escapes is equal to one without.
std::string plain(Json key) {
    constexpr Json kEscapes = "bfnrt";
    constexpr Json kMeanings = "\b\f\n\r\t";
    key = key.substr(1, key.size() - 2);
    std::string text;
    text.reserve(key.size());
    for (std::size_t at = 0; at < key.size(); ++at) {
        if (key[at] != '\\') {
            text += key[at];
            continue;
        }
        const char kind = key[++at];
        if (kind != 'u') {
            const std::size_t place = kEscapes.find(kind);
            text += place == Json::npos ? kind : kMeanings[place];
            continue;
        }
        std::uint32_t character = four_digits(key, at + 1);
        at += 4;
        const bool high = (character & 0xfc00) == 0xd800;
        if (high && key.substr(at + 1, 2) == "\\u") {
            const std::uint32_t low = four_digits(key, at + 3);
            if ((low & 0xfc00) == 0xdc00) {
                character = 0x10000 + ((character & 0x3ff) << 10) + (low & 0x3ff);
                at += 6;
            }
        }
        append_utf8(text, character);
    }
    return text;
}

// RFC 7396. The depth is what json() allows.
void merge(Json target, Json patch, std::string& result) {
    if (!is_object(patch)) {
        result += patch;
        return;
    }
    const std::vector<Member> changes = members_of(patch);
    std::unordered_map<std::string, const Member*> left;
    for (const Member& change : changes) left[plain(change.key)] = &change;

    bool first = true;
    const auto begin_member = [&](Json key) {
        if (!std::exchange(first, false)) result += ',';
        result += key;
        result += ':';
    };
    result += '{';
    for (const Member& member : is_object(target) ? members_of(target) : std::vector<Member>()) {
        const auto change = left.find(plain(member.key));
        if (change == left.end()) {
            begin_member(member.key);
            result += member.value;
            continue;
        }
        if (change->second->value != "null") {
            begin_member(member.key);
            merge(member.value, change->second->value, result);
        }
        left.erase(change);
    }
    for (const Member& change : changes) {
        const auto added = left.find(plain(change.key));
        if (added == left.end() || added->second != &change || change.value == "null") continue;
        begin_member(change.key);
        merge("{}", change.value, result);
    }
    result += '}';
}

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Query = std::unique_ptr<sqlite3_stmt, Finalize>;

// The row of a query. Null if it failed, which the caller of the function is told then.
template <class Bind>
Query ask(sqlite3_context* context, const char* sql, Bind bind) {
    sqlite3* const db = sqlite3_context_db_handle(context);
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
    Query query(statement);
    if (code == SQLITE_OK) code = bind(statement);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) return query;
    const std::string message = sqlite3_errmsg(db);
    sqlite3_result_error(context, message.c_str(), -1);
    if ((code & 0xff) != SQLITE_ERROR) sqlite3_result_error_code(context, code);
    return nullptr;
}

Json text_of(const Query& query, int column) {
    const auto* const text =
        reinterpret_cast<const char*>(sqlite3_column_text(query.get(), column));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(query.get(), column))};
}

}  // namespace

void json_patch(sqlite3_context* context, sqlite3_value** arguments, bool binary) {
    constexpr unsigned kJson = 'J';
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    const Query query = ask(context, "SELECT json(?1), json(?2)", [&](sqlite3_stmt* statement) {
        const int bound = sqlite3_bind_value(statement, 1, arguments[0]);
        return bound != SQLITE_OK ? bound : sqlite3_bind_value(statement, 2, arguments[1]);
    });
    if (!query) return;
    const Json target = text_of(query, 0);
    const Json patch = text_of(query, 1);
    if (target.empty() || patch.empty()) return;
    std::string result;
    result.reserve(target.size() + patch.size());
    merge(target, patch, result);
    if (!binary) {
        sqlite3_result_text64(context, result.data(), result.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
        return sqlite3_result_subtype(context, kJson);
    }
    const Query encoded = ask(context, "SELECT jsonb(?1)", [&](sqlite3_stmt* statement) {
        return sqlite3_bind_text64(statement, 1, result.data(), result.size(), SQLITE_STATIC,
                                   SQLITE_UTF8);
    });
    if (encoded) sqlite3_result_value(context, sqlite3_column_value(encoded.get(), 0));
}

}  // namespace quorlite::database
