// Damage to the files of a node that was stopped: it is reported, or harmless; what is read is
// right in any case; and once the peers have sent what was lost, the node is as good as new.
#include "engine/disk/batch.h"
#include "tests/disk/owner.h"

namespace quorlite::test {
namespace {

using disk::batch_bytes;
using disk::encoded_bytes;
using disk::Log;
using disk::RecoveredLog;

constexpr std::size_t kLastBatchEntries = 3;
constexpr std::size_t kLastSegmentEntries = 9;

class DamageTest : public testing::Test {
protected:
    // A log over several segments, with batches that replaced others, after a reset and a trim.
    DamageTest() {
        Owner owner(disk_);
        EXPECT_EQ(owner.start(), "");
        owner.vote(3, 2);
        owner.append(5, 1, 100);
        owner.settle();
        owner.install(100, 2);
        owner.settle();
        for (int i = 0; i < 3; ++i) {
            owner.append(6, 2, 400);
            owner.settle();
        }
        owner.snapshot(110);
        owner.append(2, 2, 700);
        owner.settle();
        owner.truncate(owner.last() - 3);
        for (int i = 0; i < 5; ++i) {
            owner.append(1, 3, 1500);
            owner.append(3, 3, 90);
            owner.settle();
        }
        owner.append(1, 3, 9000);
        owner.settle();
        for (int i = 0; i < 3; ++i) {  // into the last segment
            owner.append(2, 3, 50);
            owner.settle();
        }
        owner.append(kLastBatchEntries, 3, 50);
        owner.settle();
        last_ = Index(owner.last());
        written_ = owner.written;
        owner.end();
        disk_.crash({});
        const auto copy = disk_.clone();
        copy->crash({});
        open(*copy, Index());
        truth_ = recovered_.entries;
        EXPECT_EQ(truth_.size(), last_.value() - 110);
        EXPECT_EQ(recovered_.damage, "");
        log_.reset();
    }

    void open(sim::SimDisk& disk, Index acknowledged) {
        log_.reset();
        executor_.clear();
        disk.kill();
        disk.attach(executor_);
        auto opened =
            Log::open(disk, executor_, kTinySegments, Index(110), acknowledged, recovered_);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        log_ = *std::move(opened);
    }

    // What is there was written once, and what is missing is told. (Entries that were replaced may
    // be back if what replaced them is damaged. Such a log is one that the node really had, and the
    // barrier is above its end.)
    void check_found(Index acknowledged) {
        const auto& found = recovered_.entries;
        for (std::size_t i = 0; i < found.size(); ++i) {
            ASSERT_EQ(found[i].index, Index(111 + i));
            ASSERT_TRUE(
                std::any_of(written_.begin(), written_.end(),
                            [&](const raft::Entry& entry) { return same(entry, found[i]); }));
        }
        const bool untraceable =
            matching() == found.size() && truth_.size() - found.size() <= untraceable_;
        if (matching() == truth_.size()) {
            EXPECT_EQ(found.size(), truth_.size());
            EXPECT_FALSE(recovered_.vote_barrier);
        } else if (acknowledged || !untraceable) {
            EXPECT_EQ(recovered_.vote_barrier, last_);
            EXPECT_LT(log_->last_index(), last_);
            EXPECT_NE(recovered_.damage, "");
        }
    }

    // How many of the entries found are the right ones.
    std::size_t matching() const {
        const auto& found = recovered_.entries;
        std::size_t count = 0;
        while (count < found.size() && count < truth_.size() && same(found[count], truth_[count])) {
            ++count;
        }
        return count;
    }

    void check(const sim::SimDisk& damaged) {
        for (const Index acknowledged : {Index(), last_}) {
            const auto disk = damaged.clone();
            disk->crash({});
            open(*disk, acknowledged);
            check_found(acknowledged);
            open(*disk, acknowledged);  // the answer does not change by asking again
            check_found(acknowledged);
            // A leader sends what is missing or different.
            const std::size_t kept = matching();
            log_->truncate(Index(111 + kept));
            log_->append({truth_.begin() + static_cast<std::ptrdiff_t>(kept), truth_.end()});
            log_->append(make_entries(last_.value() + 1, 2, 4, 100));
            ASSERT_TRUE(executor_.run_until([&] { return log_->durable_index() > last_; }));
            disk->crash({});
            open(*disk, last_);
            ASSERT_EQ(recovered_.entries.size(), truth_.size() + 2);
            recovered_.entries.resize(truth_.size());
            ASSERT_TRUE(same(recovered_.entries, truth_));
            EXPECT_FALSE(recovered_.vote_barrier);
            EXPECT_EQ(recovered_.damage, "");
        }
    }

