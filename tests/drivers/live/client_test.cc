// The blocking client, and the administration by Asio, against real nodes: of Quorlite, and of
// Debian's dqlite where it is installed.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "quorlite/asio_administration.h"
#include "quorlite/quorlite.h"
#include "tests/drivers/live/processes.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;
using testing::Nodes;

// An Asio context at work.
class Running {
public:
    Running() : thread_([this] { context_.run(); }) {}
    ~Running() {
        work_.reset();
        thread_.join();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    asio::any_io_executor executor() { return context_.get_executor(); }

private:
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::thread thread_;
};

// One cluster of each kind for all tests: forming one takes longer than most of them.
class Client : public ::testing::TestWithParam<Nodes::Kind> {
protected:
    static Nodes& nodes(Nodes::Kind kind) {
        static std::map<Nodes::Kind, std::unique_ptr<Nodes>> all;
        const char* const name = kind == Nodes::Kind::kQuorlite ? "client" : "client-dqlite";
        if (!all[kind]) all[kind] = std::make_unique<Nodes>(name, kind);
        return *all[kind];
    }

    Client() : nodes_(nodes(GetParam())), cluster_(nodes_.addresses()) {
        name_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
        std::replace(name_.begin(), name_.end(), '/', '-');
    }

    connection fresh(const std::string& schema) {
        connection db = cluster_.connect(name_);
        if (!schema.empty()) db.execute_script(schema);
        return db;
    }

