// What SQLite may hold: page caches in sum, values, temporary files.
#include "engine/database/memory.h"

#include <gmock/gmock.h>

#include "tests/database/support.h"

namespace quorlite::database {
namespace {

constexpr std::size_t kMiB = 1u << 20;

class MemoryTest : public testing::Test {
protected:
    static Options bounded() {
        Options options;
        options.page_caches_bytes = 16 * kMiB;
        options.memory_bytes_max = 64 * kMiB;
        options.temporary_bytes_max = 4 * kMiB;
        return options;
    }

    MemoryTest() {
        EXPECT_OK(node_.open());
        writer_ = std::make_unique<Writer>(node_, log_);
        EXPECT_OK(writer_->run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
        EXPECT_OK(
            writer_->run("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT "
                         "2000) INSERT INTO t SELECT a, randomblob(3000) FROM g"));
        writer_->commit();
        node_.flush();
        before_ = sqlite_memory_bytes();
    }
    std::size_t more() const {
        const std::size_t now = sqlite_memory_bytes();
        return now > before_ ? now - before_ : 0;
    }
    Connection& connection() { return writer_->connection(); }

    Node node_{1, bounded()};
    Log log_;
    std::unique_ptr<Writer> writer_;
    std::size_t before_ = 0;
};

constexpr const char* kReadAll = "SELECT sum(length(x)) FROM t";

TEST_F(MemoryTest, PageCachesOfManyConnectionsStayBelowTheirLimit) {
    std::vector<std::unique_ptr<Connection>> connections;
    for (int i = 0; i < 200; ++i) {
        connections.push_back(node_.connect());
        EXPECT_OK(execute(*connections.back(), kReadAll));
        connections.back()->take_capture();
    }
    // What else a connection has is small.
    EXPECT_LT(more(), 16 * kMiB + connections.size() * (64u << 10));
    EXPECT_GT(more(), 4 * kMiB);
    // One that works meanwhile gives its cache up when it is at rest.
    connections.resize(2);
    EXPECT_OK(execute(*connections.front(), kReadAll));
    for (int i = 0; i < 200; ++i) connections.push_back(node_.connect());
    const std::size_t at_work = more();
    connections.front()->take_capture();
    EXPECT_LT(more() + kMiB, at_work);
    // With few of them each has its full cache again.
    connections.resize(1);
    const std::size_t small = sqlite_memory_bytes();
    for (int i = 0; i < 2; ++i) {
        EXPECT_OK(execute(*connections.front(), kReadAll));
        connections.front()->take_capture();
    }
    EXPECT_GT(sqlite_memory_bytes(), small + kMiB);
}

TEST_F(MemoryTest, ClientsCannotRaiseTheirCaches) {
    for (const char* const sql :
         {"PRAGMA cache_size=-1000000", "PRAGMA main.cache_size=100000",
          "PRAGMA default_cache_size=100000", "PRAGMA cache_spill=0", "PRAGMA temp_store=MEMORY"}) {
        EXPECT_OK(execute(connection(), sql));
    }
    EXPECT_EQ(writer_->must_query("PRAGMA cache_size"), "-2048\n");
    EXPECT_EQ(writer_->must_query("PRAGMA temp_store"), "0\n");
    EXPECT_OK(execute(connection(), kReadAll));
    EXPECT_LT(more(), 3 * kMiB);
}

TEST_F(MemoryTest, ValuesThatAreTooLargeTogetherAreAnError) {
    std::string sql = "SELECT randomblob(10000000)";
    for (int i = 0; i < 20; ++i) sql += ", randomblob(10000000)";
    const Status status = execute(connection(), sql);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, 7);
    EXPECT_THAT(status.error().message, testing::HasSubstr("reach the limit"));
    EXPECT_LT(more(), 2 * kMiB);
    EXPECT_OK(execute(connection(), "SELECT randomblob(10000000)"));
    EXPECT_EQ(writer_->must_query("PRAGMA integrity_check"), "ok\n");
}

// Each is many small pieces.
TEST_F(MemoryTest, StatementsAndSchemasAreCounted) {
    std::vector<std::unique_ptr<Statement>> statements;
    Status status;
    for (int i = 0; status.ok() && i < 10'000; ++i) {
        std::string sql = "SELECT " + std::to_string(i);
        for (int j = 0; j < 700; ++j) sql += ",x";
        auto prepared = connection().prepare(sql + " FROM t");
        if (prepared.ok()) {
            statements.push_back(std::move(prepared->statement));
        } else {
            status = prepared.error();
        }
    }
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, 7);
    EXPECT_THAT(status.error().message, testing::HasSubstr("reach the limit"));
    EXPECT_LT(more(), 65 * kMiB);
    statements.clear();
    EXPECT_OK(execute(connection(), kReadAll));

