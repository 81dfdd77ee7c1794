// Base files against a model: a list of pages.
#include "engine/database/base_file.h"

#include <gmock/gmock.h>

#include "tests/base/test_executor.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

constexpr std::size_t kPagesMax = 600;

using Pages = std::vector<std::uint32_t>;  // what fills each page; 0: zeros

class BaseFileTest : public testing::TestWithParam<std::uint64_t> {
protected:
    void SetUp() override {
        disk.attach(executor);
        ASSERT_OK(disk.make_directory("databases"));
        auto created = create_base_file(disk, 1);
        ASSERT_OK(created);
        file = std::move(*created);
        ASSERT_OK(disk.sync_directory("databases"));
        ASSERT_OK(disk.sync_directory(""));
    }

    static Bytes filled(const Pages& pages) {
        Bytes bytes;
        ByteWriter out(bytes);
        for (const std::uint32_t page : pages) {
            for (std::size_t i = 0; i < kPageSize / sizeof page; ++i) out.u32(page);
        }
        return bytes;
    }

    void reopen(bool exact) {
        auto opened = open_base_file(disk, 1, exact);
        ASSERT_OK(opened);
        file = std::move(*opened);
    }

    // As a flush does it: what is cut off first, then pages in ascending order, then the last one.
    struct Change {
        std::size_t kept = kPagesMax;
        std::map<std::size_t, std::uint32_t> pages;
        std::size_t count = 0;
    };
    Change draw_change(std::size_t count) {
        Change change;
        change.kept = random.chance(0.3) ? random.below(count + 1) : count;
        change.count =
            std::max<std::size_t>(change.kept + random.below(kPagesMax - change.kept), 1);
        const std::uint64_t writes = random.below(60);
        for (std::uint64_t i = 0; i < writes; ++i) {
            std::size_t page = random.below(change.count);
            for (std::uint64_t run = random.below(8) + 1; run > 0 && page < change.count; --run) {
                change.pages[page++] = ++drawn;
            }
        }
        if (change.count > change.kept) change.pages.emplace(change.count - 1, 0);
        return change;
    }
    Status make(const Change& change, Pages& into) {
        const auto size = file->size();
        if (!size) return size.error();
        Status status;
        if (*size > change.kept * kPageSize) status = file->truncate(change.kept * kPageSize);
        for (auto at = change.pages.begin(); at != change.pages.end() && status;) {
            const std::size_t first = at->first;
            Pages run;
            for (; at != change.pages.end() && at->first == first + run.size(); ++at) {
                run.push_back(at->second);
            }
            status = file->write(first * kPageSize, filled(run));
        }
        if (!status) return status;
        into.resize(std::min(into.size(), change.kept));
        into.resize(change.count, 0);
        for (const auto& [page, content] : change.pages) into[page] = content;
        return file->sync();
    }

    // The numbers of the pages that are refused; all others must be as the model has them.
    std::vector<std::size_t> refused() {
        std::vector<std::size_t> found;
        for (std::size_t page = 0; page < model.size(); ++page) {
            Bytes bytes(kPageSize);
            const auto got = file->read(page * kPageSize, bytes);
            if (!got) {
                EXPECT_EQ(got.error().code, code::kCorrupt);
                EXPECT_THAT(got.error().message,
                            testing::HasSubstr("page " + std::to_string(page + 1) +
                                               " of databases/000001.db"));
                found.push_back(page);
            } else {
                EXPECT_EQ(bytes, filled({model[page]})) << "page " << page + 1;
            }
        }
        return found;
    }

    // To one page that the change, whose flush was interrupted, does not touch.
    void notices_damage_beside(const Change& change) {
        Layer redone;
        redone.floor = static_cast<PageNumber>(change.kept);
        for (const auto& [page, content] : change.pages) {
            redone.pages[static_cast<PageNumber>(page + 1)] = PageRef();
        }
        file->check_all_but(redone);
        std::vector<std::size_t> beside;
        const Bytes sums = disk.content(sums_file_name(1));
        for (std::size_t page = 0; page < model.size(); ++page) {
            Bytes bytes(kPageSize);
            ASSERT_OK(file->read(page * kPageSize, bytes));
            if (page >= change.kept || change.pages.contains(page)) continue;
            if (load_little<std::uint32_t>(sums.data() + page * 4) != 0) beside.push_back(page);
        }
        if (beside.empty()) return;
        const std::size_t page = beside[random.below(beside.size())];
        const std::uint64_t offset = page * kPageSize + random.below(kPageSize);
        ASSERT_TRUE(disk.flip(base_file_name(1), offset, 0x20));
        Bytes bytes(kPageSize);
        EXPECT_FALSE(file->read(page * kPageSize, bytes).ok());
        ASSERT_TRUE(disk.flip(base_file_name(1), offset, 0x20));
    }