    Nodes& nodes_;
    cluster cluster_;
    std::string name_;  // of this test's database
};

TEST_P(Client, ReadsBackWhatItWrote) {
    connection db = fresh("CREATE TABLE t(a, b, c, d, at DATETIME, day DATE, flag BOOLEAN)");
    const std::vector<std::byte> blob = {std::byte{0}, std::byte{255}};
    const std::chrono::sys_time<std::chrono::milliseconds> now{1'700'000'000'123ms};
    const auto day = std::chrono::year_month_day(std::chrono::sys_days(std::chrono::days(19'000)));
    db.execute("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?, ?)", -5, 2.5, "text", blob, now, day, true);
    db.execute("INSERT INTO t(a) VALUES(NULL)");
    using Row = std::tuple<int, double, std::string, std::vector<std::byte>,
                           std::chrono::sys_time<std::chrono::milliseconds>,
                           std::chrono::year_month_day, bool>;
    const auto row = db.query_row<int, double, std::string, std::vector<std::byte>,
                                  std::chrono::sys_time<std::chrono::milliseconds>,
                                  std::chrono::year_month_day, bool>("SELECT * FROM t LIMIT 1");
    EXPECT_EQ(row, Row(-5, 2.5, "text", blob, now, day, true));
    EXPECT_EQ((db.query_row<std::optional<int>, std::optional<time_point>>(
                  "SELECT a, at FROM t WHERE a IS NULL")),
              (std::tuple<std::optional<int>, std::optional<time_point>>()));
    rows raw = db.query("SELECT flag, at, a FROM t");
    ASSERT_TRUE(raw.next());
    EXPECT_EQ(raw[0].type(), value_type::boolean);
    EXPECT_EQ(raw[1].type(), value_type::iso8601);
    EXPECT_EQ(raw.column_name(2), "a");
    const auto wrong = raw.try_get<std::string>(2);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().kind, error_kind::conversion);
}

TEST_P(Client, ErrorsSayWhatBecameOfTheWork) {
    connection db = fresh("CREATE TABLE t(a UNIQUE)");
    db.execute("INSERT INTO t VALUES(1)");
    const auto twice = db.try_execute("INSERT INTO t VALUES(1)");
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code(), 19);
    EXPECT_EQ(twice.error().extended_code, 2067);
    EXPECT_EQ(twice.error().verdict, verdict::not_committed);
    EXPECT_FALSE(twice.error().may_retry);
    EXPECT_EQ(twice.error().node, db.node());
    EXPECT_EQ(db.try_execute("SELEC").error().code(), 1);
    EXPECT_EQ(db.try_execute("SELECT 1; SELECT 2").error().kind, error_kind::usage);
    EXPECT_EQ(db.try_execute("INSERT INTO t VALUES(?)").error().kind, error_kind::usage);
    EXPECT_EQ(db.try_execute("INSERT INTO t VALUES(:a)", named("b", 1)).error().kind,
              error_kind::usage);
    EXPECT_EQ(db.try_query_value<int>("SELECT a FROM t WHERE a = 7").error().kind,
              error_kind::usage);
    EXPECT_EQ(db.query_value<int>("SELECT count(*) FROM t"), 1);
}

TEST_P(Client, ATransactionRollsBackUnlessItIsCommitted) {
    connection db = fresh("CREATE TABLE t(a)");
    {
        db.begin().execute("INSERT INTO t VALUES(1)");
    }
    EXPECT_FALSE(db.in_transaction());
    EXPECT_THROW(db.run_transaction([](transaction& tx) {
        tx.execute("INSERT INTO t VALUES(2)");
        throw std::runtime_error("mine");
    }),
                 std::runtime_error);
    const auto quiet = db.try_run_transaction(
        [](transaction& tx) -> result<int> { return tx.try_query_value<int>("SELECT nonsense"); });
    EXPECT_FALSE(quiet);
    db.run_transaction([](transaction& tx) { tx.execute("INSERT INTO t VALUES(3)"); });
    EXPECT_EQ(db.query_value<int>("SELECT sum(a) FROM t"), 3);
}

TEST_P(Client, TheTimeToWaitForALockIsTheClients) {
    options hasty;
    hasty.busy_timeout = std::chrono::milliseconds(300);
    cluster hurried(nodes_.addresses(), hasty);
    connection db = hurried.connect(name_);
    db.execute("CREATE TABLE t(a)");
    if (GetParam() == Nodes::Kind::kDqlite) return;  // it does not wait
    EXPECT_EQ(db.query_value<int>("PRAGMA busy_timeout"), 300);
}

TEST_P(Client, ATableMayRollTheTransactionBack) {
    connection db = fresh("CREATE TABLE t(a UNIQUE ON CONFLICT ROLLBACK)");
    db.execute("CREATE TABLE u(a UNIQUE)");
    db.execute("INSERT INTO t VALUES(1)");
    db.execute("INSERT INTO u VALUES(1)");
    db.execute("BEGIN");
    db.execute("INSERT INTO t VALUES(2)");
    EXPECT_EQ(db.try_execute("INSERT INTO u VALUES(1)").error().code(), 19);
    EXPECT_FALSE(db.transaction_lost());
    EXPECT_EQ(db.try_execute("INSERT INTO t VALUES(1)").error().code(), 19);
    EXPECT_TRUE(db.transaction_lost());
    EXPECT_FALSE(db.try_execute("INSERT INTO t VALUES(3)"));
    EXPECT_FALSE(db.try_execute("COMMIT"));
    db.execute("INSERT INTO t VALUES(4)");
    EXPECT_EQ(fresh("").query_value<int>("SELECT sum(a) FROM t"), 5);
}

TEST_P(Client, StreamsRowsWhileTheConnectionIsUsed) {
    connection db = fresh("CREATE TABLE t(n INTEGER PRIMARY KEY, pad TEXT)");
    constexpr int kRows = 20'000;
    db.run_transaction([](transaction& tx) {
        auto bulk = tx.bulk_insert("t", {"n", "pad"});
        for (int i = 0; i < kRows; ++i) bulk.add(i, std::string(60, 'x'));
        EXPECT_EQ(bulk.finish(), static_cast<std::uint64_t>(kRows));
    });
    std::int64_t sum = 0;
    for (const auto& [n, pad] : db.query<int, std::string_view>("SELECT n, pad FROM t")) {
        EXPECT_TRUE(n != 5 || db.query_value<int>("SELECT count(*) FROM t") == kRows);
        EXPECT_EQ(pad.size(), 60u);
        sum += n;
    }
    EXPECT_EQ(sum, std::int64_t{kRows} * (kRows - 1) / 2);
    // Rows that are not read to the end do no harm.
    rows some = db.query("SELECT n FROM t");
    EXPECT_TRUE(some.next());
    some = rows();
    EXPECT_EQ(db.query_value<int>("SELECT max(n) FROM t"), kRows - 1);
}

TEST_P(Client, PipelinesAndPrepares) {
    connection db = fresh("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    statement insert = db.prepare("INSERT INTO t VALUES(:a, :b)");
    EXPECT_EQ(insert.parameter_count(), 2u);
    for (int i = 0; i < 100; ++i) insert.execute(named("b", i * i), named("a", i));
    batch all;
    for (int i = 0; i < 100; ++i) all.add("SELECT b FROM t WHERE a = ?", i);
    all.add("SELECT nonsense").add("UPDATE t SET b = 0 WHERE a < ?", 10);
    std::vector<result<rows>> results = db.run(all);
    ASSERT_EQ(results.size(), 102u);
    for (int i = 0; i < 100; ++i) {
        rows& found = results[static_cast<std::size_t>(i)].value();
        ASSERT_TRUE(found.next());
        EXPECT_EQ(found.get<int>(0), i * i);
    }
    EXPECT_FALSE(results[100]);
    EXPECT_EQ(results[101]->executed().rows_affected, 10u);
}

TEST_P(Client, InterruptAndDeadlineStopAStatement) {
    connection db = fresh("");
    // dqlite stops nothing before it has the first row.
    if (GetParam() == Nodes::Kind::kDqlite) GTEST_SKIP() << "dqlite answers no INTERRUPT in time";
    const char* const endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    std::thread stopper([&] {
        std::this_thread::sleep_for(200ms);
        db.interrupt();
    });
    const auto stopped = db.try_query_value<int>(endless);
    stopper.join();
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().kind, error_kind::cancelled);
    EXPECT_EQ(stopped.error().verdict, verdict::not_committed);
    const auto late = db.with({.timeout = 200ms}).try_query_value<int>(endless);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, error_kind::deadline);
    EXPECT_EQ(db.query_value<int>("SELECT 1"), 1);
}

TEST_P(Client, AdministersTheCluster) {
    EXPECT_EQ(cluster_.nodes().size(), 3u);
    const node_info before = cluster_.leader();
    cluster_.set_weight(before.address, 7);
    EXPECT_EQ(cluster_.describe(before.address).weight, 7u);
    const std::vector<node_info> all = cluster_.nodes();
    const auto other = std::find_if(all.begin(), all.end(), [&](const node_info& node) {
        return node.id != before.id && node.role == node_role::voter;
    });
    cluster_.transfer(other->id);
    EXPECT_EQ(cluster_.leader().address, other->address);
    int leaders = 0;
    for (const node_status& each : cluster_.status()) {
        EXPECT_TRUE(each.reachable) << each.trouble;
        leaders += each.leader;
    }
    EXPECT_EQ(leaders, 1);
    EXPECT_EQ(cluster_.try_remove(12345).error().verdict, verdict::not_committed);
}

TEST_P(Client, AdministersTheClusterByAsio) {
    Running running;
    async::administration administration(running.executor(), cluster_);
    const auto wait = asio::use_future;
    const node_info before = administration.leader(wait).get();
    administration.set_weight(before.address, 9, wait).get();
    EXPECT_EQ(administration.describe(before.address, wait).get().weight, 9u);
    const std::vector<node_info> all = administration.nodes(wait).get();
    ASSERT_EQ(all.size(), 3u);
    const auto other = std::find_if(all.begin(), all.end(), [&](const node_info& node) {
        return node.id != before.id && node.role == node_role::voter;
    });
    administration.assign(other->id, node_role::standby, wait).get();
    administration.assign(other->id, node_role::voter, wait).get();
    administration.transfer(other->id, wait).get();
    EXPECT_EQ(administration.leader(wait).get().address, other->address);
    for (const node_status& each : administration.status(wait).get()) {
        EXPECT_TRUE(each.reachable) << each.trouble;
        EXPECT_EQ(each.leader, each.node.address == other->address);
        EXPECT_EQ(each.node.role, node_role::voter);
    }
    EXPECT_EQ(administration.try_remove(12345, wait).get().error().verdict, verdict::not_committed);
    EXPECT_EQ(administration.try_add(before.id, "127.0.0.1:1", node_role::spare, wait)
                  .get()
                  .error()
                  .verdict,
              verdict::not_committed);
}

TEST_P(Client, DumpsADatabaseByAsio) {
    fresh("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(1000000))");
    Running running;
    async::dump_stream dump = async::administration(running.executor(), cluster_).dump(name_);
    std::map<std::string, std::uint64_t> bytes;
    std::map<std::string, std::uint64_t> announced;
    while (auto piece = dump.next(asio::use_future).get()) {
        bytes[piece->file] += piece->bytes.size();
        announced[piece->file] = piece->file_bytes;
    }
    EXPECT_EQ(bytes, announced);
    EXPECT_EQ(bytes.size(), 2u);
    std::uint64_t total = 0;
    for (const auto& [file, size] : bytes) total += size;
    EXPECT_GT(total, 1'000'000u);
}

TEST_P(Client, DumpsADatabase) {
    connection db = fresh("CREATE TABLE t(a)");
    std::map<std::string, std::uint64_t> files;
    std::string head;
    cluster_.dump(name_, [&](const dump_part& part) {
        const std::string name(part.file);
        files[name] += part.bytes.size();
        if (head.empty() && !part.bytes.empty()) {
            head.assign(reinterpret_cast<const char*>(part.bytes.data()), 15);
        }
        return true;
    });
    EXPECT_EQ(files.size(), 2u);
    EXPECT_EQ(head, "SQLite format 3");
}

TEST_P(Client, FollowsItsNodeStore) {
    const std::string path =
        std::filesystem::temp_directory_path() / ("store-" + std::to_string(::getpid()));
    // As go-dqlite writes it.
    std::ofstream(path) << "- Address: " << nodes_.addresses()[1] << "\n  ID: 2\n  Role: 0\n";
    const auto store = open_yaml_store(path);
    cluster(store).connect("store").execute("CREATE TABLE IF NOT EXISTS t(a)");
    const auto nodes = store->load();
    ASSERT_TRUE(nodes);
    EXPECT_EQ(nodes->size(), 3u);
    std::filesystem::remove(path);
}

TEST_P(Client, APoolSharesItsConnections) {
    connection db = fresh("CREATE TABLE t(a)");
    pool shared(cluster_, name_, {.size_max = 3});
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < 10; ++j) {
                shared.run_transaction(
                    [](transaction& tx) { tx.execute("CREATE TABLE IF NOT EXISTS u(a)"); });
            }
        });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(shared.usage().in_use, 0u);
    EXPECT_LE(shared.usage().idle, 3u);
    {
        auto lease = shared.acquire();
        lease->execute("BEGIN");
    }
    EXPECT_FALSE(shared.acquire()->in_transaction());
}

INSTANTIATE_TEST_SUITE_P(Quorlite, Client, ::testing::Values(Nodes::Kind::kQuorlite));
#ifdef QUORLITE_HAVE_DQLITE
INSTANTIATE_TEST_SUITE_P(Dqlite, Client, ::testing::Values(Nodes::Kind::kDqlite));
#endif

}  // namespace
}  // namespace quorlite
