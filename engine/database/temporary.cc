#include "engine/database/temporary.h"

#include <utility>

#include "engine/base/check.h"

namespace quorlite::database {
namespace {

thread_local bool exhausted = false;
thread_local bool committing = false;

// The system's own file follows in memory.
struct alignas(8) TemporaryFile {
    sqlite3_file base;
    TemporarySpace* space;
    sqlite3_int64 counted;  // bytes of it
};

TemporaryFile& as_temporary(sqlite3_file* file) {
    return *reinterpret_cast<TemporaryFile*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<TemporaryFile*>(file) + 1);
}
const sqlite3_io_methods& methods_of(sqlite3_file* file) {
    return *real(file)->pMethods;
}

int close_file(sqlite3_file* file) {
    TemporaryFile& temporary = as_temporary(file);
    temporary.space->release(temporary.counted);
    temporary.space->closed();
    file->pMethods = nullptr;
    return real(file)->pMethods->xClose(real(file));
}

int read_file(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    return methods_of(file).xRead(real(file), into, size, offset);
}

int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    TemporaryFile& temporary = as_temporary(file);
    const sqlite3_int64 more = offset + size - temporary.counted;
    if (more > 0) {
        if (!temporary.space->reserve(more)) {
            exhausted = true;
            return SQLITE_FULL;
        }
        temporary.counted += more;
    }
    return methods_of(file).xWrite(real(file), from, size, offset);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    TemporaryFile& temporary = as_temporary(file);
    const int result = methods_of(file).xTruncate(real(file), size);
    if (result == SQLITE_OK && size < temporary.counted) {
        temporary.space->release(temporary.counted - size);
        temporary.counted = size;
    }
    return result;
}

int skip_sync(sqlite3_file*, int) {
    return SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
    return methods_of(file).xFileSize(real(file), size);
}
int skip_lock(sqlite3_file*, int) {
    return SQLITE_OK;
}
int check_reserved_lock(sqlite3_file*, int* reserved) {
    *reserved = 0;
    return SQLITE_OK;
}
// What they ask for is not needed, and some of it would take space past the limit.
int skip_control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file* file) {
    return methods_of(file).xSectorSize(real(file));
}
int characteristics(sqlite3_file* file) {
    return methods_of(file).xDeviceCharacteristics(real(file));
}

const sqlite3_io_methods kMethods = {
    1,
    close_file,
    read_file,
    write_file,
    truncate_file,
    skip_sync,
    file_size,
    skip_lock,
    skip_lock,
    check_reserved_lock,
    skip_control,
    sector_size,
    characteristics,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace

TemporarySpace::TemporarySpace(std::size_t bytes_max, std::size_t files_max)
    : system_(sqlite3_vfs_find(nullptr)),
      bytes_max_(static_cast<sqlite3_int64>(bytes_max)),
      files_max_(files_max) {
    QUORLITE_CHECK(system_ != nullptr);
}

int TemporarySpace::file_bytes() const {
    return static_cast<int>(sizeof(TemporaryFile)) + system_->szOsFile;
}

int TemporarySpace::open(sqlite3_file* file, int flags, int* flags_out) {
    file->pMethods = nullptr;
    if (files_.fetch_add(1, std::memory_order_relaxed) >= files_max_) {
        closed();
        exhausted = true;
        return SQLITE_FULL;
    }
    const int opened = system_->xOpen(system_, nullptr, real(file), flags, flags_out);
    if (opened != SQLITE_OK) {
        closed();
        return opened;
    }
    TemporaryFile& temporary = as_temporary(file);
    temporary.space = this;
    temporary.counted = 0;
    file->pMethods = &kMethods;
    return SQLITE_OK;
}

bool TemporarySpace::reserve(sqlite3_int64 bytes) {
    const sqlite3_int64 used = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (used <= bytes_max_ || committing) return true;
    release(bytes);
    return false;
}

void TemporarySpace::begin_commit() {
    committing = true;
}

void TemporarySpace::end_commit() {
    committing = false;
}

bool TemporarySpace::take_exhausted() {
    return std::exchange(exhausted, false);
}

}  // namespace quorlite::database
