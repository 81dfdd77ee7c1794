// The log's format: what is encoded is decoded, and nothing else is.
#include "engine/disk/batch.h"

#include "tests/disk/rig.h"

namespace quorlite::test {
namespace {

using namespace disk;

BatchHeader header_at(std::uint64_t offset, std::uint64_t sequence, std::uint64_t first) {
    BatchHeader header;
    header.segment = 5;
    header.offset = offset;
    header.sequence = sequence;
    header.first = Index(first);
    return header;
}

void append(Bytes& image, const BlockBuffer& buffer) {
    image.insert(image.end(), buffer.view().begin(), buffer.view().end());
}

// Three batches of two entries each.
Bytes make_image(std::vector<BatchHeader>* headers = nullptr) {
    Bytes image;
    BatchHeader last;
    for (std::uint64_t i = 0; i < 3; ++i) {
        BatchHeader header = header_at(image.size(), i + 1, i * 2 + 1);
        header.previous_checksum = last.checksum;
        append(image, encode_batch(header, make_entries(i * 2 + 1, 2, 1, 600)));
        last = header;
        if (headers != nullptr) headers->push_back(header);
    }
    image.resize(image.size() + 8 * kDiskBlock);
    return image;
}

TEST(Batch, SizesOnDiskAreWholeBlocks) {
    for (std::size_t bytes = 0; bytes < 3000; ++bytes) {
        BatchHeader header = header_at(0, 1, 1);
        const auto entries = make_entries(1, 1, 1, bytes);
        const BlockBuffer buffer = encode_batch(header, entries);
        ASSERT_EQ(buffer.size(), batch_bytes(encoded_bytes(entries[0])));
        ASSERT_EQ(buffer.size(), header.bytes());
        const auto decoded = decode_header(buffer.view(), 5, 0);
        ASSERT_TRUE(decoded);
        const auto back = decode_entries(*decoded, buffer.view());
        ASSERT_TRUE(back && same(*back, entries));
    }
}

TEST(Batch, AHeaderIsOnlyValidInItsPlace) {
    BatchHeader header = header_at(1024, 9, 1);
    const BlockBuffer buffer = encode_batch(header, make_entries(1, 1, 1, 10));
    EXPECT_TRUE(decode_header(buffer.view(), 5, 1024));
    EXPECT_FALSE(decode_header(buffer.view(), 6, 1024));
    EXPECT_FALSE(decode_header(buffer.view(), 5, 512));
    EXPECT_FALSE(decode_header(buffer.view().first(100), 5, 1024));
}

TEST(Batch, EveryBitCounts) {
    BatchHeader header = header_at(0, 1, 1);
    const BlockBuffer buffer = encode_batch(header, make_entries(1, 2, 1, 700));
    for (std::size_t bit = 0; bit < buffer.size() * 8; ++bit) {
        Bytes image(buffer.view().begin(), buffer.view().end());
        image[bit / 8] = static_cast<std::uint8_t>(image[bit / 8] ^ (1u << bit % 8));
        ASSERT_TRUE(scan_segment(image, 5).batches.empty()) << "bit " << bit;
    }
}

// Whatever a client stores, and wherever it ends up: the mark of a block is not the client's.
TEST(Batch, NoPayloadPassesForAHeader) {
    BatchHeader forged = header_at(512, 1000, 1000);
    const BlockBuffer header = encode_batch(forged, make_entries(1000, 1, 1, 10));
    for (std::size_t shift = 0; shift < kDiskBlock; ++shift) {
        Bytes payload(shift);
        for (int i = 0; i < 3; ++i) append(payload, header);
        raft::Entry entry = make_entry(1, 1, 0);
        entry.payload = std::make_shared<const Bytes>(payload);
        BatchHeader batch = header_at(0, 1, 1);
        const BlockBuffer buffer = encode_batch(batch, std::span(&entry, 1));
        for (std::uint64_t at = kDiskBlock; at < buffer.size(); at += kDiskBlock) {
            ASSERT_FALSE(decode_header(buffer.view().subspan(at), 5, 512));
        }
    }
}

TEST(Scan, FindsAllThatContinues) {
    const Bytes image = make_image();
    const SegmentScan scan = scan_segment(image, 5);
    ASSERT_EQ(scan.batches.size(), 3u);
    EXPECT_EQ(scan.end, image.size() - 8 * kDiskBlock);
    EXPECT_FALSE(scan.later);
    EXPECT_TRUE(scan_segment(image, 4).batches.empty());
}

TEST(Scan, StopsAtATornBatchAndTellsOfDamage) {
    std::vector<BatchHeader> headers;
    const Bytes image = make_image(&headers);
    for (std::size_t torn = 0; torn < 3; ++torn) {
        Bytes damaged = image;
        damaged[headers[torn].offset + 700] ^= 1;
        const SegmentScan scan = scan_segment(damaged, 5);
        EXPECT_EQ(scan.batches.size(), torn);
        EXPECT_EQ(scan.end, headers[torn].offset);
        EXPECT_EQ(scan.torn_head.has_value(), torn == 0);
        ASSERT_EQ(scan.later.has_value(), torn < 2);
        if (!scan.later) continue;
        EXPECT_EQ(scan.later->sequence, 3u);
        EXPECT_EQ(scan.later->last, Index(6));
        EXPECT_EQ(scan.later->replaced_from, headers[torn + 1].first);
    }
}

TEST(Scan, TakesNoBatchThatDoesNotContinue) {
    std::vector<BatchHeader> headers;
    Bytes image = make_image(&headers);
    for (const bool wrong_sequence : {false, true}) {
        BatchHeader other = headers[2];
        if (wrong_sequence) other.sequence = 7;
        if (!wrong_sequence) other.previous_checksum ^= 1;
        const BlockBuffer buffer = encode_batch(other, make_entries(5, 2, 1, 600));
        std::memcpy(image.data() + other.offset, buffer.data(), buffer.size());
        EXPECT_EQ(scan_segment(image, 5).batches.size(), 2u);
    }
    BatchHeader gap = headers[2];  // index 5 would be missing
    gap.first = Index(6);
    const BlockBuffer buffer = encode_batch(gap, make_entries(6, 2, 1, 600));
    std::memcpy(image.data() + gap.offset, buffer.data(), buffer.size());
    EXPECT_EQ(scan_segment(image, 5).batches.size(), 2u);
}

}  // namespace
}  // namespace quorlite::test
