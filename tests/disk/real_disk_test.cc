// The two disks that are real: their locks, their errors, and their writes.
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/disk/rig.h"

namespace quorlite::test {
namespace {

// The test's executor, with background work on a thread of its own.
class HelperExecutor final : public Executor {
public:
    explicit HelperExecutor(TestExecutor& loop) : loop_(loop), thread_([this] { help(); }) {}
    ~HelperExecutor() override { stop(); }

    // Lets the job under way end, and drops the others: after this the disk may go.
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_one();
        if (thread_.joinable()) thread_.join();
    }

    void post(Task task) override { loop_.post(std::move(task)); }
    TimerId after(Duration delay, Task task) override {
        return loop_.after(delay, std::move(task));
    }
    void cancel(TimerId timer) override { loop_.cancel(timer); }
    void background(Task work, Task done) override {
        const std::lock_guard lock(mutex_);
        jobs_.emplace_back(std::move(work), std::move(done));
        wake_.notify_one();
    }
    void step(Task work, Task done) override { loop_.step(std::move(work), std::move(done)); }
    bool may_yield() override { return true; }

private:
    void help() {
        std::unique_lock lock(mutex_);
        while (true) {
            wake_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
            if (stop_) return;
            auto [work, done] = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            work();
            loop_.post(std::move(done));
            lock.lock();
        }
    }

    TestExecutor& loop_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::pair<Task, Task>> jobs_;
    bool stop_ = false;
    std::thread thread_;
};

class RealDiskTest : public testing::TestWithParam<const char*> {
protected:
    Result<std::unique_ptr<Disk>> open(const std::string& directory) {
        return open(directory, executor_);
    }

    Result<std::unique_ptr<Disk>> open(const std::string& path, Executor& executor) {
        auto directory = disk::open_directory(path);
        if (!directory) return std::move(directory).error();
        if (GetParam() == std::string("portable")) {
            return disk::portable_disk(*directory, executor);
        }
        return disk::open_libaio_disk(*directory, executor,
                                      {.watch = [this](int descriptor, Task readable) {
                                          event_ = descriptor;
                                          readable_ = std::move(readable);
                                      }});
    }

    template <class Predicate>
    void until(Predicate holds) {
        for (int i = 0; i < 10'000 && !holds(); ++i) {
            executor_.run();
            pollfd event{.fd = event_, .events = POLLIN, .revents = 0};
            if (::poll(&event, 1, 1) > 0) readable_();
        }
        EXPECT_TRUE(holds());
    }

    std::string error_of(const std::string& directory) {
        const auto opened = open(directory);
        if (opened.ok()) ADD_FAILURE() << directory << " could be opened";
        return opened.ok() ? "" : opened.error().message;
    }

