// RUN: what section 6.21 of the protocol says of it. What ends the other requests early ends it,
// too, with other answers.
#include <gmock/gmock.h>

#include "engine/base/limits.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using wire::Value;
using namespace std::chrono_literals;
using Answers = std::vector<std::string>;
namespace run = wire::run;

constexpr const char* kTimeOver =
    "FAILURE 9 interrupted: the time that the client has allowed is over, and the statement has "
    "done nothing";
constexpr const char* kEndless =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT count(*) FROM g";
constexpr const char* kEndlessWrite =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) INSERT INTO t SELECT a, a FROM "
    "g WHERE a < 0";
constexpr const char* kEndlessRows =
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT a FROM g";

class Run : public testing::Test {
protected:
    Cluster cluster;
    OpenClient client{cluster, {}, {.address = "alice"}};

    void SetUp() override {
        ASSERT_EQ(client.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL)"),
                  "RESULT 0 0");
    }

    Answers sql(std::string_view text, std::uint64_t flags = 0) {
        return client.run({.flags = flags, .sql = text});
    }
    Answers script(std::string_view text) { return sql(text, run::kScript); }
    Answers with(std::string_view text, const std::vector<Value>& values,
                 const std::vector<std::string_view>& names = {}, std::uint64_t flags = 0) {
        return client.run({.flags = flags,
                           .sql = text,
                           .names = wire::Texts(names),
                           .parameters = wire::Parameters(values)});
    }
    Answers kept(std::uint64_t number, std::uint64_t flags = 0,
                 const std::vector<Value>& values = {}) {
        return client.run(
            {.flags = flags, .statement = number + 1, .parameters = wire::Parameters(values)});
    }
    std::string count() { return client.query("SELECT count(*) FROM t"); }
};

// --- what is said of a statement ---

TEST_F(Run, SaysWhetherItReadsAndWhatItChanged) {
    EXPECT_THAT(sql("INSERT INTO t(a) VALUES('x'), ('y')"),
                ElementsAre("RAN params 0 used 35 changed 2 id 2"));
    EXPECT_THAT(sql("SELECT a FROM t"),
                ElementsAre("ROWS a ('x') ('y')", "RAN read params 0 used 15 changed 0 id 2"));
    EXPECT_THAT(sql("CREATE TABLE u(a)"), ElementsAre("RAN params 0 used 17 changed 0 id 2"));
    EXPECT_THAT(sql("WITH n(a) AS (SELECT replace('ab', 'a', 'z')) SELECT a FROM n"),
                ElementsAre("ROWS a ('zb')", "RAN read params 0 used 61 changed 0 id 2"));
    EXPECT_THAT(sql("WITH n(a) AS (SELECT 'z') DELETE FROM t WHERE a < (SELECT a FROM n)"),
                ElementsAre("RAN params 0 used 67 changed 2 id 2"));
    EXPECT_THAT(sql("/* c */ -- d\nDELETE FROM t"),
                ElementsAre("RAN params 0 used 26 changed 0 id 2"));
}

// The connection's own counts outlive the statements that they are of.
TEST_F(Run, CountsOnlyTheRowsOfThisStatement) {
    client.exec("CREATE TABLE log(a)");
    client.exec("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES(1), (2); END");
    EXPECT_THAT(sql("INSERT INTO t(a) VALUES(1) RETURNING a, id"),
                ElementsAre("ROWS a,id ('1',1)", "RAN params 0 used 42 changed 1 id 1"));
    for (const char* other :
         {"CREATE VIRTUAL TABLE f USING fts5(a)", "BEGIN IMMEDIATE", "COMMIT", "ANALYZE",
          "DROP TABLE log", "PRAGMA user_version=3", "EXPLAIN DELETE FROM t"}) {
        EXPECT_THAT(sql(other).back(), HasSubstr(" changed 0 ")) << other;
    }
    EXPECT_THAT(sql("REPLACE INTO t VALUES(1, 'y')").back(), StartsWith("FAILURE"));
}

TEST_F(Run, SaysWhatIsNoStatement) {
    EXPECT_THAT(sql(""), ElementsAre("RAN nothing params 0 used 0 changed 0 id 0"));
    EXPECT_THAT(sql(" -- c"), ElementsAre("RAN nothing params 0 used 5 changed 0 id 0"));
    EXPECT_THAT(sql(";;", run::kSingle), ElementsAre("RAN nothing params 0 used 2 changed 0 id 0"));
}

TEST_F(Run, SaysWhatIsAnExplanation) {
    EXPECT_THAT(sql("EXPLAIN QUERY PLAN DELETE FROM t").back(),
                StartsWith("RAN read explain params 0"));
    EXPECT_EQ(count(), "ROWS count(*) (0)");
}

