#include "drivers/core/literals.h"

#include <array>
#include <charconv>
#include <cmath>

namespace quorlite::core {
namespace {

std::string in_quotes(std::string_view text, char quote) {
    std::string out(1, quote);
    out.reserve(text.size() + 2);
    for (const char c : text) {
        out += c;
        if (c == quote) out += c;
    }
    return out += quote;
}

std::string blob_literal(std::string_view bytes) {
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out = "X'";
    out.reserve(2 * bytes.size() + 3);
    for (const char c : bytes) {
        out += kDigits[static_cast<unsigned char>(c) >> 4];
        out += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return out += '\'';
}

std::string text_literal(std::string_view text) {
    // The program sqlite3 takes the carriage return away where a line ends with it.
    constexpr std::string_view kHarmed("\0\r", 2);
    if (text.find_first_of(kHarmed) == std::string_view::npos && is_utf8(text)) {
        return sql_text(text);
    }
    return "CAST(" + blob_literal(text) + " AS TEXT)";
}

}  // namespace

bool is_utf8(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t at = 0; at < text.size();) {
        const unsigned first = byte(at);
        if (first < 0x80) {
            ++at;
            continue;
        }
        const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || text.size() - at <= more) return false;
        unsigned point = first & (0x3FU >> more);
        for (std::size_t i = 1; i <= more; ++i) {
            if ((byte(at + i) & 0xC0U) != 0x80) return false;
            point = point << 6 | (byte(at + i) & 0x3FU);
        }
        const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (surrogate || point > 0x10FFFF) return false;
        if ((more == 2 && point < 0x800) || (more == 3 && point < 0x10000)) return false;
        at += more + 1;
    }
    return true;
}

std::string sql_text(std::string_view text) {
    return in_quotes(text, '\'');
}

std::string sql_name(std::string_view name) {
    return in_quotes(name, '"');
}

std::vector<std::string> sql_names(const std::vector<std::string>& names) {
    std::vector<std::string> quoted;
    quoted.reserve(names.size());
    for (const std::string& each : names) quoted.push_back(sql_name(each));
    return quoted;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const std::string& each : parts) {
        if (&each != &parts.front()) out += separator;
        out += each;
    }
    return out;
}

std::string real_text(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Inf" : "-Inf";
    std::array<char, 32> out;
    const auto end = std::to_chars(out.data(), out.data() + out.size(), number).ptr;
    std::string text(out.data(), end);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

std::string sql_literal(const value_view& value) {
    switch (value.type()) {
        case value_type::null:
            return "NULL";
        case value_type::real:
            if (std::isinf(value.real())) return value.real() > 0 ? "9.0e999" : "-9.0e999";
            return real_text(value.real());
        case value_type::text:
        case value_type::iso8601:
            return text_literal(value.text());
        case value_type::blob:
            return blob_literal(value.text());
        case value_type::integer:
        case value_type::unix_time:
        case value_type::boolean:
            break;
    }
    return std::to_string(value.integer());
}

std::string insert_statement(std::string_view insert, std::span<const value_view> row) {
    std::string line(insert);
    char before = '(';
    for (const value_view& each : row) {
        line.append(1, before).append(sql_literal(each));
        before = ',';
    }
    return line += ");";
}

}  // namespace quorlite::core