    void damage(const std::string& name, std::uint64_t offset, std::size_t bytes,
                std::uint8_t mask) {
        SCOPED_TRACE(name + " damaged at byte " + std::to_string(offset));
        const auto copy = disk_.clone();
        copy->crash({});
        for (std::size_t i = 0; i < bytes; ++i) copy->flip(name, offset + i, mask);
        check(*copy);
    }

    std::vector<std::string> segments() const {
        std::vector<std::string> names;
        for (const std::string& name : disk_.files()) {
            if (name.starts_with("log/0")) names.push_back(name);
        }
        return names;
    }

    FatalGuard fatal_;
    // So many entries at the end can be damaged in a way that leaves no trace of anything later.
    std::size_t untraceable_ = kLastBatchEntries;
    sim::SimDisk disk_{3};
    TestExecutor executor_;
    std::vector<raft::Entry> truth_;
    std::vector<raft::Entry> written_;
    Index last_;
    std::unique_ptr<Log> log_;
    RecoveredLog recovered_;
};

TEST_F(DamageTest, OneBitAnywhereInTheLog) {
    constexpr std::uint64_t kStride = 13;
    for (const std::string& name : segments()) {
        const std::uint64_t size = disk_.content(name).size();
        for (std::uint64_t at = 0; at < size && !HasFailure(); at += kStride) {
            damage(name, at, 1, static_cast<std::uint8_t>(1u << (at % 8)));
        }
    }
}

TEST_F(DamageTest, AnySectorOfTheLog) {
    untraceable_ = kLastSegmentEntries;
    for (const std::string& name : segments()) {
        const std::uint64_t size = disk_.content(name).size();
        for (std::uint64_t at = 0; at < size && !HasFailure(); at += kDiskBlock) {
            damage(name, at, kDiskBlock, 0xff);
            damage(name, at, 2 * kDiskBlock, 0x01);
        }
    }
}

// Unlike a torn write it cannot be what a crash left: nothing is lost without being told.
TEST_F(DamageTest, ABlockThatCannotBeRead) {
    untraceable_ = 0;
    int refused = 0;
    int survived = 0;
    for (const std::string& name : segments()) {
        const std::uint64_t size = disk_.content(name).size();
        for (std::uint64_t at = 0; at < size && !HasFailure(); at += kDiskBlock) {
            SCOPED_TRACE(name + " unreadable at byte " + std::to_string(at));
            const auto copy = disk_.clone();
            copy->crash({});
            copy->make_unreadable(name, at);
            const auto tried = copy->clone();
            tried->attach(executor_);
            const auto opened =
                Log::open(*tried, executor_, kTinySegments, Index(110), Index(), recovered_);
            executor_.clear();
            if (opened.ok()) {
                ++survived;
                check(*copy);
                continue;
            }
            ++refused;
            EXPECT_NE(opened.error().message.find(name + " cannot be read"), std::string::npos);
            EXPECT_NE(opened.error().message.find("join anew"), std::string::npos);
        }
    }
    EXPECT_GT(survived, 10);
    EXPECT_GT(refused, 0);
}

TEST_F(DamageTest, ARecordThatCannotBeReadInOneCopyIsReadFromTheOther) {
    for (const std::string name : {"vote", "snapshot", "acknowledged", "identity", "log/barrier"}) {
        const std::uint64_t size = disk_.content(name).size();
        for (const std::uint64_t at : {std::uint64_t{0}, size / 2}) {
            const auto copy = disk_.clone();
            copy->crash({});
            copy->make_unreadable(name, at);
            copy->attach(executor_);
            const auto records = disk::Records::open(*copy);
            ASSERT_TRUE(records.ok()) << records.error().message;
            EXPECT_EQ(records.value()->hard_state(),
                      (raft::HardState{.term = Term(3), .vote = NodeId(2)}));
            open(*copy, Index());
            EXPECT_TRUE(same(recovered_.entries, truth_));
        }
        const auto copy = disk_.clone();
        copy->crash({});
        copy->make_unreadable(name, 0);
        copy->make_unreadable(name, size / 2);
        copy->attach(executor_);
        const bool is_barrier = name.starts_with("log/");
        const auto records = disk::Records::open(*copy);
        EXPECT_EQ(records.ok(), is_barrier);
        if (is_barrier) continue;
        EXPECT_NE(records.error().message.find(name), std::string::npos);
    }
}

TEST_F(DamageTest, ALostSegment) {
    untraceable_ = kLastSegmentEntries;
    const auto names = segments();
    for (const std::string& name : names) {
        SCOPED_TRACE(name);
        const auto copy = disk_.clone();
        copy->crash({});
        copy->attach(executor_);
        ASSERT_TRUE(copy->remove(name).ok());
        ASSERT_TRUE(copy->sync_directory("log").ok());
        check(*copy);
    }
}

TEST_F(DamageTest, AShortSegment) {
    untraceable_ = kLastSegmentEntries;
    for (const std::string& name : segments()) {
        for (const std::uint64_t size : {0u, 100u, 512u, 2048u}) {
            SCOPED_TRACE(name);
            const auto copy = disk_.clone();
            copy->crash({});
            copy->attach(executor_);
            auto file = copy->open(name, OpenMode::kExisting, false);
            ASSERT_TRUE(file.ok());
            ASSERT_TRUE((*file)->truncate(size).ok());
            ASSERT_TRUE((*file)->sync().ok());
            check(*copy);
        }
    }
}

// An old block, from before the segment was written last, or one from another place.
TEST_F(DamageTest, AMisdirectedWrite) {
    const auto names = segments();
    const Bytes other = disk_.content(names[1]);
    for (const std::string& name : names) {
        const Bytes content = disk_.content(name);
        for (std::uint64_t at = 0; at + kDiskBlock <= content.size(); at += kDiskBlock) {
            const std::uint64_t from = (at + 3 * kDiskBlock) % 4096;
            SCOPED_TRACE(name + " overwritten at byte " + std::to_string(at));
            const auto copy = disk_.clone();
            copy->crash({});
            for (std::uint64_t i = 0; i < kDiskBlock; ++i) {
                copy->flip(name, at + i,
                           static_cast<std::uint8_t>(content[at + i] ^ other[from + i]));
            }
            check(*copy);
        }
    }
}

// The damaged batch had replaced entries: the log that is left is an old one, and longer than what
// was lost. It must not pass for the log that the node acknowledged, not at a later start either.
TEST(Damage, WhatWasReplacedDoesNotHideWhatIsLost) {
    const FatalGuard fatal;
    TestExecutor executor;
    sim::SimDisk disk(1);
    RecoveredLog recovered;
    std::unique_ptr<Log> log;
    const auto open = [&] {
        log.reset();
        disk.kill();
        disk.attach(executor);
        log = *Log::open(disk, executor, kTinySegments, Index(), Index(), recovered);
    };
    const auto append = [&](std::uint64_t first, std::uint64_t count, std::uint64_t term) {
        log->append(make_entries(first, count, term, 20));
        ASSERT_TRUE(executor.run_until([&] { return log->durable_index() == log->last_index(); }));
    };
    open();
    append(1, 20, 1);
    log->truncate(Index(10));
    const std::uint64_t damaged = batch_bytes(20 * encoded_bytes(make_entry(1, 1, 20)));
    append(10, 3, 2);
    append(13, 1, 2);
    ASSERT_TRUE(disk.flip("log/0000000000000001", damaged + 100, 1));
    for (int start = 0; start < 3; ++start) {
        open();
        EXPECT_TRUE(same(recovered.entries, make_entries(1, 12, 1, 20)));
        EXPECT_EQ(recovered.vote_barrier, Index(13));
        disk.crash({});
    }
    open();
    log->truncate(Index(10));
    append(10, 4, 2);
    open();
    EXPECT_FALSE(recovered.vote_barrier);
    EXPECT_EQ(recovered.damage, "");
    EXPECT_EQ(recovered.entries.size(), 13u);
    EXPECT_EQ(recovered.entries.back().term, Term(2));
}

TEST_F(DamageTest, EitherCopyOfARecordIsEnough) {
    for (const std::string name : {"vote", "snapshot", "acknowledged", "identity", "log/barrier"}) {
        const std::uint64_t size = disk_.content(name).size();
        for (const std::uint64_t slot : {std::uint64_t{0}, size / 2}) {
            for (std::uint64_t at = 0; at < 64; ++at) {
                const auto copy = disk_.clone();
                copy->crash({});
                ASSERT_TRUE(copy->flip(name, slot + at, 0x10));
                copy->attach(executor_);
                const auto records = disk::Records::open(*copy);
                ASSERT_TRUE(records.ok()) << records.error().message;
                EXPECT_EQ(records.value()->hard_state(),
                          (raft::HardState{.term = Term(3), .vote = NodeId(2)}));
                EXPECT_EQ(records.value()->snapshot().index, Index(110));
                open(*copy, Index());
                EXPECT_TRUE(same(recovered_.entries, truth_));
            }
        }
    }
}

TEST_F(DamageTest, ARecordDamagedInBothCopiesIsAnErrorThatNamesIt) {
    for (const std::string name : {"vote", "snapshot"}) {
        const auto copy = disk_.clone();
        copy->crash({});
        const std::uint64_t size = copy->content(name).size();
        copy->flip(name, 9, 1);
        copy->flip(name, size / 2 + 9, 1);
        copy->attach(executor_);
        const auto records = disk::Records::open(*copy);
        ASSERT_FALSE(records.ok());
        EXPECT_NE(records.error().message.find("\"" + name + "\""), std::string::npos);
    }
}

}  // namespace
}  // namespace quorlite::test
