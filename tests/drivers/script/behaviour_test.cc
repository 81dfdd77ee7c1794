// What the client does when nodes say what nodes say: leaders that move, locks, deadlines, old
// servers.
#include <gtest/gtest.h>

#include "drivers/sync/session.h"
#include "quorlite/quorlite.h"
#include "tests/drivers/script/transports.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;
using testing::World;

class Behaviour : public ::testing::Test {
protected:
    cluster make(const options& chosen = {}) {
        cluster made(world_.addresses, chosen);
        detail::blocking_state_of(made)->make_transport = [this] {
            return testing::make_scripted(world_);
        };
        return made;
    }
    // `times` answers of this kind, after `skip` statements that succeed.
    void refuse(std::uint64_t code, const std::string& message, int times = 1, int skip = 0) {
        for (int i = 0; i < skip; ++i) world_.refusals.push_back({});
        for (int i = 0; i < times; ++i) world_.refusals.push_back({code, message, false});
    }
    std::int64_t count(const std::string& request) const {
        return std::count(world_.requests.begin(), world_.requests.end(), request);
    }

    World world_;
};

TEST_F(Behaviour, FollowsTheLeader) {
    cluster c = make();
    connection db = c.connect("db");
    EXPECT_EQ(db.node(), "a:1");
    world_.leader = 2;
    db.execute("INSERT INTO t VALUES(?)", 1);
    EXPECT_EQ(db.node(), "c:1");
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
}

TEST_F(Behaviour, RowsThatAreLeftEarlyDoNotCostTheTransaction) {
    options little_ahead;
    little_ahead.read_ahead_bytes = 1000;
    cluster c = make(little_ahead);
    connection db = c.connect("db");
    world_.database.assign(5000, 7);
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    {
        rows found = tx.query("SELECT n FROM t");
        ASSERT_TRUE(found.next());
    }
    EXPECT_EQ(count("INTERRUPT"), 1) << "everything had been read already";
    EXPECT_FALSE(tx.transaction_lost());
    tx.execute("INSERT INTO t VALUES(?)", 2);
    tx.commit();
    EXPECT_EQ(world_.database.size(), 5002u);
}

TEST_F(Behaviour, WhatOneLearnsAllKnow) {
    cluster c = make();
    connection one = c.connect("db");
    connection two = c.connect("db");
    world_.leader = 1;
    one.execute("INSERT INTO t VALUES(?)", 1);
    const auto refused = count("EXEC_SQL");
    two.execute("INSERT INTO t VALUES(?)", 2);
    EXPECT_EQ(two.node(), "b:1");
    EXPECT_EQ(count("EXEC_SQL"), refused + 1) << "the second ran into the old leader as well";
}

// ---- Which cluster ----

constexpr ClusterId kOurs{.high = 0x1111, .low = 1};
constexpr ClusterId kOther{.high = 0x2222, .low = 2};

TEST_F(Behaviour, NoClientMovesToAnotherCluster) {
    world_.clusters = {{0, kOurs}, {1, kOurs}, {2, kOurs}};
    cluster c = make();
    connection db = c.connect("db");
    db.execute("INSERT INTO t VALUES(?)", 1);
    EXPECT_EQ(count("CLIENT"), 0) << "a round trip too many";
    // All addresses are taken by another cluster.
    world_.clusters = {{0, kOther}, {1, kOther}, {2, kOther}};
    world_.leader = 1;
    world_.breaks_at = "EXEC_SQL";
    db.try_execute("INSERT INTO t VALUES(?)", 2).ok();
    world_.breaks_at.clear();
    const auto opened = count("OPEN");
    const auto refused = db.try_execute("INSERT INTO t VALUES(?)", 3);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, error_kind::unavailable);
    EXPECT_FALSE(refused.error().may_retry);
    const std::string& said = refused.error().message;
    EXPECT_NE(said.find("00000000000011110000000000000001"), std::string::npos) << said;
    EXPECT_NE(said.find("00000000000022220000000000000002"), std::string::npos) << said;
    EXPECT_EQ(count("OPEN"), opened) << "the name of the database was sent to a stranger";
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
    EXPECT_FALSE(c.try_connect("db")) << "the cluster's object remembers";
    // A node that is asked for by its address as well.
    EXPECT_NE(c.try_describe("a:1").error().message.find("2222"), std::string::npos);
    EXPECT_TRUE(make().try_connect("db")) << "a new one may use that cluster";
}

