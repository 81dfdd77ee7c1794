#include "engine/replica/waiters.h"

#include <gtest/gtest.h>

namespace quorlite::replica {
namespace {

using std::chrono::seconds;

class WaitersTest : public testing::Test {
protected:
    void wait(std::uint64_t index, Duration deadline = seconds(100)) {
        waiters.add({.index = Index(index),
                     .deadline = TimePoint(deadline),
                     .done = [this, index](Status status) {
                         answers.emplace_back(index, status.ok() ? 0 : status.error().code);
                     }});
    }
    static bool always(const Waiter&) { return true; }

    Waiters waiters;
    std::vector<std::pair<std::uint64_t, int>> answers;
};

using Answers = std::vector<std::pair<std::uint64_t, int>>;

TEST_F(WaitersTest, ReleasesInOrderUpToTheIndex) {
    wait(3);
    wait(1);
    wait(2);
    wait(2);
    waiters.release(Index(2), always);
    EXPECT_EQ(answers, (Answers{{1, 0}, {2, 0}, {2, 0}}));
    EXPECT_EQ(waiters.size(), 1u);
}

TEST_F(WaitersTest, StopsAtTheFirstThatIsNotReady) {
    wait(1);
    wait(2);
    waiters.release(Index(9), [](const Waiter& waiter) { return waiter.index == Index(1); });
    EXPECT_EQ(answers, (Answers{{1, 0}}));
}

TEST_F(WaitersTest, ExpiresOnlyWhatIsDue) {
    wait(1, seconds(5));
    wait(2, seconds(3));
    wait(3, seconds(9));
    waiters.expire(TimePoint(seconds(2)), {.code = 7, .message = "late"});
    EXPECT_TRUE(answers.empty());
    waiters.expire(TimePoint(seconds(5)), {.code = 7, .message = "late"});
    EXPECT_EQ(answers, (Answers{{1, 7}, {2, 7}}));
    waiters.expire(TimePoint(seconds(9)), {.code = 7, .message = "late"});
    EXPECT_EQ(answers.size(), 3u);
    EXPECT_TRUE(waiters.empty());
}

TEST_F(WaitersTest, AnswersMayAddWaiters) {
    waiters.add({.index = Index(1), .deadline = TimePoint(seconds(1)), .done = [this](Status) {
                     wait(1);
                     wait(5);
                 }});
    waiters.release(Index(1), always);
    EXPECT_EQ(answers, (Answers{{1, 0}}));
    const std::deque<Waiter> left = waiters.take_all();
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left.front().index, Index(5));
    EXPECT_TRUE(waiters.empty());
}

}  // namespace
}  // namespace quorlite::replica
