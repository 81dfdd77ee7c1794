#include "engine/base/memory_reserve.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace quorlite {
namespace {

std::atomic<std::size_t> reserve_bytes{0};
std::atomic<void*> reserve{nullptr};

// Runs when memory cannot be had, before it is tried again; without a handler that is an error.
void use_reserve() {
    std::set_new_handler(nullptr);
    std::free(reserve.exchange(nullptr));
}

}  // namespace

void keep_memory_reserve(std::size_t bytes) {
    reserve_bytes = bytes;
    renew_memory_reserve();
}

bool memory_is_short() {
    return reserve_bytes != 0 && reserve == nullptr;
}

void renew_memory_reserve() {
    void* const memory = std::malloc(reserve_bytes);
    void* nothing = nullptr;
    if (!reserve.compare_exchange_strong(nothing, memory)) std::free(memory);
    if (reserve != nullptr) std::set_new_handler(use_reserve);
}

}  // namespace quorlite
