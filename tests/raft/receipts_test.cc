// What nodes remember of each other's acknowledgements, and what a node whose disk lost them may
// do.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

constexpr Duration kMoment = std::chrono::microseconds(1);

AppendRequest heartbeat(std::uint64_t term, std::uint64_t index, std::uint64_t index_term,
                        std::vector<Receipt> receipts) {
    AppendRequest request = append_of(term, index, index_term, {}, index);
    request.last_index = Index(index);
    request.receipts = std::move(receipts);
    return request;
}

VoteRequest asks(std::uint64_t term, std::uint64_t last_index, std::uint64_t last_term) {
    return {Term(term), Index(last_index), Term(last_term), false, false};
}

bool granted(const Ready& output) {
    const auto replies = sent<VoteReply>(output);
    return replies.size() == 1 && replies[0].granted;
}

// A follower of node 2 that lags behind in a cluster of three; it was told that node 3 holds
// entry 4.
Lone informed() {
    Lone lone(restored_of(1, log_of({1, 1})));
    AppendRequest request = append_of(1, 2, 1, {}, 4);
    request.receipts = {{NodeId(3), {Term(1), Index(4)}}};
    lone.step(2, request);
    return lone;
}

TEST(Receipts, AreToldWithHeartbeats) {
    Lone lone(restored_of(1, log_of({1})));
    lone.elect({2});
    lone.written();
    lone.step(2, AppendReply{.term = Term(2), .success = true, .match = Index(2), .applied = {}});
    const auto heartbeats = sent<AppendRequest>(lone.pass(kHeartbeat), 3);
    ASSERT_FALSE(heartbeats.empty());
    const std::vector<Receipt> expected{
        {NodeId(1), {Term(2), Index(2)}}, {NodeId(2), {Term(2), Index(2)}}, {NodeId(3), {}}};
    EXPECT_EQ(heartbeats.back().receipts, expected);
    EXPECT_EQ(heartbeats.back().last_index, Index(2));
}

TEST(Receipts, AVoterThatLacksWhatItAcknowledgedGetsNoVote) {
    Lone lone = informed();
    lone.wait(kElectionTimeout);
    const Ready refused = lone.step(3, asks(2, 3, 1));
    EXPECT_FALSE(granted(refused));
    ASSERT_TRUE(refused.forgetful);
    EXPECT_EQ(refused.forgetful->voter, NodeId(3));
    EXPECT_EQ(refused.forgetful->acknowledged.index, Index(4));
    EXPECT_EQ(refused.forgetful->log_end.index, Index(3));
    EXPECT_TRUE(granted(lone.step(3, asks(3, 4, 1))));
}

TEST(Receipts, ItsVoteCountsForNothing) {
    Lone lone = informed();
    lone.pass(kElectionTimeout * 2);
    const Term next = lone.core().term().next();
    lone.step(3, VoteReply{next, true, true, LogEnd{Term(1), Index(3)}});
    EXPECT_NE(lone.core().role(), RoleName::kCandidate);
    lone.step(3, VoteReply{next, true, true, LogEnd{Term(1), Index(4)}});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate);
}

TEST(Receipts, AreKeptOverARestart) {
    Restored restored = restored_of(1, log_of({1, 1}));
    restored.receipts = informed().core().receipts();
    Lone lone(std::move(restored));
    lone.wait(kElectionTimeout);
    EXPECT_FALSE(granted(lone.step(3, asks(2, 3, 1))));
}

TEST(Receipts, BelongToMembersOnly) {
    Lone lone = informed();
    lone.step(2, append_of(1, 2, 1, {configured(3, 1, members("vv"))}, 3));
    EXPECT_TRUE(lone.core().receipts().empty() || lone.core().receipts().back().voter != NodeId(3));
}

TEST(Receipts, OnlyWhatIsCommittedIsBelieved) {
    Lone lone(restored_of(1, log_of({1, 1, 1, 1})));
    lone.step(2, heartbeat(1, 4, 1, {{NodeId(3), {Term(1), Index(5)}}}));
    lone.wait(kElectionTimeout);
    EXPECT_TRUE(granted(lone.step(3, asks(2, 4, 1))));
}

TEST(Receipts, AreOfNoLaterTermThanTheirLeader) {
    Lone lone(restored_of(1, log_of({1, 1, 1, 1})));
    lone.step(2, heartbeat(1, 4, 1, {{NodeId(3), {Term(2), Index(4)}}}));
    lone.wait(kElectionTimeout);
    EXPECT_TRUE(granted(lone.step(3, asks(2, 4, 1))));
}

