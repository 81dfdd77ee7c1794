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
    OpenClient a{cluster, {}, {.address = "alice"}};
    OpenClient b{cluster, {}, {.address = "bob"}};

    void SetUp() override { ASSERT_EQ(a.exec("CREATE TABLE t(x)"), "RESULT 0 0"); }
};

TEST_F(Transactions, AnotherClientIsToldWhoHoldsTheLockAndFromWhere) {
    OpenClient ada{cluster, {}, {.identity = "ada", .address = "10.0.0.1:77"}};
    ASSERT_EQ(ada.exec("BEGIN IMMEDIATE"), "RESULT 0 0");
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"),
              "FAILURE 5 database is locked by ada at 10.0.0.1:77");
}

TEST_F(Transactions, AWriterWaitsAndThenFailsNamingTheHolder) {
    ASSERT_EQ(a.exec("BEGIN IMMEDIATE"), "RESULT 0 0");
    const TimePoint before = cluster.executor.now();
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "FAILURE 5 database is locked by alice");
    EXPECT_GE(cluster.executor.now() - before, 5s);
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 0 0");
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)"), "RESULT 1 1");
}

TEST_F(Transactions, AStatementOrFailKeepsWhatItDidAndSaysWhatEndedIt) {
    ASSERT_EQ(a.exec("CREATE UNIQUE INDEX i ON t(x)"), "RESULT 0 0");
    EXPECT_EQ(a.exec("INSERT OR FAIL INTO t VALUES(1), (2), (1), (3)"),
              "FAILURE 2067 UNIQUE constraint failed: t.x");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1) (2)");
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

// --- a transaction that keeps others from writing while its client rests ---

class IdleTransactions : public Transactions {
protected:
    static constexpr const char* kTold =
        "FAILURE 516 the transaction was rolled back: nothing was asked for in 60000 ms "
        "(--idle-transaction): ROLLBACK, then begin again";

    void SetUp() override {
        Transactions::SetUp();
        ASSERT_EQ(a.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"), "RESULT 1 1");
    }

    // Alice's transaction is gone, and Bob writes.
    void expect_expired() {
        EXPECT_EQ(b.exec("DELETE FROM t"), "RESULT 0 0");
        EXPECT_EQ(a.query("SELECT 1"), kTold);
    }
};

TEST_F(IdleTransactions, AreRolledBackAfterAMinute) {
    cluster.executor.advance(50s);
    EXPECT_THAT(b.exec("INSERT INTO t VALUES(2)"), StartsWith("FAILURE 5 "));
    cluster.executor.advance(10s);
    expect_expired();
}

TEST_F(IdleTransactions, LastAsLongAsTheyAreUsed) {
    for (int i = 0; i < 10; ++i) {
        cluster.executor.advance(50s);
        ASSERT_THAT(a.exec("INSERT INTO t VALUES(2)"), StartsWith("RESULT"));
    }
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("RESULT"));
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (11)");
}

// What the client takes for a part of its transaction must not be carried out by itself.
TEST_F(IdleTransactions, TakeNothingMoreUntilTheirClientKnows) {
    cluster.executor.advance(61s);
    for (const char* sql : {"INSERT INTO t VALUES(2)", "SELECT 1", "SAVEPOINT s", "RELEASE s",
                            "ROLLBACK TO s", "INSERT INTO t VALUES(2); COMMIT"}) {
        EXPECT_EQ(a.exec(sql), kTold) << sql;
        EXPECT_EQ(a.query(sql), kTold) << sql;
    }
    EXPECT_EQ(a.prepare("INSERT INTO t VALUES(3)"), "STMT 0 params 0");
    EXPECT_EQ(a.ask(wire::ExecRequest{}), kTold);
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    EXPECT_EQ(a.exec("commit transaction"), kTold);
    EXPECT_EQ(a.ask(wire::ExecRequest{}), "RESULT 1 1");
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (1)");
}

TEST_F(IdleTransactions, AreEndedByARollbackThatSucceeds) {
    cluster.executor.advance(61s);
    EXPECT_THAT(a.exec("/* at last */ Rollback"), StartsWith("RESULT"));
    EXPECT_THAT(a.exec("ROLLBACK"), StartsWith("FAILURE 1 "));  // there is no other
    EXPECT_EQ(a.exec("INSERT INTO t VALUES(2)"), "RESULT 1 1");
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (1)");
}

