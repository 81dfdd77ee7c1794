#include "engine/disk/batch.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "wire/base/crc32c.h"

namespace quorlite::disk {
namespace {

constexpr std::uint32_t kHeadMark =
    0x484c5101;  // a header starts in this block; the low byte: version
constexpr std::uint32_t kBodyMark = 0x424c5101;  // the block before goes on here
constexpr std::size_t kMarkBytes = 4;

// After the mark: checksum 4, flags 4, body checksum 4, segment 8, offset 8, sequence 8, previous
// end 8, first 8, count 4, body bytes 4, previous checksum 4.
constexpr std::size_t kHeaderBytes = 68;
constexpr std::size_t kChecksummedFrom = kMarkBytes + 4;
constexpr std::uint32_t kFlagReset = 1;
constexpr std::size_t kEntryHeaderBytes = 13;  // term 8, payload bytes 4, kind 1

constexpr std::size_t kFirstCapacity = kDiskBlock - kHeaderBytes;
constexpr std::size_t kNextCapacity = kDiskBlock - kMarkBytes;

// Copies between a batch's body and its blocks, stepping over the marks.
class BodyCursor {
public:
    // The next stretch inside one block, at most `wanted` bytes: where it starts, and how long it
    // is.
    std::pair<std::size_t, std::size_t> take(std::size_t wanted) {
        if (position_ % kDiskBlock == 0) position_ += kMarkBytes;
        const std::size_t left = kDiskBlock - position_ % kDiskBlock;
        const std::pair stretch(position_, std::min(wanted, left));
        position_ += stretch.second;
        return stretch;
    }

private:
    std::size_t position_ = kHeaderBytes;
};

class BodyWriter {
public:
    explicit BodyWriter(BlockBuffer& buffer) : buffer_(buffer) {}

    void write(ByteView bytes) {
        while (!bytes.empty()) {
            const auto [at, count] = cursor_.take(bytes.size());
            std::memcpy(buffer_.data() + at, bytes.data(), count);
            bytes = bytes.subspan(count);
        }
    }

private:
    BlockBuffer& buffer_;
    BodyCursor cursor_;
};

class BodyReader {
public:
    BodyReader(ByteView batch, std::size_t body_bytes) : batch_(batch), remaining_(body_bytes) {}

    std::size_t remaining() const { return remaining_; }