TEST_F(Run, SaysWhetherATransactionIsOpen) {
    EXPECT_THAT(sql("BEGIN"), ElementsAre("RAN read tx params 0 used 5 changed 0 id 0"));
    EXPECT_THAT(sql("INSERT INTO t VALUES(1, 'x')").back(), StartsWith("RAN tx params"));
    EXPECT_THAT(sql("INSERT INTO t VALUES(1, 'x')"),
                ElementsAre("FAILURE 1555 UNIQUE constraint failed: t.id at 0 tx"));
    EXPECT_THAT(sql("INSERT OR ROLLBACK INTO t VALUES(1, 'x')"),
                ElementsAre("FAILURE 1555 UNIQUE constraint failed: t.id at 0"));
    EXPECT_THAT(sql("COMMIT").back(), StartsWith("FAILURE 1 cannot commit"));
    EXPECT_THAT(sql("BEGIN; SELECT 1", run::kScript).back(), StartsWith("RAN read tx params"));
    EXPECT_THAT(sql("ROLLBACK").back(), StartsWith("RAN read params"));
    EXPECT_EQ(count(), "ROWS count(*) (0)");
}

TEST_F(Run, SaysWhereTheRestBegins) {
    EXPECT_THAT(sql("SELECT 1; SELECT 2"),
                ElementsAre("ROWS 1 (1)", "RAN read more params 0 used 9 changed 0 id 0"));
    EXPECT_THAT(sql("SELECT 1; -- c"),
                ElementsAre("ROWS 1 (1)", "RAN read params 0 used 9 changed 0 id 0"));
    EXPECT_THAT(sql("SELECT 1; garbage").back(), StartsWith("RAN read more"));
    const std::string trigger =
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT new.a AS end; DELETE FROM t; END;";
    EXPECT_THAT(sql(trigger + " SELECT 1"),
                ElementsAre("RAN more params 0 used " + std::to_string(trigger.size()) +
                            " changed 0 id 0"));
}

TEST_F(Run, DescribesColumnsAndParameters) {
    client.exec(
        "CREATE TABLE u(n INTEGER PRIMARY KEY AUTOINCREMENT, d DATE, w VARCHAR(3) NOT NULL)");
    client.exec("CREATE VIEW v(x) AS SELECT w FROM u");
    EXPECT_THAT(
        with("SELECT n, d AS day, w, n + 1, ?1, :b, @c, $d FROM u",
             {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{4}}, {},
             run::kDescribe),
        ElementsAre("COLUMNS n INTEGER key auto u.n | day DATE u.d | w VARCHAR(3) not-null u.w | n "
                    "+ 1 | ?1 | :b | @c | $d; ?1 :b @c $d",
                    "ROWS n,day,w,n + 1,?1,:b,@c,$d", StartsWith("RAN read params 4 ")));
    EXPECT_THAT(
        sql("SELECT x FROM v", run::kDescribe),
        ElementsAre("COLUMNS x VARCHAR(3) not-null u.w;", "ROWS x", StartsWith("RAN read")));
    EXPECT_THAT(with("INSERT INTO t VALUES(?, ?)", {std::int64_t{1}, "x"}, {}, run::kDescribe),
                ElementsAre("COLUMNS; ? ?", StartsWith("RAN params 2 ")));
    EXPECT_THAT(
        sql("UPDATE t SET a = 'y' WHERE 0 RETURNING id", run::kDescribe),
        ElementsAre("COLUMNS id INTEGER key t.id;", "ROWS id", StartsWith("RAN params 0 ")));
}

TEST_F(Run, PreparesWithoutRunning) {
    EXPECT_THAT(sql("INSERT INTO t VALUES(?, :a)", run::kPrepareOnly | run::kDescribe),
                ElementsAre("COLUMNS; ? :a", "RAN params 2 used 27 changed 0 id 0"));
    EXPECT_THAT(sql("SELECT 1; DELETE FROM t; x", run::kPrepareOnly | run::kScript),
                ElementsAre("RAN read more params 0 used 9 changed 0 id 0",
                            "RAN more params 0 used 24 changed 0 id 0",
                            "FAILURE 1 near \"x\": syntax error at 24"));
    EXPECT_EQ(count(), "ROWS count(*) (0)");
}

// A NULL in a DATE column is one, whatever old dqlite servers do.
TEST_F(Run, SendsNullAsNull) {
    OpenClient other(cluster, {.legacy_null_types = true});
    other.exec("CREATE TABLE d(a DATE, b BOOLEAN); INSERT INTO d VALUES(NULL, NULL)");
    EXPECT_EQ(other.query("SELECT a, b FROM d"), "ROWS a,b (date'',bool 0)");
    EXPECT_EQ(other.run({.sql = "SELECT a, b FROM d"}).front(), "ROWS a,b (NULL,NULL)");
}

// --- values ---

