// Every request, alone: what section 6 of the protocol says of it, and where Quorlite does better.
#include <gmock/gmock.h>

#include "engine/base/limits.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using wire::Value;

class Requests : public testing::Test {
protected:
    Cluster cluster;
    OpenClient client{cluster};

    std::string exec(std::string_view sql, std::vector<Value> values, std::uint8_t schema = 0) {
        return client.ask(wire::ExecSqlRequest{
            .schema = schema, .sql = sql, .parameters = wire::Parameters(values)});
    }
    std::string query(std::string_view sql, std::vector<Value> values) {
        return client.ask(
            wire::QuerySqlRequest{.sql = sql, .parameters = wire::Parameters(values)});
    }
    std::string exec(std::uint32_t statement, std::vector<Value> values = {}) {
        return client.ask(
            wire::ExecRequest{.statement = statement, .parameters = wire::Parameters(values)});
    }
    std::string query(std::uint32_t statement, std::vector<Value> values = {}) {
        return client.ask(
            wire::QueryRequest{.statement = statement, .parameters = wire::Parameters(values)});
    }
    std::string finalize(std::uint32_t statement) {
        return client.ask(wire::FinalizeRequest{.statement = statement});
    }
};

// --- the conversation ---

TEST_F(Requests, VersionWordMayComeInPieces) {
    Client other(cluster);
    Bytes bytes(8, 0);
    bytes[0] = 1;
    for (const std::uint8_t byte : bytes) other.send_bytes({&byte, 1});
    EXPECT_EQ(other.ask(wire::LeaderRequest{}), "SERVER 1 127.0.0.1:9001");
}

TEST_F(Requests, UnknownVersionWordCloses) {
    for (const std::uint64_t word : {0ull, 2ull, 0x100ull, ~0ull}) {
        Client other(cluster);
        other.send_word(word);
        EXPECT_TRUE(other.session().finished());
        EXPECT_TRUE(other.answers().empty());
        EXPECT_FALSE(other.session().wants_input());
    }
}

TEST_F(Requests, LegacyVersionGetsLegacyServer) {
    Client other(cluster);
    other.context.legacy = true;
    other.send_word(wire::kLegacyProtocolVersion);
    EXPECT_EQ(other.ask(wire::LeaderRequest{}), "SERVER 127.0.0.1:9001");
    EXPECT_EQ(other.open(), "DB 0");
}

TEST_F(Requests, ClientIsWelcome) {
    EXPECT_EQ(client.ask(wire::ClientRequest{7}), "WELCOME 15000");
}

TEST_F(Requests, HalfClosingGetsTheAnswersAndThenTheEnd) {
    client.send(wire::ExecSqlRequest{.sql = "CREATE TABLE t(a)"});
    client.send(wire::QuerySqlRequest{.sql = "SELECT 1"});
    client.session().end_of_input();
    EXPECT_FALSE(client.session().wants_input());
    EXPECT_EQ(client.next_answer(), "RESULT 0 0");
    EXPECT_EQ(client.next_answer(), "ROWS 1 (1)");
    EXPECT_EQ(client.next_answer(), "closed");
}

TEST_F(Requests, HalfClosingInTheMiddleOfAMessageEnds) {
    const Bytes half{1, 0, 0, 0, 0, 0, 0, 0, 0};
    client.send_bytes(half);
    EXPECT_FALSE(client.session().finished());
    client.session().end_of_input();
    EXPECT_TRUE(client.session().finished());
}

// --- OPEN ---

TEST_F(Requests, SecondOpenIsRefused) {
    const auto refused = "FAILURE 5 a database for this connection is already open";
    EXPECT_EQ(client.open("test.db"), refused);
    EXPECT_EQ(client.open("other.db"), refused);
}

