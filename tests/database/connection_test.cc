// Connections: what SQL may do, how statements end, and what their errors say.
#include <gmock/gmock.h>

#include "engine/base/limits.h"
#include "engine/database/sqlite.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

class ConnectionTest : public testing::Test {
protected:
    ConnectionTest() {
        EXPECT_OK(node_.open());
        writer_ = std::make_unique<Writer>(node_, log_);
        EXPECT_OK(writer_->run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    }
    Connection& connection() { return writer_->connection(); }

    Node node_{1};
    Log log_;
    std::unique_ptr<Writer> writer_;
};

TEST_F(ConnectionTest, RefusesWhatWouldEscapeReplication) {
    const auto refused = {
        "ATTACH 'x.db' AS x",
        "ATTACH ':memory:' AS x",
        "ATTACH 'a' || 'b' AS x",
        "ATTACH ? AS x",
        "VACUUM INTO 'copy.db'",
        "SELECT fts3_tokenizer('simple')",
        "SELECT fts3_tokenizer('mine', x'4041414141414141')",
        "SELECT fts3_tokenizer(?)",
        "SELECT FTS3_Tokenizer(?, ?)",
        "SELECT 1 WHERE coalesce(NULL, \"fts3_tokenizer\"('simple')) IS NULL",
        "CREATE INDEX i ON t(fts3_tokenizer(x))",
        "CREATE TABLE u(a, CHECK(fts3_tokenizer(a)))",
        "CREATE TABLE u(a, b AS (fts3_tokenizer(a)))",
        "PRAGMA trusted_schema=ON",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA main.journal_mode=wal",
        "PRAGMA page_size=512",
        "PRAGMA wal_autocheckpoint=7",
        "PRAGMA synchronous=FULL",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA read_uncommitted",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA writable_schema=ON",
        "PRAGMA schema_version=7",
        "PRAGMA temp_store_directory='/tmp'",
        "PRAGMA hard_heap_limit=1",
        "SELECT * FROM pragma_wal_checkpoint",
    };
    for (const char* const sql : refused) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        if (std::string_view(sql).find("pragma_") != std::string_view::npos)
            continue;  // no such table
        EXPECT_EQ(status.error().code, 23) << sql;
        EXPECT_TRUE(status.error().message.starts_with("not authorized: "))
            << status.error().message;
    }
    EXPECT_OK(execute(connection(), "SELECT 1"));
    // Our own SQLite does not even have it; another's has, and is told not to use it.
    EXPECT_FALSE(execute(connection(), "SELECT load_extension('x')").ok());
}

// What is compiled later, from where a client has put it.
TEST_F(ConnectionTest, RefusesWhatWouldEscapeInsideOfViewsAndTriggers) {
    EXPECT_OK(
        writer_->run("CREATE VIEW v AS SELECT fts3_tokenizer('simple') AS a;"
                     "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT fts3_tokenizer(NEW.x); END"));
    for (const char* const sql : {"SELECT a FROM v", "INSERT INTO t(x) VALUES('simple')",
                                  "WITH c AS (SELECT a FROM v) SELECT count(a) FROM c"}) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_THAT(status.error().message, testing::HasSubstr("fts3_tokenizer")) << sql;
    }
}

// -DQUORLITE_SYSTEM_SQLITE=ON
bool is_ours() {
    return sqlite_origin() == "built in";
}