TEST(Receipts, AnOlderCopyOfADiskBarsItsNodeUntilItHasCaughtUp) {
    Lone lone(restored_of(1, log_of({1, 1})));
    const Ready told = lone.step(2, [] {
        AppendRequest request = append_of(1, 2, 1, {}, 4);
        request.receipts = {{NodeId(1), {Term(1), Index(4)}}};
        return request;
    }());
    EXPECT_EQ(lone.core().vote_barrier(), Index(4));
    ASSERT_TRUE(told.hard_state);
    EXPECT_EQ(told.hard_state->vote_barrier, Index(4)) << "it outlives a restart";
    AppendRequest rest = append_of(1, 2, 1, {command(3, 1), command(4, 1)}, 4);
    rest.trusted = true;
    lone.step(2, rest);
    EXPECT_EQ(lone.core().vote_barrier(), Index(4)) << "not durable yet";
    const Ready lifted = lone.written();
    EXPECT_EQ(lone.core().vote_barrier(), Index());
}

// What a voter with an empty disk hears first, from a leader of term 3 whose log ends there.
AppendRequest first_append(std::uint64_t last_index) {
    AppendRequest first = append_of(3, 0, 0, {configured(1, 1, members("vvv"))}, 1);
    first.last_index = Index(last_index);
    first.to_voter = true;
    return first;
}

TEST(EmptyDisk, AVoterWithAnEmptyDiskIsBarredUntilItHasWhatItsLeaderHad) {
    Lone lone(Restored{});
    lone.step(2, first_append(9));
    EXPECT_EQ(lone.core().vote_barrier(), Index(9));
}

TEST(EmptyDisk, ItIsBarredUntilAMajorityWithoutItHasConfirmedItsLeader) {
    Lone lone(Restored{});
    lone.step(2, first_append(1));
    EXPECT_TRUE(sent<AppendReply>(lone.written()).back().forgot);
    lone.step(2, append_of(3, 1, 1, {}, 1));
    EXPECT_EQ(lone.core().vote_barrier(), Index(1));
    AppendRequest later = append_of(3, 1, 1, {}, 1);
    later.trusted = true;
    lone.step(2, later);
    EXPECT_EQ(lone.core().vote_barrier(), Index());
}

TEST(EmptyDisk, ItSaysSoToLateMessagesToo) {
    Lone lone(Restored{});
    lone.step(2, first_append(1));
    const auto replies = sent<AppendReply>(lone.step(2, append_of(2, 0, 0)));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].term, Term(3));
    EXPECT_TRUE(replies[0].forgot);
    EXPECT_EQ(replies[0].promise, kElectionTimeout / 2);
}

TEST(EmptyDisk, ALeaderDoesNotCountItBeforeOthersHaveConfirmedThatItLeads) {
    Lone lone(restored_of(1, log_of({1})));
    lone.elect({2});
    lone.written();
    const auto answer = [&](std::uint64_t from, bool forgot) {
        const auto heartbeats = sent<AppendRequest>(lone.pass(kHeartbeat), from);
        const bool trusted = heartbeats.back().trusted;
        AppendReply reply{.term = Term(2),
                          .round = heartbeats.back().round,
                          .success = true,
                          .match = Index(2),
                          .applied = Index(2)};
        reply.forgot = forgot;
        lone.step(from, reply);
        return trusted;
    };
    answer(3, true);
    EXPECT_EQ(lone.core().commit_index(), Index(0)) << "it counts for nothing";
    EXPECT_FALSE(answer(3, true));
    answer(2, false);
    EXPECT_EQ(lone.core().commit_index(), Index(2));
    EXPECT_TRUE(answer(3, true));
}

TEST(EmptyDisk, ANodeThatJoinsIsNot) {
    Lone lone(Restored{});
    AppendRequest first = append_of(3, 0, 0, {configured(1, 1, members("svv"))}, 1);
    first.last_index = Index(9);
    lone.step(2, first);
    EXPECT_EQ(lone.core().vote_barrier(), Index());
}

TEST(Promises, ALeaseIsHalfTheLeastPromise) {
    Lone lone(restored_of(1, log_of({1})));
    lone.elect({2});
    lone.written();
    const auto answer = [&](Duration promise) {
        const auto heartbeats = sent<AppendRequest>(lone.pass(kHeartbeat), 2);
        AppendReply reply{.term = Term(2),
                          .round = heartbeats.back().round,
                          .success = true,
                          .match = Index(2),
                          .applied = Index(2)};
        reply.promise = promise;
        lone.step(2, reply);
    };
    answer(kElectionTimeout / 2);
    EXPECT_TRUE(lone.core().lease_valid(lone.now() + kElectionTimeout / 4 - kHeartbeat));
    answer(kElectionTimeout / 10);
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
    EXPECT_FALSE(lone.core().lease_valid(lone.now() + kElectionTimeout / 20));
}