    // False if there is less left than asked for.
    bool read(std::span<std::uint8_t> into) {
        if (into.size() > remaining_) return false;
        remaining_ -= into.size();
        while (!into.empty()) {
            const auto [at, count] = cursor_.take(into.size());
            std::memcpy(into.data(), batch_.data() + at, count);
            into = into.subspan(count);
        }
        return true;
    }

private:
    ByteView batch_;
    std::size_t remaining_;
    BodyCursor cursor_;
};

bool known_kind(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(raft::EntryKind::kNoOp) &&
           kind <= static_cast<std::uint8_t>(raft::EntryKind::kConfiguration);
}

void store_header(std::uint8_t* to, BatchHeader& header) {
    Bytes bytes;
    bytes.reserve(kHeaderBytes);
    ByteWriter out(bytes);
    out.u32(kHeadMark);
    out.u32(0);  // the checksum, below
    out.u32(header.reset ? kFlagReset : 0);
    out.u32(header.body_checksum);
    out.u64(header.segment);
    out.u64(header.offset);
    out.u64(header.sequence);
    out.u64(header.previous_end);
    out.u64(header.first.value());
    out.u32(header.count);
    out.u32(header.body_bytes);
    out.u32(header.previous_checksum);
    QUORLITE_CHECK(bytes.size() == kHeaderBytes);
    header.checksum = crc32c(ByteView(bytes).subspan(kChecksummedFrom));
    out.patch(kMarkBytes, header.checksum);
    std::memcpy(to, bytes.data(), bytes.size());
}

std::optional<raft::Entry> read_entry(BodyReader& body, Index index) {
    std::uint8_t head[kEntryHeaderBytes];
    if (!body.read(head)) return std::nullopt;
    const std::uint32_t payload_bytes = load_little<std::uint32_t>(head + 8);
    if (payload_bytes > body.remaining() || !known_kind(head[12])) return std::nullopt;
    Bytes payload(payload_bytes);
    if (!body.read(payload)) return std::nullopt;
    return raft::Entry{.term = Term(load_little<std::uint64_t>(head)),
                       .index = index,
                       .kind = static_cast<raft::EntryKind>(head[12]),
                       .payload = std::make_shared<const Bytes>(std::move(payload))};
}

// Notes the headers from `from` on that come later in the sequence than `sequence`.
void look_beyond(ByteView image, std::uint64_t segment, std::uint64_t from, std::uint64_t sequence,
                 SegmentScan& scan) {
    for (std::uint64_t at = from; at + kDiskBlock <= image.size(); at += kDiskBlock) {
        const auto header = decode_header(image.subspan(at), segment, at);
        if (!header || header->sequence <= sequence) continue;
        if (!scan.later) scan.later.emplace();
        scan.later->add(*header);
        scan.written_end = std::max(scan.written_end, at + header->bytes());
    }
}

}  // namespace

std::uint64_t BatchHeader::bytes() const {
    return batch_bytes(body_bytes);
}

std::uint64_t encoded_bytes(const raft::Entry& entry) {
    return kEntryHeaderBytes + entry.size();
}

std::uint64_t batch_bytes(std::uint64_t body_bytes) {
    if (body_bytes <= kFirstCapacity) return kDiskBlock;
    const std::uint64_t rest = body_bytes - kFirstCapacity;
    return kDiskBlock * (1 + (rest + kNextCapacity - 1) / kNextCapacity);
}

BlockBuffer encode_batch(BatchHeader& header, std::span<const raft::Entry> entries) {
    std::uint64_t body_bytes = 0;
    for (const raft::Entry& entry : entries) body_bytes += encoded_bytes(entry);
    QUORLITE_CHECK(body_bytes <= UINT32_MAX);
    header.count = static_cast<std::uint32_t>(entries.size());
    header.body_bytes = static_cast<std::uint32_t>(body_bytes);

    BlockBuffer buffer(header.bytes());
    for (std::size_t at = kDiskBlock; at < buffer.size(); at += kDiskBlock) {
        store_little(buffer.data() + at, kBodyMark);
    }
    BodyWriter body(buffer);
    for (const raft::Entry& entry : entries) {
        std::uint8_t head[kEntryHeaderBytes];
        store_little(head, entry.term.value());
        store_little(head + 8, static_cast<std::uint32_t>(entry.size()));
        head[12] = static_cast<std::uint8_t>(entry.kind);
        body.write(head);
        body.write(*entry.payload);
    }
    header.body_checksum = crc32c(buffer.view().subspan(kHeaderBytes));
    store_header(buffer.data(), header);
    return buffer;
}

std::optional<BatchHeader> decode_header(ByteView block, std::uint64_t segment,
                                         std::uint64_t offset) {
    if (block.size() < kDiskBlock) return std::nullopt;
    ByteReader in(block.first(kHeaderBytes));
    if (in.u32() != kHeadMark) return std::nullopt;
    BatchHeader header;
    header.checksum = in.u32();
    if (header.checksum != crc32c(block.first(kHeaderBytes).subspan(kChecksummedFrom))) {
        return std::nullopt;
    }
    const std::uint32_t flags = in.u32();
    header.reset = (flags & kFlagReset) != 0;
    header.body_checksum = in.u32();
    header.segment = in.u64();
    header.offset = in.u64();
    header.sequence = in.u64();
    header.previous_end = in.u64();
    header.first = Index(in.u64());
    header.count = in.u32();
    header.body_bytes = in.u32();
    header.previous_checksum = in.u32();
    const bool sane = (flags & ~kFlagReset) == 0 && header.first &&
                      header.first.value() <= UINT64_MAX - header.count &&
                      (header.count > 0 || header.reset) &&
                      header.body_bytes / kEntryHeaderBytes >= header.count;
    if (!sane || header.segment != segment || header.offset != offset) return std::nullopt;
    return header;
}

std::optional<std::vector<raft::Entry>> decode_entries(const BatchHeader& header, ByteView batch) {
    if (batch.size() != header.bytes()) return std::nullopt;
    if (crc32c(batch.subspan(kHeaderBytes)) != header.body_checksum) return std::nullopt;
    BodyReader body(batch, header.body_bytes);
    std::vector<raft::Entry> entries;
    entries.reserve(header.count);
    for (std::uint32_t i = 0; i < header.count; ++i) {
        auto entry = read_entry(body, header.first.plus(i));
        if (!entry) return std::nullopt;
        entries.push_back(*std::move(entry));
    }
    if (body.remaining() != 0) return std::nullopt;
    return entries;
}

void Traces::add(const BatchHeader& header) {
    add({.sequence = header.sequence,
         .last = header.last(),
         .replaced_from = header.reset ? Index(1) : header.first});
}

void Traces::add(const Traces& other) {
    sequence = std::max(sequence, other.sequence);
    last = std::max(last, other.last);
    replaced_from =
        replaced_from ? std::min(replaced_from, other.replaced_from) : other.replaced_from;
}

SegmentScan scan_segment(ByteView image, std::uint64_t segment) {
    SegmentScan scan;
    const BatchHeader* last = nullptr;
    while (true) {
        const ByteView rest = image.subspan(scan.end);
        const auto header = decode_header(rest, segment, scan.end);
        if (!header || header->bytes() > rest.size() || !continues(*header, last)) break;
        auto entries = decode_entries(*header, rest.first(header->bytes()));
        if (!entries) break;
        scan.end += header->bytes();
        scan.batches.push_back({*header, *std::move(entries)});
        last = &scan.batches.back().header;
    }
    scan.written_end = scan.end;
    // The batch that belongs at the end may have been torn there. Any later one was begun only when
    // that was durable.
    if (last != nullptr) {
        look_beyond(image, segment, scan.end, last->sequence + 1, scan);
    } else {
        scan.torn_head = decode_header(image, segment, 0);
        look_beyond(image, segment, kDiskBlock, 0, scan);
    }
    return scan;
}

bool continues(const BatchHeader& header, const BatchHeader* before) {
    if (before == nullptr) return true;
    return header.sequence == before->sequence + 1 &&
           header.previous_checksum == before->checksum &&
           (header.reset || header.first <= before->last().next());
}

}  // namespace quorlite::disk
