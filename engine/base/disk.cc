#include "engine/base/disk.h"

#include <cstdlib>
#include <cstring>

#include "engine/base/check.h"

namespace quorlite {
namespace {

// Direct I/O wants memory aligned to the device's block; no device has larger ones than this.
constexpr std::size_t kAlignment = 4096;

}  // namespace

BlockBuffer::BlockBuffer(std::size_t size) : size_(size) {
    QUORLITE_CHECK(size > 0);
    QUORLITE_CHECK(size % kDiskBlock == 0);
    // The allocator keeps and reuses freed blocks of these sizes, so it is the pool.
    void* memory = nullptr;
    QUORLITE_CHECK(posix_memalign(&memory, kAlignment, size) == 0);
    std::memset(memory, 0, size);
    bytes_.reset(static_cast<std::uint8_t*>(memory));
}

void BlockBuffer::Release::operator()(std::uint8_t* bytes) const {
    std::free(bytes);
}

}  // namespace quorlite
