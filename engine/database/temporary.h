// Temporary files of SQLite: temporary tables, sorting, what a statement materialises. They are the
// file system's, in the directory that SQLITE_TMPDIR or TMPDIR names, have no name of their own and
// go with their last user. Together they have a limit.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstddef>

namespace quorlite::database {

class TemporarySpace {
public:
    TemporarySpace(std::size_t bytes_max, std::size_t files_max);
    TemporarySpace(const TemporarySpace&) = delete;
    TemporarySpace& operator=(const TemporarySpace&) = delete;

    // SQLite's xOpen for a file without a name.
    int open(sqlite3_file* file, int flags, int* flags_out);
    int file_bytes() const;  // how large the sqlite3_file must be

    // A transaction of this thread has been captured, and SQLite now writes what it has for
    // temporary databases: that must not fail for lack of space, as the transaction stands.
    static void begin_commit();
    static void end_commit();
    // True, once, if a write of this thread failed for lack of space.
    static bool take_exhausted();

    // For its files.
    bool reserve(sqlite3_int64 bytes);
    void release(sqlite3_int64 bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    void closed() { files_.fetch_sub(1, std::memory_order_relaxed); }

private:
    sqlite3_vfs* const system_;
    const sqlite3_int64 bytes_max_;
    std::atomic<sqlite3_int64> used_{0};
    const std::size_t files_max_;
    std::atomic<std::size_t> files_{0};  // that are open
};

}  // namespace quorlite::database
