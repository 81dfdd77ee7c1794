// Base file: the plain SQLite file of one database, "databases/N.db", and beside it a checksum of
// each page, "databases/N.sums", so that what a disk changed by itself is noticed when it is read.
//
// Both are written by flushes and become durable together, with sync(). A crash in between leaves
// pages and checksums that need not match; the manifest knows of it, and such a file is opened as
// not exact: nothing is checked until the next sync(), by which all that was under way has been
// written again (see flush.h).
//
// The checksums, little-endian CRC-32C from page 1 on, are in memory too: a thousandth of the file.
// 0 is the checksum of a page that was never written, and is not checked.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/disk.h"

namespace quorlite::database {

inline constexpr std::string_view kDatabasesDirectory = "databases";

std::string base_file_name(std::uint64_t number);
std::string sums_file_name(std::uint64_t number);

// Reading is for any thread and fails with code::kCorrupt, naming the page, where it does not
// match; writing is for one thread at a time, in whole pages.
Result<std::unique_ptr<File>> create_base_file(Disk& disk, std::uint64_t number);
Result<std::unique_ptr<File>> open_base_file(Disk& disk, std::uint64_t number, bool exact);

}  // namespace quorlite::database