TEST_F(Behaviour, OneStrangerDoesNotStopTheOthers) {
    world_.clusters = {{0, kOurs}, {1, kOurs}, {2, kOurs}};
    cluster c = make();
    connection db = c.connect("db");
    world_.clusters[0] = kOther;
    world_.hints[0] = "a:1";  // founded anew, it leads itself
    world_.leader = 1;
    world_.breaks_at = "EXEC_SQL";
    db.try_execute("INSERT INTO t VALUES(?)", 1).ok();
    world_.breaks_at.clear();
    db.execute("INSERT INTO t VALUES(?)", 2);
    EXPECT_EQ(db.node(), "b:1");
}

TEST_F(Behaviour, NodesThatDoNotKnowTheirClusterYetAreNoStrangers) {
    world_.clusters = {{0, ClusterId()}, {1, kOurs}};
    cluster c = make();
    connection db = c.connect("db");
    for (const std::size_t leader : {1u, 2u, 0u}) {
        world_.leader = leader;
        db.execute("INSERT INTO t VALUES(?)", 1);
    }
    EXPECT_EQ(world_.database.size(), 3u);
}

// What a server that the client was given says of the leader.
class LyingServer : public Behaviour {
protected:
    cluster given(const std::string& address) {
        options hurried;
        hurried.timeout = 3s;
        cluster made({address}, hurried);
        detail::blocking_state_of(made)->make_transport = [this] {
            return testing::make_scripted(world_);
        };
        return made;
    }
    bool was_dialled(const std::string& address) const {
        return std::count(world_.dialled.begin(), world_.dialled.end(), address) > 0;
    }
};

TEST_F(LyingServer, LeadsNobodyToAStranger) {
    world_.hints = {{0, "b:1"}, {1, "b:1"}};
    world_.lists = {{0, {"a:1", "b:1"}}, {1, {"b:1"}}};
    const auto failed = given("a:1").try_connect("db");
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("may be of another cluster"), std::string::npos)
        << failed.error().message;
    EXPECT_EQ(count("OPEN"), 0);
    // With an id, the stranger's is asked for.
    world_.clusters = {{0, kOurs}, {1, kOther}};
    EXPECT_FALSE(given("a:1").try_connect("db"));
    EXPECT_EQ(count("OPEN"), 0);
    // A stranger of no id, and one node that both list, is one of the same cluster.
    world_.clusters.clear();
    world_.lists = {{0, {"a:1", "b:1"}}, {1, {"b:1", "a:1"}}};
    EXPECT_TRUE(given("a:1").try_connect("db"));
}

TEST_F(LyingServer, LeadsNobodyToAStrangerByItsList) {
    world_.hints = {{0, "a:1"}, {1, "b:1"}};
    world_.lists = {{0, {"a:1", "b:1"}}, {1, {"b:1"}}};
    cluster c = given("a:1");
    connection db = c.connect("db");
    db.execute("INSERT INTO t VALUES(?)", 1);  // and reads the list
    world_.hints[0] = "";
    world_.breaks_at = "EXEC_SQL";
    const auto opened = count("OPEN");
    EXPECT_FALSE(db.try_execute("INSERT INTO t VALUES(?)", 2));
    world_.breaks_at.clear();
    EXPECT_FALSE(db.try_execute("INSERT INTO t VALUES(?)", 3));
    EXPECT_TRUE(was_dialled("b:1"));
    EXPECT_EQ(count("OPEN"), opened);
}

TEST_F(LyingServer, LeadsNobodyToAPath) {
    world_.addresses.emplace_back("@socket");
    for (const std::string address : {"@socket", "/var/run/x:1", "b", "b:", ":1", "b:0", "b:65536",
                                      "b:1x", "b\n:1", "b c:1", "b\x1b[2J:1"}) {
        world_.hints = {{0, address}};
        const auto failed = given("a:1").try_connect("db");
        ASSERT_FALSE(failed);
        EXPECT_FALSE(was_dialled(address));
        EXPECT_NE(failed.error().message.find("names no HOST:PORT"), std::string::npos);
        EXPECT_EQ(failed.error().message.find('\x1b'), std::string::npos);
    }
    world_.hints = {{0, std::string(300, 'b') + ":1"}};
    EXPECT_FALSE(given("a:1").try_connect("db"));
    // One who was given a Unix socket is led from one to the next.
    world_.addresses.emplace_back("@first");
    world_.hints = {{4, "@socket"}};
    world_.leader = 3;
    EXPECT_TRUE(given("@first").try_connect("db"));
}

