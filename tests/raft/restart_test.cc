// What a node may do right after it started.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

VoteRequest asks(std::uint64_t term) {
    return {.term = Term(term), .last_index = Index(99), .last_term = Term(term - 1)};
}

bool granted(const Ready& output) {
    const auto replies = sent<VoteReply>(output);
    return replies.size() == 1 && replies[0].granted;
}

TEST(Restart, KeepsItsTermAndVote) {
    Restored restored = restored_of(4, log_of({1, 2}));
    restored.hard_state.vote = NodeId(3);
    Lone lone(restored);
    lone.wait(kElectionTimeout);
    EXPECT_FALSE(granted(lone.step(2, asks(4))));
    EXPECT_TRUE(granted(lone.step(3, asks(4))));
    EXPECT_FALSE(granted(lone.step(2, asks(3))));
}

TEST(Restart, DoesNotVoteWithinALeaseThatItMayHaveGranted) {
    Lone lone(restored_of(4, log_of({1, 2})));
    lone.wait(kElectionTimeout - std::chrono::milliseconds(1));
    EXPECT_TRUE(lone.step(2, asks(5)).messages.empty());
    lone.wait(std::chrono::milliseconds(1));
    EXPECT_TRUE(granted(lone.step(2, asks(5))));
}

TEST(Restart, ABrandNewClusterNeedsNoSuchWait) {
    Lone lone(restored_of(0, {}));
    EXPECT_TRUE(granted(lone.step(2, asks(1))));
}

TEST(Restart, TheOnlyVoterElectsItselfAtOnceWithANewTerm) {
    Lone lone(restored_of(4, log_of({1, 2, 4}), "vs-"));
    const Ready output = lone.take();
    EXPECT_EQ(lone.core().role(), RoleName::kLeader);
    EXPECT_EQ(output.hard_state, (HardState{Term(5), NodeId(1)}));
    EXPECT_FALSE(lone.core().serving());
    EXPECT_EQ(lone.written().committed.size(), 4u) << "the no-op commits what came before";
    EXPECT_TRUE(lone.core().serving());
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
}

TEST(Restart, WhoBecomesTheOnlyVoterByAnUncommittedChangeWaits) {
    // The leader that removed itself may still hold a lease that this node granted.
    std::vector<Entry> log = log_of({1, 1});
    log.push_back(configured(3, 1, members("v")));
    Lone lone(restored_of(1, log));
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    lone.pass(kElectionTimeout - kHeartbeat);
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    lone.pass(kHeartbeat);
    EXPECT_EQ(lone.core().role(), RoleName::kLeader);
}

TEST(Restart, DeliversWhatIsCommittedFromTheSnapshotOn) {
    Restored restored = restored_of(4, {});
    restored.snapshot.index = Index(10);
    restored.snapshot.term = Term(3);
    restored.log = {command(11, 3), command(12, 4), command(13, 4)};
    restored.committed = Index(12);
    Lone lone(restored);
    const Ready output = lone.take();
    ASSERT_EQ(output.committed.size(), 2u);
    EXPECT_EQ(output.committed[0].index, Index(11));
    EXPECT_TRUE(output.append.empty()) << "what was restored is on the disk";
    EXPECT_EQ(lone.core().durable_index(), Index(13));
    EXPECT_EQ(lone.core().term_at(Index(10)), Term(3));
}

TEST(Restart, EntriesOfAnotherHistoryBehindAnInstalledSnapshotAreDropped) {
    Restored restored = restored_of(4, {});
    restored.snapshot.index = Index(10);
    restored.snapshot.term = Term(3);
    restored.log = {command(11, 2), command(12, 2)};
    Lone lone(restored);
    EXPECT_EQ(lone.core().last_index(), Index(10));
    EXPECT_EQ(lone.take().truncate_from, Index(11));
}

TEST(Restart, ANodeWithADamagedLogNeitherVotesNorCampaigns) {
    Restored restored = restored_of(4, log_of({1, 2}));
    restored.vote_barrier = Index(5);
    Lone lone(restored);
    EXPECT_TRUE(lone.pass(kElectionTimeout * 4).messages.empty());
    EXPECT_FALSE(granted(lone.step(2, asks(5))));
    VoteRequest pre_vote = asks(6);
    pre_vote.pre_vote = true;
    EXPECT_FALSE(granted(lone.step(2, pre_vote)));
    lone.step(3, TimeoutNow{.term = Term(5)});
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
}

TEST(Restart, ADamagedLogIsWholeAgainWhenALeadersEntriesAreDurable) {
    Restored restored = restored_of(4, log_of({1, 2}));
    restored.vote_barrier = Index(4);
    Lone lone(restored);
    lone.step(2, append_of(4, 2, 2, {command(3, 4)}, 3));
    lone.written();
    EXPECT_EQ(lone.core().vote_barrier(), Index(4));
    lone.step(2, append_of(4, 3, 4, {command(4, 4)}, 3));
    EXPECT_EQ(lone.core().vote_barrier(), Index(4)) << "not durable yet";
    lone.written();
    EXPECT_EQ(lone.core().vote_barrier(), Index());
    lone.wait(kElectionTimeout);
    EXPECT_TRUE(granted(lone.step(2, asks(5))));
}

TEST(Restart, ATermThatIsBehindTheLogIsRaised) {
    Lone lone(restored_of(1, log_of({1, 7})));
    EXPECT_EQ(lone.core().term(), Term(7));
    EXPECT_EQ(lone.take().hard_state, (HardState{Term(7), NodeId()}));
}

}  // namespace
}  // namespace quorlite::raft