TEST_F(IdleTransactions, AreEndedByAPreparedCommitOrRollback) {
    ASSERT_EQ(a.prepare("COMMIT"), "STMT 0 params 0");
    ASSERT_EQ(a.prepare("ROLLBACK TRANSACTION"), "STMT 1 params 0");
    cluster.executor.advance(61s);
    EXPECT_EQ(a.ask(wire::ExecRequest{.statement = 0}), kTold);
    EXPECT_EQ(a.exec("BEGIN IMMEDIATE"), "RESULT 1 1");
    cluster.executor.advance(61s);
    EXPECT_EQ(a.exec("SELECT 1"), kTold);
    EXPECT_THAT(a.ask(wire::ExecRequest{.statement = 1}), StartsWith("RESULT"));
    EXPECT_EQ(a.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(IdleTransactions, AreEndedByAnotherBegin) {
    cluster.executor.advance(61s);
    EXPECT_EQ(a.exec("BEGIN"), "RESULT 1 1");
    EXPECT_EQ(a.exec("INSERT INTO t VALUES(2)"), "RESULT 1 1");
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("RESULT"));
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (2)");
}

TEST_F(IdleTransactions, AreThoseOfAClientThatDoesNotReadItsRowsToo) {
    a.send(wire::QuerySqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT a FROM g"});
    cluster.executor.advance(59s);
    a.read(1000);  // it lives
    cluster.executor.advance(50s);
    EXPECT_THAT(b.exec("INSERT INTO t VALUES(2)"), StartsWith("FAILURE 5 "));
    cluster.executor.advance(6s);
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(2)"), "RESULT 1 1");
    const auto answers = join_batches(a.answers());
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers.back(), kTold);
}

TEST_F(IdleTransactions, AreNotThoseThatWaitForTheirOwnStatement) {
    cluster.executor.yields = true;
    bool acted = false;
    cluster.executor.post([&] {
        acted = true;
        cluster.executor.advance(100s);
    });
    a.send(wire::ExecSqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 30000) INSERT "
               "INTO t SELECT a FROM g"});
    cluster.executor.run();
    ASSERT_TRUE(acted);
    EXPECT_THAT(a.next_answer(), StartsWith("RESULT"));
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("RESULT"));
}

TEST_F(IdleTransactions, ThatHoldNoLockMayRest) {
    a.exec("COMMIT");
    ASSERT_EQ(a.exec("BEGIN"), "RESULT 1 1");
    ASSERT_EQ(a.query("SELECT count(*) FROM t"), "ROWS count(*) (1)");
    ASSERT_EQ(b.exec("INSERT INTO t VALUES(2)"), "RESULT 2 1");
    cluster.executor.advance(10min);
    EXPECT_EQ(a.query("SELECT count(*) FROM t"), "ROWS count(*) (1)");
    EXPECT_EQ(a.exec("COMMIT"), "RESULT 1 1");
}

TEST_F(IdleTransactions, HaveALimitOfTheirConnection) {
    EXPECT_EQ(a.query("PRAGMA idle_transaction"), "ROWS idle_transaction (60000)");
    EXPECT_EQ(a.query("pragma main.idle_transaction(2000);"), "ROWS idle_transaction (2000)");
    EXPECT_EQ(a.exec("PRAGMA idle_transaction = 1500; PRAGMA idle_transaction"), "RESULT 1 1");
    EXPECT_EQ(a.query("PRAGMA idle_transaction"), "ROWS idle_transaction (1500)");
    EXPECT_EQ(b.query("PRAGMA idle_transaction"), "ROWS idle_transaction (60000)");
    cluster.executor.advance(2s);
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(2)"), "RESULT 1 1");
    for (const char* value : {"0", "-1", "x", "86400001", "99999999999999999999", "1.5", "(1"}) {
        EXPECT_THAT(b.exec(std::string("PRAGMA idle_transaction = ") + value),
                    StartsWith("FAILURE 1 PRAGMA idle_transaction takes milliseconds"))
            << value;
    }
    EXPECT_THAT(b.query("EXPLAIN PRAGMA idle_transaction = 1"), StartsWith("ROWS"));
    b.prepare("PRAGMA idle_transaction = 1");
    EXPECT_EQ(b.query("PRAGMA idle_transaction"), "ROWS idle_transaction (60000)");
}

TEST(IdleTransaction, HasALimitOfTheNode) {
    Cluster cluster;
    session::Options options;
    options.idle_transaction = 3s;
    OpenClient a(cluster, options, {.address = "alice"});
    OpenClient b(cluster, options, {.address = "bob"});
    ASSERT_EQ(a.exec("CREATE TABLE t(x); BEGIN IMMEDIATE"), "RESULT 0 0");
    cluster.executor.advance(4s);
    EXPECT_EQ(b.exec("INSERT INTO t VALUES(2)"), "RESULT 1 1");
}

}  // namespace
}  // namespace quorlite::test
