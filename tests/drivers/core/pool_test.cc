#include "drivers/core/pool.h"

#include <gtest/gtest.h>

#include <random>

namespace quorlite::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart = Time{} + std::chrono::hours(1);

TEST(PoolQueue, ServesInTheOrderOfAsking) {
    PoolQueue pool(1, seconds(1), seconds(10));
    const auto first = pool.ask();
    const auto second = pool.ask();
    const auto third = pool.ask();
    EXPECT_FALSE(pool.grant(second, kStart));
    const auto granted = pool.grant(first, kStart);
    ASSERT_TRUE(granted);
    EXPECT_TRUE(granted->make);
    EXPECT_FALSE(pool.grant(second, kStart));
    pool.give_up(second);
    pool.release(granted->slot, true, kStart);
    const auto next = pool.grant(third, kStart);
    ASSERT_TRUE(next);
    EXPECT_FALSE(next->make);
    EXPECT_FALSE(next->check);
}

TEST(PoolQueue, ChecksWhatWasIdleAndClosesWhatWasIdleForLong) {
    PoolQueue pool(2, seconds(1), seconds(10));
    const auto one = *pool.grant(pool.ask(), kStart);
    const auto two = *pool.grant(pool.ask(), kStart);
    pool.release(one.slot, true, kStart);
    pool.release(two.slot, true, kStart + seconds(5));
    EXPECT_EQ(pool.expire(kStart + seconds(10)), std::vector{one.slot});
    const auto again = pool.grant(pool.ask(), kStart + seconds(10));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->slot, two.slot);
    EXPECT_TRUE(again->check);
    EXPECT_TRUE(pool.grant(pool.ask(), kStart)->make);
}

TEST(PoolQueue, NeverLendsMoreThanThereAreNorTheSameTwice) {
    std::mt19937_64 random(7);
    PoolQueue pool(4, milliseconds(3), milliseconds(20));
    std::vector<PoolQueue::Ticket> waiting;
    std::vector<PoolQueue::Slot> lent;
    Time now = kStart;
    for (int step = 0; step < 20'000; ++step) {
        now += milliseconds(random() % 5);
        if (random() % 2 == 0) waiting.push_back(pool.ask());
        if (!lent.empty() && random() % 2 == 0) {
            pool.release(lent.back(), random() % 4 != 0, now);
            lent.pop_back();
        }
        if (!waiting.empty() && random() % 8 == 0) {
            pool.give_up(waiting.back());
            waiting.pop_back();
        }
        pool.expire(now);
        while (!waiting.empty()) {
            const auto granted = pool.grant(waiting.front(), now);
            if (!granted) break;
            waiting.erase(waiting.begin());
            EXPECT_EQ(std::count(lent.begin(), lent.end(), granted->slot), 0);
            lent.push_back(granted->slot);
        }
        ASSERT_LE(lent.size(), 4u);
        ASSERT_TRUE(waiting.empty() || lent.size() == 4) << "a free slot, and somebody waits";
        ASSERT_EQ(pool.in_use(), lent.size());
        ASSERT_EQ(pool.waiting(), waiting.size());
    }
}

}  // namespace
}  // namespace quorlite::core