TEST_F(Run, BindsByPositionAndByName) {
    EXPECT_EQ(with("SELECT ?, ?", {std::int64_t{1}, "two"}).front(), "ROWS ?,? (1,'two')");
    EXPECT_EQ(with("SELECT :a, @b, $c, :a", {"c", "a", "b"}, {"$c", ":a", "@b"}).front(),
              "ROWS :a,@b,$c,:a ('a','b','c','a')");
    EXPECT_EQ(with("SELECT ?2, ?1", {"b", "a"}, {"?2", "?1"}).front(), "ROWS ?2,?1 ('b','a')");
    EXPECT_EQ(with("SELECT ?, :b, ?", {"1", "2", "3"}, {"", ":b"}).front(),
              "ROWS ?,:b,? ('1','2','3')");
    EXPECT_EQ(with("SELECT ?5", {"five"}, {"?5"}).front(), "ROWS ?5 ('five')");
}

TEST_F(Run, NamesWhatDoesNotFit) {
    EXPECT_THAT(with("SELECT :a, :b", {"1"}, {":a"}),
                ElementsAre("FAILURE 1 parameter :b has no value at 0 read"));
    EXPECT_THAT(with("SELECT :a, :b", {"1"}),
                ElementsAre("FAILURE 1 parameter :b has no value at 0 read"));
    EXPECT_THAT(with("SELECT ?, ?", {"1"}),
                ElementsAre("FAILURE 1 parameter 2 has no value at 0 read"));
    EXPECT_THAT(with("SELECT :a, ?", {"1"}, {":a"}),
                ElementsAre("FAILURE 1 parameter 2 has no value at 0 read"));
    EXPECT_THAT(with("SELECT ?, ?9", {"1"}, {"?9"}).front(), "ROWS ?,?9 (NULL,'1')");
    EXPECT_THAT(with("SELECT ?1, ?9", {"1"}, {"?9"}).front(),
                "FAILURE 1 parameter ?1 has no value at 0 read");
    EXPECT_THAT(with("SELECT :a", {"1", "2"}, {":a", ":z"}),
                ElementsAre("FAILURE 1 the statement has no parameter :z at 0 read"));
    EXPECT_THAT(with("SELECT :a", {"1"}, {"a"}),
                ElementsAre("FAILURE 1 the statement has no parameter a at 0 read"));
    EXPECT_THAT(with("SELECT :a, :b", {"1", "2"}, {":a", ":a"}),
                ElementsAre("FAILURE 1 parameter :a has two values at 0 read"));
    EXPECT_THAT(with("SELECT :a, :b", {"1", "2"}, {":b"}),
                ElementsAre("FAILURE 1 parameter 2 has two values at 0 read"));
    EXPECT_THAT(with("SELECT :a, :b", {"1", "2", "3"}, {":b", ":a", ""}),
                ElementsAre("FAILURE 1 the statement has no parameter 3 at 0 read"));
    EXPECT_THAT(with("SELECT :a", {"1"}, {":a", ":b"}),
                ElementsAre("FAILURE 1 the name :b is given, and no value at 0 read"));
    EXPECT_THAT(
        with("INSERT INTO t VALUES(1, ?)", {"1", "2"}),
        ElementsAre("FAILURE 1 the statement has 1 parameters, and there are 2 values at 0"));
    EXPECT_EQ(count(), "ROWS count(*) (0)");
}

TEST_F(Run, TellsOfAValueThatItCannotRead) {
    const auto refused = "FAILURE 1005 parameter 1 of type 9 cannot be read at 0 read";
    EXPECT_THAT(with("SELECT ?", {wire::UnixTime{1}}), ElementsAre(refused));
    EXPECT_THAT(with("SELECT :a", {wire::UnixTime{1}}, {":a"}), ElementsAre(refused));
    EXPECT_EQ(with("SELECT ?", {"1"}).front(), "ROWS ? ('1')");
}

// Finding a name takes longer the more there are.
TEST_F(Run, BoundsTheNumberOfNames) {
    std::string text = "SELECT coalesce(:a0";
    for (int i = 1; i <= limits::kNamedParametersMax; ++i) {
        if (i % 100 == 0) text += "), coalesce(1";
        text += ", :a" + std::to_string(i);
    }
    text += ")";
    EXPECT_THAT(with(text, {"1"}, {":a0"}),
                ElementsAre("FAILURE 18 a statement whose values have names may have 1000 "
                            "parameters: give them by position at 0 read"));
    EXPECT_THAT(sql(text, run::kPrepareOnly | run::kDescribe).front(), EndsWith(";"));
    const std::vector<Value> values(limits::kNamedParametersMax + 1, "x");
    EXPECT_THAT(with(text, values).front(), StartsWith("ROWS coalesce(:a0"));
}

// --- flags ---

