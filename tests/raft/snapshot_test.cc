// Compaction, and snapshots for peers that need what the log no longer holds (thesis chapter 5).

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

AppendReply ack(std::uint64_t match, std::uint64_t round) {
    return {.term = Term(2),
            .round = round,
            .success = true,
            .match = Index(match),
            .applied = Index()};
}

// A leader of term 2 with entries 1 to 5 committed, the first four compacted, and peer 3 at
// nothing.
Ready lead_compacted(Lone& lone) {
    lone.elect({2});
    lone.propose({"a", "b", "c", "d"});
    lone.written();
    lone.step(2, ack(5, 0));
    lone.core().applied(Index(5));
    lone.core().compacted({Index(4), Term(2), members("vvv")});
    return lone.step(3, AppendReply{.term = Term(2), .round = 1, .match = {}, .applied = {}});
}

SnapshotPoint point_of(std::uint64_t index, std::uint64_t term) {
    return {Index(index), Term(term), members("vvv")};
}

SnapshotRequest offer_of(std::uint64_t term, std::uint64_t index, std::uint64_t point_term) {
    return {Term(term), point_of(index, point_term), 7, payload("manifest")};
}

TEST(Snapshot, CompactionKeepsThePointAndWhatFollows) {
    Lone lone(restored_of(1, {}));
    lead_compacted(lone);
    EXPECT_EQ(lone.core().first_index(), Index(5));
    EXPECT_EQ(lone.core().term_at(Index(4)), Term(2));
    EXPECT_EQ(lone.core().term_at(Index(3)), std::nullopt);
    EXPECT_EQ(lone.core().last_index(), Index(5));
}

TEST(Snapshot, IsAskedForOncePerAttempt) {
    Lone lone(restored_of(1, {}));
    const Ready output = lead_compacted(lone);
    EXPECT_EQ(output.snapshots, std::vector<NodeId>{NodeId(3)});
    EXPECT_TRUE(lone.core().progress()[1].snapshotting);
    const Ready later = lone.pass(kHeartbeat * 3);
    EXPECT_TRUE(later.snapshots.empty());
    EXPECT_FALSE(sent<AppendRequest>(later, 3).empty()) << "heartbeats go on";
}

TEST(Snapshot, IsOfferedWithEachHeartbeatUntilItIsInstalled) {
    Lone lone(restored_of(1, {}));
    lead_compacted(lone);
    lone.core().offer_snapshot(lone.now(), NodeId(3), point_of(4, 2), payload("manifest"));
    EXPECT_EQ(sent<SnapshotRequest>(lone.take(), 3).size(), 1u);
    lone.step(3, SnapshotReply{Term(2), 1, Index(4), false});
    const auto again = sent<SnapshotRequest>(lone.pass(kHeartbeat * 2), 3);
    EXPECT_EQ(again.size(), 2u);
    EXPECT_EQ(*again[0].manifest, *payload("manifest"));
    const Ready output = lone.step(3, SnapshotReply{Term(2), again[1].round, Index(4), true});
    EXPECT_FALSE(lone.core().progress()[1].snapshotting);
    const auto requests = sent<AppendRequest>(output, 3);
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].previous_index, Index(4));
    EXPECT_EQ(requests[0].entries.size(), 1u);
}

TEST(Snapshot, AnAnswerToAnOfferConfirmsTheRound) {
    Lone lone(restored_of(1, {}));
    lead_compacted(lone);
    lone.core().offer_snapshot(lone.now(), NodeId(3), point_of(4, 2), payload("manifest"));
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(3, SnapshotReply{Term(2), round, Index(4), false});
    EXPECT_EQ(lone.core().confirmed_round(), round);
}