TEST_F(LyingServer, ListsOnlyAddresses) {
    world_.lists = {{0, {"a:1", "@socket", "b\x1b[2J:1", std::string(100'000, 'b') + ":1"}}};
    const auto store = make_list_store({"a:1"});
    cluster c(store);
    detail::blocking_state_of(c)->make_transport = [this] {
        return testing::make_scripted(world_);
    };
    c.connect("db").execute("INSERT INTO t VALUES(?)", 1);
    const std::vector<node_info> kept = *store->load();
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ(kept[0].address, "a:1");
    // As the server tells it: but none of them is asked how it is.
    const auto status = c.try_status();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->size(), 4u);
    EXPECT_FALSE((*status)[1].reachable);
    EXPECT_FALSE(was_dialled("@socket"));
    EXPECT_FALSE(c.try_add({7, "b\n:1", node_role::spare}));
    EXPECT_EQ(count("ADD"), 0);
}

// A client may know a node by another name than its cluster does.
TEST_F(LyingServer, IsNoneThatHasTwoNames) {
    world_.addresses = {"alias:1", "b:1", "a:1"};
    world_.hints = {{0, "a:1"}, {2, "a:1"}};
    world_.lists = {{0, {"a:1"}}, {2, {"a:1"}}};
    EXPECT_TRUE(given("alias:1").try_connect("db"));
    world_.lists = {{0, {"a:1", "b:1"}}, {2, {"b:1", "a:1"}}};
    EXPECT_TRUE(given("alias:1").try_connect("db"));
}

TEST_F(Behaviour, AStatementThatBreaksEveryConnectionIsNotSentAThirdTime) {
    connection db = make().connect("db");
    world_.breaks_at = "QUERY";
    const auto failed = db.try_query_row<int>("SELECT n FROM t");
    ASSERT_FALSE(failed);
    EXPECT_EQ(count("QUERY_SQL") + count("QUERY"), 2);
    EXPECT_FALSE(failed.error().may_retry);
    EXPECT_EQ(failed.error().kind, error_kind::connection);
    EXPECT_NE(failed.error().message.find("not sent again"), std::string::npos);
    // Nor is a transaction that does so.
    world_.requests.clear();
    const auto read = [](transaction& tx) { tx.query_row<int>("SELECT n FROM t"); };
    EXPECT_THROW(db.run_transaction(read), error);
    EXPECT_EQ(count("QUERY_SQL") + count("QUERY"), 2);
    // A connection that breaks twice, and not a third time, is no such case.
    world_.breaks_at.clear();
    EXPECT_TRUE(db.try_query_row<int>("SELECT n FROM t"));
}

TEST_F(Behaviour, AnEmptyTimeIsNullOnlyWhereNullCannotBeTold) {
    world_.empty_time = true;
    connection dqlite = make().connect("db");
    EXPECT_TRUE(dqlite.query_row<value>("SELECT n FROM t").has_value());
    EXPECT_TRUE(std::get<0>(*dqlite.query_row<value>("SELECT n FROM t")).view().is_null());
    world_.clusters = {{0, kOurs}};
    connection ours = make().connect("db");
    const auto row = ours.query_row<value>("SELECT n FROM t");
    EXPECT_FALSE(std::get<0>(*row).view().is_null());
    EXPECT_EQ(std::get<0>(*row).view().text(), "");
    EXPECT_EQ(ours.query_row<std::string>("SELECT n FROM t"), std::tuple(std::string()));
}

TEST_F(Behaviour, AScriptOfWhichAPartWasCommittedIsInDoubt) {
    connection db = make().connect("db");
    const auto run = [&](const char* script, int skip) {
        world_.refusals.clear();
        refuse(1, "no such column", 1, skip);
        const auto done = db.try_execute_script(script);
        EXPECT_FALSE(done);
        if (db.in_transaction()) db.execute("ROLLBACK");
        return done.error().verdict;
    };
    EXPECT_EQ(run("INSERT INTO t VALUES(1); SELECT nosuch", 1), verdict::in_doubt);
    // Each text comes once: it is not prepared.
    EXPECT_EQ(run("SELECT no2; INSERT INTO t VALUES(2)", 0), verdict::not_committed);
    EXPECT_EQ(run("SELECT 3; SELECT no3", 1), verdict::not_committed);
    EXPECT_EQ(run("BEGIN; INSERT INTO t VALUES(4); SELECT no4", 2), verdict::not_committed);
    EXPECT_EQ(run("BEGIN; INSERT INTO t VALUES(5); COMMIT; SELECT no5", 3), verdict::in_doubt);
}

TEST_F(Behaviour, WhatIsTooLongIsNotSentAndCostsNothing) {
    connection db = make().connect("db");
    const std::string value(64u << 20, 'x');
    transaction tx = db.begin();
    for (int i = 0; i < 3; ++i) {
        const auto failed = tx.try_execute("INSERT INTO t VALUES(?)", value);
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().code(), 18);
        EXPECT_FALSE(failed.error().may_retry);
    }
    EXPECT_EQ(count("EXEC_SQL") + count("PREPARE"), 2) << "BEGIN, and the text prepared once";
    tx.execute("INSERT INTO t VALUES(?)", 1);
    tx.commit();
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
}

TEST_F(Behaviour, SaysWhyItWaits) {
    world_.leader = 99;
    std::vector<std::string> said;
    options waiting;
    waiting.timeout = 1s;
    waiting.waiting = [&](const std::string& trouble) { said.push_back(trouble); };
    EXPECT_FALSE(make(waiting).try_connect("db"));
    ASSERT_FALSE(said.empty());
    EXPECT_NE(said.front().find("a:1: knows no leader"), std::string::npos);
    world_.silent = true;
    const auto silent = make(waiting).try_connect("db");
    ASSERT_FALSE(silent);
    EXPECT_NE(silent.error().message.find("a:1: has not answered yet"), std::string::npos)
        << silent.error().message;
}

TEST_F(Behaviour, ADeadNodeCostsNothingOnceItIsKnown) {
    world_.addresses = {"a:1", "b:1", "c:1"};
    cluster c({"dead:1", "a:1"});
    detail::blocking_state_of(c)->make_transport = [this] {
        return testing::make_scripted(world_);
    };
    c.connect("db");
    const int steps = world_.steps();
    c.connect("db");
    c.connect("db");
    // Dial, LEADER, OPEN in pieces, and their answers; no other node is touched.
    EXPECT_LE(world_.steps() - steps, 16);
}

TEST_F(Behaviour, NoLeaderIsAnErrorInTime) {
    world_.leader = 99;
    options hurried;
    hurried.timeout = 2s;
    const auto before = world_.now();
    const auto failed = make(hurried).try_connect("db");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, error_kind::unavailable);
    EXPECT_EQ(failed.error().verdict, verdict::not_committed);
    EXPECT_NE(failed.error().message.find("b:1: knows no leader"), std::string::npos);
    EXPECT_EQ(world_.now() - before, 2s);
}

TEST_F(Behaviour, AnInterruptStopsRowsBetweenTheirReading) {
    options little_ahead;
    little_ahead.read_ahead_bytes = 100;
    connection db = make(little_ahead).connect("db");
    world_.database.assign(1000, 7);
    rows found = db.query("SELECT n FROM t");
    ASSERT_TRUE(found.next());
    db.interrupt();
    result<bool> more = true;
    int seen = 0;
    while (more && *more) {
        more = found.try_next();
        ++seen;
    }
    ASSERT_FALSE(more) << "all rows were read";
    EXPECT_EQ(more.error().kind, error_kind::cancelled);
    EXPECT_LT(seen, 100);
    EXPECT_EQ(db.query_value<int>("SELECT n FROM t"), 7) << "it is for that call alone";
}

TEST_F(Behaviour, ASignalStopsWhateverWaitsUnderIt) {
    options stoppable;
    stoppable.stop = std::make_shared<stop_signal>();
    cluster c = make(stoppable);
    connection db = c.connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    stoppable.stop->raise();
    for (int i = 0; i < 2; ++i) {
        const auto stopped = tx.try_execute("INSERT INTO t VALUES(?) -- slow", 2);
        ASSERT_FALSE(stopped);
        EXPECT_EQ(stopped.error().kind, error_kind::cancelled);
    }
    EXPECT_EQ(c.try_nodes().error().kind, error_kind::cancelled);
    EXPECT_EQ(c.try_status().error().kind, error_kind::cancelled);
    EXPECT_EQ(c.try_dump("db", [](const dump_part&) { return true; }).error().kind,
              error_kind::cancelled);
    EXPECT_TRUE(tx.try_rollback()) << "what ends in good order is not stopped";
    stoppable.stop->lower();
    db.execute("INSERT INTO t VALUES(?)", 3);
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{3});
}