TEST_F(Run, KeepsStatements) {
    EXPECT_THAT(with("SELECT ?", {"1"}, {}, run::kKeep),
                ElementsAre("ROWS ? ('1')", "RAN read kept 0 params 1 used 8 changed 0 id 0"));
    EXPECT_THAT(sql("INSERT INTO t VALUES(?, ?); rest", run::kKeep | run::kPrepareOnly),
                ElementsAre("RAN more kept 1 params 2 used 27 changed 0 id 0"));
    EXPECT_THAT(kept(0, 0, {"2"}),
                ElementsAre("ROWS ? ('2')", "RAN read kept 0 params 1 used 0 changed 0 id 0"));
    EXPECT_THAT(kept(1, 0, {std::int64_t{7}, "x"}),
                ElementsAre("RAN kept 1 params 2 used 0 changed 1 id 7"));
    EXPECT_THAT(kept(1), ElementsAre("FAILURE 1 parameter 1 has no value at 0"));
    EXPECT_EQ(client.ask(wire::FinalizeRequest{.statement = 0}), "EMPTY");
    EXPECT_THAT(kept(0), ElementsAre("FAILURE 12 no statement with the given id at 0"));
    EXPECT_EQ(client.ask(wire::QueryRequest{.statement = 0}),
              "FAILURE 12 no statement with the given id");
}

TEST_F(Run, KeepsNothingThatFailed) {
    EXPECT_THAT(sql("SELECT abs(-9223372036854775808)", run::kKeep),
                ElementsAre("FAILURE 1 integer overflow at 0 read"));
    EXPECT_THAT(with("SELECT ?", {}, {}, run::kKeep).front(), StartsWith("FAILURE 1 parameter 1"));
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 0 params 0");
    EXPECT_THAT(sql("SELECT 2; x", run::kKeep | run::kSingle).front(),
                StartsWith("FAILURE 1 none"));
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 1 params 0");
}

TEST_F(Run, AnInterruptedStatementIsNotKept) {
    client.send(wire::RunRequest{.flags = run::kKeep, .sql = kEndlessRows});
    client.send(wire::InterruptRequest{});
    EXPECT_EQ(client.answers().back(), "EMPTY");
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 0 params 0");
}

TEST_F(Run, DescribesAKeptStatementAsItRunsNow) {
    client.exec("CREATE TABLE s(a INTEGER); INSERT INTO s VALUES(1)");
    EXPECT_THAT(sql("SELECT * FROM s", run::kKeep | run::kDescribe),
                ElementsAre("COLUMNS a INTEGER s.a;", "ROWS a (1)", StartsWith("RAN read kept 0")));
    OpenClient other(cluster);
    other.exec("ALTER TABLE s ADD COLUMN b TEXT NOT NULL DEFAULT 'x'");
    EXPECT_THAT(kept(0, run::kDescribe),
                ElementsAre("COLUMNS a INTEGER s.a | b TEXT not-null s.b;", "ROWS a,b (1,'x')",
                            StartsWith("RAN read kept 0")));
    EXPECT_THAT(sql("SELECT * FROM s", run::kDescribe).front(), EndsWith("s.b;"));  // cached
    other.exec("DROP TABLE s");
    EXPECT_THAT(kept(0, run::kDescribe), ElementsAre("FAILURE 1 no such table: s at 0 read"));
}

TEST_F(Run, ReadOnlyRefusesWhatWrites) {
    const auto refused =
        "FAILURE 8 the statement writes, and its client has asked for reads only at 0";
    for (const char* text :
         {"INSERT INTO t VALUES(1, 'x')", "CREATE TEMP TABLE x(a)", "PRAGMA user_version=3",
          "BEGIN IMMEDIATE", "INSERT INTO t VALUES(1, 'x') RETURNING a", "VACUUM"}) {
        EXPECT_THAT(sql(text, run::kReadOnly), ElementsAre(refused)) << text;
    }
    EXPECT_THAT(sql("BEGIN", run::kReadOnly).back(), StartsWith("RAN read tx"));
    EXPECT_THAT(sql("SELECT count(*) FROM t", run::kReadOnly).front(), "ROWS count(*) (0)");
    EXPECT_THAT(sql("DELETE FROM t", run::kReadOnly), ElementsAre(std::string(refused) + " tx"));
    EXPECT_THAT(sql("COMMIT", run::kReadOnly).back(), StartsWith("RAN read params"));
    EXPECT_THAT(sql("EXPLAIN DELETE FROM t", run::kReadOnly).back(),
                StartsWith("RAN read explain"));
}

TEST_F(Run, SingleRefusesAnotherStatementBeforeTheFirst) {
    EXPECT_THAT(sql("DELETE FROM t; SELECT 2", run::kSingle),
                ElementsAre("FAILURE 1 nonempty statement tail at 0 more"));
    EXPECT_THAT(sql("SELECT 1; /* c */", run::kSingle).front(), "ROWS 1 (1)");
}

