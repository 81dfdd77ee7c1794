// The checker must see through every kind of bad history, and pass good ones.
#include "tests/check/lists.h"

#include <gtest/gtest.h>

namespace quorlite::check {
namespace {

using enum Outcome;
using List = std::vector<std::int64_t>;

ListAction append(std::int64_t key, std::int64_t value) {
    return {.key = key, .append = true, .value = value, .read = {}};
}
ListAction read(std::int64_t key, List list) {
    return {.key = key, .append = false, .value = 0, .read = std::move(list)};
}

// Transactions beside each other, so that only their dependencies order them.
std::string verdict(std::vector<std::vector<ListAction>> transactions,
                    std::vector<Outcome> outcomes = {}) {
    Lists lists;
    for (std::size_t i = 0; i < transactions.size(); ++i) {
        lists.add({transactions[i], 0, 100, i < outcomes.size() ? outcomes[i] : kCommitted});
    }
    return lists.contradiction().value_or("good");
}

TEST(Lists, GoodHistoriesPass) {
    EXPECT_EQ(verdict({}), "good");
    EXPECT_EQ(verdict({{append(1, 10)},
                       {read(1, {10}), append(1, 11), read(1, {10, 11})},
                       {read(1, {10, 11}), read(2, {})},
                       {append(2, 20), append(2, 21)},
                       {read(2, {20, 21})}}),
              "good");
}

TEST(Lists, LostAppend) {
    EXPECT_EQ(verdict({{append(1, 10)}, {read(1, {})}, {append(1, 11)}, {read(1, {11})}}),
              "10, which T0 appended to list 1, was acknowledged and is lost");
}

TEST(Lists, DoubledAppend) {
    EXPECT_EQ(verdict({{append(1, 10)}, {read(1, {10, 10})}}), "10 in list 1 was appended twice");
}

TEST(Lists, AppendByNobody) {
    EXPECT_EQ(verdict({{read(1, {10})}}), "10 in list 1 was appended by nobody");
}

TEST(Lists, DisagreementOnTheOrder) {
    EXPECT_EQ(verdict({{append(1, 10)}, {append(1, 11)}, {read(1, {10, 11})}, {read(1, {11})}}),
              "T3 saw list 1 in another order than others");
}

TEST(Lists, OwnAppendNotSeen) {
    EXPECT_EQ(verdict({{append(1, 10), read(1, {})}, {read(1, {10})}}),
              "T0 did not see its own appends to list 1");
}

TEST(Lists, G1aReadOfWhatWasRefused) {
    EXPECT_EQ(verdict({{append(1, 10)}, {read(1, {10})}}, {kNotCommitted}),
              "G1a: 10 in list 1 is of T0, which was refused");
}

TEST(Lists, G1bReadOfTheMiddle) {
    EXPECT_EQ(verdict({{append(1, 10), append(1, 11)}, {read(1, {10})}, {read(1, {10, 11})}}),
              "G1b: T1 saw the middle of T0");
}

TEST(Lists, G0WritesInterleaved) {
    EXPECT_EQ(verdict({{append(1, 10), append(2, 20)},
                       {append(1, 11), append(2, 21)},
                       {read(1, {10, 11})},
                       {read(2, {21, 20})}})
                  .substr(0, 3),
              "G0:");
}

TEST(Lists, G1cEachSawTheOther) {
    EXPECT_EQ(
        verdict({{append(1, 10), read(2, {20})}, {append(2, 20), read(1, {10})}}).substr(0, 4),
        "G1c:");
}

TEST(Lists, GSingleReadSkew) {
    EXPECT_EQ(
        verdict({{append(1, 10), append(2, 20)}, {read(1, {10}), read(2, {})}, {read(2, {20})}})
            .substr(0, 9),
        "G-single:");
}

TEST(Lists, G2WriteSkew) {
    EXPECT_EQ(verdict({{read(1, {}), append(2, 20)},
                       {read(2, {}), append(1, 10)},
                       {read(1, {10}), read(2, {20})}})
                  .substr(0, 3),
              "G2:");
}

TEST(Lists, LostUpdate) {
    EXPECT_EQ(
        verdict({{read(1, {}), append(1, 10)}, {read(1, {}), append(1, 11)}, {read(1, {10, 11})}})
            .substr(0, 9),
        "G-single:");
}

TEST(Lists, StaleReadContradictsRealTimeOnly) {
    Lists lists;
    lists.add({{append(1, 10)}, 0, 10, kCommitted});
    lists.add({{read(1, {})}, 20, 30, kCommitted});
    lists.add({{read(1, {10})}, 20, 30, kCommitted});
    EXPECT_EQ(lists.contradiction().value_or("good").substr(0, 17), "G-single-realtime");
}

TEST(Lists, WritesAgainstRealTime) {
    Lists lists;
    lists.add({{append(1, 10)}, 0, 10, kCommitted});
    lists.add({{append(1, 11)}, 20, 30, kCommitted});
    lists.add({{read(1, {11, 10})}, 40, 50, kCommitted});
    EXPECT_EQ(lists.contradiction().value_or("good").substr(0, 11), "G0-realtime");
}

TEST(Lists, DoubtfulAppendMayTakeEffectLateOrNever) {
    Lists lists;
    lists.add({{append(1, 10)}, 0, 10, kInDoubt});
    lists.add({{append(1, 12)}, 0, 10, kInDoubt});
    lists.add({{read(1, {})}, 20, 30, kCommitted});
    lists.add({{append(1, 11)}, 40, 50, kCommitted});
    lists.add({{read(1, {11, 10})}, 60, 70, kCommitted});
    EXPECT_EQ(lists.contradiction(), std::nullopt);
}

TEST(Lists, DoubtfulAppendDoesNotTakeEffectBeforeItBegan) {
    Lists lists;
    lists.add({{append(1, 10)}, 40, 50, kInDoubt});
    lists.add({{read(1, {10})}, 20, 30, kCommitted});
    EXPECT_NE(lists.contradiction(), std::nullopt);
}

}  // namespace
}  // namespace quorlite::check
