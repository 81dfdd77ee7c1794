// Values and names as SQL writes them: what SQLite reads back is the same, to the byte.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorlite/value.h"

namespace quorlite::core {

// Without surrogates and overlong forms.
bool is_utf8(std::string_view text);

std::string sql_text(std::string_view text);  // 'it''s', whatever is in it
std::string sql_name(std::string_view name);  // "name", quoted always
std::vector<std::string> sql_names(const std::vector<std::string>& names);
std::string joined(const std::vector<std::string>& parts, std::string_view separator);
std::string real_text(double number);  // the shortest that reads back the same; Inf, NaN

// As quote() of SQLite has it, where that is exact. A text that would not pass through a file of
// SQL unharmed (with a zero byte, with a carriage return, or not UTF-8) is written as its bytes.
std::string sql_literal(const value_view& value);
// `insert` and a row: INSERT INTO "t" VALUES(1,'a');
std::string insert_statement(std::string_view insert, std::span<const value_view> row);

}  // namespace quorlite::core