TEST_F(Run, RefusesWhatMakesNoSense) {
    EXPECT_THAT(sql("SELECT 1", 64).front(), StartsWith("FAILURE 21 RUN has a flag"));
    EXPECT_THAT(sql("SELECT 1", run::kScript | run::kSingle).front(), StartsWith("FAILURE 21 "));
    EXPECT_THAT(sql("SELECT 1", run::kScript | run::kKeep).front(), StartsWith("FAILURE 21 "));
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 0 params 0");
    EXPECT_THAT(kept(0, run::kPrepareOnly).front(), StartsWith("FAILURE 21 "));
    EXPECT_THAT(client.run({.statement = 1, .sql = "SELECT 2"}).front(), StartsWith("FAILURE 21 "));
    EXPECT_THAT(kept(0).front(), "ROWS 1 (1)");
    EXPECT_THAT(kept(1).front(), "FAILURE 12 no statement with the given id at 0");
    EXPECT_THAT(kept(~0ull - 1).front(), "FAILURE 12 no statement with the given id at 0");
}

TEST_F(Run, WantsADatabase) {
    Client other(cluster);
    other.greet();
    EXPECT_THAT(other.run({.sql = "SELECT 1"}), ElementsAre("FAILURE 12 no database opened at 0"));
}

TEST_F(Run, TooLongATextNamesTheLimit) {
    const std::string text =
        "DELETE FROM t; SELECT '" + std::string(limits::kSqlBytesMax, 'x') + "'";
    EXPECT_THAT(script(text), ElementsAre("FAILURE 18 statement too long: a text may have 1000000 "
                                          "bytes at 0"));
}

// --- scripts ---

TEST_F(Run, AScriptAnswersEachStatement) {
    EXPECT_THAT(script("INSERT INTO t VALUES(5, 'x'); SELECT a FROM t; UPDATE t SET a = 'y'; -- c"),
                ElementsAre("RAN more params 0 used 29 changed 1 id 5", "ROWS a ('x')",
                            "RAN read more params 0 used 46 changed 0 id 5",
                            "RAN params 0 used 68 changed 1 id 5"));
    EXPECT_EQ(client.query("SELECT a FROM t"), "ROWS a ('y')");
}

TEST_F(Run, TheStatementsOfAScriptTakeTheirValuesInOrder) {
    EXPECT_THAT(
        with("INSERT INTO t VALUES(?, ?); SELECT ?; SELECT :b, :a",
             {std::int64_t{1}, "x", "s", "va", "vb"}, {"", "", "", ":a", ":b"}, run::kScript),
        ElementsAre(StartsWith("RAN more params 2"), "ROWS ? ('s')",
                    StartsWith("RAN read more params 1"), "ROWS :b,:a ('vb','va')",
                    StartsWith("RAN read params 2")));
    EXPECT_THAT(with("SELECT ?; SELECT ?", {"1", "2", "3"}, {}, run::kScript),
                ElementsAre("ROWS ? ('1')", StartsWith("RAN read more"),
                            "FAILURE 1 the statement has 1 parameters, and there are 2 values at 9 "
                            "read"));
    EXPECT_THAT(with("SELECT ?; SELECT ?", {"1"}, {}, run::kScript).back(),
                "FAILURE 1 parameter 1 has no value at 9 read");
}

TEST_F(Run, AFailureEndsAScriptAndSaysWhere) {
    EXPECT_THAT(script("INSERT INTO t VALUES(1, 'x'); INSERT INTO t VALUES(1, 'y'); DELETE FROM t"),
                ElementsAre(StartsWith("RAN more params 0 used 29 changed 1"),
                            "FAILURE 1555 UNIQUE constraint failed: t.id at 29 more"));
    EXPECT_EQ(count(), "ROWS count(*) (1)");
    EXPECT_THAT(script("SELECT 1; SELEC 2"),
                ElementsAre("ROWS 1 (1)", StartsWith("RAN read more"),
                            "FAILURE 1 near \"SELEC\": syntax error at 9"));
    EXPECT_THAT(script("BEGIN; DELETE FROM t; INSERT INTO t VALUES(NULL, NULL)"),
                ElementsAre(StartsWith("RAN read tx more"), StartsWith("RAN tx more"),
                            "FAILURE 1299 NOT NULL constraint failed: t.a at 21 tx"));
    EXPECT_EQ(client.exec("ROLLBACK").substr(0, 6), "RESULT");
}

