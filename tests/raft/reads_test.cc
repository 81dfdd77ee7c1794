// Reads by lease and by heartbeat round (thesis section 6.4).

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

constexpr Duration kLease = kElectionTimeout / 4;
constexpr Duration kMoment = std::chrono::milliseconds(1);

AppendReply ack(std::uint64_t term, std::uint64_t match, std::uint64_t round) {
    return {.term = Term(term),
            .round = round,
            .success = true,
            .match = Index(match),
            .applied = Index()};
}

// A leader of term 2 whose no-op, at index 1, is committed; no round is answered yet.
void lead(Lone& lone) {
    lone.elect({2});
    lone.written();
    lone.step(2, ack(2, 1, 0));
    ASSERT_TRUE(lone.core().serving());
}

TEST(Lease, RunsFromTheStartOfTheLastRoundThatAMajorityAnswered) {
    Lone lone(restored_of(1, {}));
    lead(lone);
    EXPECT_FALSE(lone.core().lease_valid(lone.now()));
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    const TimePoint started = lone.now();
    lone.take();
    lone.wait(kLease / 2);
    lone.step(2, ack(2, 1, round));
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
    EXPECT_TRUE(lone.core().lease_valid(started + kLease - kMoment));
    EXPECT_FALSE(lone.core().lease_valid(started + kLease)) << "from the start, not the answer";
}

TEST(Lease, NeedsAMajority) {
    Lone lone(restored_of(1, {}, "vvvvv"));
    lone.elect({2, 3});
    lone.written();
    for (const std::uint64_t id : {2u, 3u}) lone.step(id, ack(2, 1, 0));
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(2, ack(2, 1, round));
    lone.step(2, ack(2, 1, round));
    EXPECT_FALSE(lone.core().lease_valid(lone.now()));
    lone.step(3, ack(2, 1, round));
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
}

TEST(Lease, ANewLeaderDoesNotReadBeforeItsFirstEntryIsCommitted) {
    Lone lone(restored_of(1, {}));
    lone.elect({2});
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(2, ack(2, 0, round));
    EXPECT_FALSE(lone.core().serving());
    EXPECT_FALSE(lone.core().lease_valid(lone.now()));
    EXPECT_EQ(lone.core().confirmed_round(), 0u);
    lone.written();
    lone.step(2, ack(2, 1, round));
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
    EXPECT_GE(lone.core().confirmed_round(), round);
}

TEST(Lease, EndsForTheTermWhenTheOrderToTakeOverIsSent) {
    Lone lone(restored_of(1, {}));
    lead(lone);
    ASSERT_TRUE(lone.core().transfer(lone.now(), NodeId(2)).ok());
    for (int i = 0; i < 12; ++i) {
        lone.pass(kHeartbeat);
        lone.step(2, ack(2, 1, lone.core().start_read_round(lone.now())));
    }
    EXPECT_FALSE(lone.core().transferring());
    EXPECT_FALSE(lone.core().lease_valid(lone.now())) << "the order may still be on its way";
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(2, ack(2, 1, round));
    EXPECT_GE(lone.core().confirmed_round(), round) << "but rounds go on";
}

TEST(Lease, IsEarnedAnewAfterAMembershipChange) {
    Lone lone(restored_of(1, {}, "vvvs"));
    lead(lone);
    lone.step(2, ack(2, 1, lone.core().start_read_round(lone.now())));
    ASSERT_TRUE(lone.core().lease_valid(lone.now()));
    ASSERT_TRUE(lone.core().assign(lone.now(), NodeId(3), Role::kStandby).ok());
    EXPECT_FALSE(lone.core().lease_valid(lone.now()));
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(2, ack(2, 1, round));
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
}

TEST(Round, IsConfirmedWhenAMajorityAnsweredItOrALaterOne) {
    Lone lone(restored_of(1, {}));
    lead(lone);
    const std::uint64_t first = lone.core().start_read_round(lone.now());
    EXPECT_EQ(lone.core().start_read_round(lone.now()), first) << "one message for many reads";
    const Ready output = lone.take();
    EXPECT_EQ(sent<AppendRequest>(output, 2).size(), 1u);
    EXPECT_EQ(sent<AppendRequest>(output, 2)[0].round, first);
    const std::uint64_t second = lone.core().start_read_round(lone.now());
    EXPECT_GT(second, first) << "the first round's messages have left";
    lone.take();
    EXPECT_LT(lone.core().confirmed_round(), first);
    lone.step(3, ack(2, 0, second));
    EXPECT_EQ(lone.core().confirmed_round(), second);
    lone.step(2, ack(2, 1, first));
    EXPECT_EQ(lone.core().confirmed_round(), second);
}

TEST(Round, OnlyALeaderStartsOne) {
    Lone lone(restored_of(1, {}));
    EXPECT_EQ(lone.core().start_read_round(lone.now()), 0u);
    EXPECT_EQ(lone.core().confirmed_round(), 0u);
}

TEST(Round, AStandbysAnswerDoesNotCount) {
    Lone lone(restored_of(1, {}, "vvvs"));
    lead(lone);
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    lone.take();
    lone.step(4, ack(2, 1, round));
    EXPECT_LT(lone.core().confirmed_round(), round);
}

TEST(Round, TheOnlyVoterNeedsNoAnswer) {
    Lone lone(restored_of(0, {}, "vs"));
    lone.take();
    lone.written();
    const std::uint64_t round = lone.core().start_read_round(lone.now());
    EXPECT_EQ(lone.core().confirmed_round(), round);
    lone.wait(kElectionTimeout * 100);
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
}

TEST(Round, ManyUnansweredOnesCostBoundedMemory) {
    Lone lone(restored_of(1, {}));
    lead(lone);
    std::uint64_t last = 0;
    for (int i = 0; i < 5000; ++i) {
        last = lone.core().start_read_round(lone.now());
        lone.take();  // the invariants bound what is kept
    }
    lone.step(2, ack(2, 1, last));
    EXPECT_EQ(lone.core().confirmed_round(), last);
    EXPECT_TRUE(lone.core().lease_valid(lone.now()));
}

}  // namespace
}  // namespace quorlite::raft
