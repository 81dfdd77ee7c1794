#include <gtest/gtest.h>

#include <unordered_set>

#include "wire/base/bytes.h"
#include "wire/base/crc32c.h"
#include "wire/base/ids.h"
#include "wire/base/result.h"

namespace quorlite {
namespace {

TEST(Bytes, NumbersAreLittleEndian) {
    Bytes out;
    ByteWriter writer(out);
    writer.u8(0x01);
    writer.u16(0x0302);
    writer.u32(0x07060504);
    writer.u64(0x0f0e0d0c0b0a0908);
    ASSERT_EQ(out.size(), 15u);
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], i + 1);

    ByteReader reader(out);
    EXPECT_EQ(reader.u8(), 0x01);
    EXPECT_EQ(reader.u16(), 0x0302);
    EXPECT_EQ(reader.u32(), 0x07060504u);
    EXPECT_EQ(reader.u64(), 0x0f0e0d0c0b0a0908u);
    EXPECT_EQ(reader.remaining(), 0u);
    EXPECT_FALSE(reader.failed());
    EXPECT_EQ(load_big<std::uint32_t>(out.data()), 0x01020304u);
}

TEST(Bytes, AReadThatDoesNotFitFailsAndSoDoAllLaterOnes) {
    const Bytes in = {1, 2, 3, 4, 5};
    ByteReader reader(in);
    EXPECT_EQ(reader.u16(), 0x0201);
    EXPECT_EQ(reader.u32(), 0u);
    EXPECT_TRUE(reader.failed());
    EXPECT_EQ(reader.u8(), 0);
    EXPECT_TRUE(reader.take(0).empty());
    EXPECT_EQ(reader.position(), 2u);
}

TEST(Bytes, TakeBorrowsAndComparesTheCountWithoutWrappingAround) {
    const Bytes in = {1, 2, 3};
    ByteReader reader(in);
    EXPECT_EQ(reader.take(2).data(), in.data());
    EXPECT_EQ(reader.rest().size(), 1u);
    EXPECT_TRUE(reader.take(~std::uint64_t{0}).empty());
    EXPECT_TRUE(reader.failed());
}

TEST(Bytes, PatchOverwritesAnEarlierField) {
    Bytes out;
    ByteWriter writer(out);
    writer.u32(0);
    writer.bytes(as_bytes("abc"));
    writer.zeros(1);
    writer.patch(0, std::uint32_t{4});
    EXPECT_EQ(out, (Bytes{4, 0, 0, 0, 'a', 'b', 'c', 0}));
    EXPECT_EQ(as_text(ByteView(out).subspan(4, 3)), "abc");
}

// RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
TEST(Crc32c, KnownVectors) {
    EXPECT_EQ(crc32c({}), 0u);
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
    EXPECT_EQ(crc32c(Bytes(32, 0x00)), 0x8a9136aau);
    EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43u);
    Bytes rising;
    for (std::uint8_t i = 0; i < 32; ++i) rising.push_back(i);
    EXPECT_EQ(crc32c(rising), 0x46dd794eu);
    EXPECT_EQ(crc32c(Bytes(rising.rbegin(), rising.rend())), 0x113fdb5cu);
}

TEST(Crc32c, ContinuesFromASeedAtEverySplit) {
    Bytes bytes;
    for (int i = 0; i < 61; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 37));
    const ByteView all(bytes);
    for (std::size_t split = 0; split <= all.size(); ++split) {
        EXPECT_EQ(crc32c(all.subspan(split), crc32c(all.first(split))), crc32c(all));
    }
}

TEST(Crc32c, SeesEverySingleFlippedBit) {
    Bytes bytes(40, 0x5a);
    const std::uint32_t intact = crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
        bytes[bit / 8] ^= mask;
        EXPECT_NE(crc32c(bytes), intact);
        bytes[bit / 8] ^= mask;
    }
}

TEST(Ids, CompareAndStep) {
    static_assert(!std::is_convertible_v<std::uint64_t, Term>);
    static_assert(!std::is_constructible_v<Term, Index>);
    EXPECT_FALSE(Index());
    EXPECT_TRUE(Index(1));
    EXPECT_LT(Index(1), Index(2));
    EXPECT_EQ(Index(1).next(), Index(2));
    EXPECT_EQ(Index(1).plus(4), Index(5));
    EXPECT_EQ(Index(1).previous(), Index(0));
    EXPECT_EQ(Index(0).previous(), Index(0));
    EXPECT_EQ((std::unordered_set<NodeId>{NodeId(7), NodeId(7), NodeId(8)}).size(), 2u);
}

TEST(Result, HoldsAValueOrAnError) {
    const Result<int> good = 7;
    ASSERT_TRUE(good.ok());
    EXPECT_EQ(*good, 7);
    const Result<int> bad = Error{code::kFull, "full", Verdict::kInDoubt};
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, code::kFull);
    EXPECT_EQ(bad.error().message, "full");
    EXPECT_EQ(bad.error().verdict, Verdict::kInDoubt);
    EXPECT_TRUE(Status().ok());
    EXPECT_FALSE(Status(Error{}).ok());
    EXPECT_EQ(Error{}.verdict, Verdict::kNotCommitted);
}

TEST(Result, MovesItsValueOut) {
    Result<std::unique_ptr<int>> owned = std::make_unique<int>(3);
    const std::unique_ptr<int> moved = *std::move(owned);
    EXPECT_EQ(*moved, 3);
}

}  // namespace
}  // namespace quorlite
