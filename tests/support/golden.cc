#include "tests/support/golden.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace quorlite::test {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view text) {
    Lines lines;
    std::istringstream stream{std::string(text)};
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    if (text.empty() || text.back() != '\n') lines.push_back("(no newline at the end)");
    return lines;
}

std::string shown(const char* mark, Lines::const_iterator from, Lines::const_iterator end) {
    constexpr std::ptrdiff_t kLinesMax = 8;
    std::string text;
    for (auto line = from; line != end && line - from < kLinesMax; ++line) {
        text += mark + *line + "\n";
    }
    const std::ptrdiff_t more = end - from - kLinesMax;
    if (more > 0) text += mark + ("... and " + std::to_string(more) + " more\n");
    return text;
}

}  // namespace

std::string read_file(const std::filesystem::path& file) {
    std::ostringstream text;
    std::ifstream stream(file, std::ios::binary);
    if (stream.peek() != std::ifstream::traits_type::eof()) text << stream.rdbuf();
    return text.str();
}

std::string difference(std::string_view expected, std::string_view found) {
    if (expected == found) return "";
    const Lines before = lines_of(expected);
    const Lines after = lines_of(found);
    const auto [old_from, new_from] =
        std::mismatch(before.begin(), before.end(), after.begin(), after.end());
    auto old_end = before.end();
    auto new_end = after.end();
    while (old_end != old_from && new_end != new_from && *(old_end - 1) == *(new_end - 1)) {
        --old_end;
        --new_end;
    }
    return "line " + std::to_string(old_from - before.begin() + 1) + ":\n" +
           shown("- ", old_from, old_end) + shown("+ ", new_from, new_end);
}

std::string golden_mismatch(const std::filesystem::path& file, std::string_view text) {
    if (std::getenv("QUORLITE_REWRITE") != nullptr) {
        std::ofstream stream(file, std::ios::binary);
        stream << text;
        stream.close();
        return stream ? "" : "cannot write " + file.string();
    }
    const std::string differs = difference(read_file(file), text);
    if (differs.empty()) return "";
    return file.string() + " differs in " + differs +
           "if that is meant, run this test with QUORLITE_REWRITE=1 and read the diff\n";
}

std::string hex_dump(std::span<const std::uint8_t> bytes) {
    constexpr std::size_t kLine = 16;
    constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    std::string before;
    bool repeats = false;
    char offset[20];
    for (std::size_t at = 0; at < bytes.size(); at += kLine) {
        std::string hex;
        std::string letters;
        for (const std::uint8_t byte : bytes.subspan(at, std::min(kLine, bytes.size() - at))) {
            hex += std::string{' ', kHex[byte >> 4], kHex[byte & 15]};
            letters += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '.';
        }
        hex.resize(3 * kLine, ' ');
        if (std::exchange(before, hex + letters) == hex + letters) {
            text += repeats ? "" : "*\n";
            repeats = true;
            continue;
        }
        repeats = false;
        std::snprintf(offset, sizeof offset, "%06zx", at);
        text += offset + hex + "  " + letters + "\n";
    }
    std::snprintf(offset, sizeof offset, "%06zx\n", bytes.size());
    return text + offset;
}

}  // namespace quorlite::test
