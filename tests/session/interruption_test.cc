// What ends work before its time: INTERRUPT, disconnection, half-closing, a lost leadership, each
// in every phase.
#include <gmock/gmock.h>

#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr const char* kEndless =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT count(*) FROM g";
constexpr const char* kEndlessWrite =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) INSERT INTO t SELECT a FROM g "
    "WHERE a < 0";
constexpr const char* kEndlessRows =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT a FROM g";

// Takes long to compile, and runs in no time.
std::string long_text() {
    const std::string part = "SELECT a.x FROM t a, t b, t c, t d";
    std::string sql = part;
    for (int i = 0; i < 200; ++i) sql += " UNION ALL " + part;
    return sql;
}

// Tasks that are posted before a statement starts run while it is beside the loop.
class Interruption : public testing::Test {
protected:
    Cluster cluster{2};
    OpenClient a{cluster, {}, {.address = "alice"}};
    OpenClient b{cluster, {}, {.address = "bob"}};

    void SetUp() override {
        ASSERT_EQ(a.exec("CREATE TABLE t(x)"), "RESULT 0 0");
        cluster.executor.yields = true;
    }

    // `act` happens while `request` is beside the loop.
    template <class Act>
    void during(Client& client, const wire::Request& request, Act act) {
        bool acted = false;
        cluster.executor.post([&acted, act] {
            acted = true;
            act();
        });
        client.send(request);
        cluster.executor.run();
        EXPECT_TRUE(acted);
    }

    void expect_lock_free() {
        cluster.executor.yields = false;
        OpenClient other(cluster);
        EXPECT_EQ(other.exec("CREATE TABLE IF NOT EXISTS z(a)"), "RESULT 0 0");
    }
};

