#include "engine/session/words.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace quorlite::session {
namespace {

constexpr std::int64_t kIdleMsMax = 24 * 60 * 60 * 1000;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // SQLite takes it for a blank

bool is_word(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_';
}

// Takes the next word, or the next letter that is in none, from the front of `sql`.
std::string_view take_token(std::string_view& sql) {
    sql = skip_blanks(sql);
    const auto end = std::find_if_not(sql.begin(), sql.end(), is_word);
    const auto word = static_cast<std::size_t>(end - sql.begin());
    const std::string_view token = sql.substr(0, std::max<std::size_t>(word, 1));
    sql.remove_prefix(token.size());
    return token;
}

// `word` in small letters.
bool is(std::string_view token, std::string_view word) {
    return std::equal(
        token.begin(), token.end(), word.begin(), word.end(), [](char any, char lower) {
            return any == lower || (any >= 'A' && any <= 'Z' && (any | 0x20) == lower);
        });
}

}  // namespace

std::string_view skip_blanks(std::string_view sql) {
    for (;;) {
        const std::size_t start = sql.find_first_not_of("; \t\n\f\r");
        if (start == std::string_view::npos) return {};
        sql.remove_prefix(start);
        if (sql.starts_with(kByteOrderMark)) {
            sql.remove_prefix(kByteOrderMark.size());
            continue;
        }
        std::string_view end;
        if (sql.starts_with("--")) {
            end = "\n";
        } else if (sql.starts_with("/*")) {
            end = "*/";
        } else {
            return sql;
        }
        const std::size_t found = sql.find(end, 2);
        if (found == std::string_view::npos) return {};  // SQLite ends a comment at the end of text
        sql.remove_prefix(found + end.size());
    }
}

bool starts_with_pragma(std::string_view sql) {
    return is(take_token(sql), "pragma");
}

bool starts_with_row_change(std::string_view sql) {
    const std::string_view first = take_token(sql);
    for (const char* const word : {"insert", "replace", "update", "delete", "with"}) {
        if (is(first, word)) return true;
    }
    return false;
}

Boundary boundary_of(std::string_view sql) {
    const std::string_view first = take_token(sql);
    if (is(first, "begin")) return Boundary::kBegin;
    if (is(first, "commit") || is(first, "end")) return Boundary::kCommit;
    if (!is(first, "rollback")) return Boundary::kNone;
    std::string_view next = take_token(sql);
    if (is(next, "transaction")) next = take_token(sql);
    return is(next, "to") ? Boundary::kNone : Boundary::kRollback;
}

Result<std::optional<IdlePragma>> idle_pragma(std::string_view sql) {
    const std::string_view text = sql;
    const auto so_far = [&] { return text.size() - sql.size(); };
    if (!is(take_token(sql), "pragma")) return std::optional<IdlePragma>();
    std::string_view name = take_token(sql);
    if (is(name, "main")) {
        if (take_token(sql) != ".") return std::optional<IdlePragma>();
        name = take_token(sql);
    }
    if (!is(name, "idle_transaction")) return std::optional<IdlePragma>();
    const std::size_t end = std::min(sql.find(';'), sql.size());
    const bool asked = skip_blanks(sql.substr(0, end)).empty();
    IdlePragma pragma;
    if (!asked) {
        const std::string_view sign = take_token(sql);
        const std::string_view number = take_token(sql);
        std::int64_t ms = 0;
        const char* const number_end = number.data() + number.size();
        const auto parsed = std::from_chars(number.data(), number_end, ms);
        const bool whole = parsed.ec == std::errc() && parsed.ptr == number_end;
        const bool closed = sign == "=" || (sign == "(" && take_token(sql) == ")");
        const std::string_view rest = sql.substr(0, std::min(sql.find(';'), sql.size()));
        if (!whole || !closed || !skip_blanks(rest).empty() || ms < 1 || ms > kIdleMsMax) {
            return Error{code::kError,
                         "PRAGMA idle_transaction takes milliseconds, from 1 to 86400000"};
        }
        pragma.value = std::chrono::milliseconds(ms);
    }
    pragma.sql_bytes = std::min(so_far() + std::min(sql.find(';'), sql.size()) + 1, text.size());
    return std::optional(pragma);
}

}  // namespace quorlite::session
