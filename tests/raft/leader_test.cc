// Replication, commit and transfer, from the leader's side.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

AppendReply ack(std::uint64_t term, std::uint64_t match, std::uint64_t round = 0) {
    return {.term = Term(term),
            .round = round,
            .success = true,
            .match = Index(match),
            .applied = Index()};
}

AppendReply refusal(std::uint64_t term, std::uint64_t hint, std::uint64_t round) {
    return {.term = Term(term), .round = round, .match = Index(hint), .applied = Index()};
}

TEST(Leader, SendsEntriesWhileItsOwnDiskWritesThem) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    const Ready output = lone.propose({"a", "b"});
    EXPECT_EQ(output.append.size(), 2u);
    for (const std::uint64_t peer : {2u, 3u}) {
        const auto requests = sent<AppendRequest>(output, peer);
        ASSERT_EQ(requests.size(), 1u) << "one message for the whole batch";
        EXPECT_EQ(requests[0].entries.size(), 2u);
        EXPECT_EQ(requests[0].previous_index, Index(1));
    }
    EXPECT_EQ(output.append[0].payload, sent<AppendRequest>(output, 2)[0].entries[0].payload)
        << "the same memory is written and sent";
}

TEST(Leader, CountsItselfOnlyWhenItsEntriesAreDurable) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a"});
    lone.step(2, ack(2, 2));
    EXPECT_EQ(lone.core().commit_index(), Index(0));
    EXPECT_EQ(lone.written().committed.size(), 2u);
    EXPECT_EQ(lone.core().commit_index(), Index(2));
}

TEST(Leader, CommitsWithoutItselfIfAMajorityHasTheEntry) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.step(2, ack(2, 1));
    EXPECT_EQ(lone.core().commit_index(), Index(0));
    lone.step(3, ack(2, 1));
    EXPECT_EQ(lone.core().commit_index(), Index(1));
    EXPECT_EQ(lone.core().durable_index(), Index(0));
}

TEST(Leader, OnlyEntriesFromItsCurrentTermAreCommittedByCountingReplicas) {
    // Figure 3.7: entries of an older term sit on a majority.
    Lone lone(restored_of(2, log_of({1, 2, 2})));
    lone.elect({2});
    lone.step(2, ack(3, 3));
    lone.step(3, ack(3, 3));
    EXPECT_EQ(lone.core().commit_index(), Index(0));
    lone.step(2, ack(3, 4));
    lone.step(3, ack(3, 4));
    EXPECT_EQ(lone.core().commit_index(), Index(4)) << "all prior entries with its first one";
}

TEST(Leader, StandbysGetTheLogButDoNotCount) {
    Lone lone(restored_of(1, {}, "vvvs-"));
    const Ready output = lone.elect({2});
    EXPECT_FALSE(sent<AppendRequest>(output, 4).empty());
    EXPECT_TRUE(sent<AppendRequest>(output, 5).empty()) << "a spare gets nothing";
    lone.written();
    lone.step(4, ack(2, 1));
    EXPECT_EQ(lone.core().commit_index(), Index(0));
    lone.step(3, ack(2, 1));
    EXPECT_EQ(lone.core().commit_index(), Index(1));
}

TEST(Leader, ProbesBackToWhereTheLogsAgree) {
    Lone lone(restored_of(9, log_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 9})));
    Ready output = lone.elect({2});
    std::uint64_t round = sent<AppendRequest>(output, 3).back().round;
    std::vector<std::uint64_t> asked;
    for (std::uint64_t hint : {9u, 7u, 6u}) {
        output = lone.step(3, refusal(10, hint, round));
        const auto probes = sent<AppendRequest>(output, 3);
        ASSERT_EQ(probes.size(), 1u);
        EXPECT_TRUE(probes[0].entries.empty());
        EXPECT_TRUE(lone.step(3, refusal(10, hint, round)).messages.empty())
            << "the same refusal again starts no second probe";
        round = probes[0].round;
        asked.push_back(probes[0].previous_index.value());
    }
    EXPECT_EQ(asked, (std::vector<std::uint64_t>{9, 7, 5}));
    output = lone.step(3, ack(10, 5, round));
    ASSERT_EQ(sent<AppendRequest>(output, 3).size(), 1u);
    EXPECT_EQ(sent<AppendRequest>(output, 3)[0].entries.size(), 6u);
}

TEST(Leader, ALateRefusalChangesNothing) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a", "b"});
    const Ready probe = lone.step(3, refusal(2, 0, 1));
    const std::uint64_t round = sent<AppendRequest>(probe, 3).back().round;
    lone.step(3, ack(2, 3, round));
    EXPECT_TRUE(lone.step(3, refusal(2, 0, 1)).messages.empty());
    EXPECT_EQ(lone.core().progress()[1].match, Index(3));
}