TEST_F(Requests, LongestNameIsAcceptedAndALongerOneCloses) {
    Client longest(cluster);
    longest.greet();
    EXPECT_EQ(longest.open(std::string(504, 'x')), "DB 0");
    EXPECT_EQ(longest.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    Client longer(cluster);
    longer.greet();
    EXPECT_EQ(longer.open(std::string(505, 'x')), "closed");
}

TEST_F(Requests, NamesThatSqliteTreatsSpeciallyAreRefused) {
    for (const char* name : {"", ":memory:", "file:x?mode=memory"}) {
        Client other(cluster);
        other.greet();
        EXPECT_THAT(other.open(name), StartsWith("FAILURE 1 ")) << name;
        EXPECT_EQ(other.exec("SELECT 1"), "FAILURE 12 no database opened") << name;
        EXPECT_EQ(other.open("plain"), "DB 0") << name;
    }
}

TEST_F(Requests, OddNamesAreDatabasesOfTheirOwn) {
    int number = 0;
    for (const char* name : {"a/b.db", "a?b", "file:x", "caf\xc3\xa9.db", "..", "\xff\xfe"}) {
        Client other(cluster);
        other.greet();
        ASSERT_EQ(other.open(name), "DB 0") << name;
        const auto sql = std::string("CREATE TABLE t(a); INSERT INTO t VALUES(") +
                         std::to_string(++number) + ")";
        EXPECT_EQ(other.exec(sql), "RESULT 1 1") << name;
        EXPECT_EQ(other.query("SELECT a FROM t"),
                  std::string("ROWS a (") + std::to_string(number) + ")");
    }
}

// --- PREPARE and FINALIZE ---

TEST_F(Requests, NothingWorksBeforeOpen) {
    Client other(cluster);
    other.greet();
    const auto none = "FAILURE 12 no database opened";
    EXPECT_EQ(other.exec("SELECT 1"), none);
    EXPECT_EQ(other.query("SELECT 1"), none);
    EXPECT_EQ(other.prepare("SELECT 1"), none);
    EXPECT_EQ(other.ask(wire::ExecRequest{}), none);
    EXPECT_EQ(other.ask(wire::QueryRequest{}), none);
    EXPECT_EQ(other.ask(wire::FinalizeRequest{}), none);
    EXPECT_EQ(other.ask(wire::InterruptRequest{}), "EMPTY");
}

TEST_F(Requests, OtherDatabaseIdsDoNotExist) {
    const auto none = "FAILURE 12 no database opened";
    EXPECT_EQ(client.ask(wire::PrepareRequest{.db = 1, .sql = "SELECT 1"}), none);
    EXPECT_EQ(client.ask(wire::ExecSqlRequest{.db = 1, .sql = "SELECT 1"}), none);
    EXPECT_EQ(client.ask(wire::QuerySqlRequest{.db = ~0ull, .sql = "SELECT 1"}), none);
    EXPECT_EQ(client.ask(wire::ExecRequest{.db = 1}), none);
    EXPECT_EQ(client.ask(wire::FinalizeRequest{.db = 1}), none);
}

TEST_F(Requests, StatementsTakeTheLowestFreeNumber) {
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 0 params 0");
    EXPECT_EQ(client.prepare("SELECT ?, ?5"), "STMT 1 params 5");
    EXPECT_EQ(client.prepare("SELECT :a, :a, :b"), "STMT 2 params 2");
    EXPECT_EQ(finalize(0), "EMPTY");
    EXPECT_EQ(finalize(1), "EMPTY");
    EXPECT_EQ(finalize(1), "FAILURE 12 no statement with the given id");
    EXPECT_EQ(exec(0), "FAILURE 12 no statement with the given id");
    EXPECT_EQ(query(1), "FAILURE 12 no statement with the given id");
    EXPECT_EQ(client.prepare("SELECT 4"), "STMT 0 params 0");
    EXPECT_EQ(client.prepare("SELECT 5"), "STMT 1 params 0");
    EXPECT_EQ(client.prepare("SELECT 6"), "STMT 3 params 0");
    EXPECT_EQ(query(3), "ROWS 6 (6)");
    EXPECT_EQ(finalize(77), "FAILURE 12 no statement with the given id");
}

TEST_F(Requests, PrepareSchema0TakesOneStatement) {
    EXPECT_EQ(client.prepare(""), "FAILURE 0 empty statement");
    EXPECT_EQ(client.prepare(" ;; -- c"), "FAILURE 0 empty statement");
    EXPECT_EQ(client.prepare("SELECT 1; SELECT 2"), "FAILURE 1 nonempty statement tail");
    EXPECT_EQ(client.prepare("SELECT 1; garbage"), "FAILURE 1 nonempty statement tail");
    EXPECT_EQ(client.prepare("SELECT 1 ; ; /* c */ -- d"), "STMT 0 params 0");
    EXPECT_EQ(client.prepare("SELEC"), "FAILURE 1 near \"SELEC\": syntax error");
    EXPECT_EQ(client.prepare("SELECT * FROM nope"), "FAILURE 1 no such table: nope");
}

TEST_F(Requests, PrepareSchema1TellsWhereTheRestBegins) {
    EXPECT_EQ(client.prepare("SELECT 1", 1), "STMT 0 params 0 tail 8");
    EXPECT_EQ(client.prepare("SELECT ?; SELECT 2", 1), "STMT 1 params 1 tail 9");
    EXPECT_EQ(client.prepare("SELECT '\xc3\xa9';x", 1), "STMT 2 params 0 tail 12");
    EXPECT_EQ(client.prepare("-- c", 1), "FAILURE 0 empty statement");
}

TEST_F(Requests, StatementsHaveALimit) {
    for (std::size_t i = 0; i < limits::kStatementsPerSessionMax; ++i) {
        ASSERT_THAT(client.prepare("SELECT 1"), StartsWith("STMT"));
    }
    EXPECT_THAT(client.prepare("SELECT 1"), StartsWith("FAILURE 1 too many prepared statements"));
    EXPECT_EQ(finalize(1234), "EMPTY");
    EXPECT_EQ(client.prepare("SELECT 1"), "STMT 1234 params 0");
}

TEST_F(Requests, TheTextsOfStatementsHaveALimitTogether) {
    const std::string sql = std::string("SELECT 1 -- ") + std::string(900'000, 'x') + "\n, 2";
    std::string answer;
    int prepared = 0;
    while ((answer = client.prepare(sql)).starts_with("STMT")) ++prepared;
    EXPECT_THAT(answer, HasSubstr("too long"));
    EXPECT_EQ(static_cast<std::size_t>(prepared), limits::kPreparedSqlBytesMax / sql.size());
    EXPECT_EQ(finalize(0), "EMPTY");
    EXPECT_EQ(client.prepare(sql), "STMT 0 params 0");
}

TEST_F(Requests, TextLongerThanTheLimitIsTooBig) {
    const std::string sql = std::string("SELECT '") + std::string(limits::kSqlBytesMax, 'x') + "'";
    EXPECT_EQ(client.query(sql), "FAILURE 18 statement too long: a text may have 1000000 bytes");
    EXPECT_EQ(client.exec(sql), "FAILURE 18 statement too long: a text may have 1000000 bytes");
    EXPECT_EQ(client.prepare(sql), "FAILURE 18 statement too long: a text may have 1000000 bytes");
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

// --- EXEC and QUERY ---

TEST_F(Requests, ExecRunsAPreparedStatementAgainAndAgain) {
    client.exec("CREATE TABLE t(a, b)");
    ASSERT_EQ(client.prepare("INSERT INTO t VALUES(?, ?)"), "STMT 0 params 2");
    EXPECT_EQ(exec(0, {std::int64_t{1}, "one"}), "RESULT 1 1");
    EXPECT_EQ(exec(0, {std::int64_t{2}}), "RESULT 2 1");
    EXPECT_EQ(exec(0), "RESULT 3 1");
    EXPECT_EQ(client.query("SELECT * FROM t"), "ROWS a,b (1,'one') (2,NULL) (NULL,NULL)");
}

TEST_F(Requests, TooManyValuesAreIgnoredByExecAndRefusedByQuery) {
    client.exec("CREATE TABLE t(a)");
    client.prepare("INSERT INTO t VALUES(?)");
    client.prepare("SELECT ?");
    EXPECT_EQ(exec(0, {std::int64_t{1}, std::int64_t{2}}), "RESULT 1 1");
    EXPECT_EQ(query(1, {std::int64_t{1}, std::int64_t{2}}), "FAILURE 10 leader exec failed");
    EXPECT_EQ(query("SELECT 1", {std::int64_t{1}}), "FAILURE 10 leader exec failed");
    EXPECT_EQ(exec("INSERT INTO t VALUES(7)", {std::int64_t{1}}), "RESULT 2 1");
}

TEST_F(Requests, ValuesThatDoNotDecode) {
    client.exec("CREATE TABLE t(a)");
    EXPECT_EQ(exec("INSERT INTO t VALUES(?)", {wire::UnixTime{5}}), "FAILURE 1 bind parameters");
    EXPECT_EQ(query("SELECT ?", {wire::UnixTime{5}}), "FAILURE 10 leader exec failed");
    EXPECT_EQ(client.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
}

TEST_F(Requests, EveryKindOfValueGoesInAndOut) {
    client.exec("CREATE TABLE t(a, b, c, d, e, f, g)");
    const Bytes blob{0, 1, 255};
    EXPECT_EQ(exec("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?, ?)",
                   {std::int64_t{-5}, 2.5, "text", ByteView(blob), wire::Null{},
                    wire::Iso8601{"2024-01-02"}, wire::Boolean{9}}),
              "RESULT 1 1");
    EXPECT_EQ(client.query("SELECT * FROM t"),
              "ROWS a,b,c,d,e,f,g (-5,2.5,'text',x'0001ff',NULL,'2024-01-02',1)");
    EXPECT_EQ(query("SELECT typeof(?)", {ByteView()}), "ROWS typeof(?) ('blob')");
    EXPECT_EQ(query("SELECT typeof(?)", {""}), "ROWS typeof(?) ('text')");
}

TEST_F(Requests, ExecOfRowsFails) {
    const auto refused = "FAILURE 1 rows yielded when none expected for EXEC request";
    client.prepare("SELECT 1");
    client.prepare("SELECT 1 WHERE 0");
    EXPECT_EQ(exec(0), refused);
    EXPECT_EQ(exec(1), "RESULT 0 0");
    EXPECT_EQ(client.exec("SELECT 1"), refused);
}

TEST_F(Requests, ExecOfReturningWritesAndDiscardsItsRows) {
    client.exec("CREATE TABLE t(a)");
    EXPECT_EQ(client.exec("INSERT INTO t VALUES(1),(2) RETURNING a"), "RESULT 2 2");
    EXPECT_EQ(client.prepare("INSERT INTO t VALUES(3) RETURNING a"), "STMT 0 params 0");
    EXPECT_EQ(exec(0), "RESULT 3 1");
    EXPECT_EQ(client.exec("UPDATE t SET a = a + 1 RETURNING a; INSERT INTO t VALUES(9)"),
              "RESULT 4 1");
    EXPECT_EQ(client.query("SELECT a FROM t"), "ROWS a (2) (3) (4) (9)");
}

TEST_F(Requests, QueryOfWritesRunsThem) {
    client.exec("CREATE TABLE t(a)");
    EXPECT_EQ(client.query("INSERT INTO t VALUES(1)"), "ROWS ");
    EXPECT_EQ(client.query("INSERT INTO t VALUES(2),(3) RETURNING a, a * 2"),
              "ROWS a,a * 2 (2,4) (3,6)");
    EXPECT_EQ(client.query("BEGIN"), "ROWS ");
    EXPECT_EQ(client.query("DELETE FROM t WHERE a = 1 RETURNING a"), "ROWS a (1)");
    EXPECT_EQ(client.query("COMMIT"), "ROWS ");
    EXPECT_EQ(client.query("SELECT a FROM t"), "ROWS a (2) (3)");
}

TEST_F(Requests, StatementsSurviveErrorsAndSchemaChanges) {
    client.exec("CREATE TABLE t(a PRIMARY KEY)");
    client.prepare("INSERT INTO t VALUES(?)");
    client.prepare("SELECT * FROM t");
    EXPECT_EQ(exec(0, {std::int64_t{1}}), "RESULT 1 1");
    EXPECT_EQ(exec(0, {std::int64_t{1}}), "FAILURE 1555 UNIQUE constraint failed: t.a");
    EXPECT_EQ(query(1), "ROWS a (1)");
    client.exec("ALTER TABLE t ADD COLUMN b DEFAULT 'new'");
    EXPECT_EQ(query(1), "ROWS a,b (1,'new')");
    client.exec("DROP TABLE t");
    EXPECT_EQ(query(1), "FAILURE 1 no such table: t");
    client.exec("CREATE TABLE t(z)");
    EXPECT_EQ(query(1), "ROWS z");
    EXPECT_EQ(exec(0, {std::int64_t{1}}), "RESULT 1 1");
}

TEST_F(Requests, RepeatedTextSeesSchemaChanges) {
    client.exec("CREATE TABLE t(a)");
    client.exec("INSERT INTO t VALUES(1)");
    EXPECT_EQ(client.query("SELECT * FROM t"), "ROWS a (1)");
    client.exec("ALTER TABLE t ADD COLUMN b");
    EXPECT_EQ(client.query("SELECT * FROM t"), "ROWS a,b (1,NULL)");
    client.exec("DROP TABLE t");
    EXPECT_EQ(client.query("SELECT * FROM t"), "FAILURE 1 no such table: t");
    for (int i = 0; i < 50; ++i) {
        const std::string number = std::to_string(i % 20);
        EXPECT_EQ(client.query("SELECT " + number), "ROWS " + number + " (" + number + ")");
    }
}

TEST_F(Requests, RepeatedTextForgetsItsValues) {
    EXPECT_EQ(query("SELECT ?", {std::int64_t{1}}), "ROWS ? (1)");
    EXPECT_EQ(client.query("SELECT ?"), "ROWS ? (NULL)");
}

// --- EXEC_SQL and QUERY_SQL ---

TEST_F(Requests, ExecSqlRunsAllStatements) {
    EXPECT_EQ(client.exec("CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES(1),(2);"
                          ";; INSERT INTO t VALUES(10); -- end"),
              "RESULT 10 1");
    EXPECT_EQ(client.exec(""), "RESULT 10 1");
    EXPECT_EQ(client.exec("-- nothing"), "RESULT 10 1");
    EXPECT_EQ(client.exec("CREATE TABLE u(a)"), "RESULT 10 1");
    EXPECT_EQ(client.exec("INSERT INTO t VALUES(20); INSERT INTO t VALUES(20); "
                          "INSERT INTO t VALUES(21)"),
              "FAILURE 1555 UNIQUE constraint failed: t.a");
    EXPECT_EQ(client.query("SELECT a FROM t"), "ROWS a (1) (2) (10) (20)");
}

TEST_F(Requests, ExecSqlGivesEachStatementItsValues) {
    client.exec("CREATE TABLE t(a, b)");
    EXPECT_EQ(exec("INSERT INTO t VALUES(?, ?); INSERT INTO t VALUES(0, 0); "
                   "INSERT INTO t VALUES(?, ?)",
                   {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}}),
              "RESULT 3 1");
    EXPECT_EQ(client.query("SELECT * FROM t"), "ROWS a,b (1,2) (0,0) (3,NULL)");
}

TEST_F(Requests, ManyStatementsInOneTextGiveWayToOthers) {
    client.exec("CREATE TABLE t(a)");
    std::string sql;
    for (int i = 0; i < 2000; ++i) sql += "INSERT INTO t VALUES(1);";
    client.send(wire::ExecSqlRequest{.sql = sql});
    EXPECT_TRUE(client.session().output().empty());
    EXPECT_EQ(client.next_answer(), "RESULT 2000 1");
}

TEST_F(Requests, QuerySqlTakesOneStatement) {
    EXPECT_EQ(client.query("SELECT 1; -- c"), "ROWS 1 (1)");
    EXPECT_EQ(client.query("SELECT 1; SELECT 2"), "FAILURE 1 nonempty statement tail");
    EXPECT_EQ(client.query(""), "FAILURE 0 empty statement");
    EXPECT_EQ(client.query("  -- c"), "FAILURE 0 empty statement");
}

TEST_F(Requests, AFailureInTheMiddleOfRowsIsClean) {
    EXPECT_EQ(client.query("SELECT abs(column1) FROM (VALUES(1),(2),(-9223372036854775808))"),
              "FAILURE 1 integer overflow");
    EXPECT_EQ(client.query("SELECT json('bad')"), "FAILURE 1 malformed JSON");
}

TEST_F(Requests, AFailureInALaterBatchFollowsTheRowsBefore) {
    client.send(wire::QuerySqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g WHERE a<9000) "
               "SELECT CASE WHEN a=8999 THEN abs(-9223372036854775808) ELSE a END AS v FROM g"});
    const auto answers = client.answers();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_THAT(answers[0], StartsWith("ROWS v (1) (2)"));
    EXPECT_EQ(answers[1], "FAILURE 1 integer overflow");
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

// --- result sets ---

TEST_F(Requests, LargeResultsComeInBatchesLargerThanAPage) {
    client.send(wire::QuerySqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g WHERE a<20000) "
               "SELECT a FROM g"});
    const std::size_t first = client.session().output().size();
    EXPECT_GE(first, limits::kResultBatchBytes);
    const auto answers = client.answers();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_THAT(answers[0], testing::EndsWith("(19999) (20000)"));
}

