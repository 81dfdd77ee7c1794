// Who leads. Tests are named after sentences of Ongaro's thesis where one says it.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

constexpr Duration kMoment = std::chrono::milliseconds(1);

VoteRequest asks(std::uint64_t term, std::uint64_t last_index, std::uint64_t last_term) {
    return {.term = Term(term), .last_index = Index(last_index), .last_term = Term(last_term)};
}

bool granted(const Ready& output) {
    const auto replies = sent<VoteReply>(output);
    return replies.size() == 1 && replies[0].granted;
}

TEST(Election, WhenServersStartUpTheyBeginAsFollowers) {
    Lone lone(restored_of(3, log_of({1, 2, 3})));
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    EXPECT_EQ(lone.core().leader(), NodeId());
    EXPECT_TRUE(lone.take().messages.empty());
}

TEST(Election, IfAFollowerReceivesNoCommunicationItBeginsAnElection) {
    Lone lone(restored_of(3, log_of({1, 2, 3})));
    EXPECT_TRUE(lone.pass(kElectionTimeout - kHeartbeat).messages.empty());
    const Ready output = lone.pass(kHeartbeat);
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
    const auto requests = sent<VoteRequest>(output, 2);
    ASSERT_FALSE(requests.empty());
    EXPECT_TRUE(requests[0].pre_vote);
    EXPECT_EQ(requests[0].term, Term(4)) << "the term it would have";
    EXPECT_EQ(requests[0].last_index, Index(3));
    EXPECT_EQ(requests[0].last_term, Term(3));
    EXPECT_EQ(lone.core().term(), Term(3)) << "a pre-vote does not raise the term (9.6)";
    EXPECT_FALSE(output.hard_state);
}

TEST(Election, ACandidateOnlyIncrementsItsTermIfItLearnsThatAMajorityWouldVoteForIt) {
    Lone lone(restored_of(3, {}, "vvvvv"));
    lone.pass(kElectionTimeout);
    lone.step(2, VoteReply{Term(4), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
    lone.step(2, VoteReply{Term(4), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate) << "a repeated reply is one vote";
    const Ready output = lone.step(3, VoteReply{Term(4), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate);
    EXPECT_EQ(output.hard_state, (HardState{Term(4), NodeId(1)})) << "it votes for itself";
    for (const VoteRequest& request : sent<VoteRequest>(output)) EXPECT_FALSE(request.pre_vote);
    EXPECT_EQ(sent<VoteRequest>(output).size(), 4u);
}

TEST(Election, ACandidateWinsIfItReceivesVotesFromAMajorityOfTheServersInTheFullCluster) {
    Lone lone(restored_of(1, {}, "vvvvv"));
    lone.pass(kElectionTimeout);
    for (const std::uint64_t id : {2u, 3u}) lone.step(id, VoteReply{Term(2), true, true});
    lone.step(2, VoteReply{Term(2), false, true});
    lone.step(3, VoteReply{Term(2), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate) << "a pre-vote is no vote";
    lone.step(6, VoteReply{Term(2), false, true});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate) << "a stranger's vote does not count";
    const Ready output = lone.step(4, VoteReply{Term(2), false, true});
    EXPECT_EQ(lone.core().role(), RoleName::kLeader);
    EXPECT_TRUE(output.role_changed);
    ASSERT_EQ(output.append.size(), 1u);
    EXPECT_EQ(output.append[0].kind, EntryKind::kNoOp);
    EXPECT_EQ(sent<AppendRequest>(output, 5).size(), 2u) << "a heartbeat, and the no-op";
    EXPECT_TRUE(sent<AppendRequest>(output, 5)[0].entries.empty());
}

TEST(Election, EachServerWillVoteForAtMostOneCandidateInAGivenTermFirstComeFirstServed) {
    Lone lone(restored_of(0, {}));
    const Ready first = lone.step(2, asks(1, 0, 0));
    EXPECT_TRUE(granted(first));
    EXPECT_EQ(first.hard_state, (HardState{Term(1), NodeId(2)})) << "durable before the reply";
    EXPECT_FALSE(granted(lone.step(3, asks(1, 9, 1))));
    EXPECT_TRUE(granted(lone.step(2, asks(1, 0, 0)))) << "the same candidate may ask again";
    EXPECT_TRUE(granted(lone.step(3, asks(2, 0, 0))));
}

TEST(Election, TheVoterDeniesItsVoteIfItsOwnLogIsMoreUpToDate) {
    struct Case {
        std::uint64_t last_index, last_term;
        bool grant;
    };
    for (const auto& [last_index, last_term, grant] : std::vector<Case>{{3, 3, true},
                                                                        {4, 3, true},
                                                                        {1, 4, true},
                                                                        {2, 3, false},
                                                                        {9, 2, false},
                                                                        {0, 0, false}}) {
        for (const bool pre_vote : {false, true}) {
            Lone lone(restored_of(3, log_of({1, 2, 3})));
            lone.wait(kElectionTimeout);
            VoteRequest request = asks(4, last_index, last_term);
            request.pre_vote = pre_vote;
            EXPECT_EQ(granted(lone.step(2, request)), grant) << last_index << " " << last_term;
            EXPECT_EQ(lone.core().term(), Term(pre_vote ? 3 : 4));
        }
    }
}

TEST(Election, IfAServerReceivesARequestWithAStaleTermNumberItRejectsTheRequest) {
    Lone lone(restored_of(5, {}));
    lone.wait(kElectionTimeout);
    Ready output = lone.step(2, asks(4, 9, 4));
    EXPECT_FALSE(granted(output));
    EXPECT_EQ(sent<VoteReply>(output)[0].term, Term(5)) << "so that the candidate learns of it";
    output = lone.step(2, append_of(4, 0, 0));
    ASSERT_EQ(sent<AppendReply>(output).size(), 1u);
    EXPECT_FALSE(sent<AppendReply>(output)[0].success);
    EXPECT_EQ(sent<AppendReply>(output)[0].term, Term(5));
    EXPECT_EQ(lone.core().leader(), NodeId());
}

TEST(Election, IfACandidateOrLeaderDiscoversThatItsTermIsOutOfDateItRevertsToFollower) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.step(3, AppendReply{.term = Term(9), .match = Index(), .applied = Index()});
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    EXPECT_EQ(lone.core().term(), Term(9));
}

TEST(Election, ACandidateThatHearsFromTheLeaderOfItsTermRecognisesIt) {
    Lone lone(restored_of(1, {}));
    lone.pass(kElectionTimeout);
    lone.step(2, VoteReply{Term(2), true, true});
    ASSERT_EQ(lone.core().role(), RoleName::kCandidate);
    lone.step(3, append_of(2, 0, 0));
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    EXPECT_EQ(lone.core().leader(), NodeId(3));
    EXPECT_EQ(lone.core().term(), Term(2));
}

TEST(Election,
     IfAServerReceivesARequestWithinTheMinimumElectionTimeoutOfHearingFromALeaderItDoesNotVote) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0));
    lone.wait(kElectionTimeout - kMoment);
    const Ready output = lone.step(3, asks(7, 9, 6));
    EXPECT_TRUE(output.messages.empty());
    EXPECT_EQ(lone.core().term(), Term(1)) << "nor does it take over the term";
    lone.wait(kMoment);
    EXPECT_TRUE(granted(lone.step(3, asks(7, 9, 6))));
}