// Each of SQLite's switches that engine/database/sqlite.cc turns, by what it changes.
TEST_F(ConnectionTest, WhatSqliteCanSwitchOffIsOff) {
    EXPECT_OK(
        writer_->run("CREATE VIRTUAL TABLE f USING fts5(a);"
                     "CREATE VIEW tables AS SELECT name FROM pragma_table_list;"
                     "CREATE TABLE p(id INTEGER PRIMARY KEY);"
                     "CREATE TABLE c(p REFERENCES p(id))"));
    const std::pair<const char*, const char*> refused[] = {
        {"INSERT INTO c VALUES(1)", "FOREIGN KEY"},
        {"DELETE FROM f_data", "may not be modified"},                     // defensive
        {"CREATE TABLE sqlite_x(a)", "reserved"},                          // defensive
        {"UPDATE sqlite_schema SET sql = ''", "may not be modified"},      // writable schema
        {"SELECT * FROM tables", "unsafe use"},                            // trusted schema
        {"SELECT \"nothing\"", "no such column"},                          // strings in DML
        {"CREATE TABLE w(a, CHECK(a <> \"nothing\"))", "no such column"},  // strings in DDL
        {"CREATE INDEX w ON t(\"nothing\")", ""},                          // the same
    };
    for (const auto& [sql, message] : refused) {
        if (message == std::string_view("unsafe use") && !is_ours()) continue;
        const Status status = writer_->run(sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_THAT(status.error().message, testing::HasSubstr(message)) << sql;
    }
    EXPECT_OK(writer_->run("DROP VIEW tables"));
    // ALTER TABLE changes what refers to the table (not so the legacy one), and a descending index
    // is one (not so in the legacy format).
    EXPECT_OK(
        writer_->run("CREATE VIEW v AS SELECT id FROM p; ALTER TABLE p RENAME TO q;"
                     "CREATE TABLE e(a DEFAULT \"text\"); CREATE INDEX d ON t(x DESC); INSERT INTO "
                     "t(x) VALUES(1), (2)"));
    EXPECT_EQ(writer_->must_query("SELECT sql FROM sqlite_schema WHERE name = 'v'"),
              "CREATE VIEW v AS SELECT id FROM \"q\"\n");
    EXPECT_EQ(writer_->must_query("PRAGMA legacy_alter_table"), "0\n");
}

// A schema that is not trusted may still use what is harmless.
TEST_F(ConnectionTest, TriggersAndViewsMayUseFullTextRTreesAndJson) {
    EXPECT_OK(writer_->run(
        "CREATE VIRTUAL TABLE f5 USING fts5(a); CREATE VIRTUAL TABLE f4 USING fts4(a);"
        "CREATE VIRTUAL TABLE r USING rtree(id, low, high);"
        "CREATE TRIGGER fill AFTER INSERT ON t BEGIN"
        "  INSERT INTO f5(rowid, a) VALUES(NEW.id, NEW.x);"
        "  INSERT INTO f4(docid, a) VALUES(NEW.id, NEW.x);"
        "  INSERT INTO r VALUES(NEW.id, NEW.id, NEW.id + 1);"
        "END;"
        "CREATE VIEW words AS SELECT highlight(f5, 0, '<', '>') FROM f5('word');"
        "CREATE VIEW pieces AS SELECT snippet(f4) FROM f4 WHERE a MATCH 'word' ORDER BY "
        "offsets(f4);"
        "CREATE VIEW found AS SELECT f5.a FROM f5, f4, r, json_each('[1]')"
        "  WHERE f5 MATCH 'word' AND f4 MATCH 'word' AND r.low > 0 AND instr(f5.a, 'o') > 0;"
        "INSERT INTO t(x) VALUES('a word')"));
    EXPECT_EQ(writer_->must_query("SELECT a FROM found"), "a word\n");
    EXPECT_EQ(writer_->must_query("SELECT * FROM words"), "a <word>\n");
    EXPECT_EQ(writer_->must_query("SELECT * FROM pieces"), "a <b>word</b>\n");
    EXPECT_FALSE(execute(connection(), "SELECT highlight('a', 0, '<', '>')").ok());
}

// Clearing a table, checking it and copying it are single operations of SQLite's machine.
TEST_F(ConnectionTest, OperationsThatSqliteDoesNotInterruptEndAtTheNextPageTheyRead) {
    EXPECT_OK(
        writer_->run("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 5000) "
                     "INSERT INTO t SELECT a, randomblob(3000) FROM g"));
    writer_->commit();
    node_.flush();
    writer_->reconnect();
    const auto checksum = node_.checksum();
    for (const char* const sql : {"DELETE FROM t", "DROP TABLE t", "PRAGMA integrity_check",
                                  "VACUUM", "SELECT count(*) FROM t"}) {
        int reads = 0;
        node_.disk->on_read = [&] {
            if (++reads == 1000) connection().interrupt();
        };
        const Status status = execute(connection(), sql);
        node_.disk->on_read = nullptr;
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_EQ(status.error().code, 9) << sql << ": " << status.error().message;
        EXPECT_GE(reads, 1000) << sql;
        EXPECT_LT(reads, 1100) << sql;
        EXPECT_OK(execute(connection(), "SELECT count(*) FROM t"));
    }
    EXPECT_EQ(node_.checksum(), checksum);
    EXPECT_EQ(writer_->must_query("PRAGMA integrity_check"), "ok\n");
    // Too late for the statement before, and not meant for the next one.
    connection().interrupt();
    writer_->reconnect();
    connection().interrupt();
    EXPECT_OK(execute(connection(), "SELECT count(*) FROM t"));
}

// Of the base file, where the only copy of it is.
TEST_F(ConnectionTest, APageThatIsDamagedOrCannotBeReadIsToldWithTheRemedy) {
    EXPECT_OK(
        writer_->run("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 200) "
                     "INSERT INTO t SELECT a, randomblob(3000) FROM g"));
    writer_->commit();
    node_.flush();
    for (const bool damaged : {true, false}) {
        writer_->reconnect();
        if (damaged) {
            ASSERT_TRUE(node_.disk->flip("databases/000001.db", 50 * kPageSize + 2000, 1));
        } else {
            node_.disk->make_unreadable("databases/000001.db", 50 * kPageSize);
        }
        const Status status = execute(connection(), "SELECT sum(length(x)) FROM t");
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, 266) << status.error().message;
        EXPECT_THAT(status.error().message,
                    testing::AllOf(testing::HasSubstr("databases/000001.db"),
                                   testing::HasSubstr("join anew with an empty directory")));
    }
    EXPECT_OK(execute(connection(), "SELECT x FROM t LIMIT 1"));
}

TEST_F(ConnectionTest, DeleteDatabaseMakesItEmptyForEverybody) {
    Node follower(7);
    ASSERT_OK(follower.open());
    EXPECT_OK(
        writer_->run("CREATE INDEX i ON t(x); CREATE VIEW v AS SELECT 1; PRAGMA user_version=9;"
                     "INSERT INTO t(x) VALUES(randomblob(100000))"));
    const auto other = node_.connect();
    EXPECT_OK(execute(*other, "SELECT count(*) FROM t"));
    EXPECT_OK(writer_->run("BEGIN IMMEDIATE; PRAGMA delete_database; COMMIT"));
    writer_->commit();
    for (Connection* const each : {other.get(), &connection()}) {
        EXPECT_FALSE(execute(*each, "SELECT count(*) FROM t").ok());
        EXPECT_EQ(*query(*each, "SELECT count(*) FROM sqlite_master"), "0\n");
        EXPECT_EQ(*query(*each, "PRAGMA user_version"), "0\n");
        EXPECT_EQ(*query(*each, "PRAGMA journal_mode"), "wal\n");
    }
    EXPECT_EQ(node_.store->find("test")->page_count(), 1u);
    follower.catch_up(log_, log_.size());
    EXPECT_EQ(follower.checksum(), node_.checksum());
    // It can be used again, by everybody, and also when it was on disk meanwhile.
    for (int i = 0; i < 2; ++i) {
        EXPECT_OK(writer_->run("CREATE TABLE again(a); INSERT INTO again VALUES(1)"));
        EXPECT_EQ(*query(*other, "SELECT a FROM again"), "1\n");
        EXPECT_EQ(*query(*other, "PRAGMA integrity_check"), "ok\n");
        EXPECT_OK(writer_->run("BEGIN IMMEDIATE; PRAGMA delete_database; COMMIT"));
        writer_->commit();
        node_.flush();
    }
}