TEST(Leader, AWindowBoundsWhatIsInFlight) {
    Options options = options_of(1);
    options.append_bytes_max = 100;
    options.window_bytes_max = 300;
    Lone lone(restored_of(1, {}), options);
    lone.elect({2});
    std::vector<std::string> texts(100, std::string(36, 'x'));  // 100 bytes with the overhead
    Ready output = lone.propose(texts);
    EXPECT_EQ(sent<AppendRequest>(output, 2).size(), 3u);
    EXPECT_EQ(lone.core().progress()[0].in_flight_bytes, 364u);
    output = lone.step(2, ack(2, 2));
    EXPECT_EQ(sent<AppendRequest>(output, 2).size(), 1u) << "as much as was acknowledged";
    EXPECT_EQ(lone.core().progress()[0].in_flight_bytes, 300u);
}

TEST(Leader, NothingIsKeptInFlightForASilentPeer) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a"});
    EXPECT_GT(lone.core().progress()[1].in_flight_bytes, 0u);
    for (int i = 0; i < 15; ++i) {
        lone.pass(kHeartbeat);
        lone.step(2, ack(2, 2));
    }
    EXPECT_FALSE(lone.core().progress()[1].active);
    EXPECT_EQ(lone.core().progress()[1].in_flight_bytes, 0u);
    lone.propose({"b"});
    EXPECT_TRUE(lone.core().progress()[1].in_flight_bytes == 0u);
}

TEST(Leader, ReadsBackFromDiskWhatIsNotInMemory) {
    Options options = options_of(1);
    options.cache_bytes_max = 0;
    Lone lone(restored_of(1, {}), options);
    lone.elect({2});
    lone.propose({"a", "b"});
    lone.step(2, ack(2, 3));
    lone.written();
    lone.core().applied(Index(3));
    Ready output = lone.step(3, refusal(2, 0, 1));
    output = lone.step(3, ack(2, 0, sent<AppendRequest>(output, 3).back().round));
    ASSERT_EQ(output.reads.size(), 1u);
    EXPECT_EQ(output.reads[0].peer, NodeId(3));
    EXPECT_EQ(output.reads[0].from, Index(1));
    EXPECT_TRUE(lone.pass(kHeartbeat).reads.empty()) << "asked once";

    lone.core().entries_loaded(lone.now(), NodeId(3), {command(1, 1)});
    output = lone.take();
    EXPECT_TRUE(sent<AppendRequest>(output, 3).empty()) << "not this log's entry";
    ASSERT_EQ(output.reads.size(), 1u) << "asked again";
    lone.core().entries_loaded(lone.now(), NodeId(3), {command(1, 2), command(2, 2)});
    output = lone.take();
    ASSERT_EQ(sent<AppendRequest>(output, 3).size(), 1u);
    EXPECT_EQ(sent<AppendRequest>(output, 3)[0].entries.size(), 2u);
    ASSERT_EQ(output.reads.size(), 1u);
    EXPECT_EQ(output.reads[0].from, Index(3));
}

TEST(Leader, SaysWhenTooManyWritesWaitToBeApplied) {
    Options options = options_of(1);
    options.unapplied_bytes_max = 200;
    Lone lone(restored_of(1, {}), options);
    EXPECT_EQ(lone.core().propose(lone.now(), {payload("a")}).error().code, code::kNotLeader);
    lone.elect({2});
    EXPECT_FALSE(lone.core().backlogged());
    lone.propose({std::string(200, 'x')});
    EXPECT_TRUE(lone.core().backlogged());
    lone.propose({"of a writer that had begun"});
    lone.written();
    lone.step(2, ack(2, 3));
    EXPECT_TRUE(lone.core().backlogged()) << "committed, but not applied";
    lone.core().applied(Index(3));
    EXPECT_FALSE(lone.core().backlogged());
}

TEST(Leader, APeerThatLostAcknowledgedEntriesIsRepaired) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a", "b"});
    lone.step(3, ack(2, 3));
    EXPECT_EQ(lone.core().progress()[1].match, Index(3));
    Ready output = lone.step(3, refusal(2, 1, 1));
    EXPECT_EQ(lone.core().progress()[1].match, Index(1)) << "what it lacks counts for nothing";
    output = lone.step(3, ack(2, 1, sent<AppendRequest>(output, 3).back().round));
    EXPECT_EQ(sent<AppendRequest>(output, 3)[0].entries.size(), 2u);
}