TEST_F(Interruption, StopsAQueryBeforeItsFirstRow) {
    during(a, wire::QuerySqlRequest{.sql = kEndless}, [&] { a.send(wire::InterruptRequest{}); });
    EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
    EXPECT_EQ(a.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Interruption, StopsAnExec) {
    for (const char* sql : {kEndless, kEndlessWrite}) {
        during(a, wire::ExecSqlRequest{.sql = sql}, [&] { a.send(wire::InterruptRequest{}); });
        EXPECT_THAT(a.answers(), ElementsAre("EMPTY")) << sql;
        EXPECT_EQ(a.exec("INSERT INTO t VALUES(1)").substr(0, 6), "RESULT");
    }
    expect_lock_free();
}

TEST_F(Interruption, OthersAreServedWhileAStatementIsCompiled) {
    const std::string sql = long_text();
    during(a, wire::PrepareRequest{.sql = sql}, [&] {
        EXPECT_TRUE(a.session().output().empty());
        EXPECT_EQ(b.query("SELECT 1"), "ROWS 1 (1)");
        EXPECT_EQ(b.exec("INSERT INTO t VALUES(1)").substr(0, 6), "RESULT");
    });
    EXPECT_THAT(a.next_answer(), StartsWith("STMT 0"));
}

TEST_F(Interruption, StopsACompilation) {
    const std::string sql = long_text();
    const wire::Request requests[] = {wire::PrepareRequest{.sql = sql},
                                      wire::QuerySqlRequest{.sql = sql},
                                      wire::ExecSqlRequest{.sql = sql}};
    for (const wire::Request& request : requests) {
        during(a, request, [&] { a.send(wire::InterruptRequest{}); });
        EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
    }
    EXPECT_THAT(a.prepare("SELECT 1"), StartsWith("STMT 0"));
    EXPECT_THAT(a.prepare(sql), StartsWith("STMT 1"));
}

TEST_F(Interruption, DisconnectingStopsACompilation) {
    const std::string sql = long_text();
    OpenClient gone(cluster);
    gone.exec("BEGIN IMMEDIATE");
    std::weak_ptr<session::Session> session = gone.session().weak_from_this();
    during(gone, wire::PrepareRequest{.sql = sql}, [&] { gone.session().close(); });
    gone.disconnect();
    EXPECT_TRUE(session.expired());
    expect_lock_free();
}

TEST_F(Interruption, KeepsWhatEarlierStatementsOfTheTextCommitted) {
    const std::string sql = std::string("INSERT INTO t VALUES(1); ") + kEndlessWrite;
    during(a, wire::ExecSqlRequest{.sql = sql}, [&] { a.send(wire::InterruptRequest{}); });
    EXPECT_EQ(a.next_answer(), "EMPTY");
    EXPECT_EQ(b.query("SELECT x FROM t"), "ROWS x (1)");
}

TEST_F(Interruption, StopsAPreparedStatementWhichCanRunAgain) {
    a.prepare(kEndless);
    during(a, wire::QueryRequest{}, [&] { a.send(wire::InterruptRequest{}); });
    EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
    during(a, wire::ExecRequest{}, [&] { a.send(wire::InterruptRequest{}); });
    EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
}

TEST_F(Interruption, StopsAStreamOfRows) {
    cluster.executor.yields = false;
    a.send(wire::QuerySqlRequest{.sql = kEndlessRows});
    a.read(100'000);
    a.send(wire::InterruptRequest{});
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_THAT(answers[0], StartsWith("ROWS a (1) (2)"));
    EXPECT_THAT(answers[0], testing::EndsWith(" ..."));
    EXPECT_EQ(answers[1], "EMPTY");
    EXPECT_EQ(a.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Interruption, StopsAStreamThatNobodyReads) {
    cluster.executor.yields = false;
    a.send(wire::QuerySqlRequest{.sql = kEndlessRows});
    const std::size_t held = a.session().output().size();
    cluster.executor.advance(60s);
    EXPECT_EQ(a.session().output().size(), held);
    EXPECT_TRUE(a.session().wants_input());
    a.send(wire::InterruptRequest{});
    EXPECT_EQ(a.answers().back(), "EMPTY");
}

TEST_F(Interruption, WhatIsReadyDoesNotWaitForALongStatement) {
    Bytes bytes;
    ASSERT_TRUE(wire::encode(wire::QuerySqlRequest{.sql = "SELECT 1"}, bytes).ok());
    ASSERT_TRUE(wire::encode(wire::QuerySqlRequest{.sql = kEndless}, bytes).ok());
    const int changes = a.changes;
    cluster.executor.post([&] {
        EXPECT_GT(a.changes, changes);
        EXPECT_EQ(a.next_answer(), "ROWS 1 (1)");
        a.send(wire::InterruptRequest{});
    });
    a.send_bytes(bytes);
    cluster.executor.run();
    EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
}

TEST_F(Interruption, ArrivingWithItsQueryIsAnsweredOnce) {
    cluster.executor.yields = false;
    Bytes bytes;
    ASSERT_TRUE(wire::encode(wire::QuerySqlRequest{.sql = kEndlessRows}, bytes).ok());
    ASSERT_TRUE(wire::encode(wire::InterruptRequest{}, bytes).ok());
    ASSERT_TRUE(wire::encode(wire::QuerySqlRequest{.sql = "SELECT 'next'"}, bytes).ok());
    a.send_bytes(bytes);
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[1], "EMPTY");
    EXPECT_EQ(answers[2], "ROWS 'next' ('next')");
}

TEST_F(Interruption, BehindAnotherRequestWaitsForItsTurn) {
    cluster.executor.yields = false;
    a.send(wire::QuerySqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g WHERE a<90000) "
               "SELECT a FROM g"});
    a.send(wire::QuerySqlRequest{.sql = "SELECT 2"});
    a.send(wire::InterruptRequest{});
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_THAT(answers[0], testing::EndsWith("(90000)"));
    EXPECT_EQ(answers[1], "ROWS 2 (2)");
    EXPECT_EQ(answers[2], "EMPTY");
}

TEST_F(Interruption, LeavesTheQueueOfWriters) {
    a.exec("BEGIN IMMEDIATE");
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    cluster.executor.advance(100ms);
    b.send(wire::InterruptRequest{});
    EXPECT_EQ(b.next_answer(), "EMPTY");
    a.exec("COMMIT");
    EXPECT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    expect_lock_free();
}

