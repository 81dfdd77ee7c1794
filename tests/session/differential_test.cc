#include "tests/session/differential.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace quorlite {
namespace {

// More of them: QUORLITE_DIFFERENTIAL_RUNS.
int runs() {
    const char* const wanted = std::getenv("QUORLITE_DIFFERENTIAL_RUNS");
    return wanted != nullptr ? std::atoi(wanted) : 200;
}

TEST(Differential, RandomSqlIsAnsweredAsByTheLibrary) {
    const char* const first = std::getenv("QUORLITE_DIFFERENTIAL_SEED");
    const int begin = first != nullptr ? std::atoi(first) : 1;
    for (int seed = begin; seed < begin + runs(); ++seed) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        Bytes choices(1200);
        for (std::uint8_t& choice : choices) choice = static_cast<std::uint8_t>(random());
        const auto found = test::difference(choices);
        ASSERT_FALSE(found.has_value()) << "seed " << seed << ":\n" << *found;
    }
}

}  // namespace
}  // namespace quorlite
