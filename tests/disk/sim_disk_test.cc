// The simulated disk forgets what it may forget, and nothing else.
#include <set>

#include "tests/disk/rig.h"
#include "tests/sim/seeded.h"

namespace quorlite::test {
namespace {

using sim::SimDisk;
using sim::Tail;

class SimDiskTest : public testing::Test {
protected:
    SimDiskTest() { disk_.attach(executor_); }

    std::unique_ptr<File> open(const std::string& name, bool synced = true) {
        auto file = disk_.open(name, OpenMode::kCreate, true);
        const Status status = synced ? disk_.sync_directory("") : Status();
        EXPECT_TRUE(status.ok());
        return *std::move(file);
    }
    void crash(const Tail& tail) {
        executor_.clear();
        disk_.crash(tail);
        disk_.attach(executor_);
    }

    TestExecutor executor_;
    SimDisk disk_{1};
};

TEST_F(SimDiskTest, KeepsWhatWasSynced) {
    const auto file = open("f");
    ASSERT_TRUE(file->write(0, Bytes(1000, 1)).ok());
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(file->write(500, Bytes(1000, 2)).ok());
    EXPECT_EQ(disk_.content("f").size(), 1500u);
    crash({.kind = Tail::Kind::kNone});
    EXPECT_EQ(disk_.content("f"), Bytes(1000, 1));
    EXPECT_FALSE(file->sync().ok());  // of an earlier life
}

TEST_F(SimDiskTest, KeepsAllOrAPrefix) {
    auto file = open("f");
    ASSERT_TRUE(file->write(0, Bytes(2048, 1)).ok());
    ASSERT_TRUE(file->write(0, Bytes(2048, 2)).ok());
    EXPECT_EQ(disk_.last_write_blocks(), 4u);
    const auto copy = disk_.clone();
    copy->crash({.kind = Tail::Kind::kAll});
    EXPECT_EQ(copy->content("f"), Bytes(2048, 2));
    crash({.kind = Tail::Kind::kPrefix, .blocks = 1});
    Bytes expected(2048, 1);
    std::fill_n(expected.begin(), kDiskBlock, std::uint8_t{2});
    EXPECT_EQ(disk_.content("f"), expected);
}

TEST_F(SimDiskTest, TearsAndReordersAtRandom) {
    std::set<std::pair<int, int>> seen;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SimDisk disk(1);
        disk.attach(executor_);
        auto file = *disk.open("f", OpenMode::kCreate, true);
        ASSERT_TRUE(disk.sync_directory("").ok());
        ASSERT_TRUE(file->write(0, Bytes(1024, 1)).ok());
        ASSERT_TRUE(file->sync().ok());
        ASSERT_TRUE(file->write(0, Bytes(1024, 2)).ok());
        ASSERT_TRUE(file->write(0, Bytes(512, 3)).ok());
        sim::Seeded random(seed);
        disk.crash(random);
        const Bytes content = disk.content("f");
        seen.emplace(content[0], content[512]);
    }
    EXPECT_EQ(seen.size(), 6u);  // 1, 2 or 3, and 1 or 2
}

TEST_F(SimDiskTest, NamesNeedTheirDirectorySynced) {
    const auto kept = open("kept");
    const auto lost = open("lost", false);
    ASSERT_TRUE(disk_.rename("kept", "renamed").ok());
    ASSERT_TRUE(lost->sync().ok());
    crash({.kind = Tail::Kind::kNone});
    EXPECT_EQ(disk_.files(), std::vector<std::string>{"kept"});
    ASSERT_TRUE(disk_.remove("kept").ok());
    crash({.kind = Tail::Kind::kNone});
    EXPECT_TRUE(disk_.exists("kept"));
    ASSERT_TRUE(disk_.make_directory("d").ok());
    ASSERT_TRUE(disk_.open("d/f", OpenMode::kCreate, false).ok());
    ASSERT_TRUE(disk_.sync_directory("d").ok());
    crash({.kind = Tail::Kind::kNone});
    EXPECT_FALSE(disk_.exists("d/f"));
}

TEST_F(SimDiskTest, ADurableWriteTakesItsTime) {
    const auto file = open("f");
    bool done = false;
    const auto write = [&] {
        BlockBuffer buffer(512);
        buffer.data()[0] = 5;
        file->write_durable(512, std::move(buffer), [&](const Status& status) {
            EXPECT_TRUE(status.ok());
            done = true;
        });
    };
    write();
    executor_.run();
    EXPECT_FALSE(done);
    executor_.advance(disk_.latency_max);
    EXPECT_TRUE(done);
    EXPECT_EQ(disk_.unsynced_changes(), 0u);
    done = false;
    write();
    crash({.kind = Tail::Kind::kNone});
    executor_.advance(disk_.latency_max);
    EXPECT_FALSE(done);
    EXPECT_EQ(disk_.content("f")[512], 5);
}

TEST_F(SimDiskTest, AFailedSyncIsNotMadeGoodByTheNext) {
    const auto file = open("f");
    ASSERT_TRUE(file->write(0, Bytes(512, 1)).ok());
    disk_.fail(disk_.operations() + 1, code::kIo);
    EXPECT_FALSE(file->sync().ok());
    EXPECT_TRUE(file->sync().ok());
    EXPECT_EQ(disk_.content("f").size(), 512u);
    crash({.kind = Tail::Kind::kNone});
    EXPECT_EQ(disk_.content("f").size(), 0u);
}

TEST_F(SimDiskTest, FullForGrowthOrForAll) {
    const auto file = open("f");
    ASSERT_TRUE(file->write(0, Bytes(1024, 1)).ok());
    disk_.set_full(true);
    EXPECT_EQ(file->write(512, Bytes(1024, 2)).error().code, code::kFull);
    EXPECT_TRUE(file->write(0, Bytes(1024, 3)).ok());
    EXPECT_EQ(disk_.open("g", OpenMode::kCreate, false).error().code, code::kFull);
    disk_.set_full(true, true);
    EXPECT_EQ(file->write(0, Bytes(512, 2)).error().code, code::kFull);
    disk_.set_full(false);
    disk_.set_capacity(2048);
    EXPECT_TRUE(file->write(1024, Bytes(1024, 2)).ok());
    EXPECT_EQ(file->write(2048, Bytes(1, 2)).error().code, code::kFull);
}

TEST_F(SimDiskTest, CutsAndCounts) {
    disk_.tracing = true;
    const auto file = open("f");
    disk_.cut_after(disk_.operations() + 2);
    ASSERT_TRUE(file->write(0, Bytes(10, 1)).ok());
    EXPECT_THROW((void)file->sync(), sim::PowerCut);
    EXPECT_FALSE(file->write(0, Bytes(10, 1)).ok());
    EXPECT_EQ(disk_.operations(), 4u);
    ASSERT_EQ(disk_.trace().size(), 4u);
    EXPECT_EQ(disk_.trace()[2].text(), "write f at 0, 10 bytes");
    crash({.kind = Tail::Kind::kNone});
    EXPECT_EQ(disk_.content("f").size(), 10u);  // the sync had happened
    EXPECT_TRUE(disk_.flip("f", 3, 0x80));
    EXPECT_EQ(disk_.content("f")[3], 0x81);
    EXPECT_FALSE(disk_.flip("f", 10, 1));
}

TEST_F(SimDiskTest, AKillLosesNothingAndSyncsNothing) {
    {
        const auto file = open("f");
        ASSERT_TRUE(file->write(0, Bytes(10, 1)).ok());
    }
    disk_.kill();
    disk_.attach(executor_);
    EXPECT_EQ(disk_.content("f").size(), 10u);
    crash({.kind = Tail::Kind::kNone});
    EXPECT_EQ(disk_.content("f").size(), 0u);
}

}  // namespace
}  // namespace quorlite::test