    std::string columns = "a0";
    for (int i = 1; i < 1500; ++i) columns += ", a" + std::to_string(i) + " TEXT NOT NULL";
    for (int i = 0; i < 40; ++i) {
        EXPECT_OK(writer_->run("CREATE TABLE wide" + std::to_string(i) + "(" + columns + ")"));
    }
    std::vector<std::unique_ptr<Connection>> connections;
    for (status = {}; status.ok() && connections.size() < 1'000;) {
        connections.push_back(node_.connect());
        status = execute(*connections.back(), "SELECT 1 FROM wide0");
    }
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, 7);
    EXPECT_LT(more(), 65 * kMiB);
    connections.clear();
    EXPECT_OK(execute(*node_.connect(), "SELECT 1 FROM wide0"));
}

TEST_F(MemoryTest, AWriteThatNeedsTooMuchMemoryIsUndone) {
    const auto checksum = node_.checksum();
    EXPECT_FALSE(writer_->run("UPDATE t SET x = randomblob(60000000) || 'x'").ok());
    EXPECT_EQ(node_.checksum(), checksum);
    EXPECT_OK(writer_->run("UPDATE t SET x = 1"));
}

// The transaction's part in the replicated database comes first, and stands: so must the rest.
TEST_F(MemoryTest, ACommitThatFailsHasCommittedNothing) {
    EXPECT_OK(
        writer_->run("ATTACH '' AS y; CREATE TABLE y.big(b);"
                     "INSERT INTO y.big VALUES(randomblob(1500000))"));
    int committed = 0;
    for (int size = 100'000; size < 1'500'000; size += 50'000) {
        EXPECT_OK(writer_->run("DELETE FROM t; BEGIN IMMEDIATE; INSERT INTO main.t VALUES(1, 1)"));
        const bool fitted =
            writer_->run("INSERT INTO y.big VALUES(randomblob(" + std::to_string(size) + "))").ok();
        const Status status = writer_->run("COMMIT");
        const std::string rows = writer_->must_query("SELECT count(*) FROM t");
        EXPECT_EQ(rows, status.ok() ? "1\n" : "0\n") << status.error().message;
        if (fitted && status.ok()) ++committed;
        EXPECT_OK(writer_->run("DELETE FROM y.big WHERE rowid > 1"));
    }
    EXPECT_GT(committed, 0);
}

TEST_F(MemoryTest, TemporaryFilesAreBounded) {
    const char* const sort = "SELECT x FROM t ORDER BY x DESC LIMIT -1 OFFSET 1999";
    for (const char* const sql : {sort, "CREATE TEMP TABLE copy AS SELECT * FROM t"}) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_EQ(status.error().code, 13) << sql;
        EXPECT_THAT(status.error().message, testing::HasSubstr("temporary files are too large"));
    }
    EXPECT_LT(more(), 4 * kMiB);
    // What failed gives its space back; temporary tables, when their connection closes.
    writer_->reconnect();
    for (int i = 0; i < 3; ++i) {
        EXPECT_OK(execute(connection(), "SELECT x FROM t WHERE id < 900 ORDER BY x"));
    }
}

}  // namespace
}  // namespace quorlite::database
