#include "engine/database/memory.h"

#include <malloc.h>
#include <sqlite3.h>

#include <atomic>
#include <cstdlib>

#include "engine/base/limits.h"

namespace quorlite::database {
namespace {

constexpr std::int64_t kLargeBytes = 64 << 10;

std::atomic<std::int64_t> used{0};
std::atomic<std::int64_t> limit{0};
thread_local std::int64_t unreported = 0;

enum class Bound { kLargePieces, kAllPieces, kNone };
thread_local Bound bound = Bound::kLargePieces;
thread_local const std::atomic<bool>* stopped = nullptr;

std::int64_t size_of(void* piece) {
    return static_cast<std::int64_t>(::malloc_usable_size(piece));
}

void count(std::int64_t bytes) {
    unreported += bytes;
    if (unreported < limits::kUncountedBytesMax && unreported > -limits::kUncountedBytesMax) return;
    used.fetch_add(unreported, std::memory_order_relaxed);
    unreported = 0;
}

bool refused(std::int64_t more) {
    if (more <= 0 || bound == Bound::kNone) return false;
    if (bound == Bound::kLargePieces && more < kLargeBytes) return false;
    if (stopped != nullptr && stopped->load(std::memory_order_relaxed)) return true;
    return used.load(std::memory_order_relaxed) + unreported + more >
           limit.load(std::memory_order_relaxed);
}

void* take(int size) {
    if (refused(size)) return nullptr;
    void* const piece = std::malloc(static_cast<std::size_t>(size));
    if (piece != nullptr) count(size_of(piece));
    return piece;
}

void give_back(void* piece) {
    if (piece == nullptr) return;
    count(-size_of(piece));
    std::free(piece);
}

void* resize(void* piece, int size) {
    const std::int64_t before = size_of(piece);
    if (refused(size - before)) return nullptr;
    void* const moved = std::realloc(piece, static_cast<std::size_t>(size));
    if (moved != nullptr) count(size_of(moved) - before);
    return moved;
}

int size_as_int(void* piece) {
    return piece == nullptr ? 0 : static_cast<int>(size_of(piece));
}
int round_up(int size) {
    return (size + 7) & ~7;
}
int begin(void*) {
    return SQLITE_OK;
}
void end(void*) {}

}  // namespace

MemoryShare::MemoryShare(std::size_t bytes) : bytes_(bytes) {
    limit += static_cast<std::int64_t>(bytes_);
}

MemoryShare::~MemoryShare() {
    limit -= static_cast<std::int64_t>(bytes_);
}

BoundedMemory::BoundedMemory(const std::atomic<bool>* stop) {
    bound = Bound::kAllPieces;
    stopped = stop;
}

BoundedMemory::~BoundedMemory() {
    bound = Bound::kLargePieces;
    stopped = nullptr;
}

void BoundedMemory::lift() {
    bound = Bound::kNone;
}

std::size_t sqlite_memory_bytes() {
    const std::int64_t bytes = used.load(std::memory_order_relaxed) + unreported;
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

const sqlite3_mem_methods& memory_methods() {
    static constexpr sqlite3_mem_methods kMethods = {take,     give_back, resize, size_as_int,
                                                     round_up, begin,     end,    nullptr};
    return kMethods;
}

}  // namespace quorlite::database
