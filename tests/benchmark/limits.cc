// limits: what this machine's disk and plain SQLite give, to judge the other numbers by.
//
//     limits --dir DIR --seconds S
//
// One line of JSON for each limit, with its operations per second and median latency in
// microseconds:
//   fdatasync        append 4 KiB and fdatasync(), into a file that was written before
//   direct-dsync     write 4 KiB with O_DIRECT and O_DSYNC, into a file that was written before
//   sqlite-normal    single-row inserts into plain SQLite, WAL, synchronous=NORMAL
//   sqlite-full      the same with synchronous=FULL: the disk is synced at every commit
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "drivers/shell/bench/histogram.h"

namespace quorlite::benchmark {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kBlockBytes = 4096;
constexpr off_t kFileBytes = 64 << 20;

[[noreturn]] void give_up(const std::string& what) {
    std::cerr << "limits: " << what << ": " << std::strerror(errno) << '\n';
    std::exit(1);
}

void measure(const char* name, double seconds, const std::function<void()>& operation) {
    Histogram latencies;
    const auto began = SteadyClock::now();
    const auto end = began + std::chrono::duration<double>(seconds);
    auto now = began;
    while (now < end) {
        operation();
        const auto done = SteadyClock::now();
        latencies.record(static_cast<std::uint64_t>((done - now) / std::chrono::nanoseconds(1)));
        now = done;
    }
    const double elapsed = std::chrono::duration<double>(now - began).count();
    std::cout << "{\"limit\":\"" << name
              << "\",\"rate\":" << static_cast<double>(latencies.count()) / elapsed
              << ",\"p50_us\":" << static_cast<double>(latencies.at(0.5)) / 1000
              << ",\"p99_us\":" << static_cast<double>(latencies.at(0.99)) / 1000 << "}\n";
}

struct FreeMemory {
    void operator()(void* memory) const { std::free(memory); }
};

// Blocks are written one after the other, round and round, into a file that has all its extents.
void measure_disk(const char* name, const std::string& path, int flags, bool sync, double seconds) {
    std::unique_ptr<void, FreeMemory> block(std::aligned_alloc(kBlockBytes, kBlockBytes));
    std::memset(block.get(), 'x', kBlockBytes);
    const int prepared = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (off_t at = 0; prepared >= 0 && at < kFileBytes; at += kBlockBytes) {
        if (pwrite(prepared, block.get(), kBlockBytes, at) != kBlockBytes) give_up("write " + path);
    }
    if (prepared < 0 || fsync(prepared) != 0) give_up("prepare " + path);
    close(prepared);
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags);
    if (file < 0) give_up("open " + path);
    off_t at = 0;
    measure(name, seconds, [&] {
        if (pwrite(file, block.get(), kBlockBytes, at) != kBlockBytes) give_up("write " + path);
        if (sync && fdatasync(file) != 0) give_up("fdatasync " + path);
        at = (at + static_cast<off_t>(kBlockBytes)) % kFileBytes;
    });
    close(file);
}

void measure_sqlite(const char* name, const std::string& path, const char* synchronous,
                    double seconds) {
    sqlite3* db = nullptr;
    sqlite3_stmt* insert = nullptr;
    const std::string prepare =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=" + std::string(synchronous) +
        "; CREATE TABLE inserted (id INTEGER PRIMARY KEY, value TEXT)";
    const std::string value(100, 'v');
    if (sqlite3_open(path.c_str(), &db) != SQLITE_OK ||
        sqlite3_exec(db, prepare.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO inserted (value) VALUES (?)", -1, &insert, nullptr) !=
            SQLITE_OK) {
        give_up(sqlite3_errmsg(db));
    }
    sqlite3_bind_text(insert, 1, value.c_str(), -1, SQLITE_STATIC);
    measure(name, seconds, [&] {
        if (sqlite3_step(insert) != SQLITE_DONE) give_up(sqlite3_errmsg(db));
        sqlite3_reset(insert);
    });
    sqlite3_finalize(insert);
    sqlite3_close(db);
}

int main(int count, char** arguments) {
    std::string dir;
    double seconds = 3;
    CLI::App app("Measures what the disk and plain SQLite give");
    app.add_option("--dir", dir, "on the disk to measure; removed afterwards")->required();
    app.add_option("--seconds", seconds, "for each limit");
    CLI11_PARSE(app, count, arguments);
    std::filesystem::create_directories(dir);
    measure_disk("fdatasync", dir + "/fdatasync", 0, true, seconds);
    measure_disk("direct-dsync", dir + "/direct", O_DIRECT | O_DSYNC, false, seconds);
    measure_sqlite("sqlite-normal", dir + "/normal.db", "NORMAL", seconds);
    measure_sqlite("sqlite-full", dir + "/full.db", "FULL", seconds);
    std::filesystem::remove_all(dir);
    return 0;
}

}  // namespace
}  // namespace quorlite::benchmark

int main(int count, char** arguments) {
    return quorlite::benchmark::main(count, arguments);
}