// What a statement has said before it failed is taken back, and nothing else is.
TEST_F(Run, AFailedStatementLeavesNoRows) {
    client.exec("INSERT INTO t VALUES(1, 'x'), (2, 'y')");
    EXPECT_THAT(
        sql("SELECT 1; SELECT abs(CASE id WHEN 1 THEN 1 ELSE -9223372036854775808 END) FROM t",
            run::kScript | run::kDescribe),
        ElementsAre("COLUMNS 1;", "ROWS 1 (1)", StartsWith("RAN read more"),
                    "FAILURE 1 integer overflow at 9 read"));
    EXPECT_THAT(
        script("SELECT 1; UPDATE t SET a = abs(CASE id WHEN 1 THEN 1 ELSE "
               "-9223372036854775808 END) RETURNING a"),
        ElementsAre("ROWS 1 (1)", StartsWith("RAN read more"), "FAILURE 1 integer overflow at 9"));
}

// A script reads what it wrote, though nobody has committed it.
TEST_F(Run, AScriptSeesWhatItWrote) {
    for (int i = 1; i <= 20; ++i) {
        const std::string text = "INSERT INTO t(a) VALUES('x'); SELECT count(*) FROM t";
        EXPECT_EQ(script(text)[1], "ROWS count(*) (" + std::to_string(i) + ")");
    }
}

TEST_F(Run, ALongScriptComesInPiecesAndWaitsForItsReader) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += "SELECT 'abcdefghi';";
    client.send(wire::RunRequest{.flags = run::kScript, .sql = text});
    cluster.executor.advance(1s);
    const std::size_t held = client.session().output().size();
    EXPECT_LT(held, limits::kSessionOutputBytesMax + 2 * limits::kResultBatchBytes);
    EXPECT_GT(held, limits::kSessionOutputBytesMax / 2);
    const Answers answers = client.answers();
    EXPECT_EQ(answers.size(), 40'000u);
    EXPECT_EQ(answers.back(),
              "RAN read params 0 used " + std::to_string(text.size()) + " changed 0 id 0");
}

TEST_F(Run, ALongScriptOfWritesWaitsForItsCommitsOnceInAWhile) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += "INSERT INTO t(a) VALUES('x'); ";
    const Answers answers = script(text);
    ASSERT_EQ(answers.size(), 3000u);
    EXPECT_THAT(answers.back(), EndsWith(" changed 1 id 3000"));
    EXPECT_EQ(count(), "ROWS count(*) (3000)");
}

// --- rows ---

TEST_F(Run, RowsStream) {
    client.send(wire::RunRequest{.flags = run::kDescribe, .sql = kEndlessRows});
    client.read(200'000);
    const std::size_t held = client.session().output().size();
    cluster.executor.advance(60s);
    EXPECT_EQ(client.session().output().size(), held);
    client.send(wire::InterruptRequest{});
    const Answers answers = client.answers();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0], "COLUMNS a;");
    EXPECT_THAT(answers[1], AllOf(StartsWith("ROWS a (1) (2)"), EndsWith(" ...")));
    EXPECT_EQ(answers[2], "EMPTY");
    EXPECT_THAT(sql("SELECT 1").front(), "ROWS 1 (1)");
}

TEST_F(Run, ManyRowsEndWithRan) {
    const Answers answers =
        sql("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 30000) SELECT a "
            "FROM g");
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_THAT(answers[0], EndsWith("(30000)"));
    EXPECT_THAT(answers[1], StartsWith("RAN read"));
}

TEST_F(Run, RowsOfAWriteWaitForItsCommit) {
    EXPECT_THAT(
        sql("INSERT INTO t(a) VALUES('x'), ('y') RETURNING id, a", run::kDescribe),
        ElementsAre("COLUMNS id INTEGER key t.id | a TEXT not-null t.a;",
                    "ROWS id,a (1,'x') (2,'y')", StartsWith("RAN params 0 used 51 changed 2")));
    EXPECT_THAT(sql("DELETE FROM t RETURNING id").back(), HasSubstr("changed 2"));
}

// --- what ends it early ---

class RunEnds : public Run {
protected:
    OpenClient other{cluster, {}, {.address = "bob"}};

    // `act` happens while the request is beside the loop.
    template <class Act>
    void during(const wire::RunRequest& request, Act act) {
        cluster.executor.yields = true;
        bool acted = false;
        cluster.executor.post([&acted, act] {
            acted = true;
            act();
        });
        client.send(request);
        cluster.executor.run();
        EXPECT_TRUE(acted);
        cluster.executor.yields = false;
    }
    void expect_lock_free() {
        EXPECT_EQ(other.exec("CREATE TABLE IF NOT EXISTS z(a)").substr(0, 6), "RESULT");
    }
};

