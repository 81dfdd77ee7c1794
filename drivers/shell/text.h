// Texts: how values and names are written, for people, for SQL, for JSON and for CSV.
//
// The literals of SQL, JSON and CSV lose nothing, with one exception: JSON has no blobs, and gets
// their hexadecimal digits as a text. In CSV a field in quotes is a text; without quotes nothing is
// NULL, x'0aff' is a blob, and a number is a number: any reader of CSV takes it, and import.h reads
// back exactly what was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drivers/core/literals.h"
#include "quorlite/value.h"

namespace quorlite::shell {

using core::real_text;
using core::sql_literal;
using core::sql_name;
using core::sql_names;
using core::sql_text;

bool same_word(std::string_view left, std::string_view right);  // but for the case of ASCII letters
std::string_view trimmed(std::string_view text);
using core::joined;

// Columns of a terminal that the text takes, in the encoding of the locale; bytes that are no text
// count one each.
std::size_t display_width(std::string_view text);

// As people read it: blobs as x'0aff', reals in the shortest way that reads back the same.
std::string plain(const value_view& value, std::string_view null_text);
// The same in one line: control characters in the notation of C.
std::string one_line(std::string_view text);
// The same, but for ends of lines and tabs: nothing in it moves a terminal.
std::string harmless(std::string_view text);

std::string json_text(std::string_view text);
std::string json_literal(const value_view& value);

std::string csv_text(std::string_view text);  // in quotes only where it must be
std::string csv_literal(const value_view& value);

// "12.3 MiB", "1,234,567", "3 min 20 s"
std::string size_text(double bytes);
std::string count_text(std::uint64_t number);
std::string seconds_text(double seconds);

}  // namespace quorlite::shell
