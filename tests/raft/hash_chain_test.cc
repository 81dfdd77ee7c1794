// The running hash by itself, and what nodes make of each other's.
#include "engine/raft/hash_chain.h"

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

HashChain chain_of(const std::vector<Entry>& entries) {
    HashChain chain;
    chain.begin(SnapshotPoint{});
    for (const Entry& entry : entries) chain.add(entry);
    return chain;
}

std::uint64_t value_of(const std::vector<Entry>& entries) {
    return chain_of(entries).head()->value;
}

std::vector<Entry> long_log(std::uint64_t count) {
    return log_of(std::vector<std::uint64_t>(count, 1));
}

TEST(HashChain, TellsWhateverDiffers) {
    const std::vector<Entry> log = log_of({1, 1, 2});
    const std::uint64_t value = value_of(log);
    EXPECT_EQ(value_of(log_of({1, 1, 2})), value);
    const auto with = [&](std::size_t at, auto change) {
        std::vector<Entry> changed = log;
        change(changed[at]);
        return value_of(changed);
    };
    EXPECT_NE(value_of(log_of({1, 1})), value);
    for (std::size_t at = 0; at < log.size(); ++at) {
        EXPECT_NE(with(at, [](Entry& entry) { entry.payload = payload("y"); }), value);
        EXPECT_NE(with(at, [](Entry& entry) { entry.payload = payload(""); }), value);
        EXPECT_NE(with(at, [](Entry& entry) { entry.term = entry.term.next(); }), value);
        EXPECT_NE(with(at, [](Entry& entry) { entry.kind = EntryKind::kConfiguration; }), value);
    }
    // The order matters, too.
    const Entry x = command(1, 1, "x");
    EXPECT_NE(value_of({x, command(2, 1, "y")}), value_of({command(1, 1, "y"), command(2, 1)}));
}

TEST(HashChain, KnowsTheRecentOnesAndSomeOfTheOlder) {
    const HashChain chain = chain_of(long_log(5000));
    for (const std::uint64_t index : {5000u, 4999u, 3977u}) {
        ASSERT_TRUE(chain.at(Index(index))) << index;
        EXPECT_EQ(chain.at(Index(index))->value, value_of(long_log(index)));
    }
    EXPECT_FALSE(chain.at(Index(3976)));
    EXPECT_FALSE(chain.at(Index(5001)));
    EXPECT_EQ(chain.at_or_before(Index(9000))->index, Index(5000));
    const std::optional<LogHash> older = chain.at_or_before(Index(1000));
    ASSERT_TRUE(older);
    EXPECT_EQ(older->index, Index(960));
    EXPECT_EQ(older->value, value_of(long_log(960)));
    EXPECT_EQ(chain.at_or_before(Index(10))->index, Index(0));
}

TEST(HashChain, KeepsThoseBehindLargeEntries) {
    std::vector<Entry> log = long_log(2000);
    log[99].payload = payload(std::string(HashChain::kLargeBytes, 'x'));
    EXPECT_EQ(chain_of(log).at_or_before(Index(110))->index, Index(100));
}

TEST(HashChain, GoesOnFromWhereTheLogWasCompacted) {
    HashChain chain = chain_of(long_log(4000));
    const std::optional<LogHash> point = chain.at_or_before(Index(1000));
    chain.compact(point->index);
    EXPECT_EQ(chain.at_or_before(Index(1000)), point);
    EXPECT_FALSE(chain.at_or_before(point->index.previous()));

    HashChain again;
    again.begin(SnapshotPoint{point->index, Term(1), members("v"), point});
    for (const Entry& entry : long_log(4000)) {
        if (entry.index > point->index) again.add(entry);
    }
    EXPECT_EQ(again.head(), chain.head());
}

TEST(HashChain, OfALogWhoseBeginningNobodyKnowsIsNotKnown) {
    HashChain chain;
    chain.begin(SnapshotPoint{Index(9), Term(1), members("v")});
    chain.add(command(10, 1));
    EXPECT_FALSE(chain.head());
    EXPECT_FALSE(chain.at_or_before(Index(10)));
    chain.begin(LogHash{Index(4), Index(10), 7});
    chain.add(command(11, 1));
    EXPECT_EQ(chain.head()->origin, Index(4));
    EXPECT_EQ(chain.head()->index, Index(11));
}

// --- between nodes ---

// A heartbeat of a leader whose log is this one, all of it committed.
AppendRequest heartbeat(const std::vector<Entry>& log, std::uint64_t round = 1) {
    AppendRequest request = append_of(log.back().term.value(), log.size(), log.back().term.value(),
                                      {}, log.size(), round);
    request.last_index = Index(log.size());
    request.hash = chain_of(log).head();
    return request;
}

std::vector<Entry> other_log() {
    std::vector<Entry> log = log_of({1, 1, 1});
    log[1].payload = payload("another");
    return log;
}

