// What is set aside is there for small things once a large one could not be had.
#include "engine/base/memory_reserve.h"

#include <gtest/gtest.h>

#include <new>

#include "tests/support/sanitizer.h"

namespace quorlite {
namespace {

TEST(MemoryReserve, IsUsedOnceAndRenewed) {
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer ends the process instead";
    EXPECT_FALSE(memory_is_short());
    keep_memory_reserve(1u << 20);
    EXPECT_FALSE(memory_is_short());
    const volatile std::size_t too_much = std::size_t{1} << 60;
    for (int i = 0; i < 3; ++i) {
        EXPECT_THROW(::operator delete(::operator new(too_much)), std::bad_alloc);
        EXPECT_TRUE(memory_is_short());
        EXPECT_THROW(::operator delete(::operator new(too_much)), std::bad_alloc);
        renew_memory_reserve();
        EXPECT_FALSE(memory_is_short());
        renew_memory_reserve();
        EXPECT_FALSE(memory_is_short());
    }
    std::set_new_handler(nullptr);
}

}  // namespace
}  // namespace quorlite