TEST_F(Behaviour, BusyIsRetriedForItsTime) {
    connection db = make().connect("db");
    refuse(5, "database is locked", 3);
    db.execute("INSERT INTO t VALUES(?)", 1);
    EXPECT_EQ(world_.database.size(), 1u);
    refuse(5, "database is locked", 10'000);
    const auto before = world_.now();
    const auto failed = db.try_execute("INSERT INTO t VALUES(?)", 2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, error_kind::busy);
    EXPECT_TRUE(failed.error().may_retry);
    EXPECT_GE(world_.now() - before, 4s);
    EXPECT_LE(world_.now() - before, 6s);
}

TEST_F(Behaviour, ANodeIsToldToWaitForLocksNoLongerThanTheClient) {
    options hasty;
    hasty.busy_timeout = 300ms;
    make(hasty).connect("db").ping();
    EXPECT_EQ(count("EXEC_SQL"), 1);
    world_.requests.clear();
    make().connect("db").ping();
    EXPECT_EQ(count("EXEC_SQL"), 0);
}

TEST_F(Behaviour, ALockIsAskedForAgainBeforeItsHolderWouldHaveLeftLongAgo) {
    connection db = make().connect("db");
    constexpr int kTimes = 50;
    refuse(5, "database is locked", kTimes);
    const auto before = world_.now();
    db.execute("INSERT INTO t VALUES(?)", 1);
    EXPECT_LE(world_.now() - before, kTimes * 20ms);
    EXPECT_GE(world_.now() - before, kTimes * 20ms / 3) << "it does nothing but ask";
}

TEST_F(Behaviour, LeadershipLostIsInDoubtForWritesAlone) {
    connection db = make().connect("db");
    world_.refusals = {{10506, "leadership lost", true}};
    EXPECT_THROW(db.execute("INSERT INTO t VALUES(?)", 1), in_doubt_error);
    EXPECT_EQ(world_.database.size(), 1u) << "it was retried";
    world_.refusals = {{10506, "leadership lost", false}};
    EXPECT_EQ(db.query_value<int>("SELECT n FROM t"), 1);
    world_.refusals = {{10506, "leadership lost", true}};
    db.with({.idempotent = true}).execute("INSERT INTO t VALUES(?) -- again", 2);
    EXPECT_EQ(world_.database.size(), 3u);
    // This text comes for the second time: what is lost is its PREPARE, which did nothing.
    world_.refusals = {{10506, "leadership lost", false}};
    db.execute("INSERT INTO t VALUES(?)", 3);
    EXPECT_EQ(world_.database.size(), 4u);
}

TEST_F(Behaviour, WhatMayHaveBeenDoneStaysInDoubtWhateverItsRepetitionMeets) {
    options hurried;
    hurried.timeout = 2s;
    connection db = make(hurried).connect("db");
    auto again = db.with({.idempotent = true});
    world_.refusals = {{10506, "leadership lost", true}, {2067, "UNIQUE constraint failed: t.a"}};
    auto failed = again.try_execute("INSERT INTO t VALUES(?)", 1);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), 19);
    EXPECT_EQ(failed.error().verdict, verdict::in_doubt);
    // The same where nobody answers any more, until the deadline.
    world_.breaks_at = "EXEC_SQL";
    db.query_value<int>("SELECT n FROM t");
    world_.silent_about = "LEADER";
    failed = again.try_execute("INSERT INTO t VALUES(?) -- late", 2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().verdict, verdict::in_doubt) << failed.error().message;
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(Behaviour, AnIdempotentTransactionStaysInDoubtToo) {
    options hurried;
    hurried.timeout = 2s;
    connection db = make(hurried).connect("db");
    const auto work = [](transaction& tx) { tx.execute("INSERT INTO t VALUES(?)", 1); };
    // BEGIN, INSERT, COMMIT; BEGIN, INSERT.
    world_.refusals = {{}, {}, {10506, "leadership lost", true}, {}, {2067, "UNIQUE: t.a"}};
    EXPECT_THROW(db.run_transaction(work, {.idempotent = true}), in_doubt_error);
    world_.refusals = {{}, {}, {10506, "leadership lost", true}, {}, {2067, "UNIQUE: t.a"}};
    const auto failed = db.try_run_transaction(
        [](transaction& tx) -> result<void> {
            result<execute_result> done = tx.try_execute("INSERT INTO u VALUES(?)", 1);
            if (!done) return std::move(done).error();
            return {};
        },
        {.idempotent = true});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().verdict, verdict::in_doubt);
    EXPECT_EQ(failed.error().extended_code, 2067);
}