// A schema of one change has the number that the empty one would have.
TEST_F(ConnectionTest, DeleteDatabaseIsNoticedByThoseWhoKnowTheFirstSchema) {
    const auto other = node_.connect();
    EXPECT_OK(execute(*other, "SELECT count(*) FROM t"));
    EXPECT_OK(writer_->run("BEGIN IMMEDIATE; PRAGMA delete_database; COMMIT"));
    const Status status = execute(*other, "SELECT count(*) FROM t");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message, "no such table: t");
}

TEST_F(ConnectionTest, DeleteDatabaseNeedsATransactionOfItsOwn) {
    for (const char* const sql : {"PRAGMA delete_database", "BEGIN; PRAGMA delete_database"}) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_NE(status.error().message.find("BEGIN IMMEDIATE first"), std::string::npos);
    }
    connection().roll_back();
    EXPECT_OK(writer_->run("BEGIN IMMEDIATE; PRAGMA delete_database; ROLLBACK"));
    EXPECT_OK(writer_->run("BEGIN IMMEDIATE; COMMIT"));
    EXPECT_OK(writer_->run(
        "BEGIN IMMEDIATE; PRAGMA delete_database; INSERT INTO t(x) VALUES(1); COMMIT"));
    EXPECT_OK(writer_->run("BEGIN IMMEDIATE; COMMIT"));
    EXPECT_EQ(writer_->must_query("SELECT x FROM t"), "1\n");
}

// SQLite tells of a PRAGMA and of a savepoint when it compiles them. That is not when they are
// done.
TEST_F(ConnectionTest, DeleteDatabaseIsDoneWhenItWasSteppedAndCommitted) {
    EXPECT_OK(writer_->run("INSERT INTO t(x) VALUES(1)"));
    const char* const harmless[] = {
        "BEGIN IMMEDIATE; EXPLAIN PRAGMA delete_database; COMMIT",
        "BEGIN IMMEDIATE; EXPLAIN QUERY PLAN PRAGMA delete_database; COMMIT",
        "BEGIN IMMEDIATE; PRAGMA delete_database; ROLLBACK",
        "BEGIN IMMEDIATE; SAVEPOINT a; PRAGMA delete_database; ROLLBACK TO A; COMMIT",
        ("BEGIN IMMEDIATE; SAVEPOINT a; SAVEPOINT b; PRAGMA delete_database; RELEASE b;"
         "ROLLBACK TO a; RELEASE a; COMMIT"),
        "BEGIN IMMEDIATE; PRAGMA delete_database; INSERT OR ROLLBACK INTO t VALUES(1, 1)",
    };
    for (const char* const sql : harmless) {
        const Status status = writer_->run(sql);
        if (!status.ok()) connection().roll_back();
        EXPECT_OK(writer_->run("BEGIN IMMEDIATE"));
        ASSERT_TRUE(connection().prepare("PRAGMA delete_database").ok());
        EXPECT_OK(writer_->run("COMMIT"));
        ASSERT_EQ(writer_->must_query("SELECT x FROM t"), "1\n") << sql;
    }
    EXPECT_OK(
        writer_->run("BEGIN IMMEDIATE; SAVEPOINT a; PRAGMA delete_database; SAVEPOINT b;"
                     "EXPLAIN ROLLBACK TO a; ROLLBACK TO b; RELEASE a; COMMIT"));
    EXPECT_EQ(writer_->must_query("SELECT count(*) FROM sqlite_schema"), "0\n");
}

// What one operation can do is bounded: all of these would take minutes, or gigabytes.
TEST_F(ConnectionTest, OneOperationDoesNotWorkWithoutBound) {
    for (const char* const sql :
         {"SELECT randomblob(70000000)", "SELECT hex(zeroblob(40000000))",
          "SELECT quote(zeroblob(40000000))", "SELECT zeroblob(60000000) || zeroblob(60000000)",
          "SELECT replace(hex(zeroblob(10000)), '0', zeroblob(10000))",
          "SELECT group_concat(hex(zeroblob(1000000)), '') FROM "
          "(WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 99) SELECT a FROM "
          "g)",
          "INSERT INTO t(x) VALUES(zeroblob(70000000))"}) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_EQ(status.error().code, 18) << sql << ": " << status.error().message;
    }
    EXPECT_FALSE(execute(connection(), "SELECT 'x' LIKE hex(zeroblob(501))").ok());
    EXPECT_OK(execute(connection(), "SELECT 'x' LIKE hex(zeroblob(500))"));
}

