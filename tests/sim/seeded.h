// The Random seam, from a seed: xoshiro256**, filled by splitmix64.
#pragma once

#include <array>
#include <bit>

#include "engine/base/clock.h"

namespace quorlite::sim {

class Seeded final : public Random {
public:
    explicit Seeded(std::uint64_t seed) {
        for (std::uint64_t& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            std::uint64_t mixed = seed;
            mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
            word = mixed ^ (mixed >> 31);
        }
    }

    std::uint64_t next() override {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    bool chance(double probability) {
        return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
    }
    std::uint64_t between(std::uint64_t least, std::uint64_t most) {
        return least + below(most - least + 1);
    }
    Duration between(Duration least, Duration most) {
        return Duration(static_cast<Duration::rep>(between(
            static_cast<std::uint64_t>(least.count()), static_cast<std::uint64_t>(most.count()))));
    }
    template <class Choices>
    auto one_of(const Choices& choices) {
        return choices[static_cast<std::size_t>(below(choices.size()))];
    }

private:
    std::array<std::uint64_t, 4> state_;
};

}  // namespace quorlite::sim
