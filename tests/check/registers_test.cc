// The checker must see through every kind of bad history, and pass good ones.
#include "tests/check/registers.h"

#include <gtest/gtest.h>

namespace quorlite::check {
namespace {

using enum Outcome;
using Kind = RegisterOperation::Kind;

RegisterOperation read(std::int64_t value, std::int64_t began, std::int64_t ended) {
    return {
        .kind = Kind::kRead, .value = value, .began = began, .ended = ended, .outcome = kCommitted};
}
RegisterOperation write(std::int64_t value, std::int64_t began, std::int64_t ended,
                        Outcome outcome = kCommitted) {
    return {
        .kind = Kind::kWrite, .value = value, .began = began, .ended = ended, .outcome = outcome};
}
RegisterOperation swap(std::int64_t expected, std::int64_t value, bool swapped, std::int64_t began,
                       std::int64_t ended, Outcome outcome = kCommitted) {
    return {.kind = Kind::kCompareAndSet,
            .value = value,
            .expected = expected,
            .swapped = swapped,
            .began = began,
            .ended = ended,
            .outcome = outcome};
}

bool linearizable(std::initializer_list<RegisterOperation> operations) {
    Registers registers(0);
    for (const auto& operation : operations) registers.add(1, operation);
    return !registers.contradiction().has_value();
}

TEST(Registers, GoodHistoriesPass) {
    EXPECT_TRUE(linearizable({}));
    EXPECT_TRUE(linearizable({read(0, 0, 1), write(1, 2, 3), read(1, 4, 5)}));
    // Beside each other: either order will do, for each reader its own, but one for all.
    EXPECT_TRUE(linearizable({write(1, 0, 10), read(0, 1, 9), read(1, 2, 8)}));
    EXPECT_TRUE(linearizable({write(1, 0, 10), write(2, 0, 10), read(2, 11, 12)}));
    EXPECT_TRUE(linearizable({write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)}));
}

TEST(Registers, StaleRead) {
    EXPECT_FALSE(linearizable({write(1, 0, 1), read(0, 2, 3)}));
}

TEST(Registers, ReadThatGoesBack) {
    EXPECT_FALSE(linearizable({write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)}));
}

TEST(Registers, ReadersThatDisagreeOnTheOrder) {
    EXPECT_FALSE(linearizable(
        {write(1, 0, 20), write(2, 0, 20), read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)}));
}

TEST(Registers, ReadOfWhatNobodyWrote) {
    EXPECT_FALSE(linearizable({write(1, 0, 1), read(7, 2, 3)}));
}

TEST(Registers, ReadOfWhatWasRefused) {
    EXPECT_FALSE(linearizable({write(1, 0, 1, kNotCommitted), read(1, 2, 3)}));
}

TEST(Registers, DoubtfulWriteTakesEffectLateOrNever) {
    EXPECT_TRUE(linearizable({write(1, 0, 1, kInDoubt), read(0, 2, 3), read(1, 4, 5)}));
    EXPECT_TRUE(linearizable({write(1, 0, 1, kInDoubt), read(0, 2, 3)}));
    EXPECT_FALSE(linearizable({write(1, 5, 6, kInDoubt), read(1, 2, 3)}));
    // Not twice.
    EXPECT_FALSE(
        linearizable({write(1, 0, 1, kInDoubt), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)}));
}

TEST(Registers, LostUpdate) {
    EXPECT_TRUE(linearizable({swap(0, 1, true, 0, 10), swap(0, 2, false, 0, 10), read(1, 11, 12)}));
    EXPECT_FALSE(linearizable({swap(0, 1, true, 0, 10), swap(0, 2, true, 0, 10)}));
    EXPECT_FALSE(linearizable({swap(0, 1, false, 0, 10)}));
    EXPECT_TRUE(linearizable({swap(0, 1, false, 0, 1, kInDoubt), read(1, 2, 3)}));
}

TEST(Registers, KeysAreIndependent) {
    Registers registers(0);
    registers.add(1, write(5, 0, 1));
    registers.add(2, read(0, 2, 3));
    EXPECT_EQ(registers.contradiction(), std::nullopt);
    registers.add(2, read(5, 2, 3));
    EXPECT_EQ(registers.contradiction(), "register 2 is not linearizable (2 operations)");
}

}  // namespace
}  // namespace quorlite::check
