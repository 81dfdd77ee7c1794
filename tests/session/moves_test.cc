// What fuzz_session does, with moves of fixed seeds.
#include "tests/session/moves.h"

#include <gtest/gtest.h>

#include <random>

namespace quorlite::test {
namespace {

class Moves : public testing::TestWithParam<unsigned> {};

TEST_P(Moves, EndNothingButTheirOwnSessions) {
    std::mt19937 random(GetParam());
    for (int round = 0; round < 60; ++round) {
        Bytes input(200 + random() % 400);
        for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random());
        run_moves(input);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Moves, testing::Range(1u, 6u));

}  // namespace
}  // namespace quorlite::test
