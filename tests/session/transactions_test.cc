// Transactions between clients: the write lock, snapshots, what frees them, and what lets an answer
// go.
#include <gmock/gmock.h>

#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;
using namespace std::chrono_literals;

class Transactions : public testing::Test {
protected:
    Cluster cluster;
    OpenClient a{cluster, {}, "alice"};
    OpenClient b{cluster, {}, "bob"};

    void SetUp() override { ASSERT_EQ(a.exec("CREATE TABLE t(x)"), "RESULT 0 0"); }
};

TEST_F(Transactions, AWriterWaitsAndThenFailsNamingTheHolder) {
    ASSERT_EQ(a.exec("BEGIN IMMEDIATE"), "RESULT 0 0");
    const TimePoint before = cluster.executor.now();
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "FAILURE 5 database is locked by alice");
    EXPECT_GE(cluster.executor.now() - before, 5s);
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 0 0");
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "RESULT 1 1");
}

TEST_F(Transactions, BusyTimeoutIsPerConnection) {
    a.exec("BEGIN IMMEDIATE");
    b.exec("PRAGMA busy_timeout = 200");
    const TimePoint before = cluster.executor.now();
    EXPECT_THAT(b.exec("INSERT INTO t VALUES(1)"), StartsWith("FAILURE 5 "));
    EXPECT_GE(cluster.executor.now() - before, 200ms);
    EXPECT_LT(cluster.executor.now() - before, 1s);
    b.exec("PRAGMA busy_timeout = 0");
    const TimePoint again = cluster.executor.now();
    EXPECT_THAT(b.exec("INSERT INTO t VALUES(1)"), StartsWith("FAILURE 5 "));
    EXPECT_EQ(cluster.executor.now(), again);
}

TEST_F(Transactions, AWaitingWriterGoesOnWhenTheLockIsFree) {
    a.exec("BEGIN IMMEDIATE");
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(2)"});
    cluster.executor.advance(1s);
    EXPECT_TRUE(b.answers().empty());
    a.exec("INSERT INTO t VALUES(1)");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 1 1");
    EXPECT_EQ(b.next_answer(), "RESULT 2 1");
    EXPECT_EQ(a.query("SELECT x FROM t"), "ROWS x (1) (2)");
}

TEST_F(Transactions, WritersAreServedInOrder) {
    std::vector<std::unique_ptr<OpenClient>> clients;
    a.exec("BEGIN IMMEDIATE");
    for (int i = 0; i < 200; ++i) {
        clients.push_back(std::make_unique<OpenClient>(cluster));
        clients.back()->send(wire::ExecSqlRequest{.sql = std::string("INSERT INTO t VALUES(") +
                                                         std::to_string(i) + ")"});
    }
    a.exec("ROLLBACK");
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(clients[static_cast<std::size_t>(i)]->next_answer(),
                  std::string("RESULT ") + std::to_string(i + 1) + " 1");
    }
    EXPECT_EQ(a.query("SELECT count(*), sum(x = rowid - 1) FROM t"),
              "ROWS count(*),sum(x = rowid - 1) (200,200)");
}

TEST_F(Transactions, ReadersKeepTheirSnapshot) {
    a.exec("INSERT INTO t VALUES(1)");
    b.exec("BEGIN");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1)");
    a.exec("INSERT INTO t VALUES(2)");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1)");
    EXPECT_THAT(b.exec("INSERT INTO t VALUES(3)"), StartsWith("FAILURE 517 "));
    // The refused writer does not keep the lock.
    EXPECT_EQ(a.exec("INSERT INTO t VALUES(4)"), "RESULT 3 1");
    EXPECT_EQ(b.exec("ROLLBACK"), "RESULT 0 0");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1) (2) (4)");
}

TEST_F(Transactions, TemporaryTablesDoNotWaitForTheLock) {
    a.exec("BEGIN IMMEDIATE");
    a.exec("INSERT INTO t VALUES(1)");
    EXPECT_EQ(b.exec("CREATE TEMP TABLE own(y)"), "RESULT 0 0");
    EXPECT_EQ(b.exec("INSERT INTO own SELECT 7"), "RESULT 1 1");
    EXPECT_EQ(b.query("UPDATE own SET y = y + (SELECT count(*) FROM t) RETURNING y"), "ROWS y (7)");
    EXPECT_EQ(b.exec("BEGIN; DELETE FROM own; COMMIT"), "RESULT 1 1");
    EXPECT_EQ(b.exec("DROP TABLE own"), "RESULT 1 1");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 1 1");
}

TEST_F(Transactions, DisconnectingRollsBackAndFreesTheLock) {
    a.exec("BEGIN IMMEDIATE");
    a.exec("INSERT INTO t VALUES(1)");
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(2)"});
    a.disconnect();
    EXPECT_EQ(b.next_answer(), "RESULT 1 1");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (2)");
}

TEST_F(Transactions, DisconnectingLeavesTheQueue) {
    OpenClient c(cluster);
    a.exec("BEGIN IMMEDIATE");
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(2)"});
    c.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(3)"});
    b.disconnect();
    a.exec("COMMIT");
    EXPECT_EQ(c.next_answer(), "RESULT 1 1");
    EXPECT_EQ(a.query("SELECT x FROM t"), "ROWS x (3)");
}