TEST_F(RunEnds, InterruptedBeforeItsEnd) {
    for (const char* text : {kEndless, kEndlessWrite}) {
        during({.sql = text}, [&] { client.send(wire::InterruptRequest{}); });
        EXPECT_THAT(client.answers(), ElementsAre("EMPTY")) << text;
    }
    const std::string text = std::string("INSERT INTO t VALUES(1, 'x'); ") + kEndless;
    during({.flags = run::kScript, .sql = text}, [&] { client.send(wire::InterruptRequest{}); });
    EXPECT_EQ(client.next_answer(), "RAN more params 0 used 29 changed 1 id 1");
    EXPECT_EQ(client.next_answer(), "EMPTY");
    EXPECT_EQ(count(), "ROWS count(*) (1)");
    expect_lock_free();
}

TEST_F(RunEnds, AnInterruptBehindAWriteIsAnsweredByItself) {
    client.send(wire::RunRequest{.sql = "INSERT INTO t VALUES(1, 'x')"});
    client.send(wire::InterruptRequest{});
    EXPECT_EQ(client.next_answer(), "RAN params 0 used 28 changed 1 id 1");
    EXPECT_EQ(client.next_answer(), "EMPTY");
}

TEST_F(RunEnds, ItsTimeIsOverWhileItWaitsForTheLock) {
    other.exec("BEGIN IMMEDIATE");
    client.send(wire::RunRequest{.timeout_ms = 300, .sql = "INSERT INTO t VALUES(1, 'x')"});
    cluster.executor.advance(299ms);
    EXPECT_TRUE(client.answers().empty());
    cluster.executor.advance(1ms);
    EXPECT_THAT(client.answers(), ElementsAre(std::string(kTimeOver) + " at 0"));
    EXPECT_EQ(other.exec("COMMIT").substr(0, 6), "RESULT");
    EXPECT_EQ(count(), "ROWS count(*) (0)");
    expect_lock_free();
}

TEST_F(RunEnds, ItsTimeIsOverWhileItRuns) {
    for (const char* text : {kEndless, kEndlessWrite, kEndlessRows}) {
        during({.timeout_ms = 1000, .sql = text}, [&] { cluster.executor.advance(1s); });
        EXPECT_THAT(client.answers().back(), StartsWith(kTimeOver)) << text;
    }
    EXPECT_EQ(count(), "ROWS count(*) (0)");
    expect_lock_free();
}

TEST_F(RunEnds, ItsTimeIsOverWhileItIsCompiled) {
    const std::string part = "SELECT a.id FROM t a, t b, t c, t d";
    std::string text = part;
    for (int i = 0; i < 200; ++i) text += " UNION ALL " + part;
    during({.timeout_ms = 1000, .sql = text}, [&] { cluster.executor.advance(1s); });
    EXPECT_THAT(client.answers(), ElementsAre(std::string(kTimeOver) + " at 0"));
    EXPECT_THAT(sql(text, run::kPrepareOnly).front(), StartsWith("RAN read"));
}

TEST_F(RunEnds, ItsTimeIsOverWhileNobodyReads) {
    client.send(wire::RunRequest{.timeout_ms = 1000, .sql = kEndlessRows});
    cluster.executor.advance(999ms);
    EXPECT_NE(client.session().statement_running(), 0u);
    cluster.executor.advance(1ms);
    EXPECT_EQ(client.session().statement_running(), 0u);
    EXPECT_EQ(client.answers().back(), std::string(kTimeOver) + " at 0 read");
    EXPECT_THAT(sql("SELECT 1").front(), "ROWS 1 (1)");
}

TEST_F(RunEnds, ItsTimeIsOverInTheMiddleOfAScript) {
    other.exec("PRAGMA busy_timeout = 60000");
    const std::string text =
        std::string("INSERT INTO t VALUES(1, 'x'); BEGIN; INSERT INTO t VALUES(2, 'y'); ") +
        kEndlessWrite;
    during({.flags = run::kScript, .timeout_ms = 1000, .sql = text},
           [&] { cluster.executor.advance(1s); });
    const Answers answers = client.answers();
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_THAT(answers[1], StartsWith("RAN read tx more"));
    EXPECT_EQ(answers[3], std::string(kTimeOver) + " at 66");  // the transaction went with it
    EXPECT_EQ(count(), "ROWS count(*) (1)");
    expect_lock_free();
}

TEST_F(RunEnds, WhatIsProposedIsDecidedByItsOutcome) {
    Cluster three(2);
    OpenClient a(three);
    a.exec("CREATE TABLE t(id)");
    three.join(2);
    three.isolate(2);
    a.send(wire::RunRequest{.timeout_ms = 50, .sql = "INSERT INTO t VALUES(1)"});
    three.executor.advance(100ms);
    EXPECT_TRUE(a.answers().empty());
    three.heal();
    EXPECT_EQ(a.next_answer(), "RAN params 0 used 23 changed 1 id 1");
}

