#include "drivers/shell/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cwchar>
#include <nlohmann/json.hpp>

namespace quorlite::shell {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string hexadecimal(std::string_view bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string digits;
    digits.reserve(2 * bytes.size());
    for (const char c : bytes) {
        digits += kDigits[static_cast<unsigned char>(c) >> 4];
        digits += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return digits;
}

std::string in_quotes(std::string_view text, char quote) {
    std::string out(1, quote);
    for (const char c : text) {
        out += c;
        if (c == quote) out += c;
    }
    return out += quote;
}

bool is_text(value_type type) {
    return type == value_type::text || type == value_type::iso8601;
}

std::string formatted(const char* format, double number, const char* unit) {
    std::array<char, 64> out;
    const int size = std::snprintf(out.data(), out.size(), format, number, unit);
    return {out.data(), static_cast<std::size_t>(size)};
}

// A text that without quotes would be read as something else.
bool looks_like_a_literal(std::string_view text) {
    if (text.empty() || text.find_first_of(" \t") == 0) return true;
    const char first = text[0];
    return (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.' ||
           text.substr(0, 2) == "x'" || text.substr(0, 2) == "X'";
}

}  // namespace

bool same_word(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n\f\v";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    std::mbstate_t state = {};
    while (!text.empty()) {
        wchar_t wide = 0;
        const std::size_t bytes = std::mbrtowc(&wide, text.data(), text.size(), &state);
        const bool whole = bytes > 0 && bytes <= text.size();
        if (!whole) state = {};
        const int columns = whole ? ::wcwidth(wide) : 1;
        width += static_cast<std::size_t>(std::max(columns, 0));
        text.remove_prefix(whole ? bytes : 1);
    }
    return width;
}

std::string plain(const value_view& value, std::string_view null_text) {
    if (value.is_null()) return std::string(null_text);
    if (value.type() == value_type::real) return real_text(value.real());
    if (value.type() == value_type::blob)
        return std::string("x'").append(hexadecimal(value.text())).append("'");
    if (is_text(value.type())) return std::string(value.text());
    return std::to_string(value.integer());
}

std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : harmless(text)) {
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else {
            out += c;
        }
    }
    return out;
}

std::string harmless(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const auto byte = static_cast<unsigned char>(c);
        // U+0080 to U+009F in UTF-8.
        const bool wide = byte == 0xc2 && i + 1 < text.size() &&
                          (static_cast<unsigned char>(text[i + 1]) & 0xe0) == 0x80;
        if (c == '\r') {
            out += "\\r";
        } else if (wide) {
            out.append("\\x").append(hexadecimal(text.substr(++i, 1)));
        } else if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) {
            out.append("\\x").append(hexadecimal(std::string_view(&c, 1)));
        } else {
            out += c;
        }
    }
    return out;
}

std::string json_text(std::string_view text) {
    using nlohmann::json;
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string json_literal(const value_view& value) {
    if (value.is_null()) return "null";
    if (is_text(value.type())) return json_text(value.text());
    if (value.type() == value_type::blob) return in_quotes(hexadecimal(value.text()), '"');
    if (value.type() == value_type::real && !std::isfinite(value.real())) {
        return value.real() > 0 ? "1e999" : "-1e999";
    }
    return plain(value, "null");
}

std::string csv_text(std::string_view text) {
    const bool plain_text = text.find_first_of("\",\r\n") == std::string_view::npos;
    return plain_text && !looks_like_a_literal(text) ? std::string(text) : in_quotes(text, '"');
}

std::string csv_literal(const value_view& value) {
    if (value.is_null()) return {};
    if (is_text(value.type())) return csv_text(value.text());
    return value.type() == value_type::blob ? plain(value, {}) : sql_literal(value);
}

std::string size_text(double bytes) {
    static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < kUnits.size()) {
        bytes /= 1024;
        ++unit;
    }
    return formatted(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
}

std::string count_text(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
    return digits;
}

std::string seconds_text(double seconds) {
    if (seconds < 0.0995) return formatted("%.2f %s", seconds * 1000, "ms");
    if (seconds < 10) return formatted("%.2f %s", seconds, "s");
    if (seconds < 60) return formatted("%.0f %s", seconds, "s");
    const auto whole = static_cast<std::uint64_t>(std::min(seconds, 1e9));
    if (whole < 3600) {
        return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
    }
    return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

}  // namespace quorlite::shell
