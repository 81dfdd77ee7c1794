// The invariants must be able to fail: each is shown a core that does what it forbids.

#include "engine/raft/invariants.h"

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

TEST(Invariants, HoldForEveryRole) {
    Lone lone(restored_of(1, log_of({1})));
    lone.pass(kElectionTimeout);
    lone.step(2, VoteReply{Term(2), true, true});
    lone.step(2, VoteReply{Term(2), false, true});
    lone.step(3, append_of(3, 1, 1));  // Lone checks after each step
}

TEST(Invariants, NoticeAnotherCoreInPlaceOfTheFirst) {
    const auto after = [](Restored first, Restored second) {
        LeastRandom random;
        Invariants invariants;
        const Core before(options_of(1), std::move(first), random, TimePoint());
        EXPECT_EQ(invariants.check(before), std::nullopt);
        const Core now(options_of(1), std::move(second), random, TimePoint());
        return invariants.check(now);
    };
    EXPECT_EQ(after(restored_of(5, log_of({1})), restored_of(5, log_of({1}))), std::nullopt);
    EXPECT_EQ(after(restored_of(5, {}), restored_of(4, {})), "the term never goes back");

    Restored voted = restored_of(5, {});
    voted.hard_state.vote = NodeId(2);
    EXPECT_EQ(after(voted, restored_of(5, {})), "one vote per term");

    Restored committed = restored_of(5, log_of({1, 1}));
    committed.committed = Index(2);
    EXPECT_EQ(after(committed, restored_of(5, log_of({1, 1}))), "the commit index never goes back");
    Restored changed = restored_of(5, log_of({1, 2}));
    changed.committed = Index(2);
    EXPECT_EQ(after(committed, changed), "what is committed stays");
    EXPECT_EQ(after(restored_of(5, log_of({1, 1})), restored_of(5, log_of({1}))), std::nullopt)
        << "an end that is not committed may be cut";
}

}  // namespace
}  // namespace quorlite::raft