TEST(Snapshot, IsAskedForAgainIfTheLogWasCompactedMeanwhile) {
    Lone lone(restored_of(1, {}));
    lead_compacted(lone);
    lone.core().offer_snapshot(lone.now(), NodeId(3), point_of(4, 2), payload("manifest"));
    lone.take();
    lone.core().compacted(point_of(5, 2));
    const Ready output = lone.step(3, SnapshotReply{Term(2), 1, Index(4), true});
    EXPECT_EQ(output.snapshots, std::vector<NodeId>{NodeId(3)});
}

TEST(Snapshot, UnreadableEntriesLeadToASnapshotToo) {
    Options options = options_of(1);
    options.cache_bytes_max = 0;
    Lone lone(restored_of(1, {}), options);
    lone.elect({2});
    lone.propose({"a"});
    lone.written();
    lone.step(2, ack(2, 0));
    lone.core().applied(Index(2));
    Ready output =
        lone.step(3, AppendReply{.term = Term(2), .round = 1, .match = {}, .applied = {}});
    output = lone.step(3, ack(0, sent<AppendRequest>(output, 3).back().round));
    ASSERT_EQ(output.reads.size(), 1u);
    lone.core().entries_unavailable(lone.now(), NodeId(3));
    EXPECT_EQ(lone.take().snapshots, std::vector<NodeId>{NodeId(3)});
    lone.core().snapshot_unavailable(lone.now(), NodeId(3));
    EXPECT_FALSE(lone.core().progress()[1].snapshotting);
}

TEST(Snapshot, APeerThatLagsBehindTheCompactionIsNotForgotten) {
    // Its acknowledgement was lost, the window is full, and what it has next is compacted.
    Options options = options_of(1);
    options.window_bytes_max = 1;
    Lone lone(restored_of(1, {}), options);
    lone.elect({2});
    lone.written();
    lone.step(2, ack(1, 0));
    for (std::uint64_t index = 2; index <= 5; ++index) {
        lone.propose({"a"});
        lone.written();
        lone.step(2, ack(index, 0));
    }
    lone.core().applied(Index(5));
    lone.core().compacted(point_of(5, 2));
    EXPECT_EQ(lone.take().snapshots, std::vector<NodeId>{NodeId(3)});
}

// --- the receiver ---

TEST(Snapshot, AnOfferIsTakenUpOnce) {
    Lone lone(restored_of(1, log_of({1})));
    Ready output = lone.step(2, offer_of(2, 10, 2));
    ASSERT_TRUE(output.install.has_value());
    EXPECT_EQ(output.install->point.index, Index(10));
    ASSERT_EQ(sent<SnapshotReply>(output).size(), 1u);
    EXPECT_FALSE(sent<SnapshotReply>(output)[0].installed);
    EXPECT_EQ(sent<SnapshotReply>(output)[0].round, 7u);
    EXPECT_FALSE(lone.step(2, offer_of(2, 10, 2)).install);
    EXPECT_FALSE(lone.step(2, offer_of(2, 9, 2)).install) << "an older one, late";
    EXPECT_TRUE(lone.step(2, offer_of(2, 11, 2)).install) << "a newer one replaces it";
    EXPECT_TRUE(lone.step(3, offer_of(3, 10, 2)).install) << "another leader has it elsewhere";
    lone.core().snapshot_refused(lone.now());
    EXPECT_TRUE(lone.step(3, offer_of(3, 10, 2)).install) << "offered again after a failure";
}

TEST(Snapshot, OffersKeepTheReceiverFromCampaigning) {
    Lone lone(restored_of(1, {}));
    for (int i = 0; i < 40; ++i) {
        lone.step(2, offer_of(2, 10, 2));
        lone.pass(kHeartbeat);
    }
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
}