    TestExecutor executor_;
    TemporaryDirectory directory_;
    int event_ = -1;
    Task readable_;
};

INSTANTIATE_TEST_SUITE_P(Disks, RealDiskTest, testing::Values("libaio", "portable"),
                         [](const auto& disk) { return std::string(disk.param); });

TEST_P(RealDiskTest, ADirectoryHasOneOwner) {
    {
        const auto first = open(directory_.path());
        ASSERT_TRUE(first.ok());
        const std::string error = error_of(directory_.path());
        EXPECT_EQ(error, "the directory " + directory_.path() +
                             " is in use by another process (PID " + std::to_string(::getpid()) +
                             "); stop that one, or give this node a directory of its own");
    }
    EXPECT_TRUE(open(directory_.path()).ok());
}

TEST_P(RealDiskTest, AMissingDirectoryIsMade) {
    EXPECT_TRUE(open(directory_.path() + "/node").ok());
    EXPECT_TRUE(std::filesystem::is_directory(directory_.path() + "/node"));
}

TEST_P(RealDiskTest, UnusableDirectoriesAreErrorsWithARemedy) {
    EXPECT_NE(error_of(directory_.path() + "/a/b").find("create that first"), std::string::npos);
    std::ofstream(directory_.path() + "/file") << "x";
    EXPECT_NE(error_of(directory_.path() + "/file").find("not a directory"), std::string::npos);
    // Root may write anywhere.
    constexpr uid_t kNobody = 65534;
    const bool root = ::geteuid() == 0;
    if (root) std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
    if (!root) std::filesystem::permissions(directory_.path(), std::filesystem::perms(0555));
    ASSERT_EQ(root ? ::seteuid(kNobody) : 0, 0);
    const std::string error = error_of(directory_.path());
    ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
    EXPECT_NE(error.find("not permitted"), std::string::npos) << error;
}

TEST_P(RealDiskTest, FilesHoldWhatWasWritten) {
    auto disk = open(directory_.path());
    ASSERT_TRUE(disk.ok());
    ASSERT_TRUE((*disk)->make_directory("d").ok());
    ASSERT_TRUE((*disk)->make_directory("d").ok());
    EXPECT_EQ((*disk)->open("d/missing", OpenMode::kExisting, true).error().code, code::kNotFound);
    for (const bool direct : {false, true}) {
        auto file = (*disk)->open("d/f", OpenMode::kCreateEmpty, direct);
        ASSERT_TRUE(file.ok());
        const Bytes bytes(10'000, 7);
        ASSERT_TRUE((*file)->write(100, bytes).ok());
        ASSERT_TRUE((*file)->sync().ok());
        EXPECT_EQ((*file)->size().value(), 10'100u);
        Bytes back(20'000);
        EXPECT_EQ((*file)->read(5'001, back).value(), 5'099u);
        EXPECT_EQ(back[0], 7);
        EXPECT_EQ(back[5'098], 7);
        EXPECT_EQ((*file)->read(10'100, back).value(), 0u);
        EXPECT_EQ((*file)->read(50'000, back).value(), 0u);
        ASSERT_TRUE((*file)->truncate(200).ok());
        EXPECT_EQ((*file)->size().value(), 200u);
    }
    ASSERT_TRUE((*disk)->rename("d/f", "d/g").ok());
    EXPECT_FALSE((*disk)->exists("d/f"));
    EXPECT_EQ((*disk)->list("d").value(), std::vector<std::string>{"g"});
    ASSERT_TRUE((*disk)->sync_directory("d").ok());
    ASSERT_TRUE((*disk)->remove("d/g").ok());
    ASSERT_TRUE((*disk)->remove("d/g").ok());
    EXPECT_FALSE((*disk)->rename("d/g", "d/h").ok());
    EXPECT_FALSE((*disk)->list("e").ok());
}

TEST_P(RealDiskTest, ManyDurableWritesAtOnce) {
    auto disk = open(directory_.path());
    ASSERT_TRUE(disk.ok());
    auto file = (*disk)->open("f", OpenMode::kCreate, true);
    ASSERT_TRUE(file.ok());
    constexpr std::uint64_t kWrites = 400;  // more than fit into the kernel's queue
    std::uint64_t done = 0;
    for (std::uint64_t i = 0; i < kWrites; ++i) {
        BlockBuffer buffer(kDiskBlock * (1 + i % 3));
        std::memset(buffer.data(), static_cast<int>(i % 251), buffer.size());
        (*file)->write_durable(i * 3 * kDiskBlock, std::move(buffer), [&](const Status& status) {
            EXPECT_TRUE(status.ok());
            ++done;
        });
    }
    EXPECT_EQ(done, 0u);  // completions come later, never from inside the call
    until([&] { return done == kWrites; });
    for (std::uint64_t i = 0; i < kWrites; ++i) {
        Bytes back(kDiskBlock * (1 + i % 3));
        ASSERT_EQ((*file)->read(i * 3 * kDiskBlock, back).value(), back.size());
        EXPECT_EQ(back, Bytes(back.size(), static_cast<std::uint8_t>(i % 251)));
    }
}

TEST_P(RealDiskTest, HelperThreadsPrepareSegmentsAndReadBesideTheLoop) {
    HelperExecutor helpers(executor_);
    auto disk = open(directory_.path(), helpers);
    ASSERT_TRUE(disk.ok());
    disk::RecoveredLog recovered;
    constexpr disk::LogOptions kOptions{.segment_bytes = 32u << 10, .batch_bytes_max = 8u << 10};
    auto log = *disk::Log::open(**disk, helpers, kOptions, Index(), Index(), recovered);
    int reads = 0;
    for (std::uint64_t round = 0; round < 60; ++round) {
        log->append(make_entries(round * 20 + 1, 20, 1, round % 10 == 0 ? 3000 : 300));
        const Index from = log->first_index();
        if (from <= log->durable_index()) {
            ++reads;
            auto entries = std::make_shared<std::vector<raft::Entry>>();
            helpers.background(
                [&log, entries, from] {
                    auto read = log->read(from, 5000);
                    if (read.ok()) *entries = *std::move(read);
                },
                [&, entries, from] {
                    for (std::size_t i = 0; i < entries->size(); ++i) {
                        EXPECT_EQ((*entries)[i].index, from.plus(i));
                    }
                    --reads;
                });
        }
        until([&] { return log->durable_index() == log->last_index(); });
        if (round > 2) log->trim(Index(round * 20 - 30));
    }
    until([&] { return reads == 0; });
    log.reset();
    helpers.stop();
}

// A file-size limit stands in for all other failures of a write.
TEST_P(RealDiskTest, AFailedDurableWriteIsReported) {
    auto disk = open(directory_.path());
    ASSERT_TRUE(disk.ok());
    auto file = (*disk)->open("f", OpenMode::kCreate, true);
    ASSERT_TRUE(file.ok());
    rlimit before = {};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 1u << 20, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    bool failed = false;
    (*file)->write_durable(2u << 20, BlockBuffer(kDiskBlock), [&](const Status& status) {
        failed = !status.ok() && status.error().message.starts_with("cannot write f: ");
    });
    until([&] { return failed; });
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old_handler);
}

TEST_P(RealDiskTest, WithoutDirectIoItStillWorks) {
    constexpr const char* kMemoryFileSystem = "/dev/shm";
    if (::access(kMemoryFileSystem, W_OK) != 0) GTEST_SKIP() << "no tmpfs here";
    std::string path = std::string(kMemoryFileSystem) + "/quorlite-disk-XXXXXX";
    path = ::mkdtemp(path.data());
    {
        auto disk = open(path);
        ASSERT_TRUE(disk.ok()) << disk.error().message;
        auto file = (*disk)->open("f", OpenMode::kCreate, true);
        ASSERT_TRUE(file.ok()) << file.error().message;
        bool done = false;
        BlockBuffer buffer(kDiskBlock);
        buffer.data()[3] = 9;
        (*file)->write_durable(kDiskBlock, std::move(buffer), [&](const Status& status) {
            EXPECT_TRUE(status.ok());
            done = true;
        });
        until([&] { return done; });
        Bytes back(4);
        EXPECT_EQ((*file)->read(kDiskBlock, back).value(), 4u);
        EXPECT_EQ(back[3], 9);
    }
    std::filesystem::remove_all(path);
}

// A small file system of its own, where that is permitted.
TEST_P(RealDiskTest, AFullDiskIsSurvived) {
    const std::string path = directory_.path() + "/small";
    std::filesystem::create_directory(path);
    if (::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=3m") != 0) {
        GTEST_SKIP() << "mounting is not permitted here";
    }
    {
        auto disk = open(path);
        ASSERT_TRUE(disk.ok()) << disk.error().message;
        disk::RecoveredLog recovered;
        constexpr disk::LogOptions kOptions{.segment_bytes = 1u << 20};
        auto log = disk::Log::open(**disk, executor_, kOptions, Index(), Index(), recovered);
        ASSERT_TRUE(log.ok()) << log.error().message;
        std::vector<bool> space;
        (*log)->on_space = [&](bool available) { space.push_back(available); };
        until([&] {
            executor_.advance(std::chrono::milliseconds(1));
            return (*log)->bytes_on_disk() >= 2u << 20;
        });
        const std::string balloon = path + "/balloon";
        std::ofstream(balloon) << std::string(4u << 20, 'x');
        (*log)->append(make_entries(1, 30, 1, 100'000));
        until([&] {
            executor_.advance(std::chrono::milliseconds(20));
            return !space.empty();
        });
        EXPECT_EQ(space, std::vector<bool>{false});
        EXPECT_LT((*log)->durable_index(), Index(30));
        (*log)->trim((*log)->durable_index());
        std::filesystem::remove(balloon);
        until([&] {
            executor_.advance(std::chrono::milliseconds(20));
            (*log)->trim((*log)->durable_index());
            return (*log)->durable_index() == Index(30);
        });
        EXPECT_EQ(space.back(), true);
    }
    ::umount(path.c_str());
}

}  // namespace
}  // namespace quorlite::test