TEST_F(Requests, ManyColumnsAndNamelessRows) {
    std::string columns = "1";
    for (int i = 2; i <= 40; ++i) columns.append(",").append(std::to_string(i));
    EXPECT_EQ(client.query("SELECT " + columns), "ROWS " + columns + " (" + columns + ")");
}

TEST_F(Requests, TextIsCutAtAZeroByte) {
    EXPECT_EQ(client.query("SELECT 'ab' || char(0) || 'cd' AS t"), "ROWS t ('ab')");
}

TEST_F(Requests, DeclaredTypesGiveTheirCodes) {
    client.exec("CREATE TABLE t(d DATETIME, b BOOLEAN)");
    client.exec("INSERT INTO t VALUES(5, 7), ('2024', 0), (1.5, 'x'), (x'00', 2.5), (NULL, NULL)");
    EXPECT_EQ(client.query("SELECT d, b FROM t"),
              "ROWS d,b (@5,bool 7) (@2024,bool 0) (1.5,'x') (x'00',2.5) (NULL,NULL)");
    client.exec("DELETE FROM t; INSERT INTO t(d) VALUES('soon')");
    EXPECT_EQ(client.query("SELECT d FROM t"), "ROWS d (date'soon')");
    EXPECT_EQ(client.query("SELECT d || '' FROM t"), "ROWS d || '' ('soon')");
}

