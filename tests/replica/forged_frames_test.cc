#include "tests/replica/forged_frames.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace quorlite::test {
namespace {

int number_from(const char* variable, int otherwise) {
    const char* const wanted = std::getenv(variable);
    return wanted != nullptr ? std::atoi(wanted) : otherwise;
}

TEST(ForgedFrames, RandomOnesDoNoHarm) {
    const int first = number_from("QUORLITE_FORGED_SEED", 1);
    for (int seed = first; seed < first + number_from("QUORLITE_FORGED_RUNS", 200); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        Bytes moves(2000);
        for (std::uint8_t& byte : moves) byte = static_cast<std::uint8_t>(random());
        survive_forged_frames(moves);
    }
}

}  // namespace
}  // namespace quorlite::test
