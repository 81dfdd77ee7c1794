// Threads: statements that run beside the loop, while the loop commits, moves the WAL, flushes and
// takes images. Meant for ThreadSanitizer.
//
// SQLite reads the wal-index while another thread writes it, and knows by its checksums when that
// went wrong. The library is not instrumented, so ThreadSanitizer does not see it and needs no
// suppression; what it does see, our side of those calls, must be free of races.
#include <condition_variable>
#include <filesystem>
#include <thread>

#include "engine/database/base_file.h"
#include "engine/disk/log.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

constexpr int kAccounts = 200;
constexpr const char* kSum = "SELECT sum(n), count(*) FROM account";
constexpr const char* kExpected = "200000|200\n";

// One helper thread, which runs what it is given.
class Helper {
public:
    Helper() : thread_([this] { run(); }) {}
    ~Helper() {
        give(nullptr);
        thread_.join();
    }
    void give(Task task) {
        const std::lock_guard lock(mutex_);
        task_ = std::move(task);
        busy_ = true;
        changed_.notify_all();
    }
    bool busy() {
        const std::lock_guard lock(mutex_);
        return busy_;
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return busy_; });
            if (!task_) return;
            const Task task = std::exchange(task_, nullptr);
            lock.unlock();
            task();
            lock.lock();
            busy_ = false;
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    Task task_;
    bool busy_ = false;
    std::thread thread_;
};

// A node whose disk may be read by several threads at once, as the simulated one may not.
class RealNode {
public:
    explicit RealNode(Options options = {}) : node_(1, options) {
        std::string path = testing::TempDir() + "quorlite-database-XXXXXX";
        directory_ = ::mkdtemp(path.data());
        node_.real_disk = disk::portable_disk(*disk::open_directory(directory_), node_.executor);
        EXPECT_OK(node_.open());
    }
    ~RealNode() {
        node_.store.reset();
        node_.real_disk.reset();
        std::filesystem::remove_all(directory_);
    }
    RealNode(const RealNode&) = delete;
    RealNode& operator=(const RealNode&) = delete;
    Node& operator*() { return node_; }

private:
    Node node_;
    std::string directory_;
};

// Reads that must always see the same sum, alone and twice within one transaction.
void read_until(const std::atomic<bool>& done, Connection& connection, std::atomic<int>& reads) {
    while (!done) {
        const auto alone = query(connection, kSum);
        if (alone) {
            ASSERT_EQ(*alone, kExpected);
        }
        if (!execute(connection, "BEGIN")) continue;
        const auto first = query(connection, "SELECT * FROM account");
        const auto second = query(connection, "SELECT * FROM account");
        if (first && second) {
            ASSERT_EQ(*first, *second);
        }
        ASSERT_TRUE(alone || alone.error().code == code::kInterrupted) << alone.error().message;
        execute(connection, "COMMIT").ok();
        connection.roll_back();
        ++reads;
    }
}