TEST_F(Requests, LegacyNullTypesAreAnOption) {
    session::Options options;
    options.legacy_null_types = true;
    OpenClient legacy(cluster, options);
    legacy.exec("CREATE TABLE t(d DATE, b BOOLEAN, n)");
    legacy.exec("INSERT INTO t VALUES(NULL, NULL, NULL)");
    EXPECT_EQ(legacy.query("SELECT * FROM t"), "ROWS d,b,n (date'',bool 0,NULL)");
    EXPECT_EQ(client.query("SELECT * FROM t"), "ROWS d,b,n (NULL,NULL,NULL)");
    // Whoever asks for the cluster's id is no old client.
    legacy.ask(wire::LeaderRequest{.wants_cluster_id = true});
    EXPECT_EQ(legacy.query("SELECT * FROM t"), "ROWS d,b,n (NULL,NULL,NULL)");
}

TEST_F(Requests, ARowTooLargeForAMessageIsAnError) {
    // Three values of 60 MB each: SQLite makes them, a message does not hold them.
    EXPECT_THAT(client.query("SELECT zeroblob(60000000), zeroblob(60000000), zeroblob(60000000)"),
                StartsWith("FAILURE 18 "));
    EXPECT_EQ(client.query("SELECT length(zeroblob(60000000))"),
              "ROWS length(zeroblob(60000000)) (60000000)");
}

