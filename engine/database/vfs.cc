#include "engine/database/vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <new>
#include <thread>

#include "engine/base/check.h"
#include "engine/database/memory.h"
#include "engine/database/sqlite.h"
#include "engine/database/temporary.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

struct Vfs::State {
    State(std::size_t bytes_max, std::size_t files_max, std::uint64_t seed)
        : temporary(bytes_max, files_max), random_state(seed) {}

    sqlite3_vfs vfs{};
    TemporarySpace temporary;  // for files without a name
    std::string name;
    const Clock* clock = nullptr;

    Mutex mutex;
    std::uint64_t random_state QUORLITE_GUARDED_BY(mutex);
    std::uint64_t last_client QUORLITE_GUARDED_BY(mutex) = 0;
    std::unordered_map<std::uint64_t, std::weak_ptr<Client>> clients QUORLITE_GUARDED_BY(mutex);
    // At this many clients those that are gone are forgotten.
    std::size_t sweep_at QUORLITE_GUARDED_BY(mutex) = 0;

    std::shared_ptr<Client> find(std::string_view file_name) {
        std::uint64_t number = 0;
        const auto [end, error] =
            std::from_chars(file_name.data(), file_name.data() + file_name.size(), number);
        if (error != std::errc() || end != file_name.data() + file_name.size()) return nullptr;
        const MutexLock lock(mutex);
        const auto found = clients.find(number);
        return found == clients.end() ? nullptr : found->second.lock();
    }
};

namespace {

constexpr std::string_view kWalSuffix = "-wal";
constexpr std::size_t kSweepAtLeast = 64;
constexpr int kPathBytesMax = 64;
constexpr auto kSleepMax = std::chrono::microseconds(100);
constexpr std::int64_t kJulianUnixEpochMs = 210866760000000;  // 1970-01-01 in SQLite's clock

struct VfsFile {
    sqlite3_file base;
    std::shared_ptr<Client> client;
};

VfsFile& as_file(sqlite3_file* file) {
    return *reinterpret_cast<VfsFile*>(file);
}
WalEpoch& epoch_of(sqlite3_file* file) {
    return *as_file(file).client->epoch;
}

std::span<std::uint8_t> as_span(void* bytes, int size) {
    return {static_cast<std::uint8_t*>(bytes), static_cast<std::size_t>(size)};
}

// --- both files ---

int close_file(sqlite3_file* file) {
    VfsFile& ours = as_file(file);
    ours.client->epoch->index().unlock(*ours.client, 0, kWalLocks);
    ours.client.~shared_ptr();
    file->pMethods = nullptr;
    return SQLITE_OK;
}

int accept_truncate(sqlite3_file*, sqlite3_int64) {
    return SQLITE_OK;
}
int accept_sync(sqlite3_file*, int) {
    return SQLITE_OK;
}
int accept_lock(sqlite3_file*, int) {
    return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file*, int* reserved) {
    *reserved = 0;
    return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
    return static_cast<int>(kPageSize);
}

int device_characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL |
           SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

// Whether this read is where a statement that was told to stop ends. Only pages: what else SQLite
// reads it may need for finishing a commit.
bool stops(sqlite3_file* file, int size) {
    Client& client = *as_file(file).client;
    const bool stop = client.stop.load(std::memory_order_relaxed) && client.stepping &&
                      size == static_cast<int>(kPageSize) && client.stop.exchange(false);
    if (stop) client.stopped = true;
    return stop;
}

// --- the database ---

int read_main(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    if (stops(file, size)) return SQLITE_IOERR_READ;
    return epoch_of(file).read_main(static_cast<std::uint64_t>(offset), as_span(into, size));
}

int refuse_write(sqlite3_file*, const void*, int, sqlite3_int64) {
    return SQLITE_IOERR_WRITE;
}

int main_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(epoch_of(file).main_size());
    return SQLITE_OK;
}

int map_region(sqlite3_file* file, int region, int size, int extend, void volatile** address) {
    if (static_cast<std::size_t>(size) != kWalIndexRegionBytes) return SQLITE_IOERR_SHMMAP;
    *address = epoch_of(file).index().map_region(static_cast<std::size_t>(region), extend != 0);
    return SQLITE_OK;
}

int lock_region(sqlite3_file* file, int first, int count, int flags) {
    const VfsFile& ours = as_file(file);
    WalEpoch& epoch = *ours.client->epoch;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        epoch.index().unlock(*ours.client, first, count);
        return SQLITE_OK;
    }
    if (epoch.retired()) return SQLITE_IOERR_SHMLOCK;
    const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    return epoch.index().lock(*ours.client, first, count, exclusive) ? SQLITE_OK : SQLITE_BUSY;
}

void barrier(sqlite3_file* file) {
    epoch_of(file).index().barrier();
}

int unmap(sqlite3_file* file, int) {
    const VfsFile& ours = as_file(file);
    ours.client->epoch->index().unlock(*ours.client, 0, kWalLocks);
    return SQLITE_OK;
}

// --- the WAL ---

int read_wal(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    if (stops(file, size)) return SQLITE_IOERR_READ;
    return epoch_of(file).read_wal(static_cast<std::uint64_t>(offset), as_span(into, size));
}

int write_wal(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    const ByteView bytes(static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(size));
    Client& client = *as_file(file).client;
    const int result = epoch_of(file).write_wal(client, static_cast<std::uint64_t>(offset), bytes);
    if (client.captured) {
        TemporarySpace::begin_commit();
        BoundedMemory::lift();
    }
    return result;
}