TEST(Concurrency, ReadersAndWritersBesideTheLoop) {
    Options options;
    options.wal_frames_soft = 30;
    options.flush_bytes = 64u << 10;
    options.page_cache_bytes = 40u << 10;
    RealNode real(options);
    Node& node = *real;
    Log log;
    Writer setup(node, log);
    ASSERT_OK(
        setup.run("CREATE TABLE account(id INTEGER PRIMARY KEY, n INT, filler TEXT);"
                  "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200)"
                  "INSERT INTO account SELECT n, 1000, hex(zeroblob(200)) FROM c"));
    setup.commit();
    Database& database = setup.database();
    const auto writer = node.connect();
    std::vector<std::unique_ptr<Connection>> connections;
    for (int i = 0; i < 3; ++i) connections.push_back(node.connect());

    std::atomic<bool> done{false};
    std::atomic<int> reads{0};
    std::vector<std::thread> threads;
    for (const auto& connection : connections) {
        threads.emplace_back([&, c = connection.get()] { read_until(done, *c, reads); });
    }
    Helper helper;
    sim::Seeded random(1);
    for (int i = 0; i < 1500; ++i) {
        bool granted = false;
        const auto ticket = database.writers().acquire(
            "x", std::chrono::hours(1), [&](Status status) { granted = status.ok(); });
        while (!granted) {
            node.store->committed(Index(log.size()));
            node.store->log_durable(Index(log.size()));
            node.executor.run();
        }
        const std::string from = std::to_string(1 + random.below(kAccounts));
        const std::string to = std::to_string(1 + random.below(kAccounts));
        const std::string sql = "BEGIN IMMEDIATE; UPDATE account SET n = n - 7 WHERE id = " + from +
                                "; UPDATE account SET n = n + 7 WHERE id = " + to + "; COMMIT";
        Status written;
        helper.give([&] { written = execute(*writer, sql); });
        while (helper.busy()) {
            node.store->committed(Index(log.size()));
            if (random.below(50) == 0) connections[random.below(3)]->interrupt();
            if (random.below(20) == 0) node.store->image("test").ok();
            node.store->memory_bytes();
            node.executor.run();
        }
        ASSERT_OK(written);
        if (const Capture capture = writer->take_capture(); !capture.commands.empty()) {
            log.insert(log.end(), capture.commands.begin(), capture.commands.end());
            database.proposed(Index(log.size()));
        }
        database.writers().release(ticket);
        if (i % 500 == 499) node.flush();
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(reads, 20);
    node.store->committed(Index(log.size()));
    Node follower(2);
    ASSERT_OK(follower.open());
    follower.catch_up(log, log.size());
    EXPECT_EQ(follower.checksum(), node.checksum());
}

// A statement may lose the loop at any moment, also while the committed prefix is shown to it.
TEST(Concurrency, ReadsAtThePrefixBesideTheLoop) {
    RealNode real;
    Node& node = *real;
    Log log;
    Writer writer(node, log);
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    const auto reader = node.connect();
    Helper helper;
    sim::Seeded random(1);
    const auto committed = [&] { return static_cast<int>(writer.committed()) - 1; };
    int at_the_prefix = 0;
    for (int written = 1; written <= 1500; ++written) {
        const int committed_before = committed();
        auto counting = reader->prepare("SELECT count(*) FROM t");
        ASSERT_OK(counting);
        reader->prefer_committed();
        std::string seen;
        helper.give([&] { seen = *rows_of(*counting->statement); });
        const bool beside = written % 10 != 0;
        for (auto turns = random.below(20); turns > 0; --turns) std::this_thread::yield();
        while (!beside && helper.busy()) std::this_thread::yield();
        ASSERT_OK(writer.run("INSERT INTO t VALUES(1)"));
        ASSERT_EQ(writer.must_query("SELECT count(*) FROM t"), std::to_string(written) + "\n");
        EXPECT_TRUE(writer.connection().take_capture().commands.empty());  // it is at rest
        if (random.below(3) == 0) writer.commit();
        while (helper.busy()) std::this_thread::yield();
        const Capture capture = reader->take_capture();
        EXPECT_TRUE(capture.commands.empty());
        const int count = std::stoi(seen);
        ASSERT_GE(count, committed_before);
        ASSERT_LE(count, capture.read_committed ? committed_before : written);
        if (capture.read_committed) ++at_the_prefix;
        if (random.below(100) == 0) node.flush();
    }
    EXPECT_GT(at_the_prefix, 0);
}

TEST(Concurrency, ABaseFileIsReadWhileItIsWritten) {
    RealNode real;
    auto file = create_base_file(*(*real).real_disk, 99);
    ASSERT_OK(file);
    constexpr std::size_t kBytes = 64 * kPageSize;
    ASSERT_OK((*file)->write(0, Bytes(kBytes)));
    std::atomic<bool> done = false;
    std::thread reader([&] {
        Bytes bytes(kBytes);
        while (!done) EXPECT_OK((*file)->read(0, bytes));
    });
    for (int i = 1; i < 2000; ++i) {
        ASSERT_OK((*file)->write(0, Bytes(kBytes, static_cast<std::uint8_t>(i))));
        if (i % 100 == 0) ASSERT_OK((*file)->sync());
    }
    done = true;
    reader.join();
}

TEST(Concurrency, LeadershipIsLostUnderRunningStatements) {
    RealNode real;
    Node& node = *real;
    Log log;
    Writer setup(node, log);
    ASSERT_OK(setup.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    setup.commit();
    Helper writing;
    Helper reading;
    for (int round = 0; round < 30; ++round) {
        const auto writer = node.connect();
        const auto reader = node.connect();
        const auto loop = node.connect();  // which takes what the writer, still away, has committed
        writing.give([&] {
            while (execute(*writer, "INSERT INTO t(x) VALUES(randomblob(3000))")) {
            }
        });
        reading.give([&] {
            while (query(*reader, "SELECT count(*), sum(length(x)) FROM t")) {
            }
        });
        for (int i = 0; i < 20; ++i) {
            if (const Capture capture = loop->take_capture(); !capture.commands.empty()) {
                log.insert(log.end(), capture.commands.begin(), capture.commands.end());
                setup.database().proposed(Index(log.size()));
            }
            std::this_thread::yield();
        }
        const std::uint64_t applied = node.store->applied_index().value();
        const std::uint64_t kept = applied + (log.size() - applied) / 2;
        node.store->committed(Index(kept));
        log.resize(kept);
        node.store->begin_epoch();
        while (writing.busy() || reading.busy()) std::this_thread::yield();
    }
    Node follower(2);
    ASSERT_OK(follower.open());
    follower.catch_up(log, log.size());
    EXPECT_EQ(follower.checksum(), node.checksum());
    EXPECT_EQ(*query(*node.connect(), "PRAGMA integrity_check"), "ok\n");
}

}  // namespace
}  // namespace quorlite::database