TEST_F(ConnectionTest, LikeAndGlobUseAnIndex) {
    ASSERT_OK(
        writer_->run("CREATE TABLE names(a TEXT COLLATE NOCASE, b TEXT);"
                     "CREATE INDEX by_a ON names(a); CREATE INDEX by_b ON names(b)"));
    for (const char* const condition : {"a LIKE 'abc%'", "b GLOB 'abc*'"}) {
        const std::string sql = "EXPLAIN QUERY PLAN SELECT * FROM names WHERE ";
        EXPECT_THAT(writer_->must_query(sql + condition), testing::HasSubstr("SEARCH names"));
    }
}

TEST_F(ConnectionTest, InstrReplaceAndTrimAreLinear) {
    EXPECT_EQ(writer_->must_query("SELECT instr(zeroblob(1<<24), zeroblob(1<<20) || x'01')"),
              "0\n");
    EXPECT_EQ(writer_->must_query("SELECT length(replace(hex(zeroblob(1<<23)), "
                                  "hex(zeroblob(1<<20)) || '1', ''))"),
              "16777216\n");
    for (const char* const trim : {"trim", "ltrim", "rtrim"}) {
        EXPECT_EQ(writer_->must_query("SELECT length(" + std::string(trim) +
                                      "(printf('%.*c', 4000000, 'a'), printf('%.*c', 4000000, "
                                      "'b') || '\u00e4\u20aca'))"),
                  "0\n");
    }
}

// The same as SQLite's own, of another connection.
TEST_F(ConnectionTest, InstrAndReplaceAnswerAsSqliteDoes) {
    const char* const values[] = {"NULL",
                                  "''",
                                  "x''",
                                  "'a'",
                                  "'aXbXc'",
                                  "'\u00e4\u20acX'",
                                  "'X'",
                                  "x'00'",
                                  "x'610062'",
                                  "1",
                                  "12.5",
                                  "'a' || char(0) || 'b'",
                                  "char(8364)",
                                  "'XX'",
                                  "'ababab'",
                                  "'ab'",
                                  "x'e282'",
                                  "x'82'",
                                  "CAST(x'8041' AS TEXT)",
                                  "CAST(x'80' AS TEXT)",
                                  "CAST(x'e2' AS TEXT)",
                                  "CAST(x'41e2828041' AS TEXT)",
                                  "'A'"};
    Reference reference;
    for (const char* const text : values) {
        for (const char* const needle : values) {
            const std::string arguments = std::string(text) + "," + needle;
            for (const char* const other : {"NULL", "''", "'X'", "x'00ff'", "77"}) {
                const std::string sql = "SELECT quote(instr(" + arguments + ")), quote(replace(" +
                                        arguments + "," + other + ")), typeof(replace(" +
                                        arguments + "," + other + "))";
                EXPECT_EQ(writer_->must_query(sql), *reference.query(sql)) << sql;
            }
        }
    }
}

// Texts and sets that are no UTF-8 as well.
TEST_F(ConnectionTest, TrimAnswersAsSqliteDoes) {
    const char* const bytes[] = {"",     "20",     "2020",   "41",       "c3",       "a4",   "c3a4",
                                 "e282", "e282ac", "82e282", "41c3a441", "2041c320", "4100", "f0"};
    Reference reference;
    for (const char* const first : bytes) {
        for (const char* const second : bytes) {
            for (const char* const third : bytes) {
                const std::string text =
                    "CAST(x'" + std::string(first) + second + third + first + "' AS TEXT)";
                const std::string set = "CAST(x'" + std::string(second) + third + "' AS TEXT)";
                std::string sql = "SELECT 1";
                for (const char* const trim : {"trim", "ltrim", "rtrim"}) {
                    sql += ", hex(" + std::string(trim) + "(" + text + ")), hex(" + trim + "(" +
                           text + "," + set + "))";
                }
                ASSERT_EQ(writer_->must_query(sql), *reference.query(sql)) << sql;
            }
        }
    }
    for (const char* const sql : {"SELECT typeof(trim(NULL)), typeof(trim('a', NULL))",
                                  "SELECT typeof(trim(12)), quote(trim(x'2041', ' '))"}) {
        EXPECT_EQ(writer_->must_query(sql), *reference.query(sql)) << sql;
    }
}

TEST_F(ConnectionTest, JsonPatchAnswersAsSqliteDoes) {
    if (!is_ours()) GTEST_SKIP() << "an older SQLite has no jsonb";
    const char* const values[] = {
        "NULL",
        "1",
        "'null'",
        "'[1,{\"a\":null}]'",
        "'{}'",
        "'{\"a\":1,\"b\":2}'",
        "'{\"b\":null,\"c\":{\"x\":null,\"y\":[1,2,{\"z\":3}]}}'",
        "'{\"c\":{\"y\":{\"q\":1.50e3},\"\\u0078\":\"\\\"}\"},\"\\u00e9\":true}'",
        "'{\"\u00e9\":null,\"a\":{\"deep\":{\"er\":null,\"est\":[]}}}'",
        "'{\"\\ud83d\\ude00\":1,\"n\\nl\":\"\\t\"}'",
        "'{\"\U0001F600\":2,\"n\\u000al\":null}'",
        "'{c: 0x10, \"a\": +.5, d: ''single'',}'",
        "jsonb('{\"a\":{\"b\":[]}}')"};
    Reference reference;
    for (const char* const target : values) {
        for (const char* const patch : values) {
            const std::string both = "(" + std::string(target) + "," + patch + ")";
            for (const std::string& sql :
                 {std::string("SELECT json_patch") + both, "SELECT json(jsonb_patch" + both + ")",
                  "SELECT json_array(json_patch" + both + ", typeof(json_patch" + both + "))"}) {
                ASSERT_EQ(writer_->must_query(sql), *reference.query(sql)) << sql;
            }
        }
    }
    for (const char* const sql :
         {"SELECT json_patch('{broken', '{}')", "SELECT json_patch('{}', '')",
          "SELECT jsonb_patch('[', 1)", "SELECT json_patch('{broken', NULL)"}) {
        const Status status = execute(connection(), sql);
        ASSERT_FALSE(status.ok()) << sql;
        EXPECT_EQ(status.error().code, 1) << sql;
        EXPECT_EQ(status.error().message, "malformed JSON") << sql;
    }
}