TEST(Snapshot, TheReceiverDiscardsItsLogIfItDoesNotContainThePoint) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, offer_of(2, 2, 2));
    lone.core().snapshot_installed(lone.now(), {Index(2), Term(2), members("vvvs")});
    const Ready output = lone.take();
    EXPECT_EQ(output.truncate_from, Index(3));
    EXPECT_EQ(lone.core().last_index(), Index(2));
    EXPECT_EQ(lone.core().commit_index(), Index(2));
    EXPECT_EQ(lone.core().first_index(), Index(3));
    EXPECT_EQ(lone.core().configuration(), members("vvvs"));
    EXPECT_TRUE(output.committed.empty()) << "the databases are at the point";
    ASSERT_EQ(sent<SnapshotReply>(output, 2).size(), 1u);
    EXPECT_TRUE(sent<SnapshotReply>(output, 2)[0].installed);
}

TEST(Snapshot, TheReceiverRetainsWhatFollowsIfItsLogContainsThePoint) {
    Lone lone(restored_of(1, log_of({1})));
    lone.step(2, offer_of(2, 3, 2));
    // Meanwhile the entries come after all.
    lone.step(2, append_of(2, 1, 1, {command(2, 2), command(3, 2), command(4, 2)}));
    lone.core().snapshot_installed(lone.now(), point_of(3, 2));
    const Ready output = lone.take();
    EXPECT_FALSE(output.truncate_from);
    EXPECT_EQ(lone.core().last_index(), Index(4));
    EXPECT_EQ(lone.core().commit_index(), Index(3));
    EXPECT_TRUE(output.committed.empty());
    EXPECT_EQ(lone.step(2, append_of(2, 4, 2, {}, 4)).committed.size(), 1u);
}

TEST(Snapshot, WhatWasNotHandedOverYetIsHandedOverEvenIfASnapshotOvertookIt) {
    Options options = options_of(1);
    options.cache_bytes_max = 0;
    Lone lone(restored_of(1, log_of({1})), options);
    lone.step(2, offer_of(2, 3, 2));
    // One batch of inputs: the entries, and the end of the installation.
    lone.core().step(lone.now(), NodeId(2),
                     append_of(2, 1, 1, {command(2, 2), command(3, 2), command(4, 2)}));
    lone.core().snapshot_installed(lone.now(), point_of(3, 2));
    lone.core().compacted(point_of(3, 2));
    const Ready output = lone.take();
    ASSERT_EQ(output.append.size(), 3u) << "the log on disk has no gap";
    EXPECT_EQ(output.append[0].index, Index(2));
}

TEST(Snapshot, AnOfferOfWhatIsThereAlreadyIsAnsweredAtOnce) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    const Ready output = lone.step(2, offer_of(2, 2, 1));
    EXPECT_FALSE(output.install);
    EXPECT_TRUE(sent<SnapshotReply>(output)[0].installed);
    EXPECT_EQ(lone.core().commit_index(), Index(2)) << "a point is committed";
    EXPECT_FALSE(lone.step(2, offer_of(2, 1, 9)).install) << "nothing older is ever installed";
}

TEST(Snapshot, AnOlderSnapshotDoesNotTakeTheLogBack) {
    Lone lone(restored_of(1, {}));
    lone.step(2, offer_of(2, 2, 2));
    lone.step(2, append_of(2, 0, 0, log_of({2, 2, 2}), 3));
    lone.core().snapshot_installed(lone.now(), point_of(2, 2));
    lone.take();
    EXPECT_EQ(lone.core().last_index(), Index(3));
    EXPECT_EQ(lone.core().commit_index(), Index(3));
}

TEST(Snapshot, EntriesBeforeThePointAreTakenAsEqual) {
    Lone lone(restored_of(1, {}));
    lone.step(2, offer_of(2, 3, 2));
    lone.core().snapshot_installed(lone.now(), point_of(3, 2));
    lone.take();
    const Ready output =
        lone.step(2, append_of(2, 1, 2, {command(2, 2), command(3, 2), command(4, 2)}, 4));
    ASSERT_EQ(output.append.size(), 1u);
    EXPECT_EQ(output.append[0].index, Index(4));
    EXPECT_EQ(lone.core().commit_index(), Index(4));
}

}  // namespace
}  // namespace quorlite::raft