TEST_F(RunEnds, TimeThatIsNotOverIsForgotten) {
    EXPECT_THAT(client.run({.timeout_ms = 1000, .sql = "SELECT 1"}).front(), "ROWS 1 (1)");
    during({.sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 30000) "
                   "SELECT count(*) FROM g"},
           [&] { cluster.executor.advance(10s); });
    EXPECT_EQ(client.next_answer(), "ROWS count(*) (30000)");
    EXPECT_THAT(client.next_answer(), StartsWith("RAN read"));
    EXPECT_THAT(client.run({.timeout_ms = ~0ull, .sql = "SELECT 1"}).front(), "ROWS 1 (1)");
}

TEST_F(RunEnds, AClientThatLeavesTakesItsTimeWithIt) {
    other.exec("BEGIN IMMEDIATE");
    auto gone = std::make_unique<OpenClient>(cluster);
    gone->send(wire::RunRequest{.timeout_ms = 100, .sql = "INSERT INTO t VALUES(1, 'x')"});
    gone.reset();
    cluster.executor.advance(1s);
    EXPECT_EQ(other.exec("COMMIT").substr(0, 6), "RESULT");
    EXPECT_EQ(count(), "ROWS count(*) (0)");
}

TEST_F(RunEnds, ATransactionThatRestedIsToldSo) {
    session::Options options;
    options.idle_transaction = 100ms;
    OpenClient idle(cluster, options);
    EXPECT_THAT(idle.run({.sql = "BEGIN IMMEDIATE"}).front(), StartsWith("RAN tx"));
    cluster.executor.advance(200ms);
    EXPECT_THAT(idle.run({.sql = "INSERT INTO t VALUES(1, 'x')"}).front(),
                StartsWith("FAILURE 516"));
    EXPECT_THAT(idle.run({.flags = run::kPrepareOnly, .sql = "SELECT 1"}).front(),
                StartsWith("RAN read params"));
    EXPECT_THAT(idle.run({.sql = "ROLLBACK"}).front(), StartsWith("RAN read params"));
    EXPECT_THAT(idle.run({.sql = "PRAGMA idle_transaction = 5000"}).front(),
                "ROWS idle_transaction (5000)");
}

// --- leadership goes ---

class RunLosesLeader : public testing::Test {
protected:
    Cluster cluster{2};
    OpenClient client{cluster};

    void SetUp() override {
        ASSERT_EQ(client.exec("CREATE TABLE t(x)"), "RESULT 0 0");
        cluster.join(2);
    }
    Answers script(std::string_view text) {
        return client.run({.flags = run::kScript, .sql = text});
    }
};

TEST_F(RunLosesLeader, BeforeItBegins) {
    client.exec("BEGIN IMMEDIATE");
    cluster.depose();
    EXPECT_THAT(script("SELECT 1"), ElementsAre("FAILURE 10250 not leader at 0"));
}

TEST_F(RunLosesLeader, OfAWriteThatWasProposed) {
    cluster.isolate(1);
    EXPECT_THAT(script("INSERT INTO t VALUES(1)"),
                ElementsAre("FAILURE 10506 leadership lost at 0"));
}

// No answer of what may not have happened, nor of what comes after it.
TEST_F(RunLosesLeader, OfSomeStatementsOfAScript) {
    cluster.isolate(1);
    EXPECT_THAT(script("INSERT INTO t VALUES(1); SELECT 2; SELEC"),
                ElementsAre("FAILURE 10506 leadership lost at 0"));
}

TEST_F(RunLosesLeader, OfARead) {
    cluster.isolate(1);
    cluster.executor.advance(500ms);  // no lease any more
    EXPECT_THAT(script("SELECT count(*) FROM t"), ElementsAre("FAILURE 10250 not leader at 0"));
}

// A description is something that was read.
TEST_F(RunLosesLeader, OfAPreparation) {
    cluster.isolate(1);
    cluster.executor.advance(500ms);
    EXPECT_THAT(client.run({.flags = run::kPrepareOnly | run::kKeep, .sql = "SELECT * FROM t"}),
                ElementsAre("FAILURE 10250 not leader at 0"));
}

TEST_F(RunLosesLeader, InTheMiddleOfALongScript) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += "INSERT INTO t VALUES(1); ";
    client.send(wire::RunRequest{.flags = run::kScript, .sql = text});
    EXPECT_THAT(client.next_answer(), StartsWith("RAN more"));
    cluster.depose();
    client.session().leadership_changed();
    std::string last;
    std::string before;
    while (!last.starts_with("FAILURE")) before = std::exchange(last, client.next_answer());
    EXPECT_THAT(last, StartsWith("FAILURE 10506 leadership lost at "));
    const std::string used = before.substr(before.find("used ") + 5);
    EXPECT_THAT(last, EndsWith(" at " + used.substr(0, used.find(' '))));
}

}  // namespace
}  // namespace quorlite::test