TEST(Leader, NonsenseFromAPeerIsIgnored) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.step(2, ack(2, 50));
    lone.step(2, ack(2, 1, 99));
    lone.step(7, ack(2, 1));
    lone.step(2, SnapshotReply{Term(2), 0, Index(50), true});
    lone.step(2, append_of(2, 0, 0, {command(1, 2)}));
    lone.step(2, SnapshotRequest{Term(2), {Index(9), Term(1), members("v")}, 0, payload("")});
    lone.step(7, AppendReply{.term = Term(90), .match = {}, .applied = {}});
    EXPECT_EQ(lone.core().role(), RoleName::kLeader) << "a stranger's term does not matter";
    EXPECT_EQ(lone.core().progress()[0].match, Index(0));
    EXPECT_EQ(lone.core().confirmed_round(), 0u);
}

// --- transfer (section 3.10) ---

TEST(Transfer, TheTargetIsBroughtUpToDateAndThenOrdered) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a"});
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(3)).ok());
    EXPECT_TRUE(lone.core().transferring());
    EXPECT_TRUE(sent<TimeoutNow>(lone.take()).empty());
    lone.propose({"of a writer that had begun"});
    EXPECT_TRUE(sent<TimeoutNow>(lone.step(3, ack(2, 2))).empty());
    lone.written();
    EXPECT_EQ(sent<TimeoutNow>(lone.step(3, ack(2, 3)), 3).size(), 1u);
    EXPECT_EQ(sent<TimeoutNow>(lone.pass(kHeartbeat), 3).size(), 1u) << "again: it may be lost";
}

TEST(Transfer, WaitsUntilAllIsCommitted) {
    Lone lone(restored_of(1, {}, "vvvvv"));
    lone.elect({2, 4});
    lone.propose({"a"});
    lone.step(2, ack(2, 2));
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(2)).ok());
    EXPECT_TRUE(sent<TimeoutNow>(lone.take()).empty()) << "one disk has it";
    EXPECT_TRUE(sent<TimeoutNow>(lone.pass(kHeartbeat)).empty());
    EXPECT_TRUE(sent<TimeoutNow>(lone.written()).empty()) << "two have";
    EXPECT_EQ(sent<TimeoutNow>(lone.step(3, ack(2, 2)), 2).size(), 1u) << "a majority has";
}

TEST(Transfer, WaitsForItsOwnDisk) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.step(2, ack(2, 1));
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(2)).ok());
    EXPECT_TRUE(sent<TimeoutNow>(lone.take()).empty());
    EXPECT_EQ(sent<TimeoutNow>(lone.written(), 2).size(), 1u);
}

TEST(Transfer, IsGivenUpAfterAnElectionTimeout) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(3)).ok());
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(lone.core().transferring());
        lone.pass(kHeartbeat);
        lone.step(2, ack(2, 1));
    }
    EXPECT_FALSE(lone.core().transferring());
}

TEST(Transfer, RefusesWhatIsNoTarget) {
    Lone lone(restored_of(1, {}, "vvs"));
    EXPECT_EQ(lone.core().transfer(lone.now(), NodeId(2)).error().code, code::kNotLeader);
    lone.elect({2});
    for (std::uint64_t id : {1u, 3u, 9u}) {
        const Status status = lone.core().transfer(lone.now(), NodeId(id));
        ASSERT_FALSE(status.ok()) << id;
        EXPECT_EQ(status.error().message, "server ID is not valid");
        EXPECT_EQ(status.error().code, code::kError);
    }
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(2)).ok());
    EXPECT_EQ(lone.core().transfer(lone.now(), NodeId(2)).error().code, code::kNotLeader);
    Lone alone(restored_of(0, {}, "vs"));
    EXPECT_EQ(alone.core().transfer(alone.now(), NodeId()).error().message, "Resource not found");
}

TEST(Transfer, ChoosesTheMostAdvancedVoter) {
    Lone lone(restored_of(1, {}, "vvvs"));
    lone.elect({2});
    lone.step(2, ack(2, 0));
    lone.step(3, ack(2, 1));
    lone.step(4, ack(2, 1));
    lone.written();
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId()).ok());
    EXPECT_EQ(sent<TimeoutNow>(lone.take(), 3).size(), 1u);
}

TEST(Transfer, TheTargetDoesNotWaitAndIsNotRefused) {
    Cluster cluster("vvv");
    cluster.elect(1);
    cluster.pass(kHeartbeat);
    ASSERT_TRUE(cluster.core(1).transfer(cluster.now(), NodeId(2)).ok());
    cluster.run();
    EXPECT_EQ(cluster.leader(), 2u);
    EXPECT_TRUE(cluster.core(2).serving());
    cluster.propose(2, "after");
    EXPECT_EQ(*cluster.applied(2).back().payload, *payload("after"));
}

}  // namespace
}  // namespace quorlite::raft