TEST(Election, ALeaderDefendsItself) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    EXPECT_TRUE(lone.step(3, asks(9, 9, 8)).messages.empty());
    EXPECT_EQ(lone.core().role(), RoleName::kLeader);
    VoteRequest transfer = asks(9, 9, 8);
    transfer.transfer = true;
    EXPECT_TRUE(granted(lone.step(3, transfer))) << "but not against a transfer (4.2.3)";
}

TEST(Election, AVoteOwedToALeaderIsNotGivenEvenIfTheTermIsKnownAlready) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0));
    lone.step(3, VoteReply{Term(2), false, false});  // only raises the term
    ASSERT_EQ(lone.core().term(), Term(2));
    EXPECT_FALSE(granted(lone.step(3, asks(2, 9, 2))));
}

TEST(Election, AGoneLeaderIsDefendedForHalfAnElectionTimeout) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0));
    lone.core().peer_gone(lone.now(), NodeId(2));
    lone.wait(kElectionTimeout / 2 - kMoment);
    EXPECT_TRUE(lone.step(3, asks(2, 0, 0)).messages.empty());
    lone.wait(kMoment);
    EXPECT_TRUE(granted(lone.step(3, asks(2, 0, 0))));
}

TEST(Election, AFollowerOfAGoneLeaderCampaignsEarly) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0));
    lone.core().peer_gone(lone.now(), NodeId(3));
    lone.pass(kElectionTimeout * 6 / 10);
    EXPECT_EQ(lone.core().role(), RoleName::kFollower) << "another node's end does not matter";
    lone.step(2, append_of(1, 0, 0));
    lone.core().peer_gone(lone.now(), NodeId(2));
    lone.pass(kElectionTimeout * 4 / 10);
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    lone.pass(kElectionTimeout * 2 / 10);
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
}

TEST(Election, FalseNewsOfALeadersEndAreForgottenWhenItIsHeardAgain) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0));
    lone.core().peer_gone(lone.now(), NodeId(2));
    lone.wait(kElectionTimeout / 4);
    lone.step(2, append_of(1, 0, 0));
    lone.pass(kElectionTimeout * 9 / 10);
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    EXPECT_TRUE(lone.step(3, asks(2, 0, 0)).messages.empty());
}

TEST(Election, APreVoteThatWasRefusedIsAskedForAgainSoon) {
    Lone lone(restored_of(1, {}));
    lone.pass(kElectionTimeout);
    lone.step(2, VoteReply{Term(1), true, false});
    lone.step(3, VoteReply{Term(1), true, false});
    const Ready output = lone.pass(kHeartbeat * 2);
    EXPECT_GE(sent<VoteRequest>(output, 2).size(), 2u);
    EXPECT_LE(sent<VoteRequest>(output, 2).size(), 5u);
}

