// Membership changes, one at a time (thesis chapter 4).

#include "engine/base/limits.h"
#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

void expect_refused(const Result<Index>& result, int code, const std::string& message) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code);
    EXPECT_EQ(result.error().message, message);
    EXPECT_EQ(result.error().verdict, Verdict::kNotCommitted);
}

const std::string kInProgress = "a configuration change is already in progress";

TEST(Membership, AnswersMistakesWithTheTextsOfTheProtocol) {
    Lone lone(restored_of(0, {}, "vs-"));
    Core& core = lone.core();
    lone.take();
    lone.written();
    const TimePoint now = lone.now();
    expect_refused(core.add(now, NodeId(), "h:9"), 1, "server ID is not valid");
    expect_refused(core.add(now, NodeId(2), "h:9"), 1, "server ID already in use");
    expect_refused(core.add(now, NodeId(9), "h:2"), 1, "server address already in use");
    expect_refused(core.assign(now, NodeId(9), Role::kVoter), 1, "Resource not found");
    expect_refused(core.assign(now, NodeId(2), Role::kStandby), 1, "server role is not valid");
    expect_refused(core.remove(now, NodeId(9)), 1, "server ID is not valid");
    expect_refused(core.remove(now, NodeId(1)), 1, "the last voter cannot be removed");
    expect_refused(core.assign(now, NodeId(1), Role::kSpare), 1,
                   "the last voter cannot be demoted");
    EXPECT_EQ(core.configuration(), members("vs-"));
}

TEST(Membership, HasALimit) {
    Lone lone(restored_of(0, {}, "v" + std::string(limits::kPeersMax - 1, '-')));
    lone.take();
    lone.written();
    expect_refused(lone.core().add(lone.now(), NodeId(5000), "h:5000"), 1,
                   "a cluster has at most 256 members: remove one first");
    Lone wordy(restored_of(0, {}, "v"));
    wordy.take();
    wordy.written();
    int added = 0;
    const auto one_more = [&] {
        const NodeId id(static_cast<std::uint64_t>(added + 2));
        const Result<Index> done = wordy.core().add(
            wordy.now(), id,
            std::string(limits::kAddressBytesMax - 6, 'a') + ':' + std::to_string(10000 + added));
        wordy.take();
        wordy.written();
        return done.ok();
    };
    while (added < 300 && one_more()) ++added;
    EXPECT_GT(added, 200);
    EXPECT_LE(encode(wordy.core().configuration()).size(), limits::kConfigurationBytesMax);
}

// A version without the limit may have made one beyond it: it works, and may shrink.
TEST(Membership, BeyondTheLimitOnlyGrowsNoMore) {
    const std::size_t count = limits::kPeersMax + 50;
    Lone lone(restored_of(0, {}, "v" + std::string(count - 1, '-')));
    lone.take();
    lone.written();
    expect_refused(lone.core().add(lone.now(), NodeId(5000), "h:5000"), 1,
                   "a cluster has at most 256 members: remove one first");
    EXPECT_TRUE(lone.core().remove(lone.now(), NodeId(count)).ok());
    lone.take();
    lone.written();
    EXPECT_TRUE(lone.core().assign(lone.now(), NodeId(2), Role::kStandby).ok());
    lone.take();
    lone.written();
    EXPECT_EQ(lone.core().configuration().servers.size(), count - 1);
    EXPECT_EQ(lone.core().commit_index(), lone.core().last_index());
}

TEST(Membership, OnlyALeaderChangesIt) {
    Lone lone(restored_of(1, {}));
    expect_refused(lone.core().add(lone.now(), NodeId(9), "h:9"), code::kNotLeader, "not leader");
    expect_refused(lone.core().remove(lone.now(), NodeId(2)), code::kNotLeader, "not leader");
    expect_refused(lone.core().assign(lone.now(), NodeId(2), Role::kSpare), code::kNotLeader,
                   "not leader");
}

TEST(Membership, ALeaderMakesNoChangeBeforeAnEntryOfItsTermIsCommitted) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    expect_refused(lone.core().add(lone.now(), NodeId(9), "h:9"), code::kBusy, kInProgress);
    lone.written();
    lone.step(2, AppendReply{.term = Term(2), .success = true, .match = Index(1), .applied = {}});
    EXPECT_TRUE(lone.core().add(lone.now(), NodeId(9), "h:9").ok());
}

TEST(Membership, OneChangeAtATime) {
    Lone lone(restored_of(0, {}, "v"));
    lone.take();
    lone.written();
    ASSERT_TRUE(lone.core().add(lone.now(), NodeId(2), "h:2").ok());
    expect_refused(lone.core().add(lone.now(), NodeId(3), "h:3"), code::kBusy, kInProgress);
    lone.take();
    lone.written();
    EXPECT_TRUE(lone.core().add(lone.now(), NodeId(3), "h:3").ok());
    EXPECT_EQ(lone.core().configuration(), members("v--"));
}