constexpr const char* kRested = "the transaction was rolled back: nothing was asked for";

TEST_F(Behaviour, ATransactionThatRestedForTooLongIsGoneAndNotInDoubt) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    batch two;
    two.add("INSERT INTO t VALUES(?)", 2).add("INSERT INTO t VALUES(?)", 3);
    world_.refusals = {{516, kRested, false, true}, {516, kRested}};
    for (const auto& each : tx.run(two)) {
        ASSERT_FALSE(each);
        EXPECT_EQ(each.error().extended_code, 516);
        EXPECT_EQ(each.error().verdict, verdict::not_committed);
        EXPECT_TRUE(each.error().may_retry);
    }
    EXPECT_TRUE(tx.transaction_lost());
    EXPECT_FALSE(tx.try_execute("INSERT INTO t VALUES(?)", 4));
    EXPECT_TRUE(tx.try_rollback());
    db.execute("INSERT INTO t VALUES(?)", 5);
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{5});
    EXPECT_EQ(db.node(), "a:1");
}

TEST_F(Behaviour, ATransactionThatRestedForTooLongIsRunAgain) {
    connection db = make().connect("db");
    world_.refusals = {{}, {}, {516, kRested, false, true}};  // BEGIN, INSERT, COMMIT
    db.run_transaction([](transaction& tx) { tx.execute("INSERT INTO t VALUES(?)", 1); });
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
}