TEST_F(Interruption, OfAWriteThatIsCommittingComesAfterItsAnswer) {
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    a.send(wire::InterruptRequest{});
    EXPECT_EQ(a.next_answer(), "RESULT 1 1");
    EXPECT_EQ(a.next_answer(), "EMPTY");
}

TEST_F(Interruption, TwiceIsAnsweredTwice) {
    cluster.executor.yields = false;
    a.send(wire::QuerySqlRequest{.sql = kEndlessRows});
    a.send(wire::InterruptRequest{});
    a.send(wire::InterruptRequest{});
    a.send(wire::QuerySqlRequest{.sql = "SELECT 1"});
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[1], "EMPTY");
    EXPECT_EQ(answers[2], "EMPTY");
    EXPECT_EQ(answers[3], "ROWS 1 (1)");
}

TEST_F(Interruption, WhenIdleIsAnswered) {
    EXPECT_EQ(a.ask(wire::InterruptRequest{.db = 77}), "EMPTY");
}

TEST_F(Interruption, EndsATransactionThatItHitInAWrite) {
    a.exec("BEGIN");
    a.exec("INSERT INTO t VALUES(1)");
    during(a, wire::ExecSqlRequest{.sql = kEndlessWrite},
           [&] { a.send(wire::InterruptRequest{}); });
    EXPECT_THAT(a.answers(), ElementsAre("EMPTY"));
    EXPECT_THAT(a.exec("COMMIT"), StartsWith("FAILURE 1 cannot commit"));
    expect_lock_free();
}

// --- the client goes ---

TEST_F(Interruption, DisconnectingStopsAStatementBesideTheLoop) {
    for (const char* sql : {kEndless, kEndlessWrite}) {
        OpenClient gone(cluster);
        std::weak_ptr<session::Session> session = gone.session().weak_from_this();
        during(gone, wire::ExecSqlRequest{.sql = sql}, [&] { gone.session().close(); });
        gone.disconnect();
        EXPECT_TRUE(session.expired());
    }
    expect_lock_free();
}

TEST_F(Interruption, AnEndedSessionLivesUntilItsStatementHasEnded) {
    auto gone = std::make_unique<OpenClient>(cluster);
    std::weak_ptr<session::Session> session = gone->session().weak_from_this();
    gone->send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});  // committing
    gone.reset();
    EXPECT_FALSE(session.expired());
    cluster.executor.advance(1s);
    EXPECT_TRUE(session.expired());
    EXPECT_EQ(a.query("SELECT x FROM t"), "ROWS x (1)");
}

