// Golden files: texts under tests/*/golden that say how something looks from outside, so that a
// change of it shows as a diff.
//
// With QUORLITE_REWRITE in the environment a file is written instead of compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace quorlite::test {

std::string read_file(const std::filesystem::path& file);  // empty if there is none

// The lines that differ, without those that are equal before and behind them, and shortened; empty
// if the texts are equal.
std::string difference(std::string_view expected, std::string_view found);

// Empty if the file holds `text`; else what differs, and how the file is rewritten.
std::string golden_mismatch(const std::filesystem::path& file, std::string_view text);

// 16 bytes a line, with their offset and as text. Of lines that repeat the one before, "*" is left;
// the last line is the length.
std::string hex_dump(std::span<const std::uint8_t> bytes);

}  // namespace quorlite::test