int wal_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(epoch_of(file).wal_size());
    return SQLITE_OK;
}

int close_wal(sqlite3_file* file) {
    as_file(file).client.~shared_ptr();
    file->pMethods = nullptr;
    return SQLITE_OK;
}

const sqlite3_io_methods kMainMethods = {
    2,
    close_file,
    read_main,
    refuse_write,
    accept_truncate,
    accept_sync,
    main_size,
    accept_lock,
    accept_lock,
    check_reserved_lock,
    file_control,
    sector_size,
    device_characteristics,
    map_region,
    lock_region,
    barrier,
    unmap,
    nullptr,
    nullptr,
};

const sqlite3_io_methods kWalMethods = {
    1,
    close_wal,
    read_wal,
    write_wal,
    accept_truncate,
    accept_sync,
    wal_size,
    accept_lock,
    accept_lock,
    check_reserved_lock,
    file_control,
    sector_size,
    device_characteristics,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

// --- the file system ---

Vfs::State* state_of(sqlite3_vfs* vfs);

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
    file->pMethods = nullptr;
    Vfs::State& state = *state_of(vfs);
    if (name == nullptr) return state.temporary.open(file, flags, flags_out);
    std::string_view file_name(name);
    const bool wal = (flags & SQLITE_OPEN_WAL) != 0;
    if (wal && file_name.ends_with(kWalSuffix)) file_name.remove_suffix(kWalSuffix.size());
    if (!wal && (flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
    auto client = state.find(file_name);
    if (!client) return SQLITE_CANTOPEN;
    auto* const ours = reinterpret_cast<VfsFile*>(file);
    new (&ours->client) std::shared_ptr<Client>(std::move(client));
    ours->base.pMethods = wal ? &kWalMethods : &kMainMethods;
    if (flags_out != nullptr) *flags_out = flags;
    return SQLITE_OK;
}

int remove_file(sqlite3_vfs*, const char*, int) {
    return SQLITE_OK;
}

int access_file(sqlite3_vfs*, const char* name, int, int* result) {
    *result = std::string_view(name).ends_with(kWalSuffix) ? 1 : 0;
    return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::size_t length = std::strlen(name);
    if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, name, length + 1);
    return SQLITE_OK;
}

int fill_random(sqlite3_vfs* vfs, int size, char* out) {
    Vfs::State& state = *state_of(vfs);
    const MutexLock lock(state.mutex);
    for (int i = 0; i < size; ++i) {  // splitmix64
        std::uint64_t mixed = state.random_state += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        out[i] = static_cast<char>(mixed >> 56);
    }
    return size;
}

// SQLite sleeps between attempts to read a wal-index that another thread is writing. That takes
// next to no time, so it never sleeps as long as it asks.
int sleep_briefly(sqlite3_vfs*, int microseconds) {
    std::this_thread::sleep_for(std::min(std::chrono::microseconds(microseconds), kSleepMax));
    return microseconds;
}

int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) {
    *julian_ms = state_of(vfs)->clock->wall_ms() + kJulianUnixEpochMs;
    return SQLITE_OK;
}

int current_time(sqlite3_vfs* vfs, double* julian_days) {
    constexpr double kDayMs = 86'400'000;
    sqlite3_int64 julian_ms = 0;
    current_time_ms(vfs, &julian_ms);
    *julian_days = static_cast<double>(julian_ms) / kDayMs;
    return SQLITE_OK;
}

int last_error(sqlite3_vfs*, int, char*) {
    return 0;
}

Vfs::State* state_of(sqlite3_vfs* vfs) {
    return static_cast<Vfs::State*>(vfs->pAppData);
}

}  // namespace

Vfs::Vfs(const Clock& clock, Random& random, std::size_t temporary_bytes_max,
         std::size_t temporary_files_max) {
    configure_sqlite();
    state_ = std::make_unique<State>(temporary_bytes_max, temporary_files_max, random.next());
    static std::atomic<std::uint64_t> last{0};
    state_->name = "quorlite-" + std::to_string(++last);
    state_->clock = &clock;

    sqlite3_vfs& vfs = state_->vfs;
    vfs.iVersion = 2;
    vfs.szOsFile = std::max(static_cast<int>(sizeof(VfsFile)), state_->temporary.file_bytes());
    vfs.mxPathname = kPathBytesMax;
    vfs.zName = state_->name.c_str();
    vfs.pAppData = state_.get();
    vfs.xOpen = open_file;
    vfs.xDelete = remove_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_path;
    vfs.xRandomness = fill_random;
    vfs.xSleep = sleep_briefly;
    vfs.xCurrentTime = current_time;
    vfs.xGetLastError = last_error;
    vfs.xCurrentTimeInt64 = current_time_ms;
    QUORLITE_CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

Vfs::~Vfs() {
    sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& Vfs::name() const {
    return state_->name;
}

std::shared_ptr<Client> Vfs::make_client(std::shared_ptr<WalEpoch> epoch) {
    auto client = std::make_shared<Client>();
    client->epoch = std::move(epoch);
    {
        const MutexLock lock(state_->mutex);
        client->number = ++state_->last_client;
        if (state_->clients.size() >= state_->sweep_at) {
            std::erase_if(state_->clients,
                          [](const auto& entry) { return entry.second.expired(); });
            state_->sweep_at = 2 * state_->clients.size() + kSweepAtLeast;
        }
        state_->clients.emplace(client->number, client);
    }
    client->epoch->index().add_client(client);
    return client;
}

std::string Vfs::file_name(const Client& client) {
    return std::to_string(client.number);
}

}  // namespace quorlite::database