TEST(Hashes, AreToldOfWhatIsCommitted) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.propose({"a", "b"});
    lone.written();
    lone.step(2, AppendReply{.term = Term(2), .success = true, .match = Index(2), .applied = {}});
    const auto told = sent<AppendRequest>(lone.pass(kHeartbeat), 3);
    ASSERT_FALSE(told.empty());
    const Entry no_op{Term(2), Index(1), EntryKind::kNoOp, payload("")};
    EXPECT_EQ(told.back().hash, chain_of({no_op, command(2, 2, "a")}).head());
}

TEST(Hashes, ALeaderWithTheSameHistoryIsFollowed) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    for (std::uint64_t round = 1; round < 4; ++round) {
        const Ready output = lone.step(2, heartbeat(log_of({1, 1, 1}), round));
        EXPECT_FALSE(output.conflict);
        EXPECT_TRUE(sent<AppendReply>(output).back().success);
    }
}

TEST(Hashes, ALeaderWithAnotherHistoryIsNot) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, heartbeat(other_log()));  // what it says is committed is delivered, and compared
    AppendRequest next = heartbeat(other_log(), 2);
    next.entries = {command(4, 1)};
    const Ready output = lone.step(2, next);
    ASSERT_TRUE(output.conflict);
    EXPECT_TRUE(output.conflict->by_hash);
    EXPECT_EQ(output.conflict->leader, NodeId(2));
    EXPECT_EQ(output.conflict->index, Index(3));
    EXPECT_TRUE(output.messages.empty()) << "nothing is acknowledged";
    EXPECT_TRUE(output.append.empty());
    EXPECT_EQ(lone.core().last_index(), Index(3));

    const SnapshotRequest snapshot{
        .term = Term(1), .point = {Index(9), Term(1), members("vvv")}, .manifest = payload("")};
    const Ready offered = lone.step(2, snapshot);
    EXPECT_TRUE(offered.conflict);
    EXPECT_FALSE(offered.install);
}

TEST(Hashes, NothingMoreIsDeliveredOrAcknowledged) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, append_of(1, 3, 1, {command(4, 1)}, 1));
    AppendRequest other = heartbeat(log_of({1, 1, 1}), 2);
    other.hash = chain_of({command(1, 1, "another")}).head();
    other.commit = Index(4);
    EXPECT_TRUE(lone.step(2, other).committed.empty());
    EXPECT_TRUE(lone.written().messages.empty());
    EXPECT_EQ(lone.core().durable_index(), Index(4));
}

TEST(Hashes, AreComparedWhenTheFollowerIsAsFar) {
    for (const bool same : {true, false}) {
        Lone lone(restored_of(1, {}));
        AppendRequest ahead = heartbeat(same ? log_of({1, 1, 1}) : other_log());
        ahead.previous_index = Index(0);
        ahead.previous_term = Term(0);
        ahead.entries = {command(1, 1), command(2, 1)};
        EXPECT_FALSE(lone.step(2, ahead).conflict);
        ahead.entries = log_of({1, 1, 1});
        EXPECT_FALSE(lone.step(2, ahead).conflict);
        EXPECT_EQ(lone.step(2, ahead).conflict.has_value(), !same);
    }
}

// A majority that agrees about what came before may find the same difference a moment later.
TEST(Hashes, AFollowerIsOutvotedOnceAMajorityAgreesWhereItDiffers) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    for (std::uint64_t round = 1; round <= 9; ++round) {
        AppendRequest request = heartbeat(other_log(), round);
        request.agreed = Index(round < 6 ? 2 : 3);
        const Ready output = lone.step(2, request);
        if (round == 1) continue;
        EXPECT_EQ(output.conflict->outvoted, round >= 6) << round;
    }
}

TEST(Hashes, TheLeaderSaysUpToWhereAMajorityAgrees) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    lone.written();
    const auto agreed_after = [&](std::uint64_t agrees) {
        const AppendRequest last = sent<AppendRequest>(lone.pass(kHeartbeat), 2).back();
        AppendReply reply{.term = Term(2),
                          .round = last.round,
                          .success = true,
                          .match = Index(1),
                          .applied = {}};
        reply.agrees = Index(agrees);
        lone.step(2, reply);
        return sent<AppendRequest>(lone.pass(kHeartbeat), 3).back().agreed;
    };
    EXPECT_EQ(agreed_after(0), Index(0));
    EXPECT_EQ(agreed_after(1), Index(1));
    EXPECT_EQ(agreed_after(0), Index(1)) << "an older answer takes nothing back";
    EXPECT_EQ(agreed_after(9), Index(1)) << "nor does anyone agree to what the leader has not";
}

TEST(Hashes, AFollowerSaysUpToWhereItAgrees) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    const auto agrees = [&](const AppendRequest& request) {
        return sent<AppendReply>(lone.step(2, request)).back().agrees;
    };
    EXPECT_EQ(agrees(heartbeat(log_of({1, 1, 1}))), Index(0)) << "not delivered yet";
    EXPECT_EQ(agrees(heartbeat(log_of({1, 1, 1}), 2)), Index(3));
    EXPECT_EQ(agrees(append_of(1, 3, 1, {}, 3)), Index(3)) << "it has, before";
    AppendRequest late = append_of(1, 3, 1, {}, 4);
    late.hash = chain_of(log_of({1, 1})).head();
    EXPECT_EQ(agrees(late), Index(3)) << "an older hash takes nothing back";
}

