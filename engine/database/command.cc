#include "engine/database/command.h"

#include <bit>

#include "engine/base/check.h"

namespace quorlite::database {
namespace {

static_assert(std::endian::native == std::endian::little, "ranges are found by words");

constexpr std::uint8_t kFirstFlag = 1;
constexpr std::uint8_t kLastFlag = 2;
constexpr std::size_t kFlagsOffset = 1;
constexpr int kVarintBitsMax = 64;
// Equal bytes between two differences that are cheaper to send than another range's head.
constexpr std::size_t kGapBytesMax = 8;

void put_varint(Bytes& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<std::uint8_t>(value));
}

struct ByteRange {
    std::uint16_t begin;
    std::uint16_t end;
};
// Ranges are further apart than the gap, so a page cannot have more than this many.
constexpr std::size_t kRangesMax = kPageSize / (kGapBytesMax + 1) + 1;

std::uint64_t word_at(const std::uint8_t* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// The differences between two pages, merged where they are close. Skips equal stretches 64 bytes at
// a time.
class PageDifference {
public:
    void compare(const std::uint8_t* before, const std::uint8_t* after) {
        constexpr std::size_t kStretch = 64;
        for (std::size_t at = 0; at < kPageSize; at += kStretch) {
            std::uint64_t different = 0;
            for (std::size_t i = 0; i < kStretch; i += sizeof(std::uint64_t)) {
                different |= word_at(before + at + i) ^ word_at(after + at + i);
            }
            if (different == 0) continue;
            for (std::size_t i = at; i < at + kStretch; i += sizeof(std::uint64_t)) {
                add_word(i, word_at(before + i) ^ word_at(after + i));
            }
        }
    }
    std::size_t size() const { return count_; }
    const ByteRange& operator[](std::size_t i) const { return ranges_[i]; }

private:
    void add_word(std::size_t at, std::uint64_t different) {
        if (different == 0) return;
        const std::size_t begin = at + static_cast<std::size_t>(std::countr_zero(different)) / 8;
        const std::size_t end = at + 8 - static_cast<std::size_t>(std::countl_zero(different)) / 8;
        if (count_ > 0 && begin <= ranges_[count_ - 1].end + kGapBytesMax) {
            ranges_[count_ - 1].end = static_cast<std::uint16_t>(end);
        } else {
            ranges_[count_++] = {static_cast<std::uint16_t>(begin),
                                 static_cast<std::uint16_t>(end)};
        }
    }

    std::size_t count_ = 0;
    std::array<ByteRange, kRangesMax> ranges_;
};

constexpr std::array<std::uint8_t, kPageSize> kZeros{};

}  // namespace

CommandEncoder::CommandEncoder(std::string_view database, PageNumber floor, PageNumber page_count,
                               std::size_t command_bytes_max)
    : header_{true, true, database, floor, page_count}, bytes_max_(command_bytes_max) {
    start(true);
}

void CommandEncoder::start(bool first) {
    auto command = std::make_shared<Bytes>();
    command->reserve(256);
    command->push_back(kCommandVersion);
    command->push_back(first ? kFirstFlag : 0);
    put_varint(*command, header_.database.size());
    const ByteView name = as_bytes(header_.database);
    command->insert(command->end(), name.begin(), name.end());
    put_varint(*command, header_.floor);
    put_varint(*command, header_.page_count);
    commands_.push_back(std::move(command));
    previous_page_ = 0;
}

void CommandEncoder::add(PageNumber page, const std::uint8_t* before, const std::uint8_t* after) {
    QUORLITE_CHECK(page > previous_page_ && page <= header_.page_count);
    PageDifference difference;
    difference.compare(before != nullptr ? before : kZeros.data(), after);
    const bool from_zero = before == nullptr;
    if (difference.size() == 0 && !from_zero) return;
    if (commands_.back()->size() + kPagePatchBytesMax > bytes_max_ && previous_page_ != 0) {
        start(false);
    }
    Bytes& out = *commands_.back();
    put_varint(out, page - previous_page_);
    put_varint(out, difference.size() << 1 | (from_zero ? 1 : 0));
    previous_page_ = page;
    std::size_t position = 0;
    for (std::size_t i = 0; i < difference.size(); ++i) {
        const ByteRange range = difference[i];
        put_varint(out, range.begin - position);
        put_varint(out, static_cast<std::uint64_t>(range.end - range.begin));
        out.insert(out.end(), after + range.begin, after + range.end);
        position = range.end;
    }
}

std::vector<SharedBytes> CommandEncoder::finish() {
    (*commands_.back())[kFlagsOffset] |= kLastFlag;
    return {commands_.begin(), commands_.end()};
}

std::uint64_t CommandReader::varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < kVarintBitsMax; shift += 7) {
        const std::uint8_t byte = in_.u8();
        value |= std::uint64_t{byte & 0x7fu} << shift;
        if ((byte & 0x80) == 0) return value;
    }
    in_.fail();
    return 0;
}