TEST_F(Interruption, DroppingASessionWithoutClosingItIsHarmless) {
    std::weak_ptr<session::Session> weak;
    {
        auto session = session::Session::open(cluster.replica(), cluster.executor, cluster.executor,
                                              {}, {}, [] {});
        weak = session;
        Bytes bytes(8, 0);
        bytes[0] = 1;
        ASSERT_TRUE(wire::encode(wire::OpenRequest{.name = "test.db"}, bytes).ok());
        ASSERT_TRUE(
            wire::encode(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"}, bytes).ok());
        session->receive(bytes);
    }
    cluster.executor.advance(1s);
    EXPECT_TRUE(weak.expired());
    expect_lock_free();
}

// A text of many statements gives others their turn after some moves, in whatever move that is.
TEST_F(Interruption, DisconnectingAtAnyPauseOfATextIsHarmless) {
    cluster.executor.yields = false;
    std::string sql;
    for (int i = 0; i < 40; ++i) sql += "INSERT INTO t VALUES(1); DELETE FROM t WHERE 0;";
    for (int moves = 0; moves < 14; ++moves) {
        for (int tasks = 0; tasks < 3; ++tasks) {
            OpenClient gone(cluster);
            Bytes requests;
            for (int i = 0; i < moves; ++i) {
                ASSERT_TRUE(wire::encode(wire::LeaderRequest{}, requests).ok());
            }
            ASSERT_TRUE(wire::encode(wire::ExecSqlRequest{.sql = sql}, requests).ok());
            gone.send_bytes(requests);
            for (int i = 0; i < tasks; ++i) cluster.executor.run_one();
            gone.disconnect();
            cluster.executor.run();
            ASSERT_EQ(a.exec("DELETE FROM t").substr(0, 6), "RESULT") << moves << ' ' << tasks;
            ASSERT_EQ(b.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
        }
    }
    expect_lock_free();
}

TEST_F(Interruption, AClientThatEndsBehindBytesNobodyReadsIsNotWaitedForLong) {
    during(a, wire::QuerySqlRequest{.sql = kEndless}, [&] {
        a.session().end_is_near();
        a.session().end_is_near();
        cluster.executor.advance(2s);
    });
    EXPECT_TRUE(a.session().finished());
}

TEST_F(Interruption, WhatWasAskedBeforeTheEndIsAnswered) {
    a.session().end_is_near();
    cluster.executor.yields = false;
    EXPECT_EQ(a.exec("INSERT INTO t VALUES(1)").substr(0, 6), "RESULT");
    cluster.executor.advance(10s);
    EXPECT_EQ(a.query("SELECT x FROM t"), "ROWS x (1)");
    a.session().end_of_input();
    EXPECT_TRUE(a.session().finished());
}

TEST_F(Interruption, AHalfClosedClientIsNotWaitedForLong) {
    const TimePoint before = cluster.executor.now();
    during(a, wire::QuerySqlRequest{.sql = kEndless}, [&] {
        a.session().end_of_input();
        cluster.executor.advance(2s);
    });
    EXPECT_TRUE(a.session().finished());
    EXPECT_LT(cluster.executor.now() - before, 10s);
}

// --- leadership goes ---

class LeadershipLoss : public Interruption {
protected:
    void SetUp() override {
        Interruption::SetUp();
        cluster.executor.yields = false;
        cluster.join(2);
    }
    static constexpr const char* kNotLeader = "FAILURE 10250 not leader";
    static constexpr const char* kLost = "FAILURE 10506 leadership lost";
};

TEST_F(LeadershipLoss, DropsDatabaseStatementsAndTransaction) {
    a.prepare("SELECT 1");
    a.exec("BEGIN IMMEDIATE");
    a.exec("INSERT INTO t VALUES(1)");
    cluster.depose();
    EXPECT_EQ(a.exec("COMMIT"), kNotLeader);
    EXPECT_EQ(a.query("SELECT 1"), kNotLeader);
    EXPECT_EQ(a.ask(wire::ExecRequest{}), kNotLeader);
    EXPECT_EQ(a.ask(wire::QueryRequest{}), kNotLeader);
    EXPECT_EQ(a.prepare("SELECT 1"), kNotLeader);
    EXPECT_EQ(a.open(), kNotLeader);
    EXPECT_EQ(a.ask(wire::FinalizeRequest{}), "FAILURE 12 no database opened");
    EXPECT_EQ(a.ask(wire::AddRequest{NodeId(9), "127.0.0.1:1"}), kNotLeader);
    EXPECT_EQ(a.ask(wire::AssignRequest{NodeId(2)}), kNotLeader);
    EXPECT_EQ(a.ask(wire::RemoveRequest{NodeId(2)}), kNotLeader);
    EXPECT_EQ(a.ask(wire::TransferRequest{NodeId(2)}), kNotLeader);
    EXPECT_EQ(a.ask(wire::InterruptRequest{}), "EMPTY");
    EXPECT_THAT(a.ask(wire::LeaderRequest{}), StartsWith("SERVER 0"));
    EXPECT_THAT(a.ask(wire::ClusterRequest{}), StartsWith("SERVERS 1"));
    EXPECT_EQ(a.ask(wire::ClientRequest{}), "WELCOME 15000");
    EXPECT_THAT(a.ask(wire::DumpRequest{"test.db"}), StartsWith("FILES test.db"));

    cluster.restore();
    EXPECT_EQ(a.query("SELECT 1"), "FAILURE 12 no database opened");
    EXPECT_EQ(a.ask(wire::FinalizeRequest{}), "FAILURE 12 no database opened");
    EXPECT_EQ(a.open(), "DB 0");
    EXPECT_EQ(a.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
    EXPECT_EQ(a.ask(wire::QueryRequest{}), "FAILURE 12 no statement with the given id");
    expect_lock_free();
}

TEST_F(LeadershipLoss, WhileAStatementIsCompiledHasDoneNothing) {
    cluster.executor.yields = true;
    const std::string sql = long_text();
    cluster.executor.post([&] { cluster.depose(); });
    a.send(wire::ExecSqlRequest{.sql = sql});
    EXPECT_EQ(a.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, OfAWriteThatWasProposedIsInDoubt) {
    cluster.isolate(1);
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    EXPECT_TRUE(a.answers().empty());
    EXPECT_EQ(a.next_answer(), kLost);
}

// Before the writer's statement is back on the loop a reader has seen, and proposed, what it wrote.
TEST_F(LeadershipLoss, OfAWriteThatAReaderProposedIsInDoubt) {
    cluster.executor.yields = true;
    cluster.executor.post([] {});
    a.send(wire::ExecSqlRequest{
        .sql = "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g LIMIT 30000) "
               "INSERT INTO t SELECT n FROM g"});
    cluster.isolate(1);
    const Index before = cluster.replica().status().last;
    b.send(wire::QuerySqlRequest{.sql = "SELECT count(*) FROM t"});
    EXPECT_EQ(cluster.replica().status().last, before.next());
    cluster.executor.advance(500ms);  // no lease any more
    EXPECT_TRUE(a.answers().empty());
    EXPECT_EQ(a.next_answer(), kLost);
    EXPECT_EQ(b.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, OfARowReturningWriteIsInDoubt) {
    cluster.isolate(1);
    a.send(wire::QuerySqlRequest{.sql = "INSERT INTO t VALUES(1) RETURNING x"});
    EXPECT_EQ(a.next_answer(), kLost);
}

TEST_F(LeadershipLoss, OfAReadIsNotCommitted) {
    cluster.isolate(1);
    cluster.executor.advance(500ms);
    a.send(wire::QuerySqlRequest{.sql = "SELECT count(*) FROM t"});
    EXPECT_TRUE(a.session().output().empty());
    EXPECT_EQ(a.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, OfAWriteThatChangedNothingIsARead) {
    cluster.isolate(1);
    cluster.executor.advance(500ms);
    a.send(wire::ExecSqlRequest{.sql = "DELETE FROM t WHERE x = 77"});
    EXPECT_TRUE(a.session().output().empty());
    EXPECT_EQ(a.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, OfAnErrorThatReadSomethingReplacesIt) {
    cluster.isolate(1);
    cluster.executor.advance(500ms);
    a.send(wire::QuerySqlRequest{.sql = "SELECT * FROM missing"});
    EXPECT_EQ(a.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, AfterAnEarlierStatementOfTheTextIsInDoubt) {
    cluster.isolate(1);
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1); SELEC"});
    EXPECT_EQ(a.next_answer(), kLost);
}

TEST_F(LeadershipLoss, WhileWaitingForTheLockIsNotCommitted) {
    a.exec("BEGIN IMMEDIATE");
    b.exec("PRAGMA busy_timeout = 60000");
    b.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    cluster.depose();
    b.session().leadership_changed();
    EXPECT_EQ(b.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, AClientThatLeavesAnUnconfirmedTransactionFreesTheLockAtOnce) {
    b.exec("PRAGMA busy_timeout = 0");
    a.exec("BEGIN IMMEDIATE");
    cluster.isolate(1);
    cluster.executor.advance(500ms);  // no lease any more
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    EXPECT_TRUE(a.answers().empty());
    b.send(wire::ExecSqlRequest{.sql = "BEGIN IMMEDIATE"});
    EXPECT_THAT(b.answers(), ElementsAre("FAILURE 5 database is locked by alice"));
    a.disconnect();
    b.send(wire::ExecSqlRequest{.sql = "BEGIN IMMEDIATE"});
    EXPECT_TRUE(b.answers().empty());
    EXPECT_EQ(b.next_answer(), kNotLeader);
}

TEST_F(LeadershipLoss, EndsAStreamWithAFailure) {
    a.send(wire::QuerySqlRequest{.sql = kEndlessRows});
    cluster.depose();
    a.session().leadership_changed();
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_THAT(answers[0], testing::EndsWith(" ..."));
    EXPECT_EQ(answers[1], kNotLeader);
}

TEST_F(LeadershipLoss, EndsAStreamAtItsNextBatchWithoutBeingTold) {
    a.send(wire::QuerySqlRequest{.sql = kEndlessRows});
    cluster.depose();
    const auto answers = a.answers();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[1], kNotLeader);
}

TEST_F(LeadershipLoss, StopsAStatementBesideTheLoop) {
    for (const char* sql : {kEndless, kEndlessWrite}) {
        cluster.executor.yields = true;
        during(a, wire::ExecSqlRequest{.sql = sql}, [&] {
            cluster.executor.yields = false;
            cluster.depose();
            a.session().leadership_changed();
        });
        EXPECT_EQ(a.next_answer(), kNotLeader) << sql;
        cluster.restore();
        EXPECT_EQ(a.open(), "DB 0");
    }
    expect_lock_free();
}

TEST_F(LeadershipLoss, BetweenTheStatementsOfATextIsInDoubt) {
    cluster.executor.yields = true;
    const std::string sql = std::string("INSERT INTO t VALUES(1); ") + kEndless;
    during(a, wire::ExecSqlRequest{.sql = sql}, [&] {
        cluster.executor.yields = false;
        cluster.depose();
        a.session().leadership_changed();
    });
    EXPECT_EQ(a.next_answer(), kLost);
}

TEST_F(LeadershipLoss, OfAMembershipChangeIsInDoubt) {
    cluster.isolate(1);
    a.send(wire::AddRequest{NodeId(9), "127.0.0.1:1"});
    EXPECT_EQ(a.next_answer(), "FAILURE 10506 server has lost leadership");
}

TEST_F(LeadershipLoss, OfAMembershipChangeThatWaitsForAnotherIsARefusal) {
    cluster.isolate(1);
    Client other(cluster);
    other.greet();
    a.send(wire::AddRequest{NodeId(9), "127.0.0.1:1"});
    other.send(wire::RemoveRequest{NodeId(2)});
    EXPECT_EQ(a.next_answer(), "FAILURE 10506 server has lost leadership");
    EXPECT_EQ(other.next_answer(), "FAILURE 10250 server is not the leader");
}

TEST_F(LeadershipLoss, ByAStopAnswersAMembershipChangeThatWaits) {
    cluster.isolate(1);
    Client other(cluster);
    other.greet();
    a.send(wire::AddRequest{NodeId(9), "127.0.0.1:1"});
    other.send(wire::RemoveRequest{NodeId(2)});
    cluster.replica(1).stop();
    cluster.executor.advance(0s);
    EXPECT_THAT(other.answers(), ElementsAre("FAILURE 10250 server is not the leader"));
}

TEST_F(LeadershipLoss, ByTransferIsNoticed) {
    EXPECT_EQ(a.ask(wire::TransferRequest{NodeId(2)}), "EMPTY");
    EXPECT_EQ(a.query("SELECT 1"), kNotLeader);
    cluster.executor.advance(1s);
    EXPECT_EQ(a.ask(wire::LeaderRequest{}), "SERVER 2 127.0.0.1:9002");
}

TEST_F(LeadershipLoss, OnAFollowerNothingButTheClusterIsServed) {
    Client follower(cluster, {}, 2);
    follower.greet();
    EXPECT_EQ(follower.open(), kNotLeader);
    EXPECT_EQ(follower.exec("SELECT 1"), kNotLeader);
    EXPECT_EQ(follower.ask(wire::LeaderRequest{}), "SERVER 1 127.0.0.1:9001");
    EXPECT_THAT(follower.ask(wire::DumpRequest{"test.db"}), StartsWith("FILES test.db"));
}

TEST_F(LeadershipLoss, AClientThatLeavesWithAWriteInDoubtLeavesNoLock) {
    cluster.isolate(1);
    a.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    a.disconnect();
    cluster.executor.advance(30s);
    cluster.restore();
    expect_lock_free();
}

}  // namespace
}  // namespace quorlite::test
