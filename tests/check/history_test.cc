// The checker must see through every kind of bad history, and pass good ones.
#include "tests/check/history.h"

#include <gtest/gtest.h>

namespace quorlite::check {
namespace {

using enum Outcome;

TEST(History, GoodHistoryPasses) {
    History history;
    history.add(Write{1, 0, 10, kCommitted});
    history.add(Write{2, 5, 15, kCommitted});  // beside the first: either order will do
    history.add(Write{3, 20, 30, kInDoubt});
    history.add(Write{4, 20, 30, kNotCommitted});
    history.add(Read{1, 6, 12});
    history.add(Read{3, 40, 50});
    EXPECT_EQ(history.contradiction({2, 1, 3}), std::nullopt);
    EXPECT_EQ(history.acknowledged(), 2u);
}

TEST(History, LostWrite) {
    History history;
    history.add(Write{1, 0, 10, kCommitted});
    EXPECT_EQ(history.contradiction({}), "write 1 was acknowledged and is lost");
}

TEST(History, PhantomWrite) {
    History history;
    history.add(Write{1, 0, 10, kNotCommitted});
    EXPECT_EQ(history.contradiction({1}), "write 1 was refused and is there");
}

TEST(History, DoubledWrite) {
    History history;
    history.add(Write{1, 0, 10, kInDoubt});
    EXPECT_EQ(history.contradiction({1, 1}), "write 1 was applied twice");
}

TEST(History, WritesAgainstRealTime) {
    History history;
    history.add(Write{1, 0, 10, kCommitted});
    history.add(Write{2, 20, 30, kCommitted});
    EXPECT_TRUE(history.contradiction({2, 1}).has_value());
}

TEST(History, StaleRead) {
    History history;
    history.add(Write{1, 0, 10, kCommitted});
    history.add(Read{0, 20, 30});
    EXPECT_TRUE(history.contradiction({1}).has_value());
}

TEST(History, ReadThatGoesBack) {
    History history;
    history.add(Write{1, 0, 100, kCommitted});
    history.add(Read{1, 10, 20});
    history.add(Read{0, 30, 40});
    EXPECT_TRUE(history.contradiction({1}).has_value());
}

TEST(History, ReadOfWhatBeganLater) {
    History history;
    history.add(Read{1, 0, 10});
    history.add(Write{1, 20, 30, kCommitted});
    EXPECT_TRUE(history.contradiction({1}).has_value());
}

TEST(History, ReadOfWhatVanished) {
    History history;
    history.add(Read{2, 0, 10});
    EXPECT_TRUE(history.contradiction({1}).has_value());
}

TEST(History, DoubtfulWriteMayTakeEffectLate) {
    History history;
    history.add(Write{1, 0, 10, kInDoubt});
    history.add(Write{2, 20, 30, kCommitted});
    EXPECT_EQ(history.contradiction({2, 1}), std::nullopt);
}

}  // namespace
}  // namespace quorlite::check
