// Scenarios of small clusters, told step by step. Random ones are the simulator's.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

std::vector<std::string> commands(const std::vector<Entry>& entries) {
    std::vector<std::string> texts;
    for (const Entry& entry : entries) {
        if (entry.kind == EntryKind::kCommand) texts.emplace_back(as_text(*entry.payload));
    }
    return texts;
}

using Texts = std::vector<std::string>;

TEST(Cluster, WritesOfADeposedLeaderThatWereNotCommittedDisappear) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.propose(1, "kept");
    cluster.pass(kHeartbeat);
    cluster.isolate(1);
    cluster.propose(1, "lost");
    cluster.elect(2);
    cluster.propose(2, "instead");
    cluster.heal();
    cluster.pass(kHeartbeat * 3);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        EXPECT_EQ(commands(cluster.applied(id)), (Texts{"kept", "instead"})) << id;
    }
    EXPECT_EQ(cluster.core(1).role(), RoleName::kFollower);
}

TEST(Cluster, WritesThatAMajorityHoldsSurviveTheLeader) {
    Cluster cluster("vvv");
    cluster.elect(1);
    // The acknowledgements are lost: the leader does not know that its entry is safe.
    cluster.passes = [](const Envelope& envelope) {
        return !std::holds_alternative<AppendReply>(envelope.message) && envelope.to != NodeId(3);
    };
    cluster.propose(1, "in doubt");
    EXPECT_EQ(commands(cluster.applied(1)), Texts{});
    cluster.isolate(1);
    cluster.pass(kElectionTimeout * 4);
    EXPECT_EQ(cluster.core(2).role(), RoleName::kLeader) << "only its log can win";
    EXPECT_EQ(commands(cluster.applied(2)), Texts{"in doubt"});
    EXPECT_EQ(commands(cluster.applied(3)), Texts{"in doubt"});
}

TEST(Cluster, AMinorityCommitsNothing) {
    Cluster cluster("vvvvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    cluster.passes = [](const Envelope& envelope) {
        return (envelope.from.value() <= 2) == (envelope.to.value() <= 2);
    };
    cluster.propose(1, "minority");
    EXPECT_EQ(commands(cluster.applied(1)), Texts{});
    cluster.pass(kElectionTimeout * 3);
    EXPECT_NE(cluster.core(1).role(), RoleName::kLeader);
    const std::uint64_t leader = cluster.leader();
    ASSERT_GE(leader, 3u);
    cluster.propose(leader, "majority");
    cluster.heal();
    cluster.pass(kElectionTimeout);
    EXPECT_EQ(commands(cluster.applied(1)), Texts{"majority"});
}

TEST(Cluster, AFollowerThatMissedMuchIsCaughtUpFromDisk) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.isolate(3);
    for (int i = 0; i < 200; ++i) cluster.propose(1, std::to_string(i));
    cluster.heal();
    cluster.pass(kHeartbeat * 4);
    EXPECT_EQ(commands(cluster.applied(3)), commands(cluster.applied(1)));
    EXPECT_EQ(cluster.applied(3).size(), 201u);
}

TEST(Cluster, GrowsFromOneNodeToThreeAndShrinksAgain) {
    Cluster cluster("v");
    for (const std::uint64_t id : {2u, 3u}) {
        cluster.add_node(id);
        const std::string address = "h:" + std::to_string(id);
        ASSERT_TRUE(cluster.core(1).add(cluster.now(), NodeId(id), address).ok());
        cluster.run();
        for (int tries = 0; tries < 5; ++tries) {
            if (cluster.core(1).assign(cluster.now(), NodeId(id), Role::kVoter).ok()) break;
            cluster.pass(kHeartbeat);
        }
        cluster.pass(kHeartbeat);
    }
    EXPECT_EQ(cluster.core(3).configuration(), members("vvv"));
    cluster.propose(1, "a");
    for (const std::uint64_t id : {3u, 2u}) {
        ASSERT_TRUE(cluster.core(1).remove(cluster.now(), NodeId(id)).ok());
        cluster.run();
    }
    cluster.pass(kElectionTimeout * 3);
    EXPECT_EQ(cluster.leader(), 1u);
    cluster.propose(1, "b");
    EXPECT_EQ(commands(cluster.applied(1)), (Texts{"a", "b"}));
    EXPECT_EQ(commands(cluster.applied(2)), Texts{"a"});
}

TEST(Cluster, AnOneWayPartitionDoesNotKeepAnotherLeaderFromBeingElected) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    // Nobody hears the leader; it hears everybody.
    cluster.passes = [](const Envelope& envelope) { return envelope.from != NodeId(1); };
    cluster.pass(kElectionTimeout * 4);
    EXPECT_NE(cluster.core(1).role(), RoleName::kLeader);
    EXPECT_NE(cluster.leader(), 0u);
}

}  // namespace
}  // namespace quorlite::raft