TEST_F(ConnectionTest, JsonPatchIsLinear) {
    const auto object = [](const char* name) {
        return "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 100000) SELECT "
               "json_group_object('" +
               std::string(name) + "' || i, i) FROM n)";
    };
    EXPECT_EQ(writer_->must_query("SELECT length(json_patch(a, b)) - length(a) - length(b) FROM "
                                  "(SELECT " +
                                  object("a") + " AS a, " + object("b") + " AS b)"),
              "-1\n");
}

TEST_F(ConnectionTest, AllowsWhatIsHarmless) {
    const auto allowed = {
        "ATTACH '' AS scratch; CREATE TABLE scratch.s(x); INSERT INTO scratch.s VALUES(1); DETACH "
        "scratch",
        "CREATE TEMP TABLE temporary(x); INSERT INTO temporary VALUES(1); DROP TABLE temporary",
        "PRAGMA journal_mode",
        "PRAGMA page_size",
        "PRAGMA synchronous",
        "PRAGMA foreign_keys=OFF; PRAGMA foreign_keys=ON",
        "PRAGMA user_version=3",
        "PRAGMA cache_size=100",
        "PRAGMA integrity_check; PRAGMA quick_check; PRAGMA foreign_key_check; PRAGMA optimize",
        "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('a'); DROP TABLE f",
        "CREATE VIRTUAL TABLE r USING rtree(id, a, b); INSERT INTO r VALUES(1, 2, 3); DROP TABLE r",
        "SELECT json_extract('{\"a\":1}', '$.a')",
        "VACUUM",
    };
    for (const char* const sql : allowed) {
        SCOPED_TRACE(sql);
        EXPECT_OK(writer_->run(sql));
    }
    writer_->commit();
    Node follower(2);
    ASSERT_OK(follower.open());
    follower.catch_up(log_, log_.size());
    EXPECT_EQ(follower.checksum(), node_.checksum());
}

TEST_F(ConnectionTest, HasTheEnvironmentOfTheProtocol) {
    EXPECT_EQ(writer_->must_query("PRAGMA foreign_keys"), "1\n");
    EXPECT_EQ(writer_->must_query("PRAGMA journal_mode"), "wal\n");
    EXPECT_EQ(writer_->must_query("PRAGMA page_size"), "4096\n");
    EXPECT_EQ(writer_->must_query("PRAGMA synchronous"), "0\n");
    EXPECT_EQ(writer_->must_query("PRAGMA encoding"), "UTF-8\n");
}

TEST_F(ConnectionTest, ErrorsCarryTheExtendedCode) {
    ASSERT_OK(
        writer_->run("CREATE TABLE u(a UNIQUE, b NOT NULL CHECK(b > 0), c REFERENCES t(id))"));
    ASSERT_OK(writer_->run("INSERT INTO u VALUES(1, 1, NULL)"));
    const std::vector<std::pair<const char*, int>> cases = {
        {"INSERT INTO u VALUES(1, 1, NULL)", 2067}, {"INSERT INTO u VALUES(2, NULL, NULL)", 1299},
        {"INSERT INTO u VALUES(2, 0, NULL)", 275},  {"INSERT INTO u VALUES(2, 1, 99)", 787},
        {"INSERT INTO missing VALUES(1)", 1},       {"SELEC 1", 1},
    };
    for (const auto& [sql, code] : cases) {
        const Status status = writer_->run(sql);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, code) << sql << ": " << status.error().message;
        EXPECT_FALSE(status.error().message.empty());
    }
}

TEST_F(ConnectionTest, BusyTimeoutBelongsToTheConnection) {
    EXPECT_FALSE(connection().busy_timeout().has_value());
    EXPECT_EQ(writer_->must_query("PRAGMA busy_timeout"), "0\n");
    EXPECT_EQ(writer_->must_query("PRAGMA busy_timeout=250"), "250\n");
    EXPECT_EQ(connection().busy_timeout(), std::chrono::milliseconds(250));
    EXPECT_EQ(writer_->must_query("PRAGMA busy_timeout"), "250\n");
    EXPECT_FALSE(node_.connect()->busy_timeout().has_value());
}

