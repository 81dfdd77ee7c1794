// The log on each of the three disks: what it promises when nothing fails.
#include <thread>

#include "engine/base/limits.h"
#include "engine/disk/segments.h"
#include "tests/disk/rig.h"

namespace quorlite::test {
namespace {

using disk::Log;
using disk::LogOptions;
using disk::RecoveredLog;

constexpr LogOptions kSmall{
    .segment_bytes = 16u << 10, .batch_bytes_max = 4u << 10, .spare_segments = 2};

class LogTest : public EachDisk {
protected:
    void open(Index snapshot = Index(), Index acknowledged = Index()) {
        auto opened =
            Log::open(rig_->disk(), rig_->executor, kSmall, snapshot, acknowledged, recovered_);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        log_ = *std::move(opened);
        log_->on_durable = [this](Index index, Term term) {
            durable_ = index;
            durable_term_ = term;
            ++reports_;
        };
    }

    void reopen(Index snapshot = Index(), Index acknowledged = Index()) {
        log_.reset();
        rig_->restart();
        open(snapshot, acknowledged);
    }

    void append(std::uint64_t first, std::uint64_t count, std::uint64_t term = 1,
                std::size_t bytes = 100) {
        log_->append(make_entries(first, count, term, bytes));
    }

    void settle() {
        ASSERT_TRUE(rig_->until([&] { return log_->durable_index() == log_->last_index(); }));
    }

    std::vector<raft::Entry> read_all() {
        std::vector<raft::Entry> all;
        Index from = log_->first_index();
        while (from <= log_->durable_index()) {
            auto some = log_->read(from, 1000);
            if (!some.ok()) {
                ADD_FAILURE() << some.error().message;
                break;
            }
            all.insert(all.end(), some->begin(), some->end());
            from = all.back().index.next();
        }
        return all;
    }

