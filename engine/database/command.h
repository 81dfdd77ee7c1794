// Commands: what a committed transaction looks like in the log. spec/commands.md describes the
// bytes.
//
// Per page a command holds the byte ranges that differ from the page before the transaction, or
// from zeros if the page did not exist. The bytes are absolute, so applying a sequence of commands
// twice, in order, gives the same pages as applying it once; that is what repairs a torn flush.
//
// A transaction larger than the limit becomes several commands, `first` to `last`. They take effect
// together, with the last one.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/database/pages.h"

namespace quorlite::database {

inline constexpr std::uint8_t kCommandVersion = 1;
inline constexpr std::size_t kDatabaseNameBytesMax = 504;
// What one page can add to a command: all of it, its number, and its ranges' heads at their worst.
inline constexpr std::size_t kPagePatchBytesMax = kPageSize + 1024;

struct CommandHeader {
    bool first = true;
    bool last = true;
    std::string_view database;
    PageNumber floor = 1;       // smallest size that the transaction gave the database, in pages
    PageNumber page_count = 1;  // its size afterwards
};

class CommandEncoder {
public:
    // `floor` and `page_count` as in the header.
    CommandEncoder(std::string_view database, PageNumber floor, PageNumber page_count,
                   std::size_t command_bytes_max);

    // Pages in ascending order. No `before`: the page is new.
    void add(PageNumber page, const std::uint8_t* before, const std::uint8_t* after);
    std::vector<SharedBytes> finish();

private:
    void start(bool first);

    CommandHeader header_;
    std::size_t bytes_max_;
    std::vector<std::shared_ptr<Bytes>> commands_;
    PageNumber previous_page_ = 0;
};

// Reads a command front to back. Every function returns false when the bytes are malformed, and
// then failed() is true; next_page() also at the end.
class CommandReader {
public:
    explicit CommandReader(ByteView command) : in_(command) {}

    struct Page {
        PageNumber number = 0;
        bool from_zero = false;
        std::uint64_t ranges = 0;
    };
    struct Range {
        std::size_t offset = 0;
        ByteView bytes;
    };

    bool header(CommandHeader& header);
    bool next_page(Page& page);
    bool next_range(Range& range);  // to be called page.ranges times
    bool failed() const { return in_.failed(); }

private:
    std::uint64_t varint();

    ByteReader in_;
    PageNumber page_count_ = 0;
    PageNumber page_ = 0;
    std::size_t offset_ = 0;  // within the page, behind the last range
};

// The header, if the whole command is well formed.
std::optional<CommandHeader> validate_command(ByteView command);

// Puts the pages of a command in their places. The store has the size that the header says already.
// An error: the command is malformed, or a page cannot be read.
Status patch_pages(PageStore& pages, ByteView command);

}  // namespace quorlite::database