TEST_F(ConnectionTest, BindsAndReturnsEveryType) {
    auto prepared = connection().prepare("SELECT ?, ?2, :three, @four, $five, ?6, ?7, ?8 -- tail");
    ASSERT_OK(prepared);
    Statement& statement = *prepared->statement;
    ASSERT_EQ(statement.parameter_count(), 8);
    const std::uint8_t blob[] = {0, 1, 255};
    EXPECT_OK(statement.bind(1, std::int64_t{-5}));
    EXPECT_OK(statement.bind(2, 2.5));
    EXPECT_OK(statement.bind(3, std::string_view("")));
    EXPECT_OK(statement.bind(4, ByteView(blob)));
    EXPECT_OK(statement.bind(5, ByteView()));
    EXPECT_OK(statement.bind(6, wire::Null{}));
    EXPECT_OK(statement.bind(7, wire::Iso8601{"2020-01-01"}));
    EXPECT_OK(statement.bind(8, wire::Boolean{7}));
    EXPECT_EQ(statement.bind(9, std::int64_t{1}).error().code, 25);
    ASSERT_TRUE(*statement.step());
    EXPECT_TRUE(wire::identical(statement.value(0), std::int64_t{-5}));
    EXPECT_TRUE(wire::identical(statement.value(1), 2.5));
    EXPECT_TRUE(wire::identical(statement.value(2), std::string_view()));
    EXPECT_EQ(std::get<ByteView>(statement.value(3)).size(), 3u);
    EXPECT_EQ(std::get<ByteView>(statement.value(4)).size(), 0u);
    EXPECT_TRUE(wire::identical(statement.value(5), wire::Null()));
    EXPECT_TRUE(wire::identical(statement.value(6), std::string_view("2020-01-01")));
    EXPECT_TRUE(wire::identical(statement.value(7), std::int64_t{1}));
    statement.reset();
    statement.clear_bindings();
    ASSERT_TRUE(*statement.step());
    EXPECT_TRUE(wire::identical(statement.value(0), wire::Null()));
}

TEST_F(ConnectionTest, PreparesOneStatementAndSaysWhereTheRestBegins) {
    auto first = connection().prepare("SELECT 1; SELECT 2");
    ASSERT_OK(first);
    EXPECT_EQ(first->tail, 9u);
    EXPECT_EQ(connection().prepare("SELECT 1")->tail, 8u);
    EXPECT_EQ(connection().prepare("  -- nothing")->statement, nullptr);
    EXPECT_EQ(connection().prepare("")->statement, nullptr);
}

TEST_F(ConnectionTest, KnowsWhoNeedsTheWriteLock) {
    const std::vector<std::pair<const char*, bool>> cases = {
        {"SELECT 1", false},
        {"INSERT INTO t VALUES(1, 2)", true},
        {"INSERT INTO t VALUES(1, 2) RETURNING id", true},
        {"EXPLAIN INSERT INTO t VALUES(1, 2)", false},
        {"BEGIN", false},
        {"BEGIN IMMEDIATE", true},
        {"BEGIN EXCLUSIVE", true},
        {"COMMIT", false},
        {"PRAGMA user_version=1", true},
        {"PRAGMA user_version", false},
        {"CREATE TABLE y(x)", true},
        {"VACUUM", true},
        {"CREATE TEMP TABLE a(x)", false},
        {"CREATE TABLE temp.a AS SELECT * FROM t", false},
        {"CREATE INDEX temp.z ON own(x)", false},
        {"CREATE TEMP VIEW a AS SELECT * FROM t", false},
        {"CREATE TEMP TRIGGER a AFTER INSERT ON own BEGIN SELECT 1; END", false},
        {"INSERT INTO own SELECT x FROM t RETURNING x", false},
        {"UPDATE own SET x = 1 WHERE x IN (SELECT id FROM t)", false},
        {"DELETE FROM own", false},
        {"DROP TABLE own", false},
        {"CREATE TABLE other.a(x)", false},
        {"INSERT INTO other.own VALUES(1)", false},
        {"CREATE VIRTUAL TABLE temp.f USING fts5(a)", true},  // it is not known
        {"INSERT INTO passing VALUES(1)", true},
        {"INSERT INTO t(x) SELECT x FROM own", true},
        {"DELETE FROM t WHERE id IN (SELECT x FROM own)", true},
        {"CREATE TABLE main.a AS SELECT * FROM own", true},
        {"SAVEPOINT a", false},
        {"PRAGMA main.user_version=1", true},
        {"REINDEX", true},
        {"REINDEX other.own", false},
        {"ANALYZE", true},
        {"ALTER TABLE t ADD b", true},
    };
    ASSERT_OK(writer_->run("CREATE INDEX indexed ON t(x)"));
    ASSERT_OK(execute(connection(),
                      "CREATE TEMP TABLE own(x); ATTACH '' AS other; CREATE TABLE other.own(x);"
                      "CREATE TEMP TABLE passing(x); CREATE TEMP TRIGGER passes AFTER INSERT ON "
                      "passing BEGIN INSERT INTO t(x) VALUES(NEW.x); END"));
    for (const auto& [sql, writes] : cases) {
        auto prepared = connection().prepare(sql);
        ASSERT_TRUE(prepared.ok()) << sql << ": " << prepared.error().message;
        EXPECT_EQ(prepared->statement->takes_write_lock(), writes) << sql;
    }
}

TEST_F(ConnectionTest, DeclaredTypes) {
    ASSERT_OK(writer_->run(
        "CREATE TABLE d(a DATETIME NOT NULL, b date, c TIMESTAMP, e BOOLEAN, f BOOL, g)"));
    auto prepared = connection().prepare("SELECT a, b, c, e, f, g, a || '' AS h FROM d");
    ASSERT_OK(prepared);
    const Statement& statement = *prepared->statement;
    EXPECT_EQ(statement.column_count(), 7);
    EXPECT_EQ(statement.column_name(6), "h");
    const auto date = DeclaredType::kDate;
    const auto plain = DeclaredType::kPlain;
    const DeclaredType expected[] = {date, date, date, DeclaredType::kBoolean, plain, plain, plain};
    for (int i = 0; i < 7; ++i) EXPECT_EQ(statement.declared_type(i), expected[i]) << i;
}