TEST(Membership, ANewServerIsCaughtUpAsAStandbyBeforeItVotes) {
    Cluster cluster("v");
    cluster.add_node(2);
    cluster.propose(1, "a");
    ASSERT_TRUE(cluster.core(1).add(cluster.now(), NodeId(2), "h:2").ok());
    cluster.run();
    EXPECT_EQ(cluster.core(2).last_index(), Index(0)) << "a spare gets nothing";

    cluster.passes = [](const Envelope&) { return false; };
    expect_refused(cluster.core(1).assign(cluster.now(), NodeId(2), Role::kVoter),
                   code::kCatchingUp, "catching up");
    cluster.run();
    EXPECT_EQ(cluster.core(1).configuration(), members("vs"));
    cluster.pass(kElectionTimeout);
    expect_refused(cluster.core(1).assign(cluster.now(), NodeId(2), Role::kVoter),
                   code::kCatchingUp, "catching up");
    cluster.heal();
    cluster.pass(kHeartbeat * 3);
    EXPECT_TRUE(cluster.core(1).assign(cluster.now(), NodeId(2), Role::kVoter).ok());
    cluster.run();
    EXPECT_EQ(cluster.core(2).configuration(), members("vv"));
    EXPECT_TRUE(cluster.core(1).serving());
    cluster.propose(1, "b");
    cluster.pass(kHeartbeat);
    EXPECT_EQ(cluster.applied(2).size(), cluster.applied(1).size());
}

TEST(Membership, AnotherPromotionDoesNotDisturbACatchUpUnderWay) {
    Cluster cluster("vss");
    cluster.passes = [](const Envelope&) { return false; };
    cluster.propose(1, "a");
    Core& core = cluster.core(1);
    expect_refused(core.assign(cluster.now(), NodeId(2), Role::kVoter), code::kCatchingUp,
                   "catching up");
    expect_refused(core.assign(cluster.now(), NodeId(3), Role::kVoter), code::kBusy, kInProgress);
    cluster.pass(kElectionTimeout * 2);
    expect_refused(core.assign(cluster.now(), NodeId(3), Role::kVoter), code::kCatchingUp,
                   "catching up");
}

TEST(Membership, ALeaderThatRemovesItselfStepsDownOnceThatIsCommitted) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    cluster.passes = [](const Envelope&) { return false; };
    ASSERT_TRUE(cluster.core(1).remove(cluster.now(), NodeId(1)).ok());
    cluster.run();
    EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader) << "it leads until then";
    EXPECT_TRUE(cluster.core(1).propose(cluster.now(), {payload("a")}).ok());
    cluster.heal();
    cluster.pass(kHeartbeat * 2);
    EXPECT_EQ(cluster.core(1).role(), RoleName::kFollower);
    EXPECT_NE(cluster.leader(), 0u) << "the most advanced voter is told to take over at once";
    EXPECT_EQ(cluster.core(2).configuration().find(NodeId(1)), nullptr);
}

TEST(Membership, ALeaderThatIsNoVoterDoesNotCountItself) {
    Lone lone(restored_of(1, {}, "vvv"));
    lone.elect({2});
    lone.written();
    const AppendReply first{.term = Term(2), .success = true, .match = Index(1), .applied = {}};
    lone.step(2, first);
    lone.step(3, first);
    ASSERT_TRUE(lone.core().assign(lone.now(), NodeId(1), Role::kSpare).ok());
    lone.take();
    lone.written();
    const AppendReply second{.term = Term(2), .success = true, .match = Index(2), .applied = {}};
    lone.step(2, second);
    EXPECT_EQ(lone.core().commit_index(), Index(1)) << "two of two are needed";
    EXPECT_FALSE(sent<TimeoutNow>(lone.step(3, second)).empty());
    EXPECT_EQ(lone.core().role(), RoleName::kFollower);
}

TEST(Membership, ARemovedServerLearnsOfItAndIsHarmless) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    ASSERT_TRUE(cluster.core(1).remove(cluster.now(), NodeId(3)).ok());
    cluster.run();
    EXPECT_EQ(cluster.core(3).configuration(), members("vv"));
    EXPECT_EQ(cluster.core(3).commit_index(), cluster.core(1).commit_index());
    const Term term = cluster.core(1).term();
    cluster.pass(kElectionTimeout * 5);
    EXPECT_EQ(cluster.core(3).role(), RoleName::kFollower);
    EXPECT_EQ(cluster.core(1).term(), term);
}

TEST(Membership, ARemovedServerThatMissedItsRemovalDoesNotDisturb) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    cluster.isolate(3);
    ASSERT_TRUE(cluster.core(1).remove(cluster.now(), NodeId(3)).ok());
    cluster.run();
    cluster.heal();
    const Term term = cluster.core(1).term();
    cluster.pass(kElectionTimeout * 5);
    EXPECT_EQ(cluster.core(3).role(), RoleName::kPreCandidate);
    EXPECT_EQ(cluster.leader(), 1u);
    EXPECT_EQ(cluster.core(1).term(), term);
}

TEST(Membership, WhileATransferIsPendingChangesAreRefused) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    cluster.passes = [](const Envelope&) { return false; };
    ASSERT_TRUE(cluster.core(1).transfer(cluster.now(), NodeId(2)).ok());
    expect_refused(cluster.core(1).add(cluster.now(), NodeId(9), "h:9"), code::kNotLeader,
                   "not leader");
}

TEST(Membership, ADemotedLeaderMayStillTakeItBackBeforeItIsCommitted) {
    Lone lone(restored_of(1, {}, "vvv"));
    lone.elect({2});
    lone.written();
    lone.step(2, AppendReply{.term = Term(2), .success = true, .match = Index(1), .applied = {}});
    ASSERT_TRUE(lone.core().assign(lone.now(), NodeId(1), Role::kStandby).ok());
    expect_refused(lone.core().assign(lone.now(), NodeId(1), Role::kVoter), code::kBusy,
                   kInProgress);
}

}  // namespace
}  // namespace quorlite::raft