TEST_F(Behaviour, PreparingIsNeverInDoubt) {
    connection db = make().connect("db");
    world_.refusals = {{10506, "leadership lost", false}};
    EXPECT_EQ(db.prepare("INSERT INTO t VALUES(?)").parameter_count(), 1u);
}

TEST_F(Behaviour, ALostTransactionStaysLostUntilItIsRolledBack) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    world_.leader = 1;
    const auto lost = tx.try_execute("INSERT INTO t VALUES(?)", 2);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().verdict, verdict::not_committed);
    EXPECT_TRUE(lost.error().may_retry);
    EXPECT_FALSE(tx.try_execute("INSERT INTO t VALUES(?)", 3));
    EXPECT_FALSE(tx.try_query_value<int>("SELECT n FROM t"));
    EXPECT_TRUE(tx.try_rollback());
    db.execute("INSERT INTO t VALUES(?)", 4);
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{4});
}

TEST_F(Behaviour, ACommitOfALostTransactionFails) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    world_.leader = 1;
    const auto failed = tx.try_commit();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().verdict, verdict::not_committed);
    EXPECT_FALSE(tx.open());
    EXPECT_TRUE(world_.database.empty());
}

TEST_F(Behaviour, AConflictLeavesTheTransactionOpen) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    refuse(19, "UNIQUE constraint failed");
    const auto refused = tx.try_execute("INSERT INTO t VALUES(?)", 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), 19);
    EXPECT_EQ(refused.error().verdict, verdict::not_committed);
    EXPECT_FALSE(tx.transaction_lost());
    tx.execute("INSERT INTO t VALUES(?)", 3);
    tx.commit();
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{1, 3}));
}