TEST_F(Transactions, AMalformedRequestInATransactionFreesTheLock) {
    a.exec("BEGIN IMMEDIATE");
    const Bytes zero_words(8, 0);
    a.send_bytes(zero_words);
    EXPECT_TRUE(a.session().finished());
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "RESULT 1 1");
}

TEST_F(Transactions, AFailedStatementKeepsTheTransaction) {
    a.exec("CREATE TABLE u(x PRIMARY KEY)");
    a.exec("BEGIN");
    EXPECT_EQ(a.exec("INSERT INTO u VALUES(1)"), "RESULT 1 1");
    EXPECT_THAT(a.exec("INSERT INTO u VALUES(1)"), StartsWith("FAILURE 1555 "));
    EXPECT_EQ(a.exec("INSERT INTO u VALUES(2)"), "RESULT 2 1");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 2 1");
    EXPECT_EQ(b.query("SELECT x FROM u"), "ROWS x (1) (2)");
}

TEST_F(Transactions, ARefusedCommitLeavesTheTransactionOpen) {
    a.exec(
        "CREATE TABLE p(x PRIMARY KEY);"
        "CREATE TABLE f(x REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
    a.exec("BEGIN; INSERT INTO f VALUES(1)");
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("FAILURE 787 "));
    a.exec("INSERT INTO p VALUES(1)");
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("RESULT"));
    EXPECT_EQ(b.query("SELECT x FROM f"), "ROWS x (1)");
}

TEST_F(Transactions, TheLockIsFreeBeforeTheAnswerIs) {
    // The first writer's entry is on its way to the disk: the second does not wait for it.
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    EXPECT_TRUE(a.session().output().empty());
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(2)"});
    const auto& status = cluster.replica().status();
    EXPECT_EQ(status.last.value() - status.committed.value(), 2u);
    EXPECT_EQ(a.next_answer(), "RESULT 1 1");
    EXPECT_EQ(b.next_answer(), "RESULT 2 1");
}

TEST_F(Transactions, AReaderSeesWhatIsCommittedAndDoesNotWait) {
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    b.send(wire::QuerySqlRequest{.sql = "SELECT x FROM t"});
    EXPECT_FALSE(b.session().output().empty());
    EXPECT_EQ(b.next_answer(), "ROWS x");
    EXPECT_EQ(a.next_answer(), "RESULT 1 1");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1)");
}

TEST_F(Transactions, AReaderInATransactionWaitsForWhatItSaw) {
    b.exec("BEGIN");
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    b.send(wire::QuerySqlRequest{.sql = "SELECT x FROM t"});
    EXPECT_TRUE(b.session().output().empty());
    EXPECT_EQ(b.next_answer(), "ROWS x (1)");
    EXPECT_FALSE(a.session().output().empty());
}

TEST_F(Transactions, AFailureWaitsForWhatItSaw) {
    a.exec("CREATE TABLE u(x PRIMARY KEY)");
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO u VALUES(1)"});
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO u VALUES(1)"});
    EXPECT_TRUE(b.session().output().empty());
    EXPECT_THAT(b.next_answer(), StartsWith("FAILURE 1555 "));
    EXPECT_FALSE(a.session().output().empty());
}

TEST_F(Transactions, AFailureWaitsForTheStatementsBeforeIt) {
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1); SELEC"});
    EXPECT_TRUE(a.session().output().empty());
    EXPECT_THAT(a.next_answer(), StartsWith("FAILURE 1 near"));
    EXPECT_EQ(cluster.replica().status().committed, cluster.replica().status().last);
}

TEST_F(Transactions, ReturnedRowsWaitForTheCommit) {
    a.send(wire::QuerySqlRequest{.sql = "INSERT INTO t VALUES(1),(2) RETURNING x"});
    EXPECT_TRUE(a.session().output().empty());
    EXPECT_EQ(a.next_answer(), "ROWS x (1) (2)");
}

TEST_F(Transactions, TooManyReturnedRowsUndoTheStatement) {
    EXPECT_THAT(
        a.query("WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i<2000) "
                "INSERT INTO t SELECT zeroblob(10000) FROM g RETURNING x"),
        StartsWith("FAILURE 18 the rows that a writing statement returns"));
    EXPECT_EQ(a.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "RESULT 1 1");
}

TEST_F(Transactions, ManyReturnedRowsComeWhole) {
    const std::string answer = a.query(
        "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i<50000) "
        "INSERT INTO t SELECT i FROM g RETURNING x");
    EXPECT_THAT(answer, testing::EndsWith("(49999) (50000)"));
}

TEST_F(Transactions, TemporaryTablesAreOfOneConnection) {
    EXPECT_EQ(a.exec("CREATE TEMP TABLE mine(x); INSERT INTO mine VALUES(1)"), "RESULT 1 1");
    EXPECT_EQ(a.query("SELECT x FROM mine"), "ROWS x (1)");
    EXPECT_EQ(b.query("SELECT x FROM mine"), "FAILURE 1 no such table: mine");
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "RESULT 1 1");
}

}  // namespace
}  // namespace quorlite::test
