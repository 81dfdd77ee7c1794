// The records on each of the three disks.
#include "engine/base/limits.h"
#include "tests/disk/rig.h"

namespace quorlite::test {
namespace {

using disk::Identity;
using disk::Records;

class RecordsTest : public EachDisk {
protected:
    void open() {
        records_.reset();
        auto opened = Records::open(rig_->disk());
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        records_ = *std::move(opened);
    }
    void reopen() {
        records_.reset();
        rig_->restart();
        open();
    }

    std::unique_ptr<Records> records_;
};

INSTANTIATE_TEST_SUITE_P(Disks, RecordsTest, testing::Values("libaio", "portable", "simulated"),
                         [](const auto& disk) { return std::string(disk.param); });

TEST_P(RecordsTest, ANewDirectoryHasNone) {
    open();
    EXPECT_FALSE(records_->identity());
    EXPECT_EQ(records_->hard_state(), raft::HardState());
    EXPECT_FALSE(records_->snapshot().index);
    EXPECT_FALSE(records_->acknowledged());
    reopen();
    EXPECT_FALSE(records_->identity());
}

TEST_P(RecordsTest, WhatWasSavedIsThereAgain) {
    open();
    raft::SnapshotPoint point{.index = Index(1000), .term = Term(7), .configuration = {}};
    for (std::uint64_t i = 1; i <= 100; ++i) {
        point.configuration.servers.push_back(
            {.id = NodeId(i), .address = std::string(200, 'a') + std::to_string(i) + ":9001"});
    }
    ASSERT_TRUE(records_->save(point).ok());
    ASSERT_TRUE(
        records_->save(Identity{.id = NodeId(3), .cluster = {5, 99}, .address = "10.0.0.1:9001"})
            .ok());
    ASSERT_TRUE(records_->save_acknowledged(Index(41)).ok());
    EXPECT_TRUE(records_->log_hashes().empty());
    const std::vector<raft::LogHash> hashes{{Index(3), Index(1000), 0xfedcba9876543210},
                                            {Index(3), Index(1100), 1}};
    ASSERT_TRUE(records_->save(hashes).ok());
    for (std::uint64_t i = 1; i <= 5; ++i) {
        const raft::HardState state{.term = Term(i), .vote = NodeId(i * 2)};
        ASSERT_TRUE(records_->save(state).ok());
        EXPECT_EQ(records_->hard_state(), state);
        reopen();
        EXPECT_EQ(records_->hard_state(), state);
    }
    EXPECT_EQ(records_->snapshot().index, point.index);
    EXPECT_EQ(records_->snapshot().term, point.term);
    EXPECT_EQ(records_->snapshot().configuration, point.configuration);
    EXPECT_EQ(records_->identity()->id, NodeId(3));
    EXPECT_EQ(records_->identity()->cluster, (ClusterId{5, 99}));
    EXPECT_FALSE(records_->identity()->removed);
    EXPECT_EQ(records_->identity()->address, "10.0.0.1:9001");
    EXPECT_EQ(records_->acknowledged(), Index(41));
    EXPECT_EQ(records_->log_hashes(), hashes);
}

TEST_P(RecordsTest, AnIdentityOfVersion01HasHalfAClusterId) {
    open();
    for (const ClusterId cluster : {ClusterId{0, 99}, ClusterId{5, 99}}) {
        for (const bool removed : {false, true}) {
            const Identity saved{NodeId(3), cluster, "10.0.0.1:9001", removed};
            ASSERT_TRUE(records_->save(saved).ok());
            reopen();
            EXPECT_EQ(records_->identity()->cluster, cluster);
            EXPECT_EQ(records_->identity()->address, saved.address);
            EXPECT_EQ(records_->identity()->removed, removed);
        }
    }
}

TEST_P(RecordsTest, SeedsAreKeptUntilTheyAreForgotten) {
    open();
    EXPECT_EQ(*disk::load_seeds(rig_->disk()), std::vector<std::string>());
    EXPECT_FALSE(rig_->disk().exists("seeds"));
    std::vector<std::string> seeds{"10.0.0.1:9001", "node2:9001"};
    ASSERT_TRUE(disk::save_seeds(rig_->disk(), seeds).ok());
    reopen();
    EXPECT_EQ(*disk::load_seeds(rig_->disk()), seeds);
    seeds.assign(limits::kSeedsMax, std::string(limits::kAddressBytesMax, 'a'));
    ASSERT_TRUE(disk::save_seeds(rig_->disk(), seeds).ok());
    EXPECT_EQ(*disk::load_seeds(rig_->disk()), seeds);
    ASSERT_TRUE(disk::save_seeds(rig_->disk(), {}).ok());
    reopen();
    EXPECT_EQ(*disk::load_seeds(rig_->disk()), std::vector<std::string>());
}

TEST_P(RecordsTest, AMissingRecordIsAnErrorThatNamesIt) {
    open();
    ASSERT_TRUE(
        records_->save(Identity{.id = NodeId(3), .cluster = {5, 99}, .address = "a:1"}).ok());
    ASSERT_TRUE(rig_->disk().remove("vote").ok());
    const auto opened = Records::open(rig_->disk());
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().message.find("\"vote\" is missing"), std::string::npos);
}

}  // namespace
}  // namespace quorlite::test