TEST_F(ConnectionTest, ColumnsSayWhereTheyComeFrom) {
    ASSERT_OK(
        writer_->run("CREATE TABLE d(k INTEGER PRIMARY KEY AUTOINCREMENT, n VARCHAR(3) NOT "
                     "NULL); CREATE VIEW v(x) AS SELECT n FROM d"));
    auto prepared = connection().prepare("SELECT k, x, n || 'a' FROM d AS renamed, v");
    ASSERT_OK(prepared);
    const Statement& statement = *prepared->statement;
    EXPECT_EQ(statement.declaration(0), "INTEGER");
    EXPECT_EQ(statement.declaration(1), "VARCHAR(3)");
    EXPECT_EQ(statement.declaration(2), "");
    const ColumnOrigin key = statement.origin(0);
    EXPECT_EQ(key.table, "d");
    EXPECT_EQ(key.column, "k");
    EXPECT_TRUE(key.primary_key && key.auto_increment && !key.not_null);
    const ColumnOrigin through_view = statement.origin(1);
    EXPECT_EQ(through_view.table, "d");
    EXPECT_EQ(through_view.column, "n");
    EXPECT_TRUE(through_view.not_null && !through_view.primary_key);
    EXPECT_EQ(statement.origin(2).table, "");
}

TEST_F(ConnectionTest, ParametersHaveNamesWithTheirSigns) {
    auto prepared = connection().prepare("SELECT ?, :a, @b, $c, ?7, :a");
    ASSERT_OK(prepared);
    const Statement& statement = *prepared->statement;
    EXPECT_EQ(statement.parameter_count(), 7);
    const char* const names[] = {"", ":a", "@b", "$c", "", "", "?7"};
    for (int i = 0; i < 7; ++i) EXPECT_EQ(statement.parameter_name(i + 1), names[i]) << i;
    EXPECT_EQ(statement.parameter_index(":a"), 2);
    EXPECT_EQ(statement.parameter_index("a"), 0);
}

TEST_F(ConnectionTest, KnowsAnExplanation) {
    for (const auto& [sql, explains] :
         {std::pair("EXPLAIN DELETE FROM t", true), std::pair("EXPLAIN QUERY PLAN SELECT 1", true),
          std::pair("DELETE FROM t", false)}) {
        EXPECT_EQ(connection().prepare(sql)->statement->explains(), explains) << sql;
    }
}

// SQLite would commit it.
TEST_F(ConnectionTest, AnUnfinishedInsertReturningIsUndoneByReset) {
    const std::size_t before = log_.size();
    auto prepared = connection().prepare("INSERT INTO t(x) VALUES(1), (2) RETURNING id");
    ASSERT_TRUE(*prepared->statement->step());
    prepared->statement->reset();
    EXPECT_TRUE(connection().take_capture().commands.empty());
    EXPECT_EQ(writer_->must_query("SELECT count(*) FROM t"), "0\n");
    ASSERT_TRUE(*prepared->statement->step());
    prepared->statement.reset();
    EXPECT_TRUE(connection().take_capture().commands.empty());
    EXPECT_FALSE(connection().holds_write_transaction());
    EXPECT_EQ(log_.size(), before);
    ASSERT_OK(writer_->run("INSERT INTO t(x) VALUES(1), (2) RETURNING id"));
    EXPECT_EQ(writer_->must_query("SELECT count(*) FROM t"), "2\n");
    EXPECT_EQ(log_.size(), before + 1);
}

// What was spilled and written again before a ROLLBACK TO is forgotten, and what follows is
// committed, in the first transaction of a WAL as in later ones.
TEST_F(ConnectionTest, ATransactionGoesOnAfterARollbackToBeforeItsFirstFrame) {
    Options options;
    options.page_cache_bytes = 40u << 10;
    Leading leading(2, options);
    auto& [node, log, writer] = leading;
    const std::string spill =
        "CREATE TABLE t(a INTEGER PRIMARY KEY, x);"
        "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 90)"
        " SELECT n, randomblob(3000) FROM c;"
        "UPDATE t SET x = randomblob(3000) WHERE a > 60;"
        "UPDATE t SET x = randomblob(3000) WHERE a > 60;";
    ASSERT_OK(writer.run("BEGIN; SAVEPOINT s;" + spill +
                         "ROLLBACK TO s; CREATE TABLE u(x); INSERT INTO u VALUES(1); COMMIT"));
    EXPECT_EQ(log.size(), 1u);
    ASSERT_OK(writer.run("BEGIN; SAVEPOINT s;" + spill +
                         "ROLLBACK TO s; INSERT INTO u VALUES(2); COMMIT"));
    EXPECT_EQ(writer.must_query("SELECT group_concat(x) FROM u"), "1,2\n");
    EXPECT_EQ(writer.must_query("PRAGMA integrity_check"), "ok\n");
}

TEST_F(ConnectionTest, ATransactionIsOneCommandAndARollbackNone) {
    const std::size_t before = log_.size();
    ASSERT_OK(
        writer_->run("BEGIN; INSERT INTO t(x) VALUES(1); INSERT INTO t(x) VALUES(2); ROLLBACK"));
    EXPECT_EQ(log_.size(), before);
    ASSERT_OK(
        writer_->run("BEGIN; INSERT INTO t(x) VALUES(1); INSERT INTO t(x) VALUES(2); COMMIT"));
    EXPECT_EQ(log_.size(), before + 1);
    EXPECT_EQ(connection().last_insert_rowid(), 2);
    EXPECT_EQ(connection().changes(), 1);
    ASSERT_OK(execute(connection(), "BEGIN; SELECT 1"));
    EXPECT_TRUE(connection().in_transaction());
    EXPECT_FALSE(connection().holds_write_transaction());
    connection().roll_back();
    EXPECT_FALSE(connection().in_transaction());
}