    // Whether the page is damaged or its checksum, only the page itself helps.
    void repair(PageNumber page, bool sum_is_damaged) {
        Bytes copy = filled({model[page - 1]});
        Bytes wrong = copy;
        wrong[random.below(kPageSize)] ^= 0x40;
        EXPECT_FALSE(*file->repair(page, ConstPageBytes(wrong.data(), kPageSize), false));
        const ConstPageBytes right(copy.data(), kPageSize);
        EXPECT_EQ(*file->repair(page, right, true), !sum_is_damaged);
        EXPECT_TRUE(*file->repair(page, right, false));
        EXPECT_TRUE(*file->repair(page, ConstPageBytes(wrong.data(), kPageSize), false));
        EXPECT_THAT(refused(), testing::IsEmpty());
    }

    test::TestExecutor executor;
    sim::Seeded random{GetParam()};
    sim::SimDisk disk{GetParam()};
    std::unique_ptr<BaseFile> file;
    Pages model;
    std::uint32_t drawn = 0;
};

TEST_P(BaseFileTest, IsWhatWasWritten) {
    for (int i = 0; i < 8; ++i) {
        ASSERT_OK(make(draw_change(model.size()), model));
        if (random.chance(0.5)) reopen(true);
        EXPECT_THAT(refused(), testing::IsEmpty());
    }
}

TEST_P(BaseFileTest, AnyByteThatChangedByItselfIsNoticed) {
    ASSERT_OK(make(draw_change(0), model));
    ASSERT_OK(make(draw_change(model.size()), model));
    for (int i = 0; i < 10; ++i) {
        const bool sums = random.chance(0.3);
        const std::size_t page = random.below(model.size());
        const std::uint64_t offset =
            sums ? page * 4 + random.below(4) : page * kPageSize + random.below(kPageSize);
        const auto mask = static_cast<std::uint8_t>(1u << random.below(8));
        const auto name = sums ? sums_file_name(1) : base_file_name(1);
        ASSERT_TRUE(disk.flip(name, offset, mask));
        reopen(true);
        // Of pages that nobody wrote there is no checksum.
        Bytes sum(4);
        const Bytes content = disk.content(sums_file_name(1));
        const bool known = load_little<std::uint32_t>(content.data() + page * 4) != 0;
        if (known) {
            std::vector<PageNumber> reported;
            file->on_damage = [&](PageNumber damaged) { reported.push_back(damaged); };
            EXPECT_THAT(refused(), testing::ElementsAre(page));
            EXPECT_THAT(reported, testing::ElementsAre(page + 1));
            repair(static_cast<PageNumber>(page + 1), sums);
        } else {
            ASSERT_TRUE(disk.flip(name, offset, mask));
        }
    }
    reopen(true);
    EXPECT_THAT(refused(), testing::IsEmpty());
}

// A flush that a crash interrupted is made again, and perhaps more with it. What it did not touch
// is checked even before that.
TEST_P(BaseFileTest, ACrashRaisesNoFalseAlarm) {
    ASSERT_OK(make(draw_change(0), model));
    for (int i = 0; i < 10; ++i) {
        const Change change = draw_change(model.size());
        Pages after = model;
        disk.fail(disk.operations() + 1 + random.below(40), code::kIo, true);
        static_cast<void>(make(change, after));
        disk.crash(random);
        disk.attach(executor);
        reopen(false);
        std::size_t read = 0;
        Bytes bytes(kPageSize);
        for (std::size_t page = 0; page < model.size(); ++page) {
            read += file->read(page * kPageSize, bytes).ok() ? 1 : 0;
        }
        EXPECT_EQ(read, model.size());
        disk.fail(0, code::kIo);
        notices_damage_beside(change);
        ASSERT_OK(make(change, model));
        EXPECT_THAT(refused(), testing::IsEmpty());
        reopen(true);
        EXPECT_THAT(refused(), testing::IsEmpty());
    }
}

TEST_P(BaseFileTest, AFullDiskIsToldByTheWriteNotByTheSync) {
    ASSERT_OK(make(draw_change(0), model));
    disk.set_full(true);
    const Status written = file->write(kPagesMax * kPageSize, filled({1}));
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, code::kFull);
    EXPECT_OK(file->sync());
    disk.set_full(false);
    ASSERT_OK(make(draw_change(model.size()), model));
    EXPECT_THAT(refused(), testing::IsEmpty());
}

TEST_P(BaseFileTest, ChecksumsThatAreMissingAreDamage) {
    ASSERT_OK(make(draw_change(0), model));
    ASSERT_OK((*disk.open(sums_file_name(1), OpenMode::kExisting, false))->truncate(0));
    const auto opened = open_base_file(disk, 1, true);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, code::kCorrupt);
    ASSERT_OK(disk.remove(sums_file_name(1)));
    EXPECT_FALSE(open_base_file(disk, 1, true).ok());
}

INSTANTIATE_TEST_SUITE_P(Seeds, BaseFileTest, testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace quorlite::database
