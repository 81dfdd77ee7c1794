#include "drivers/shell/bench/histogram.h"

#include <gtest/gtest.h>

namespace quorlite::benchmark {
namespace {

TEST(Histogram, NothingRecorded) {
    const Histogram histogram;
    EXPECT_EQ(histogram.count(), 0u);
    EXPECT_EQ(histogram.at(0.5), 0u);
}

TEST(Histogram, OneValueOfAnySizeIsKnownClosely) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        for (const std::uint64_t around : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
            const std::uint64_t value = (std::uint64_t{1} << bit) + around;
            Histogram histogram;
            histogram.record(value);
            histogram.record(~std::uint64_t{0});
            EXPECT_GE(histogram.at(0), value);
            EXPECT_LE(histogram.at(0) - value, value / 64) << value;
        }
    }
}

TEST(Histogram, QuantilesOfAnEvenSpread) {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 100'000; ++value) histogram.record(value * 1000);
    EXPECT_EQ(histogram.count(), 100'000u);
    EXPECT_EQ(histogram.max(), 100'000'000u);
    for (const double quantile : {0.001, 0.5, 0.9, 0.99, 0.999}) {
        const double exact = quantile * 100'000'000;
        EXPECT_NEAR(static_cast<double>(histogram.at(quantile)), exact, exact / 64 + 1000);
    }
    EXPECT_EQ(histogram.at(1), histogram.max());
}

}  // namespace
}  // namespace quorlite::benchmark
