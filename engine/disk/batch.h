// The log's format on disk: batches, and the scan of a segment.
//
// A batch is what one write puts into a segment: a header and entries, in whole blocks. Each block
// begins with a mark that says whether a header starts there, so nothing that a client stores in an
// entry can ever be taken for a header, wherever a torn or recycled write has left it. A header
// names the place it was written for, its number in the log's one sequence, and the checksum of the
// header before it.
//
// Pure functions over bytes: they trust nothing they are given. spec/disk-format.md says what the
// fields are for and what a crash may leave.
#pragma once

#include <optional>
#include <vector>

#include "engine/base/disk.h"
#include "engine/raft/types.h"
#include "wire/base/bytes.h"

namespace quorlite::disk {

// What a batch says about itself, and what the next one continues from.
struct BatchHeader {
    std::uint64_t segment = 0;   // number of the segment it was written for
    std::uint64_t offset = 0;    // and the place there
    std::uint64_t sequence = 0;  // 1, 2, 3 ... over the life of the log, never used twice for two
                                 // batches that were both durable
    std::uint64_t previous_end = 0;  // at offset 0: where the log ended in the segment before
    Index first;              // index of the first entry: later ones known until then are gone
    std::uint32_t count = 0;  // entries; none in a bare reset
    std::uint32_t body_bytes = 0;
    std::uint32_t previous_checksum = 0;  // of the header before it in the sequence
    bool reset = false;                   // nothing before it counts: the log starts at `first`

    // Filled by encode_batch() and decode_header().
    std::uint32_t body_checksum = 0;
    std::uint32_t checksum = 0;  // of this header

    Index last() const { return Index(first.value() + count - 1); }
    std::uint64_t bytes() const;  // on disk, in whole blocks
};

// Bytes that an entry takes in a batch's body, and that a body takes on disk.
std::uint64_t encoded_bytes(const raft::Entry& entry);
std::uint64_t batch_bytes(std::uint64_t body_bytes);

// One write. Fills the header's count, body_bytes and checksums.
BlockBuffer encode_batch(BatchHeader& header, std::span<const raft::Entry> entries);

// The header at the start of `block`, if it is whole and was written for this place.
std::optional<BatchHeader> decode_header(ByteView block, std::uint64_t segment,
                                         std::uint64_t offset);

// The entries of a whole batch, `header.bytes()` long; nothing if the body is not what was written.
std::optional<std::vector<raft::Entry>> decode_entries(const BatchHeader& header, ByteView batch);

struct ScannedBatch {
    BatchHeader header;
    std::vector<raft::Entry> entries;
};

// Whether `header` comes right after `before` in the sequence; anything does if there is none.
bool continues(const BatchHeader& header, const BatchHeader* before);

// What headers tell about batches that do not belong to the log, or are not whole.
struct Traces {
    std::uint64_t sequence = 0;  // the highest
    Index last;                  // the highest index
    Index replaced_from;         // the lowest first index: entries from there on were replaced

    void add(const BatchHeader& header);
    void add(const Traces& other);
};

// What a segment holds.
struct SegmentScan {
    std::vector<ScannedBatch> batches;  // from the segment's start, each continuing the one before
    std::uint64_t end = 0;              // where they stop
    // Without any batch: the header of one that should be at the start but is not whole.
    std::optional<BatchHeader> torn_head;
    // Headers beyond the end that can have been written only after what belongs at the end was
    // durable: the segment is damaged there.
    std::optional<Traces> later;
    std::uint64_t written_end = 0;  // of everything in the segment that was found
};

// Scans `image`, the bytes of segment number `segment`.
SegmentScan scan_segment(ByteView image, std::uint64_t segment);

}  // namespace quorlite::disk
