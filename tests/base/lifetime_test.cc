#include "engine/base/lifetime.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

namespace quorlite {
namespace {

TEST(Lifetime, WhatItGuardsRunsUntilItEnds) {
    std::optional<Lifetime> lifetime(std::in_place);
    int sum = 0;
    const std::function<void(int)> add = lifetime->guard([&](int value) { sum += value; });
    add(1);
    EXPECT_EQ(sum, 1);
    lifetime->end();
    add(2);
    EXPECT_EQ(sum, 1);
}

TEST(Lifetime, ItEndsWithItsOwner) {
    auto lifetime = std::make_unique<Lifetime>();
    bool ran = false;
    const std::function<void()> guarded = lifetime->guard([&] { ran = true; });
    lifetime.reset();
    guarded();
    EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace quorlite