TEST(Promises, AreOwedOverARestartWithAShorterTimeout) {
    Restored restored = restored_of(1, log_of({1}));
    restored.owed = kElectionTimeout * 5;
    Lone lone(std::move(restored));
    lone.wait(kElectionTimeout * 5 - kMoment);
    EXPECT_FALSE(granted(lone.step(3, asks(2, 9, 2))));
    lone.wait(kMoment);
    EXPECT_TRUE(granted(lone.step(3, asks(2, 9, 2))));
}

TEST(Conflicts, ALogThatContradictsWhatIsCommittedIsNotFollowed) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, append_of(1, 3, 1, {}, 3));
    for (const AppendRequest& other :
         {append_of(2, 3, 2, {command(4, 2)}, 4), append_of(2, 1, 1, {command(2, 2)}, 2)}) {
        const Ready output = lone.step(3, other);
        ASSERT_TRUE(output.conflict);
        EXPECT_EQ(output.conflict->leader, NodeId(3));
        EXPECT_FALSE(output.truncate_from);
        EXPECT_EQ(lone.core().last_index(), Index(3));
        EXPECT_EQ(lone.core().term_at(Index(2)), Term(1));
    }
    const SnapshotRequest snapshot{
        .term = Term(2), .point = {Index(2), Term(2), members("vvv")}, .manifest = payload("")};
    const Ready output = lone.step(3, snapshot);
    EXPECT_TRUE(output.conflict);
    EXPECT_FALSE(output.install);
}

TEST(Conflicts, NoLeaderContradictsItself) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(2, 0, 0, {command(1, 2), command(2, 2)}));
    lone.step(2, append_of(2, 0, 0, {command(1, 1), command(2, 2)}, 2));
    EXPECT_EQ(lone.core().term_at(Index(1)), Term(2));
    EXPECT_EQ(lone.core().last_index(), Index(2));
    EXPECT_EQ(lone.core().commit_index(), Index(0));
}

TEST(Strangers, ALeaderThatNobodyKnowsIsNotNeededWhileAKnownOneIsHeard) {
    Lone lone(restored_of(1, log_of({1})));
    lone.step(2, append_of(1, 1, 1));
    lone.step(9, append_of(5, 1, 1));
    EXPECT_EQ(lone.core().term(), Term(1));
    EXPECT_EQ(lone.core().leader(), NodeId(2));
    lone.wait(kElectionTimeout);
    lone.step(9, append_of(5, 1, 1));
    EXPECT_EQ(lone.core().leader(), NodeId(9)) << "it may have joined since";
    lone.step(9, append_of(5, 1, 1));
    EXPECT_EQ(lone.core().leader(), NodeId(9));
}

TEST(Strangers, OnlyTheLeaderOrdersAnElection) {
    Lone lone(restored_of(1, log_of({1})));
    lone.step(2, append_of(1, 1, 1));
    lone.step(3, TimeoutNow{Term(1)});
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    lone.step(2, TimeoutNow{Term(1)});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate);
}

TEST(Strangers, TermsThatNoClusterReachesAreNotBelieved) {
    Lone lone(restored_of(1, log_of({1})));
    lone.wait(kElectionTimeout * 2);
    for (const std::uint64_t term : {UINT64_MAX, kTermMax + 1, kTermStepMax + 2}) {
        lone.step(2, append_of(term, 1, 1));
        lone.step(3, asks(term, 9, 1));
        EXPECT_EQ(lone.core().term(), Term(1)) << term;
    }
    lone.step(2, append_of(kTermStepMax, 1, 1));
    EXPECT_EQ(lone.core().term(), Term(kTermStepMax));
}

TEST(Strangers, AConfigurationChangesOneServerAtATime) {
    Lone lone(restored_of(1, log_of({1})));
    Configuration other;
    other.servers = {{NodeId(7), "h:7", Role::kVoter}};
    lone.step(2, append_of(1, 1, 1, {configured(2, 1, other)}, 2));
    EXPECT_EQ(lone.core().last_index(), Index(1));
    lone.step(2, append_of(1, 1, 1, {configured(2, 1, members("vvs"))}, 2));
    EXPECT_EQ(lone.core().last_index(), Index(2));
}

}  // namespace
}  // namespace quorlite::raft