TEST_F(Behaviour, AConflictThatRollsBackLosesTheTransaction) {
    connection db = make().connect("db");
    for (const bool commit : {false, true}) {
        transaction tx = db.begin();
        tx.execute("INSERT INTO t VALUES(?)", 1);
        world_.refusals = {{19, "UNIQUE constraint failed", false, true}};
        const auto refused = tx.try_execute("INSERT INTO t VALUES(?)", 2);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), 19);
        EXPECT_EQ(refused.error().verdict, verdict::not_committed);
        EXPECT_TRUE(tx.transaction_lost());
        EXPECT_FALSE(tx.try_execute("INSERT INTO t VALUES(?)", 3));
        EXPECT_EQ(commit ? tx.try_commit().ok() : tx.try_rollback().ok(), !commit);
        EXPECT_TRUE(world_.database.empty()) << "committed outside of the transaction";
    }
    db.execute("INSERT INTO t VALUES(?)", 4);
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{4}) << "a transaction was left open";
}

TEST_F(Behaviour, WhatWasSentBehindAConflictThatRollsBackIsInDoubt) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    world_.refusals = {{19, "UNIQUE constraint failed", false, true}};
    batch all;
    for (int i = 0; i < 3; ++i) all.add("INSERT INTO t VALUES(?) -- " + std::to_string(i), i);
    const auto results = tx.run(all);
    ASSERT_FALSE(results.front());
    EXPECT_EQ(results.front().error().verdict, verdict::in_doubt);
    EXPECT_TRUE(tx.transaction_lost());
    EXPECT_TRUE(tx.try_rollback());
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(Behaviour, TheLeaderMayGoWhileItIsAskedAboutAConflict) {
    connection db = make().connect("db");
    transaction tx = db.begin();
    tx.execute("INSERT INTO t VALUES(?)", 1);
    world_.refusals = {{19, "UNIQUE constraint failed"}, {10250, "not leader"}};
    const auto refused = tx.try_execute("INSERT INTO t VALUES(?)", 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, error_kind::unavailable);
    EXPECT_TRUE(refused.error().may_retry);
    EXPECT_TRUE(tx.transaction_lost());
    EXPECT_TRUE(tx.try_rollback());
    EXPECT_TRUE(world_.database.empty());
}

TEST_F(Behaviour, SavepointsCountAsTransactions) {
    connection db = make().connect("db");
    db.execute("SAVEPOINT a");
    EXPECT_TRUE(db.in_transaction());
    db.execute("SAVEPOINT b");
    db.execute("RELEASE B");
    EXPECT_TRUE(db.in_transaction());
    db.execute("RELEASE a");
    EXPECT_FALSE(db.in_transaction());
}

TEST_F(Behaviour, TheSavepointsOfATransactionEndWithIt) {
    connection db = make().connect("db");
    db.execute("SAVEPOINT a");
    world_.silent_about = "EXEC_SQL";
    EXPECT_FALSE(db.with({.timeout = 300ms}).try_execute("COMMIT"));
    world_.silent_about.clear();
    EXPECT_FALSE(db.in_transaction());
    db.execute("SAVEPOINT b");
    db.execute("RELEASE b");
    EXPECT_FALSE(db.in_transaction()) << "the RELEASE of the outermost savepoint commits";
}

TEST_F(Behaviour, ACommitThatGetsNoAnswerEndsTheTransaction) {
    connection db = make().connect("db");
    db.execute("BEGIN");
    db.execute("INSERT INTO t VALUES(?)", 1);
    world_.breaks_at = "EXEC_SQL";
    const auto unknown = db.try_execute("COMMIT");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().verdict, verdict::in_doubt);
    world_.breaks_at.clear();
    EXPECT_FALSE(db.in_transaction());
    db.execute("INSERT INTO t VALUES(?)", 2);
    EXPECT_EQ(world_.database.back(), 2);
}

TEST_F(Behaviour, AStatementThatIsPreparedWrongIsReported) {
    connection db = make().connect("db");
    world_.misanswers = "PREPARE";
    const auto wrong = db.try_prepare("SELECT n FROM t");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().kind, error_kind::protocol);
}

