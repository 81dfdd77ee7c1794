#include "tests/check/totals.h"

#include <gtest/gtest.h>

namespace quorlite::check {
namespace {

TEST(Bank, EveryReadMustFindTheTotal) {
    Bank bank(100);
    bank.read({100, 0});
    bank.read({130, -30});
    EXPECT_EQ(bank.contradiction(), std::nullopt);
    bank.read({100, -30});
    bank.read({100, 0});
    EXPECT_EQ(bank.contradiction(), "a read found a total of 70 in the accounts, not 100");
}

TEST(Counter, LostAndDoubledIncrements) {
    Counter counter;
    counter.add(Outcome::kCommitted);
    counter.add(Outcome::kCommitted);
    counter.add(Outcome::kNotCommitted);
    counter.add(Outcome::kInDoubt);
    EXPECT_TRUE(counter.contradiction(1).has_value());
    EXPECT_EQ(counter.contradiction(2), std::nullopt);
    EXPECT_EQ(counter.contradiction(3), std::nullopt);
    EXPECT_TRUE(counter.contradiction(4).has_value());
}

}  // namespace
}  // namespace quorlite::check