bool CommandReader::header(CommandHeader& header) {
    if (in_.u8() != kCommandVersion) in_.fail();
    const std::uint8_t flags = in_.u8();
    if (flags > (kFirstFlag | kLastFlag)) in_.fail();
    const std::uint64_t name_bytes = varint();
    if (name_bytes == 0 || name_bytes > kDatabaseNameBytesMax) in_.fail();
    header.database = as_text(in_.take(name_bytes));
    const std::uint64_t floor = varint();
    const std::uint64_t page_count = varint();
    if (floor < 1 || floor > page_count || page_count > kPageCountMax) in_.fail();
    if (in_.failed()) return false;
    header.first = (flags & kFirstFlag) != 0;
    header.last = (flags & kLastFlag) != 0;
    header.floor = static_cast<PageNumber>(floor);
    page_count_ = header.page_count = static_cast<PageNumber>(page_count);
    return true;
}

bool CommandReader::next_page(Page& page) {
    if (in_.failed() || in_.remaining() == 0) return false;
    const std::uint64_t step = varint();
    const std::uint64_t kind = varint();
    if (step == 0 || step > page_count_ - page_) in_.fail();
    if (in_.failed()) return false;
    page_ += static_cast<PageNumber>(step);
    offset_ = 0;
    page = {page_, (kind & 1) != 0, kind >> 1};
    return true;
}

bool CommandReader::next_range(Range& range) {
    const std::uint64_t gap = varint();
    const std::uint64_t length = varint();
    if (gap > kPageSize - offset_ || length == 0 || length > kPageSize - offset_ - gap) in_.fail();
    range.bytes = in_.take(length);
    if (in_.failed()) return false;
    range.offset = offset_ + static_cast<std::size_t>(gap);
    offset_ = range.offset + range.bytes.size();
    return true;
}

std::optional<CommandHeader> validate_command(ByteView command) {
    CommandReader reader(command);
    CommandHeader header;
    if (!reader.header(header)) return std::nullopt;
    CommandReader::Page page;
    while (reader.next_page(page)) {
        CommandReader::Range range;
        for (std::uint64_t i = 0; i < page.ranges; ++i) {
            if (!reader.next_range(range)) return std::nullopt;
        }
    }
    if (reader.failed()) return std::nullopt;
    return header;
}

Status patch_pages(PageStore& pages, ByteView command) {
    const Error malformed{code::kCorrupt, "malformed command"};
    CommandReader reader(command);
    CommandHeader header;
    if (!reader.header(header)) return malformed;
    const PageNumber page_count = pages.page_count();
    CommandReader::Page page;
    while (reader.next_page(page)) {
        if (page.number > page_count) return malformed;
        auto bytes = pages.writable(page.number, page.from_zero);
        if (!bytes) return std::move(bytes).error();
        for (std::uint64_t i = 0; i < page.ranges; ++i) {
            CommandReader::Range range;
            if (!reader.next_range(range)) return malformed;
            std::memcpy(bytes->data() + range.offset, range.bytes.data(), range.bytes.size());
        }
    }
    return reader.failed() ? Status(malformed) : Status();
}

}  // namespace quorlite::database