constexpr const char* kEndless =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT count(*) FROM c";

TEST_F(ConnectionTest, AnEndlessStatementIsStopped) {
    int yields = 0;
    node_.executor.yields = true;
    auto prepared = connection().prepare(kEndless);
    ASSERT_OK(prepared);
    const auto run = [&](const std::function<void()>& stop) {
        node_.executor.post([&] {
            ++yields;
            stop();
        });
        std::optional<Error> error;
        node_.executor.step([&] { error = prepared->statement->step().error(); }, [] {});
        prepared->statement->reset();
        node_.executor.run();
        return error;
    };
    EXPECT_EQ(run([&] { connection().interrupt(); })->code, code::kInterrupted);
    const auto lost = run([&] { node_.store->begin_epoch(); });
    EXPECT_EQ(lost->code, code::kLeadershipLost);
    EXPECT_EQ(yields, 2);
}

TEST_F(ConnectionTest, ATransactionThatIsTooLargeFailsWhole) {
    Options options;
    options.transaction_bytes_max = 200 * kPageSize;
    options.page_cache_bytes = 40u << 10;
    Leading leading(2, options);
    auto& [node, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    const Status status = writer.run("INSERT INTO t VALUES(zeroblob(2000000))");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code::kFull);
    EXPECT_NE(status.error().message.find("too large"), std::string::npos)
        << status.error().message;
    EXPECT_EQ(log.size(), 1u);
    EXPECT_OK(writer.run("INSERT INTO t VALUES(zeroblob(200000))"));
    EXPECT_EQ(writer.must_query("SELECT count(*) FROM t"), "1\n");
    EXPECT_EQ(writer.must_query("PRAGMA integrity_check"), "ok\n");
}

// The pages that it frees are not written.
TEST(Transactions, WhatIsDroppedMayBeLargerThanATransaction) {
    Options options;
    options.transaction_bytes_max = 1u << 20;
    Leading leading(1, options);
    auto& [node, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    for (int i = 0; i < 10; ++i) {
        ASSERT_OK(
            writer.run("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT "
                       "150) INSERT INTO t(x) SELECT randomblob(3000) FROM g"));
    }
    EXPECT_OK(writer.run("BEGIN; DELETE FROM t; ROLLBACK"));
    EXPECT_OK(writer.run("DROP TABLE t"));
    EXPECT_EQ(writer.must_query("PRAGMA integrity_check"), "ok\n");
}

TEST(Names, AreOpaque) {
    Node node(1);
    ASSERT_OK(node.open());
    for (const std::string& name : {std::string(), std::string(":memory:"),
                                    std::string("file:x?mode=memory"), std::string(505, 'x')}) {
        const auto refused = node.store->open_database(name);
        ASSERT_FALSE(refused.ok()) << name;
        EXPECT_EQ(refused.error().code, code::kError);
    }
    Log log;
    const std::vector<std::string> names = {std::string(504, 'x'),
                                            "../../etc/passwd",
                                            "file:x",
                                            "a?b&c=d",
                                            "\xff\x01",
                                            "a b",
                                            "test-wal",
                                            "Test",
                                            "test"};
    for (const std::string& name : names) {
        Writer writer(node, log, name);
        ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES('" +
                             std::to_string(name.size()) + "')"));
        writer.commit();
    }
    node.flush();
    node.kill();
    ASSERT_OK(node.open());
    EXPECT_EQ(node.store->names().size(), names.size());
    node.catch_up(log, log.size());
    for (const std::string& name : names) {
        EXPECT_EQ(*query(*node.connect(name), "SELECT x FROM t"),
                  std::to_string(name.size()) + "\n");
    }
    for (const std::string& file : node.disk->files())
        EXPECT_TRUE(file.starts_with("databases/")) << file;
}

std::size_t page_cache_bytes(Connection& connection) {
    const std::string kib = *query(connection, "PRAGMA cache_size");
    connection.take_capture();  // it is at rest
    return 1024 * static_cast<std::size_t>(-std::stol(kib));
}

TEST(PageCaches, HaveALimitTogether) {
    Options options;
    options.page_cache_bytes = 2u << 20;
    options.page_caches_bytes = 8u << 20;
    Node node(1, options);
    ASSERT_OK(node.open());
    std::vector<std::unique_ptr<Connection>> connections;
    constexpr std::size_t kCount = 40;
    for (std::size_t i = 0; i < kCount; ++i) {
        connections.push_back(node.connect());
        EXPECT_GE(page_cache_bytes(*connections.back()), limits::kPageCacheBytesMin);
    }
    std::size_t sum = 0;
    for (const auto& connection : connections) sum += page_cache_bytes(*connection);
    EXPECT_GT(sum, options.page_caches_bytes / 2);
    EXPECT_LE(sum, options.page_caches_bytes);
    const std::size_t first = page_cache_bytes(*connections.front());
    EXPECT_EQ(first, page_cache_bytes(*connections.back()));  // it has given up the rest
    EXPECT_EQ(*query(*connections.front(), "PRAGMA cache_size = -1000000"), "");
    EXPECT_EQ(page_cache_bytes(*connections.front()), first);
    connections.clear();  // what they had is there again
    EXPECT_EQ(page_cache_bytes(*node.connect()), options.page_cache_bytes);
}

}  // namespace
}  // namespace quorlite::database
