// Base file: the plain SQLite file of one database, "databases/N.db", and beside it a checksum of
// each page, "databases/N.sums", so that what a disk changed by itself is noticed when it is read.
//
// Both are written by flushes and become durable together, with sync(). A crash in between leaves
// pages and checksums that need not match; the manifest knows of it, and such a file is opened as
// not exact: nothing is checked until applying the log has shown which pages these may be; and
// those are not checked before the next sync(), by which they have been written again (see
// flush.h).
//
// The checksums, little-endian CRC-32C from page 1 on, are in memory too: a thousandth of the file.
// 0 is the checksum of a page that was never written, and is not checked.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/disk.h"
#include "engine/database/pages.h"

namespace quorlite::database {

inline constexpr std::string_view kDatabasesDirectory = "databases";

std::string base_file_name(std::uint64_t number);
std::string sums_file_name(std::uint64_t number);

// Reading is for any thread and fails with code::kCorrupt, naming the page, where it does not
// match; writing is for one thread at a time, in whole pages.
class BaseFile : public File {
public:
    // Any thread. `bytes` is another node's copy of a page that could not be read. Two of page,
    // checksum and copy must agree: a copy that matches the checksum replaces the page; a page that
    // equals the copy gets its checksum anew, unless the copy may be `older` than the file. True if
    // the page can be read afterwards.
    virtual Result<bool> repair(PageNumber page, ConstPageBytes bytes, bool older) = 0;

    // Of a file that was not exact: what the interrupted flush wrote is in `redone`, a layer above
    // this file, so nobody reads it here any more; all else is checked from now on.
    virtual void check_all_but(const Layer& redone) = 0;

    // Runs on any thread that could not read a page, for each that it wanted and that is damaged.
    // To be set before anyone reads.
    std::function<void(PageNumber)> on_damage;
};

Result<std::unique_ptr<BaseFile>> create_base_file(Disk& disk, std::uint64_t number);
Result<std::unique_ptr<BaseFile>> open_base_file(Disk& disk, std::uint64_t number, bool exact);

}  // namespace quorlite::database
