// A snapshot on its way between two nodes, while the sender goes on writing and flushing: what the
// receiver gets is newer than the snapshot's index here and there, and it knows up to where.
#include "engine/replica/snapshot_transfer.h"

#include "tests/database/support.h"

namespace quorlite::replica {
namespace {

using database::Log;
using database::Node;
using database::Writer;

constexpr NodeId kLeader{1};
constexpr NodeId kPeer{2};
constexpr const char* kChange = "UPDATE t SET b = randomblob(3000) WHERE a % 7 = 0";

class SnapshotTransfer : public testing::Test {
protected:
    SnapshotTransfer() {
        EXPECT_OK(leader_.open());
        EXPECT_OK(peer_.open());
        writer_ = std::make_unique<Writer>(leader_, log_);
        sender_ = std::make_unique<SnapshotSender>(
            *leader_.store, leader_.executor,
            [this](NodeId, std::variant<ChunkRequest, Chunk> body) {
                chunks_.push_back(std::get<Chunk>(std::move(body)));
            });
        change("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
        change(
            "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 1500) "
            "INSERT INTO t SELECT a, randomblob(3000) FROM g");
        bool saved = false;
        leader_.store->save_snapshot_point({leader_.store->flushed_index(), Term(1), nullptr},
                                           [&](Status status) { saved = status.ok(); });
        leader_.executor.run();
        EXPECT_TRUE(saved);
        const auto& source = sender_->hold_for(kPeer, leader_.executor.now());
        index_ = source.point().index;
        manifest_ = source.manifest();
    }

    // Committed, and in the base file.
    void change(const char* sql) {
        ASSERT_OK(writer_->run(sql));
        writer_->commit();
        leader_.flush();
    }

    void start_receiver() {
        auto installer = peer_.store->start_install(manifest_);
        ASSERT_OK(installer);
        receiver_ = std::make_shared<SnapshotReceiver>(
            kLeader, index_, std::move(*installer), peer_.executor,
            [this](NodeId, std::variant<ChunkRequest, Chunk> body) {
                sender_->answer(kPeer, std::get<ChunkRequest>(body), leader_.executor.now());
            },
            [this](Status status) { outcome_ = std::move(status); });
        receiver_->start(peer_.executor.now());
    }

    // Carries at most so many chunks over. True when everything has arrived.
    bool carry(int chunks_max) {
        for (; chunks_max > 0 && !outcome_; --chunks_max) {
            leader_.executor.run();
            if (chunks_.empty()) break;
            receiver_->receive(chunks_.front(), peer_.executor.now());
            chunks_.pop_front();
            peer_.executor.run();
        }
        return outcome_ && outcome_->ok();
    }

    // The receiver has put everything in place, and may not call it whole before `newest`.
    void expect_installed(Index newest) {
        ASSERT_OK(peer_.store->finish_install(receiver_->installer()));
        EXPECT_EQ(peer_.store->applied_index(), index_);
        EXPECT_EQ(peer_.store->known_committed(), newest);
        receiver_.reset();
        peer_.kill();  // what was received says so for itself
        ASSERT_OK(peer_.open());
        EXPECT_EQ(peer_.store->known_committed(), newest);
        peer_.catch_up(log_, newest.value());
        EXPECT_EQ(peer_.checksum(), leader_.checksum());
    }

    Index newest() const { return Index(log_.size()); }

    Node leader_{1};
    Node peer_{2};
    Log log_;
    std::unique_ptr<Writer> writer_;
    std::unique_ptr<SnapshotSender> sender_;
    std::shared_ptr<SnapshotReceiver> receiver_;
    std::deque<Chunk> chunks_;
    Index index_;
    SharedBytes manifest_;
    std::optional<Status> outcome_;
};

TEST_F(SnapshotTransfer, OfALeaderThatRestsIsWholeAsItIs) {
    start_receiver();
    ASSERT_TRUE(carry(1000));
    expect_installed(index_);
}

TEST_F(SnapshotTransfer, TellsTheReceiverHowFarItMustApplyToBeWhole) {
    start_receiver();
    ASSERT_FALSE(carry(2));
    change(kChange);
    const Index changed = newest();
    ASSERT_TRUE(carry(1000));
    EXPECT_GT(changed, index_);
    expect_installed(changed);
}

TEST_F(SnapshotTransfer, ReceiverThatBeginsAgainForgetsNothing) {
    start_receiver();
    ASSERT_FALSE(carry(2));
    change(kChange);
    ASSERT_FALSE(carry(1));
    receiver_->cancel();
    chunks_.clear();
    start_receiver();  // the pieces that it has are kept, and so is what was said about them
    ASSERT_GT(receiver_->installer().received(0), 0u);
    ASSERT_TRUE(carry(1000));
    expect_installed(newest());
}

// It may be the second answer to the offer before.
TEST_F(SnapshotTransfer, IsNotGivenUpForAnOlderOne) {
    start_receiver();
    ASSERT_FALSE(carry(2));
    sender_->installed(kPeer, index_.previous());
    ASSERT_TRUE(carry(1000));
    EXPECT_EQ(sender_->oldest_held(), index_);
    sender_->installed(kPeer, index_);
    EXPECT_FALSE(sender_->oldest_held());
}

TEST_F(SnapshotTransfer, ToldWhenNothingIsHeld) {
    const ChunkRequest request{index_, 0, 0, 1};
    const ChunkRequest other{index_.previous(), 0, 0, 1};
    const TimePoint now = leader_.executor.now();
    EXPECT_TRUE(sender_->answer(kPeer, request, now));
    EXPECT_TRUE(sender_->answer(kPeer, other, now));
    sender_->release_silent(now + std::chrono::minutes(1));
    EXPECT_FALSE(sender_->answer(kPeer, request, now));
}

TEST_F(SnapshotTransfer, ReceiverThatRestartsBeginsAnew) {
    start_receiver();
    ASSERT_FALSE(carry(2));
    change(kChange);
    ASSERT_FALSE(carry(1));
    receiver_->cancel();
    receiver_.reset();
    chunks_.clear();
    peer_.crash({});
    ASSERT_OK(peer_.open());
    start_receiver();
    EXPECT_EQ(receiver_->installer().received(0), 0u);
    ASSERT_TRUE(carry(1000));
    expect_installed(newest());
}

}  // namespace
}  // namespace quorlite::replica