    RecoveredLog recovered_;
    std::unique_ptr<Log> log_;
    Index durable_;
    Term durable_term_;
    int reports_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Disks, LogTest, testing::Values("libaio", "portable", "simulated"),
                         [](const auto& disk) { return std::string(disk.param); });

TEST_P(LogTest, ANewLogIsEmpty) {
    open();
    EXPECT_TRUE(recovered_.entries.empty());
    EXPECT_FALSE(recovered_.vote_barrier);
    EXPECT_EQ(log_->first_index(), Index(1));
    EXPECT_EQ(log_->last_index(), Index(0));
    EXPECT_EQ(log_->durable_index(), Index(0));
}

TEST_P(LogTest, WhatWasAppendedIsThereAgain) {
    open();
    append(1, 10);
    append(11, 5, 2, 3000);
    EXPECT_EQ(log_->last_index(), Index(15));
    settle();
    EXPECT_EQ(durable_, Index(15));
    EXPECT_EQ(durable_term_, Term(2));
    auto expected = make_entries(1, 10, 1, 100);
    for (auto& entry : make_entries(11, 5, 2, 3000)) expected.push_back(entry);
    EXPECT_TRUE(same(read_all(), expected));
    reopen();
    EXPECT_TRUE(same(recovered_.entries, expected));
    EXPECT_EQ(recovered_.damage, "");
    EXPECT_EQ(log_->durable_index(), Index(15));
    EXPECT_TRUE(same(read_all(), expected));
}

TEST_P(LogTest, EntriesGatherWhileAWriteIsUnderWay) {
    open();
    append(1, 1);
    settle();
    reports_ = 0;
    for (std::uint64_t i = 2; i <= 21; ++i) append(i, 1);
    settle();
    EXPECT_EQ(reports_, 2);  // one for index 2, one for all the others
}

TEST_P(LogTest, KindsAndEmptyPayloadsSurvive) {
    open();
    auto no_op = make_entry(1, 1, 0);
    no_op.kind = raft::EntryKind::kNoOp;
    auto configuration = make_entry(2, 1, 77);
    configuration.kind = raft::EntryKind::kConfiguration;
    log_->append({no_op, configuration});
    settle();
    reopen();
    EXPECT_TRUE(same(recovered_.entries, {no_op, configuration}));
}

TEST_P(LogTest, EntriesOfAnySizeUpToSeveralSegments) {
    open();
    std::vector<raft::Entry> expected;
    std::uint64_t index = 0;
    for (const std::size_t bytes :
         {0u, 1u, 430u, 431u, 507u, 508u, 4096u, 16000u, 16384u, 40000u, 100000u, 7u}) {
        expected.push_back(make_entry(++index, 1, bytes));
        log_->append({expected.back()});
        if (bytes % 2 == 1) settle();
    }
    settle();
    EXPECT_TRUE(same(read_all(), expected));
    reopen();
    EXPECT_TRUE(same(recovered_.entries, expected));
}

TEST_P(LogTest, TruncatedEntriesAreReplaced) {
    open();
    append(1, 10);
    settle();
    append(11, 5);  // under way, or waiting, when they are truncated
    log_->truncate(Index(8));
    EXPECT_EQ(log_->last_index(), Index(7));
    EXPECT_EQ(log_->durable_index(), Index(7));
    append(8, 2, 2);
    settle();
    auto expected = make_entries(1, 7, 1, 100);
    for (auto& entry : make_entries(8, 2, 2, 100)) expected.push_back(entry);
    EXPECT_TRUE(same(read_all(), expected));
    EXPECT_FALSE(log_->read(Index(10), 100).ok());
    reopen();
    EXPECT_TRUE(same(recovered_.entries, expected));
}

TEST_P(LogTest, NothingTruncatedIsReportedDurable) {
    open();
    append(1, 1);
    settle();
    append(2, 6);
    rig_->executor.run_one();
    log_->truncate(Index(4));
    append(4, 1, 9);
    log_->truncate(Index(4));
    settle();
    EXPECT_EQ(durable_, Index(3));
    EXPECT_EQ(durable_term_, Term(1));
    EXPECT_EQ(log_->durable_index(), Index(3));
}

TEST_P(LogTest, TrimmedSegmentsAreUsedAgain) {
    open();
    std::uint64_t most = 0;
    for (std::uint64_t round = 0; round < 30; ++round) {
        append(round * 40 + 1, 40, 1, 400);
        settle();
        log_->trim(Index(round * 40 + 30));
        EXPECT_EQ(log_->first_index(), Index(round * 40 + 31));
        rig_->executor.run();
        if (round > 5) most = std::max(most, log_->bytes_on_disk());
    }
    EXPECT_LE(most, (limits::kReadySegmentsMax + 4) * kSmall.segment_bytes);
    EXPECT_FALSE(log_->read(Index(1), 100).ok());
    const auto expected = make_entries(29 * 40 + 31, 10, 1, 400);
    EXPECT_TRUE(same(read_all(), expected));
    reopen(Index(29 * 40 + 30));
    EXPECT_TRUE(same(recovered_.entries, expected));
    EXPECT_EQ(recovered_.damage, "");
    append(29 * 40 + 41, 3);
    settle();
}

TEST_P(LogTest, AResetLogContinuesAfterTheSnapshot) {
    open();
    append(1, 100, 1, 400);
    settle();
    append(101, 5);
    log_->reset(Index(500));
    EXPECT_EQ(log_->first_index(), Index(501));
    EXPECT_EQ(log_->last_index(), Index(500));
    append(501, 3, 4);
    settle();
    const auto expected = make_entries(501, 3, 4, 100);
    EXPECT_TRUE(same(read_all(), expected));
    reopen(Index(500));
    EXPECT_TRUE(same(recovered_.entries, expected));
    EXPECT_EQ(recovered_.damage, "");
}

TEST_P(LogTest, ASnapshotAheadOfTheLogEmptiesIt) {
    open();
    append(1, 20);
    settle();
    reopen(Index(30));
    EXPECT_TRUE(recovered_.entries.empty());
    EXPECT_FALSE(recovered_.vote_barrier);
    append(31, 2);
    settle();
    reopen(Index(30));
    EXPECT_TRUE(same(recovered_.entries, make_entries(31, 2, 1, 100)));
    EXPECT_EQ(recovered_.damage, "");
}

TEST_P(LogTest, TellsTheTermAtTheSnapshot) {
    open();
    append(1, 5, 3);
    append(6, 5, 4);
    settle();
    reopen(Index(5));
    EXPECT_EQ(recovered_.term_at_snapshot, Term(3));
    EXPECT_TRUE(same(recovered_.entries, make_entries(6, 5, 4, 100)));
    reopen(Index(10));
    EXPECT_EQ(recovered_.term_at_snapshot, Term(4));
    reopen(Index(11));
    EXPECT_EQ(recovered_.term_at_snapshot, Term());
}

TEST_P(LogTest, AMissingAcknowledgedEndBarsTheVote) {
    open();
    append(1, 5);
    settle();
    reopen(Index(), Index(9));
    EXPECT_TRUE(same(recovered_.entries, make_entries(1, 5, 1, 100)));
    EXPECT_EQ(recovered_.vote_barrier, Index(9));
    EXPECT_NE(recovered_.damage, "");
    reopen(Index(), Index());  // the barrier itself is remembered
    EXPECT_EQ(recovered_.vote_barrier, Index(9));
    append(6, 4, 2);
    settle();
    reopen();
    EXPECT_FALSE(recovered_.vote_barrier);
    EXPECT_EQ(recovered_.damage, "");
    EXPECT_EQ(recovered_.entries.size(), 9u);
}

TEST_P(LogTest, ReadsBesideTheLoop) {
    open();
    std::atomic<std::uint64_t> durable = 0;
    std::atomic<bool> stop = false;
    log_->on_durable = [&](Index index, Term) { durable = index.value(); };
    std::thread reader([&] {
        std::uint64_t from = 1;
        while (!stop) {
            if (from > durable) from = durable > 50 ? durable - 50 : 1;
            auto entries = log_->read(Index(from), 2000);
            if (!entries.ok()) {
                EXPECT_EQ(entries.error().code, code::kNotFound) << entries.error().message;
                from = durable;
                continue;
            }
            for (const auto& entry : *entries) {
                EXPECT_TRUE(same(entry, make_entry(from++, 1, 300)));
            }
        }
    });
    if (GetParam() == std::string("simulated")) {  // which is for one thread
        stop = true;
        reader.join();
    }
    for (std::uint64_t round = 0; round < 40; ++round) {
        append(round * 20 + 1, 20, 1, 300);
        settle();
        if (round > 3) log_->trim(Index(round * 20 - 40));
    }
    stop = true;
    if (reader.joinable()) reader.join();
}

// A write that fails for lack of space may be on the disk all the same. What is written instead may
// not fit where it stood, and goes to the next segment.
TEST(Log, AWriteThatWasGivenUpDoesNotComeBack) {
    const FatalGuard fatal;
    constexpr std::uint64_t kBatches = kSmall.segment_bytes / kDiskBlock - 2;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        TestExecutor executor;
        sim::SimDisk disk(seed);
        disk.attach(executor);
        RecoveredLog recovered;
        auto log = *Log::open(disk, executor, kSmall, Index(), Index(), recovered);
        const auto settle = [&] {
            return executor.run_until([&] { return log->durable_index() == log->last_index(); });
        };
        for (std::uint64_t i = 1; i <= kBatches; ++i) {
            log->append(make_entries(i, 1, 1, 100));
            ASSERT_TRUE(settle());
        }
        disk.fail(disk.operations() + 1, code::kFull);
        log->append(make_entries(kBatches + 1, 1, 1, 100));
        executor.run();
        log->truncate(Index(kBatches + 1));
        log->append(make_entries(kBatches + 1, 2, 2, 1500));
        ASSERT_TRUE(settle());
        log.reset();
        executor.clear();
        disk.crash({});
        disk.attach(executor);
        log = *Log::open(disk, executor, kSmall, Index(), Index(), recovered);
        auto expected = make_entries(1, kBatches, 1, 100);
        for (auto& entry : make_entries(kBatches + 1, 2, 2, 1500)) expected.push_back(entry);
        EXPECT_TRUE(same(recovered.entries, expected));
        EXPECT_EQ(recovered.damage, "");
    }
}

}  // namespace
}  // namespace quorlite::test