TEST_F(Requests, PragmasThatShowWhatTheySetWorkInExec) {
    EXPECT_EQ(client.exec("PRAGMA busy_timeout = 250"), "RESULT 0 0");
    EXPECT_EQ(client.query("PRAGMA busy_timeout"), "ROWS timeout (250)");
    EXPECT_EQ(client.exec("/* c */ pragma user_version = 7; PRAGMA foreign_keys"), "RESULT 0 0");
    EXPECT_EQ(client.query("PRAGMA user_version"), "ROWS user_version (7)");
    EXPECT_THAT(client.exec("PRAGMA journal_mode=DELETE"), StartsWith("FAILURE 23 "));
    EXPECT_EQ(client.prepare("PRAGMA user_version"), "STMT 0 params 0");
    EXPECT_EQ(exec(0), "RESULT 0 0");
}

// --- the node and the cluster ---

TEST_F(Requests, DescribeAndWeight) {
    session::Options options;
    options.failure_domain = 42;
    Client other(cluster, options);
    other.greet();
    EXPECT_EQ(other.ask(wire::DescribeRequest{}), "METADATA 42 0");
    EXPECT_EQ(other.ask(wire::WeightRequest{10}), "EMPTY");
    EXPECT_EQ(other.ask(wire::DescribeRequest{}), "METADATA 42 10");
    EXPECT_EQ(other.ask(wire::DescribeRequest{1}), "FAILURE 15 bad format version");
    EXPECT_EQ(other.ask(wire::LeaderRequest{}), "SERVER 1 127.0.0.1:9001");
}

