#include "engine/base/memory_reserve.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace quorlite {
namespace {

std::atomic<std::size_t> reserve_bytes{0};
std::atomic<void*> reserve{nullptr};

// Runs each time that memory cannot be had, before it is tried again.
void use_reserve() {
    void* const memory = reserve.exchange(nullptr);
    if (memory == nullptr) throw std::bad_alloc();
    std::free(memory);
}

}  // namespace

void keep_memory_reserve(std::size_t bytes) {
    reserve_bytes = bytes;
    renew_memory_reserve();
    std::set_new_handler(use_reserve);
}

bool memory_is_short() {
    return reserve_bytes != 0 && reserve == nullptr;
}

void renew_memory_reserve() {
    void* const memory = std::malloc(reserve_bytes);
    void* nothing = nullptr;
    if (!reserve.compare_exchange_strong(nothing, memory)) std::free(memory);
}

}  // namespace quorlite
