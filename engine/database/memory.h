// How much memory SQLite may use, in the whole process: page caches, statements, and the values
// that they compute on.
//
// SQLite asks us for all of its memory, so it is counted. Above the limit it is refused, and the
// statement that wanted it fails with SQLITE_NOMEM: large pieces everywhere, small ones while a
// statement is compiled or runs. What ends a statement, or undoes it, gets all that it needs, and
// so does a transaction from its capture on: SQLite still has to show it.
#pragma once

#include <atomic>
#include <cstddef>

struct sqlite3_mem_methods;

namespace quorlite::database {

// A node's share of the limit, for as long as it lives.
class MemoryShare {
public:
    explicit MemoryShare(std::size_t bytes);
    MemoryShare(const MemoryShare&) = delete;
    MemoryShare& operator=(const MemoryShare&) = delete;
    ~MemoryShare();

private:
    const std::size_t bytes_;
};

// While one lives its thread is refused small pieces too; once `stop` is true, if there is one, all
// of them. That ends what SQLite itself does not interrupt.
class BoundedMemory {
public:
    explicit BoundedMemory(const std::atomic<bool>* stop = nullptr);
    BoundedMemory(const BoundedMemory&) = delete;
    BoundedMemory& operator=(const BoundedMemory&) = delete;
    ~BoundedMemory();

    // A transaction of this thread stands: nothing is refused until the next one lives.
    static void lift();
};

// What SQLite holds; off by as much as 64 KiB per thread.
std::size_t sqlite_memory_bytes();

// For SQLite's configuration, before it is first used.
const sqlite3_mem_methods& memory_methods();

}  // namespace quorlite::database