TEST_F(Behaviour, ASilentNodeIsLeftAtTheDeadline) {
    connection db = make().connect("db");
    world_.silent = true;
    const auto before = world_.now();
    const auto late = db.with({.timeout = 300ms}).try_execute("INSERT INTO t VALUES(?)", 1);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, error_kind::deadline);
    EXPECT_EQ(late.error().verdict, verdict::in_doubt);
    EXPECT_EQ(world_.now() - before, 300ms);
    const auto read = db.with({.timeout = 300ms}).try_query_value<int>("SELECT n FROM t");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().verdict, verdict::not_committed);
    world_.silent = false;
    // The answers that never came are given up, and the connection with them.
    db.execute("INSERT INTO t VALUES(?)", 2);
}

TEST_F(Behaviour, TextsThatComeTwiceArePrepared) {
    connection db = make().connect("db");
    for (int i = 0; i < 4; ++i) db.execute("INSERT INTO t VALUES(?)", i);
    EXPECT_EQ(count("EXEC_SQL"), 1);
    EXPECT_EQ(count("PREPARE"), 1);
    EXPECT_EQ(count("EXEC"), 3);
}

TEST_F(Behaviour, TheCacheOfStatementsHasALimit) {
    options small;
    small.statements_cached = 2;
    connection db = make(small).connect("db");
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 3; ++i) {
            db.execute("INSERT INTO t VALUES(?) -- " + std::to_string(i), i);
        }
    }
    EXPECT_EQ(count("FINALIZE"), count("PREPARE") - 2);
    EXPECT_EQ(world_.database.size(), 9u);
}

TEST_F(Behaviour, AnOldServerIsNotAskedForWhatItDoesNotReplicate) {
    world_.old_server = true;
    connection db = make().connect("db");
    const auto refused = db.try_query("INSERT INTO t VALUES(?) RETURNING n", 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, error_kind::usage);
    EXPECT_TRUE(world_.database.empty());
}

TEST_F(Behaviour, AConversionThatFailsAfterAWriteSaysCommitted) {
    connection db = make().connect("db");
    const auto failed = db.try_query_row<std::string>("INSERT INTO t VALUES(?) RETURNING n", 1);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, error_kind::conversion);
    EXPECT_EQ(failed.error().verdict, verdict::committed);
}

TEST_F(Behaviour, ABatchGoesOutAtOnce) {
    connection db = make().connect("db");
    batch all;
    for (int i = 0; i < 50; ++i) all.add("INSERT INTO t VALUES(?) -- once " + std::to_string(i), i);
    const auto results = db.run(all);
    for (const auto& each : results) EXPECT_TRUE(each.ok());
    EXPECT_EQ(world_.database.size(), 50u);
}

TEST_F(Behaviour, RowsHeldForAnotherStatementHaveALimit) {
    options small;
    small.read_ahead_bytes = 1;
    small.rows_held_bytes_max = 200;
    for (int i = 0; i < 100; ++i) world_.database.push_back(i);
    connection db = make(small).connect("db");
    int seen = 0;
    rows all = db.query("SELECT n FROM t");
    while (all.next()) ++seen;
    EXPECT_EQ(seen, 100) << "a stream needs no more memory than a batch";
    all = db.query("SELECT n FROM t");
    EXPECT_TRUE(db.try_execute("INSERT INTO u VALUES(?)", 1).ok());
    result<bool> more = true;
    while (more && *more) more = all.try_next();
    ASSERT_FALSE(more) << "rows that did not fit must not look like the end";
    EXPECT_EQ(more.error().extended_code, 18);
    EXPECT_EQ(more.error().verdict, verdict::not_committed);
    all = db.query("INSERT INTO t VALUES(?) RETURNING n", 7);
    EXPECT_TRUE(db.try_execute("INSERT INTO u VALUES(?)", 1).ok());
    more = true;
    while (more && *more) more = all.try_next();
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().extended_code, 18);
    EXPECT_EQ(more.error().verdict, verdict::in_doubt) << "it inserted before it yielded rows";
}

TEST_F(Behaviour, AScriptStopsAtTheFirstError) {
    connection db = make().connect("db");
    refuse(1, "no such table: u", 1, 1);
    std::size_t done = 0;
    const std::string script = "INSERT INTO t VALUES(1); INSERT INTO u VALUES(1); SELECT 1";
    EXPECT_FALSE(db.try_execute_script(script, &done));
    EXPECT_EQ(script.substr(done, 15), " INSERT INTO u ");
}

}  // namespace
}  // namespace quorlite
