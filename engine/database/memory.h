// How much memory SQLite may use, in the whole process: page caches, statements, and the values
// that they compute on.
//
// SQLite asks us for all of its memory, so it is counted. Above the limit large pieces are refused,
// and the statement that wanted one fails with SQLITE_NOMEM; small ones are always given, because
// they are bounded by other limits, and because nothing may fail between a transaction's capture
// and SQLite's showing it.
#pragma once

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

// What SQLite holds; off by as much as 64 KiB per thread.
std::size_t sqlite_memory_bytes();

// For SQLite's configuration, before it is first used.
const sqlite3_mem_methods& memory_methods();

}  // namespace quorlite::database
