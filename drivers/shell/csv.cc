#include "drivers/shell/csv.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "drivers/shell/limits.h"
#include "drivers/shell/output.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

constexpr int kEnd = std::char_traits<char>::eof();

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// x'0aff'
bool read_blob(std::string_view text, std::string& bytes) {
    if (text.size() < 3 || text.size() % 2 == 0 || (text[0] != 'x' && text[0] != 'X')) return false;
    if (text[1] != '\'' || text.back() != '\'') return false;
    bytes.clear();
    for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) return false;
        bytes += static_cast<char>(high * 16 + low);
    }
    return true;
}

bool read_number(std::string_view text, value_view& into) {
    const char* const end = text.data() + text.size();
    std::int64_t integer = 0;
    const auto whole = std::from_chars(text.data(), end, integer);
    if (whole.ec == std::errc() && whole.ptr == end) {
        into = value_view::of_integer(integer);
        return std::to_string(integer) == text;
    }
    double real = 0;
    const auto broken = std::from_chars(text.data(), end, real);
    if (broken.ptr != end) return false;
    if (broken.ec == std::errc::result_out_of_range) real = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    into = value_view::of_real(real);
    return sql_literal(into) == text;
}

}  // namespace

value_view value_of(const CsvField& field, bool numbers, std::string& bytes) {
    const value_view text = value_view::of_text(field.text);
    if (field.quoted) return text;
    if (field.text.empty()) return {};
    if (read_blob(field.text, bytes)) {
        return value_view::of_blob(std::as_bytes(std::span(bytes.data(), bytes.size())));
    }
    value_view number;
    return numbers && read_number(field.text, number) ? number : text;
}

int CsvReader::take() {
    const int c = in_.rdbuf()->sbumpc();
    if (c == kEnd) return c;
    ++bytes_;
    if (c == '\n') ++next_line_;
    return c;
}

// What is in quotes, after the first one.
bool CsvReader::quoted_part(CsvField& field) {
    field.quoted = true;
    while (true) {
        const int c = take();
        if (c == kEnd) return false;
        if (c == '"') {
            if (in_.rdbuf()->sgetc() != '"') return true;
            take();
        }
        field.text += static_cast<char>(c);
    }
}

bool CsvReader::next(std::vector<CsvField>& fields) {
    fields.clear();
    line_ = next_line_;
    const std::uint64_t begin = bytes_;
    if (in_.rdbuf()->sgetc() == kEnd) return false;
    fields.emplace_back();
    while (true) {
        CsvField& field = fields.back();
        const int c = take();
        if (bytes_ - begin > limits::kRecordBytesMax) {
            fail("line " + std::to_string(line_) + ": the record is longer than " +
                 size_text(limits::kRecordBytesMax) + ", or a quote is not closed");
        }
        if (c == kEnd || c == '\n') return true;
        if (c == '\r' && (in_.rdbuf()->sgetc() == '\n' || in_.rdbuf()->sgetc() == kEnd)) continue;
        if (c == ',') {
            fields.emplace_back();
        } else if (c == '"' && field.text.empty() && !field.quoted) {
            if (!quoted_part(field)) {
                fail("line " + std::to_string(line_) + ": a quote is not closed");
            }
        } else {
            field.text += static_cast<char>(c);
            if (bytes_ == 3 && field.text == "\xef\xbb\xbf") field.text.clear();
        }
    }
}

}  // namespace quorlite::shell