TEST_F(Requests, StatusTellsHowFarTheNodeIs) {
    EXPECT_EQ(client.ask(wire::StatusRequest{}), "STATUS 1 state 2 leader 1 behind 0 databases");
    EXPECT_EQ(exec("CREATE TABLE t(a)", {}), "RESULT 0 0");
    EXPECT_THAT(client.ask(wire::StatusRequest{}), HasSubstr("behind 0 databases test"));
    EXPECT_EQ(client.ask(wire::StatusRequest{1}), "FAILURE 15 bad format version");
}

TEST_F(Requests, ClusterHasTwoFormats) {
    EXPECT_EQ(client.ask(wire::ClusterRequest{wire::ServersFormat::kAddresses}),
              "SERVERS 1 127.0.0.1:9001");
    EXPECT_EQ(client.ask(wire::ClusterRequest{wire::ServersFormat::kRoles}),
              "SERVERS 1 127.0.0.1:9001 0");
    EXPECT_EQ(client.ask(wire::ClusterRequest{wire::ServersFormat{2}}),
              "FAILURE 1005 unrecognized cluster format");
}

TEST_F(Requests, UnknownTypesAndSchemasAreRefused) {
    for (const int type : {2, 20, 77, 255}) {
        const Bytes bytes{1, 0, 0, 0, static_cast<std::uint8_t>(type), 0, 0, 0, 0, 0, 0, 0,
                          0, 0, 0, 0};
        client.send_bytes(bytes);
        EXPECT_EQ(client.next_answer(), "FAILURE 1005 unrecognized request type");
    }
    const Bytes leader{1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    client.send_bytes(leader);
    EXPECT_EQ(client.next_answer(), "FAILURE 1005 unrecognized schema version");
    const Bytes exec_sql{2, 0, 0, 0, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    client.send_bytes(exec_sql);
    EXPECT_EQ(client.next_answer(), "FAILURE 1 unrecognized schema version");
}

TEST_F(Requests, ConnectOfARealNodeCloses) {
    EXPECT_EQ(client.ask(wire::ConnectRequest{NodeId(2), "127.0.0.1:9"}), "closed");
}

TEST_F(Requests, DumpIsADatabaseFile) {
    EXPECT_EQ(client.ask(wire::DumpRequest{"nope"}), "FAILURE 1002 database does not exists");
    client.exec("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(1000000))");
    const auto size = client.query(
        "SELECT page_count * page_size FROM pragma_page_count, "
        "pragma_page_size");
    client.send(wire::DumpRequest{"test.db"});
    std::string bytes;
    const auto complete = [&] {
        const ByteView output = client.session().output();
        EXPECT_LE(output.size(), 2 * limits::kSessionOutputBytesMax);
        bytes += as_text(output);
        if (!output.empty()) client.session().consumed(output.size());
        return bytes.ends_with(std::string("test.db-wal\0\0\0\0\0\0\0\0\0\0\0\0\0", 24));
    };
    ASSERT_TRUE(cluster.executor.run_until(complete));
    EXPECT_THAT(bytes, HasSubstr("SQLite format 3"));
    EXPECT_THAT(size, HasSubstr(std::to_string(bytes.size() - 8 - 8 - 8 - 8 - 24)));
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Requests, DumpWaitsForAClientThatDoesNotRead) {
    client.exec("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(5000000))");
    client.send(wire::DumpRequest{"test.db"});
    cluster.executor.run();
    EXPECT_LE(client.session().output().size(), 2 * limits::kSessionOutputBytesMax);
    client.disconnect();
}

TEST_F(Requests, MembershipErrors) {
    EXPECT_EQ(client.ask(wire::AddRequest{NodeId(), "127.0.0.1:1"}),
              "FAILURE 1 server ID is not valid");
    EXPECT_EQ(client.ask(wire::AddRequest{NodeId(1), "127.0.0.1:1"}),
              "FAILURE 1 server ID already in use");
    EXPECT_EQ(client.ask(wire::AddRequest{NodeId(2), "127.0.0.1:9001"}),
              "FAILURE 1 server address already in use");
    for (const std::string& address :
         {std::string(), std::string(10'000, 'x') + ":1", std::string("nowhere"),
          std::string("@unix"), std::string("a:0"), std::string("a:65536"), std::string(":1"),
          std::string("a b c")}) {
        EXPECT_EQ(client.ask(wire::AddRequest{NodeId(2), address}),
                  "FAILURE 1 server address is not valid: HOST:PORT is wanted")
            << address;
    }
    EXPECT_EQ(client.ask(wire::AssignRequest{NodeId(9), wire::Role::kVoter}),
              "FAILURE 1 Resource not found");
    EXPECT_EQ(client.ask(wire::AssignRequest{NodeId(), wire::Role::kVoter}),
              "FAILURE 1 Resource not found");
    EXPECT_EQ(client.ask(wire::AssignRequest{NodeId(1), wire::Role{7}}),
              "FAILURE 1 server role is not valid");
    EXPECT_EQ(client.ask(wire::AssignRequest{NodeId(1)}), "FAILURE 1 server role is not valid");
    EXPECT_EQ(client.ask(wire::RemoveRequest{NodeId(9)}), "FAILURE 1 server ID is not valid");
    EXPECT_EQ(client.ask(wire::RemoveRequest{NodeId()}), "FAILURE 1 server ID is not valid");
    EXPECT_EQ(client.ask(wire::TransferRequest{NodeId(9)}), "FAILURE 1 server ID is not valid");
    EXPECT_EQ(client.ask(wire::TransferRequest{}), "FAILURE 1 Resource not found");
}

TEST_F(Requests, MembershipChanges) {
    EXPECT_EQ(client.ask(wire::AddRequest{NodeId(2), "127.0.0.1:9002"}), "EMPTY");
    EXPECT_EQ(client.ask(wire::ClusterRequest{}), "SERVERS 1 127.0.0.1:9001 0 2 127.0.0.1:9002 2");
    EXPECT_EQ(client.ask(wire::AssignRequest{NodeId(2), wire::Role::kStandby}), "EMPTY");
    EXPECT_EQ(client.ask(wire::ClusterRequest{}), "SERVERS 1 127.0.0.1:9001 0 2 127.0.0.1:9002 1");
    EXPECT_EQ(client.ask(wire::RemoveRequest{NodeId(2)}), "EMPTY");
    EXPECT_EQ(client.ask(wire::ClusterRequest{}), "SERVERS 1 127.0.0.1:9001 0");
}

// One after the other, without anybody being refused for it: nodes change roles by themselves.
TEST_F(Requests, MembershipChangesWaitForEachOther) {
    Client other(cluster);
    other.greet();
    client.send(wire::AddRequest{NodeId(2), "127.0.0.1:9002"});
    other.send(wire::RemoveRequest{NodeId(2)});
    EXPECT_EQ(client.next_answer(), "EMPTY");
    EXPECT_EQ(other.next_answer(), "EMPTY");
    EXPECT_EQ(client.ask(wire::ClusterRequest{}), "SERVERS 1 127.0.0.1:9001 0");
}

// --- pipelining ---

TEST_F(Requests, PipelinedRequestsAreAnsweredInOrder) {
    Bytes bytes;
    const auto add = [&](const wire::Request& request) {
        ASSERT_TRUE(wire::encode(request, bytes).ok());
    };
    add(wire::ExecSqlRequest{.sql = "CREATE TABLE t(a)"});
    add(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(7)"});
    add(wire::QuerySqlRequest{.sql = "SELECT a FROM t"});
    add(wire::PrepareRequest{.sql = "SELECT 1"});
    add(wire::FinalizeRequest{});
    add(wire::InterruptRequest{});
    client.send_bytes(bytes);
    cluster.executor.advance(std::chrono::seconds(1));
    EXPECT_THAT(client.answers(), ElementsAre("RESULT 0 0", "RESULT 1 1", "ROWS a (7)",
                                              "STMT 0 params 0", "EMPTY", "EMPTY"));
}

TEST_F(Requests, TheOwnerIsToldOfAnswersThatComeLater) {
    client.changes = 0;
    client.send(wire::ExecSqlRequest{.sql = "CREATE TABLE t(a)"});
    EXPECT_EQ(client.changes, 0);
    EXPECT_TRUE(client.session().output().empty());
    EXPECT_TRUE(cluster.executor.run_until([&] { return client.changes > 0; }));
    EXPECT_FALSE(client.session().output().empty());
}

// Long names come with each batch of rows, but not with each row.
TEST_F(Requests, RowsAreAsMuchAsTheNamesThatComeWithThem) {
    std::string columns;
    for (int i = 0; i < 1000; ++i) {
        columns +=
            (i > 0 ? ",x AS \"" : "x AS \"") + std::to_string(i) + std::string(100, 'n') + '"';
    }
    client.send(wire::QuerySqlRequest{
        .sql =
            "WITH RECURSIVE r(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM r WHERE x < 100) SELECT " +
            columns + " FROM r"});
    std::size_t bytes = 0;
    for (;;) {
        const std::size_t some = client.session().output().size();
        if (some == 0) break;
        bytes += some;
        client.session().consumed(some);
        cluster.executor.run();
    }
    const std::size_t rows = 100u * 1000u * 8u;
    EXPECT_GT(bytes, rows);
    EXPECT_LT(bytes, 3 * rows);
}

}  // namespace
}  // namespace quorlite::test