TEST(Election, ASplitVoteIsRetriedSoon) {
    Lone lone(restored_of(1, {}));
    lone.pass(kElectionTimeout);
    lone.step(2, VoteReply{Term(2), true, true});
    ASSERT_EQ(lone.core().role(), RoleName::kCandidate);
    for (const std::uint64_t id : {2u, 3u}) lone.step(id, VoteReply{Term(2), false, false});
    lone.pass(kHeartbeat * 4);
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
}

TEST(Election, ALeaderStepsDownIfAnElectionTimeoutElapsesWithoutAMajority) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    for (int i = 0; i < 30; ++i) {
        lone.pass(kHeartbeat);
        lone.step(2, AppendReply{.term = Term(2), .success = true, .match = {}, .applied = {}});
        ASSERT_EQ(lone.core().role(), RoleName::kLeader);
    }
    lone.pass(kElectionTimeout - kHeartbeat);
    EXPECT_EQ(lone.core().role(), RoleName::kLeader);
    lone.pass(kHeartbeat);
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
    EXPECT_EQ(lone.core().term(), Term(2)) << "its term stays";
}

TEST(Election, OnlyVotersCampaign) {
    for (const char* roles : {"svv", "-vv"}) {
        Lone lone(restored_of(1, {}, roles));
        EXPECT_TRUE(lone.pass(kElectionTimeout * 5).messages.empty());
    }
}

TEST(Election, AServerThatIsNoVoterInItsOwnConfigurationStillVotes) {
    Lone lone(restored_of(0, {}, "svv"));
    EXPECT_TRUE(granted(lone.step(2, asks(1, 0, 0))));
}

TEST(Election, ANodeThatWasNeverToldAConfigurationDoesNotVote) {
    Lone lone(Restored{});
    EXPECT_FALSE(granted(lone.step(2, asks(1, 0, 0))));
}

TEST(Election, AServerThatIsNotPartOfItsOwnLatestConfigurationStillStartsNewElections) {
    // It led and demoted itself; until that is committed its log may be the only one that can win.
    std::vector<Entry> log = log_of({1, 1});
    log.push_back(configured(3, 1, members("-vv")));
    Lone lone(restored_of(1, log));
    lone.pass(kElectionTimeout);
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
    // Its own vote does not count: both others are needed.
    lone.step(2, VoteReply{Term(2), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kPreCandidate);
    lone.step(3, VoteReply{Term(2), true, true});
    EXPECT_EQ(lone.core().role(), RoleName::kCandidate);
    // Once the demotion is known to be committed it does not campaign.
    Lone committed(restored_of(1, log));
    committed.step(2, append_of(1, 3, 1, {}, 3));
    EXPECT_TRUE(sent<VoteRequest>(committed.pass(kElectionTimeout * 3)).empty());
}

TEST(Cluster, ElectsOneLeaderAndReplicates) {
    Cluster cluster("vvv");
    cluster.pass(kElectionTimeout * 3);
    const std::uint64_t leader = cluster.leader();
    ASSERT_NE(leader, 0u);
    cluster.propose(leader, "a");
    cluster.pass(kHeartbeat);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        ASSERT_FALSE(cluster.applied(id).empty());
        EXPECT_EQ(*cluster.applied(id).back().payload, *payload("a"));
    }
}

TEST(Cluster, FailsOverInSixTenthsOfAnElectionTimeoutAfterTheLeadersProcessEnded) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kElectionTimeout);
    cluster.isolate(1);
    const TimePoint ended = cluster.now();
    for (const std::uint64_t id : {2u, 3u}) cluster.core(id).peer_gone(ended, NodeId(1));
    while (cluster.core(2).role() != RoleName::kLeader &&
           cluster.core(3).role() != RoleName::kLeader &&
           cluster.now() < ended + kElectionTimeout) {
        cluster.pass(kHeartbeat / 4);
    }
    EXPECT_LE(cluster.now() - ended, kElectionTimeout * 6 / 10);
    EXPECT_GE(cluster.now() - ended, kElectionTimeout * 4 / 10) << "the lease has to run out";
}

TEST(Cluster, ARejoiningNodeDoesNotDisturbTheLeader) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.isolate(3);
    cluster.pass(kElectionTimeout * 5);
    const Term term = cluster.core(1).term();
    EXPECT_EQ(cluster.core(3).term(), term) << "no term inflation, thanks to pre-vote";
    cluster.heal();
    cluster.pass(kElectionTimeout);
    EXPECT_EQ(cluster.leader(), 1u);
    EXPECT_EQ(cluster.core(1).term(), term);
    EXPECT_EQ(cluster.core(3).leader(), NodeId(1));
}

}  // namespace
}  // namespace quorlite::raft
