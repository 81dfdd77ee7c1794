// What the disk tests share: the three disks behind one face, entries to write, and a fatal() that
// a test can catch.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/disk/log.h"
#include "tests/base/test_executor.h"
#include "tests/sim/disk.h"

namespace quorlite::test {

// fatal() throws this while a FatalGuard lives.
struct Died {
    std::string what;
};

class FatalGuard {
public:
    FatalGuard() {
        set_fatal_handler([](std::string_view what) { throw Died{std::string(what)}; });
    }
    ~FatalGuard() { set_fatal_handler(nullptr); }
};

inline raft::Entry make_entry(std::uint64_t index, std::uint64_t term, std::size_t bytes) {
    Bytes payload(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        payload[i] = static_cast<std::uint8_t>(i * 31 + index * 7 + term * 13 + (i >> 8));
    }
    return {.term = Term(term),
            .index = Index(index),
            .kind = raft::EntryKind::kCommand,
            .payload = std::make_shared<const Bytes>(std::move(payload))};
}

inline std::vector<raft::Entry> make_entries(std::uint64_t first, std::uint64_t count,
                                             std::uint64_t term, std::size_t bytes) {
    std::vector<raft::Entry> entries;
    for (std::uint64_t i = 0; i < count; ++i) entries.push_back(make_entry(first + i, term, bytes));
    return entries;
}

inline bool same(const raft::Entry& a, const raft::Entry& b) {
    return a.term == b.term && a.index == b.index && a.kind == b.kind && *a.payload == *b.payload;
}

inline bool same(const std::vector<raft::Entry>& a, const std::vector<raft::Entry>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return same(x, y); });
}

// One of the disks, and the loop that its completions run on.
class Rig {
public:
    virtual ~Rig() = default;
    TestExecutor executor;
    std::unique_ptr<Disk> opened;

    virtual Disk& disk() { return *opened; }
    // Ends the life of everything on the disk, as the end of the process would.
    virtual void restart() = 0;
    // Waits for something from outside the executor.
    virtual void wait() {}

    template <class Predicate>
    bool until(Predicate holds, Duration limit = std::chrono::seconds(60)) {
        const TimePoint end = executor.now() + limit;
        while (!holds() && executor.now() < end) {
            executor.run();
            if (holds()) break;
            wait();
            executor.advance(std::chrono::microseconds(100));
        }
        return holds();
    }
};

class SimRig final : public Rig {
public:
    sim::SimDisk sim{1};

    SimRig() { sim.attach(executor); }
    Disk& disk() override { return sim; }
    void restart() override {
        executor.clear();
        sim.kill();
        sim.attach(executor);
    }
};

// A directory of its own, removed with the object.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string path = testing::TempDir() + "quorlite-disk-XXXXXX";
        path_ = ::mkdtemp(path.data());
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

class PortableRig final : public Rig {
public:
    TemporaryDirectory directory;

    PortableRig() { restart(); }
    void restart() override {
        executor.run();
        opened.reset();
        opened = disk::portable_disk(*disk::open_directory(directory.path()), executor);
    }
};

class LibaioRig final : public Rig {
public:
    TemporaryDirectory directory;

    LibaioRig() { restart(); }
    ~LibaioRig() override { opened.reset(); }
    void restart() override {
        executor.run();
        opened.reset();
        opened = *disk::open_libaio_disk(*disk::open_directory(directory.path()), executor,
                                         {.watch = [this](int descriptor, Task readable) {
                                             event_ = descriptor;
                                             readable_ = std::move(readable);
                                         }});
    }
    void wait() override {
        pollfd event{.fd = event_, .events = POLLIN, .revents = 0};
        if (::poll(&event, 1, 1) > 0) readable_();
    }

private:
    int event_ = -1;
    Task readable_;
};

inline std::unique_ptr<Rig> make_rig(const std::string& name) {
    if (name == "libaio") return std::make_unique<LibaioRig>();
    if (name == "portable") return std::make_unique<PortableRig>();
    return std::make_unique<SimRig>();
}

// Tests that run on all three disks.
class EachDisk : public testing::TestWithParam<const char*> {
protected:
    FatalGuard fatal_;
    std::unique_ptr<Rig> rig_ = make_rig(GetParam());
};

}  // namespace quorlite::test
