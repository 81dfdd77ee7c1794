#include "drivers/shell/completion.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "drivers/shell/commands.h"
#include "drivers/shell/renderer.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

constexpr std::array<std::string_view, 131> kKeywords = {"abort",
                                                         "add",
                                                         "after",
                                                         "all",
                                                         "alter",
                                                         "always",
                                                         "analyze",
                                                         "and",
                                                         "as",
                                                         "asc",
                                                         "attach",
                                                         "autoincrement",
                                                         "before",
                                                         "begin",
                                                         "between",
                                                         "by",
                                                         "cascade",
                                                         "case",
                                                         "cast",
                                                         "check",
                                                         "collate",
                                                         "column",
                                                         "commit",
                                                         "conflict",
                                                         "constraint",
                                                         "create",
                                                         "cross",
                                                         "current",
                                                         "current_date",
                                                         "current_time",
                                                         "current_timestamp",
                                                         "default",
                                                         "deferrable",
                                                         "deferred",
                                                         "delete",
                                                         "desc",
                                                         "distinct",
                                                         "do",
                                                         "drop",
                                                         "each",
                                                         "else",
                                                         "end",
                                                         "escape",
                                                         "except",
                                                         "exclusive",
                                                         "exists",
                                                         "explain",
                                                         "fail",
                                                         "filter",
                                                         "following",
                                                         "for",
                                                         "foreign",
                                                         "from",
                                                         "full",
                                                         "generated",
                                                         "glob",
                                                         "group",
                                                         "having",
                                                         "if",
                                                         "ignore",
                                                         "immediate",
                                                         "in",
                                                         "index",
                                                         "initially",
                                                         "inner",
                                                         "insert",
                                                         "instead",
                                                         "intersect",
                                                         "into",
                                                         "is",
                                                         "isnull",
                                                         "join",
                                                         "key",
                                                         "left",
                                                         "like",
                                                         "limit",
                                                         "match",
                                                         "materialized",
                                                         "natural",
                                                         "not",
                                                         "nothing",
                                                         "notnull",
                                                         "null",
                                                         "nulls",
                                                         "offset",
                                                         "on",
                                                         "or",
                                                         "order",
                                                         "outer",
                                                         "over",
                                                         "partition",
                                                         "pragma",
                                                         "preceding",
                                                         "primary",
                                                         "query",
                                                         "range",
                                                         "recursive",
                                                         "references",
                                                         "regexp",
                                                         "reindex",
                                                         "release",
                                                         "rename",
                                                         "replace",
                                                         "restrict",
                                                         "returning",
                                                         "right",
                                                         "rollback",
                                                         "row",
                                                         "rows",
                                                         "savepoint",
                                                         "select",
                                                         "set",
                                                         "table",
                                                         "temporary",
                                                         "then",
                                                         "to",
                                                         "transaction",
                                                         "trigger",
                                                         "unbounded",
                                                         "union",
                                                         "unique",
                                                         "update",
                                                         "using",
                                                         "vacuum",
                                                         "values",
                                                         "view",
                                                         "virtual",
                                                         "when",
                                                         "where",
                                                         "window",
                                                         "with"};

bool is_word(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) || c == '_' || byte >= 0x80;
}

bool begins(std::string_view whole, std::string_view prefix) {
    return whole.size() >= prefix.size() && same_word(whole.substr(0, prefix.size()), prefix);
}

std::string spelled(std::string_view keyword, bool capitals) {
    std::string out(keyword);
    if (capitals) {
        for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return out;
}

std::string as_name(const std::string& name) {
    const bool plain = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                       std::ranges::all_of(name, is_word);
    return plain ? name : sql_name(name);
}

Completion complete_command(std::string_view text, const Names& names) {
    Completion found;
    found.begin = text.find_last_of(" \t") + 1;
    const std::string_view word = text.substr(found.begin);
    if (found.begin == 0) {
        for (const CommandEntry& each : commands()) {
            std::string name(1, '.');
            name.append(each.name);
            if (begins(name, word)) found.candidates.push_back(std::move(name));
        }
    } else if (text.starts_with(".mode ")) {
        for (const std::string& each : mode_names()) {
            if (begins(each, word)) found.candidates.push_back(each);
        }
    } else {
        for (const std::string& each : names.tables) {
            if (begins(each, word)) found.candidates.push_back(each);
        }
    }
    return found;
}

}  // namespace

Completion complete(std::string_view text, const Names& names) {
    if (text.substr(0, 1) == ".") return complete_command(text, names);
    Completion found;
    found.begin = text.size();
    while (found.begin > 0 && is_word(text[found.begin - 1])) --found.begin;
    const std::string_view word = text.substr(found.begin);
    if (word.empty()) return found;
    const bool capitals = std::ranges::none_of(word, [](char c) { return c >= 'a' && c <= 'z'; });
    // After a dot only the name of a column makes sense.
    const bool column_only = found.begin > 0 && text[found.begin - 1] == '.';
    const auto offer_keyword = [&](std::string_view each) {
        if (begins(each, word)) found.candidates.push_back(spelled(each, capitals));
    };
    const auto offer_names = [&](const std::vector<std::string>& list) {
        for (const std::string& each : list) {
            if (begins(each, word)) found.candidates.push_back(as_name(each));
        }
    };
    offer_names(names.columns);
    if (!column_only) {
        offer_names(names.tables);
        std::ranges::for_each(kKeywords, offer_keyword);
    }
    std::ranges::sort(found.candidates);
    const auto again = std::ranges::unique(found.candidates);
    found.candidates.erase(again.begin(), again.end());
    return found;
}

std::string common_prefix(const std::vector<std::string>& candidates) {
    if (candidates.empty()) return {};
    std::string prefix = candidates.front();
    for (const std::string& each : candidates) {
        const auto [end, other] = std::ranges::mismatch(prefix, each);
        prefix.erase(end, prefix.end());
    }
    return prefix;
}

}  // namespace quorlite::shell
