// Fuzzes the scan of a log segment: no bytes on a disk may do more than be refused.
//
// A random image would not get past the first checksum. So the input is a list of edits to a good
// image, and headers are given right checksums again where the input says so.
#include <algorithm>

#include "engine/base/check.h"
#include "engine/disk/batch.h"
#include "wire/base/crc32c.h"

namespace {

using namespace quorlite;
using namespace quorlite::disk;

constexpr std::uint64_t kSegment = 3;
constexpr std::size_t kImageBlocks = 24;
constexpr std::size_t kHeaderBytes = 68;
constexpr std::size_t kChecksummedFrom = 8;

Bytes good_image() {
    Bytes image;
    BatchHeader last;
    std::uint64_t index = 1;
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
        std::vector<raft::Entry> entries;
        for (std::uint64_t i = 0; i < sequence; ++i) {
            entries.push_back({.term = Term(1),
                               .index = Index(index++),
                               .payload = std::make_shared<const Bytes>(sequence * 90)});
        }
        BatchHeader header;
        header.segment = kSegment;
        header.offset = image.size();
        header.sequence = sequence;
        header.first = entries.front().index;
        header.previous_checksum = last.checksum;
        const BlockBuffer buffer = encode_batch(header, entries);
        image.insert(image.end(), buffer.view().begin(), buffer.view().end());
        last = header;
    }
    image.resize(kImageBlocks * kDiskBlock);
    return image;
}

void repair_checksums(Bytes& image, std::size_t block) {
    std::uint8_t* header = image.data() + block * kDiskBlock;
    const std::uint64_t body = kDiskBlock * (image.size() / kDiskBlock - block);
    const std::uint64_t bytes =
        std::min(batch_bytes(load_little<std::uint32_t>(header + 60)), body);
    store_little(header + 12, crc32c({header + kHeaderBytes, bytes - kHeaderBytes}));
    store_little(header + 4, crc32c({header + kChecksummedFrom, kHeaderBytes - kChecksummedFrom}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes image = good_image();
    ByteReader in({data, size});
    while (in.remaining() >= 4) {
        const std::uint16_t place = in.u16();
        const std::uint8_t value = in.u8();
        const std::uint8_t repair = in.u8();
        image[place % image.size()] = value;
        if (repair != 0) repair_checksums(image, repair % kImageBlocks);
    }
    const SegmentScan scan = scan_segment(image, kSegment);
    QUORLITE_CHECK(scan.end <= image.size());
    Index next;
    for (const ScannedBatch& batch : scan.batches) {
        QUORLITE_CHECK(batch.entries.size() == batch.header.count);
        QUORLITE_CHECK(!next || batch.header.reset || batch.header.first <= next);
        next = batch.header.last().next();
        // Encoding it again gives the same bytes, but for what is not looked at.
        BatchHeader again = batch.header;
        QUORLITE_CHECK(encode_batch(again, batch.entries).size() == batch.header.bytes());
    }
    return 0;
}
