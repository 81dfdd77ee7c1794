// Commands: what is encoded is decoded; and no bytes whatever do harm.
#include "engine/database/command.h"

#include <gtest/gtest.h>

#include "tests/database/properties.h"
#include "tests/sim/seeded.h"

namespace quorlite::database {
namespace {

using Page = std::array<std::uint8_t, kPageSize>;

Page random_page(sim::Seeded& random) {
    Page page{};
    for (std::uint64_t i = 0, runs = random.below(40); i < runs; ++i) {
        const std::size_t begin = random.below(kPageSize);
        const std::size_t end = std::min<std::size_t>(kPageSize, begin + random.below(200));
        for (std::size_t at = begin; at < end; ++at)
            page[at] = static_cast<std::uint8_t>(random.next());
    }
    return page;
}

// Some bytes of `page` changed: single ones, neighbours, the first and the last.
Page changed(Page page, sim::Seeded& random) {
    for (std::uint64_t i = 0, count = random.below(30); i < count; ++i) {
        std::size_t at = random.below(kPageSize);
        if (random.below(10) == 0) at = random.below(2) * (kPageSize - 1);
        page[at] = static_cast<std::uint8_t>(random.next());
        if (random.below(2) == 0 && at + 9 < kPageSize) page[at + 1 + random.below(9)] ^= 1;
    }
    return page;
}

TEST(Command, PatchesGiveThePageBack) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        sim::Seeded random(seed);
        std::map<PageNumber, Page> before;
        std::map<PageNumber, Page> after;
        CommandEncoder encoder("some name", 5, 1000, random.below(2) == 0 ? 6000 : 1u << 20);
        PageNumber number = 0;
        for (std::uint64_t i = 0, pages = random.below(12); i < pages; ++i) {
            number += 1 + static_cast<PageNumber>(random.below(80));
            const bool fresh = random.below(3) == 0;
            before[number] = fresh ? Page{} : random_page(random);
            after[number] = changed(before[number], random);
            encoder.add(number, fresh ? nullptr : before[number].data(), after[number].data());
        }
        const auto commands = encoder.finish();
        for (std::size_t i = 0; i < commands.size(); ++i) {
            const auto header = validate_command(*commands[i]);
            ASSERT_TRUE(header.has_value());
            EXPECT_EQ(header->first, i == 0);
            EXPECT_EQ(header->last, i + 1 == commands.size());
            EXPECT_EQ(header->database, "some name");
            EXPECT_EQ(header->floor, 5u);
            EXPECT_EQ(header->page_count, 1000u);
            CommandReader reader(*commands[i]);
            CommandHeader ignored;
            CommandReader::Page page;
            ASSERT_TRUE(reader.header(ignored));
            while (reader.next_page(page)) {
                Page& target = before.at(page.number);
                if (page.from_zero) target = {};
                CommandReader::Range range;
                for (std::uint64_t r = 0; r < page.ranges; ++r) {
                    ASSERT_TRUE(reader.next_range(range));
                    std::memcpy(target.data() + range.offset, range.bytes.data(),
                                range.bytes.size());
                }
            }
        }
        ASSERT_EQ(before, after) << "seed " << seed;
    }
}

TEST(Command, NeverExceedsItsLimitAndAWholePageFits) {
    Page page;
    for (std::size_t i = 0; i < kPageSize; ++i)
        page[i] = i % 10 == 0 ? 1 : 0;  // as many ranges as possible
    constexpr std::size_t kLimit = 3 * kPagePatchBytesMax;
    CommandEncoder encoder("x", 1, 100, kLimit);
    for (PageNumber number = 1; number <= 100; ++number) encoder.add(number, nullptr, page.data());
    for (const auto& command : encoder.finish()) EXPECT_LE(command->size(), kLimit);
}

TEST(Command, AnyBytesAreRefusedOrApplied) {
    sim::Seeded random(1);
    Page page = random_page(random);
    CommandEncoder encoder("test", 2, 7, 1u << 20);
    for (PageNumber number : {1u, 3u, 7u}) {
        const Page next = changed(page, random);
        encoder.add(number, page.data(), next.data());
    }
    const Bytes good = *encoder.finish().front();
    for (int i = 0; i < 20'000; ++i) {
        Bytes bytes = good;
        for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
            bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
        }
        if (random.below(3) == 0) bytes.resize(random.below(bytes.size()));
        ASSERT_EQ(check_command(bytes), "");
    }
}

}  // namespace
}  // namespace quorlite::database