TEST(Hashes, WhoLedWithAnotherHistoryGetsNoVoteForAWhile) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, heartbeat(other_log()));
    ASSERT_TRUE(lone.step(2, heartbeat(other_log(), 2)).conflict);
    const auto granted = [&](std::uint64_t candidate, std::uint64_t term) {
        const VoteRequest request{Term(term), Index(9), Term(1), false, false};
        return sent<VoteReply>(lone.step(candidate, request)).back().granted;
    };
    lone.wait(kElectionTimeout);
    EXPECT_FALSE(granted(2, 2));
    EXPECT_TRUE(granted(3, 3));
    lone.wait(kElectionTimeout * 8);
    EXPECT_TRUE(granted(2, 4)) << "it may have joined anew, and be needed";
}

TEST(Hashes, ANewLeaderIsJudgedAnew) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    lone.step(2, heartbeat(other_log()));
    ASSERT_TRUE(lone.step(2, heartbeat(other_log(), 2)).conflict);
    AppendRequest request = heartbeat(log_of({1, 1, 1}));
    request.term = Term(2);
    const Ready output = lone.step(3, request);
    EXPECT_FALSE(output.conflict);
    EXPECT_TRUE(sent<AppendReply>(output).back().success);
}

// Of a version without hashes, which had compacted its log.
Restored compacted() {
    Restored restored = restored_of(1, {command(3, 1)});
    restored.snapshot.index = Index(2);
    restored.snapshot.term = Term(1);
    return restored;
}

TEST(Hashes, WhoDoesNotKnowHowTheLogBeganTakesTheLeadersWord) {
    Lone lone(compacted());
    lone.step(2, append_of(1, 3, 1, {}, 3));
    EXPECT_FALSE(lone.step(2, heartbeat(other_log(), 2)).conflict) << "nothing to compare";
    EXPECT_FALSE(lone.step(2, heartbeat(other_log(), 3)).conflict);
    EXPECT_TRUE(lone.step(2, heartbeat(log_of({1, 1, 1}), 4)).conflict) << "now there is";
}

TEST(Hashes, AChainThatBeganElsewhereIsTakenOverNotCompared) {
    Lone lone(restored_of(1, log_of({1, 1, 1})));
    AppendRequest request = heartbeat(log_of({1, 1, 1}));
    request.hash = LogHash{Index(2), Index(3), 99};
    lone.step(2, request);
    EXPECT_FALSE(lone.step(2, request).conflict);
    EXPECT_EQ(lone.core().point_up_to(Index(3)).hash, request.hash);
}

TEST(Hashes, ALeaderThatDoesNotKnowHowTheLogBeganBeginsAChain) {
    Lone lone(compacted());
    EXPECT_FALSE(sent<AppendRequest>(lone.elect({2}), 2).back().hash);
    lone.written();
    lone.step(2, AppendReply{.term = Term(2), .success = true, .match = Index(4), .applied = {}});
    const auto told = sent<AppendRequest>(lone.pass(kHeartbeat), 3);
    ASSERT_TRUE(told.back().hash);
    EXPECT_EQ(told.back().hash->origin, Index(4));
    EXPECT_EQ(told.back().hash->index, Index(4));
}

TEST(Hashes, ASnapshotBringsItsOwn) {
    const SnapshotPoint point{Index(3), Term(1), members("vvv"), chain_of(other_log()).head()};
    Lone lone(restored_of(1, {}));
    const SnapshotRequest offer{.term = Term(1), .point = point, .manifest = payload("")};
    ASSERT_TRUE(lone.step(2, offer).install);
    lone.core().snapshot_installed(lone.now(), point);
    lone.take();
    EXPECT_FALSE(lone.step(2, heartbeat(other_log())).conflict);
    EXPECT_TRUE(lone.step(2, heartbeat(log_of({1, 1, 1}), 2)).conflict);
}

TEST(Hashes, TheLogIsCompactedWhereItsHashIsKnown) {
    Restored restored = restored_of(1, long_log(3000));
    restored.committed = Index(3000);
    Lone lone(std::move(restored));
    lone.take();
    const SnapshotPoint point = lone.core().point_up_to(Index(1000));
    EXPECT_EQ(point.index, Index(960));
    EXPECT_EQ(point.hash, chain_of(long_log(960)).head());
    EXPECT_EQ(lone.core().point_up_to(Index(2500)).index, Index(2500));

    Lone unknown(compacted());
    unknown.step(2, append_of(1, 3, 1, {}, 3));
    EXPECT_EQ(unknown.core().point_up_to(Index(3)).index, Index(3));
    EXPECT_FALSE(unknown.core().point_up_to(Index(3)).hash);
}

}  // namespace
}  // namespace quorlite::raft
