#include "drivers/core/sql.h"

#include <gtest/gtest.h>

namespace quorlite::core {
namespace {

Effect effect(std::string_view text) {
    return analyse(text).effect;
}

TEST(Sql, TellsReadsFromWrites) {
    EXPECT_EQ(effect("SELECT 1"), Effect::kRead);
    EXPECT_EQ(effect("  /* a */ -- b\n select 1"), Effect::kRead);
    EXPECT_EQ(effect("VALUES (1)"), Effect::kRead);
    EXPECT_EQ(effect("EXPLAIN DELETE FROM t"), Effect::kRead);
    EXPECT_EQ(effect("WITH a AS (SELECT 1) SELECT * FROM a"), Effect::kRead);
    EXPECT_EQ(effect("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a"), Effect::kWrite);
    EXPECT_EQ(effect("WITH a AS (SELECT 'insert') SELECT \"update\" FROM a"), Effect::kRead);
    for (const char* const reads :
         {"WITH a(v) AS (SELECT 'x') SELECT replace(v, 'x', 'y') FROM a",
          "WITH x AS (SELECT 1) -- INSERT comes later\nSELECT * FROM x",
          "WITH RECURSIVE a(n) AS NOT MATERIALIZED (SELECT (1)), b AS (SELECT 2) SELECT n AS \"x)\""
          " FROM a WHERE n IN (SELECT 1)",
          "WITH replace(a) AS (SELECT 1) SELECT a FROM replace",
          "WITH a AS (SELECT replace('(', ')', 'delete')) VALUES (1)"}) {
        EXPECT_EQ(effect(reads), Effect::kRead) << reads;
    }
    for (const char* const writes :
         {"WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a",
          "WITH a(x) AS (SELECT 1), b AS (SELECT 2) DELETE FROM t WHERE n IN (SELECT x FROM a)",
          "WITH a AS (SELECT 1) /* SELECT */ UPDATE t SET n = 1",
          "WITH a AS (SELECT 1) anything else"}) {
        EXPECT_EQ(effect(writes), Effect::kWrite) << writes;
    }
    EXPECT_EQ(analyse("/* x */ with a AS (SELECT 1) Insert INTO t SELECT 1").verb, "Insert");
    EXPECT_EQ(analyse("; delete FROM t").verb, "delete");
    EXPECT_EQ(analyse("-- nothing").verb, "");
    EXPECT_EQ(effect("INSERT INTO t VALUES(1)"), Effect::kWrite);
    EXPECT_EQ(effect("REPLACE INTO t VALUES(1)"), Effect::kWrite);
    EXPECT_EQ(effect("CREATE TABLE t(a)"), Effect::kWrite);
    EXPECT_EQ(effect("nonsense"), Effect::kWrite);
    EXPECT_EQ(effect("(SELECT 1)"), Effect::kWrite);
    EXPECT_EQ(effect("PRAGMA table_info(t)"), Effect::kRead);
    EXPECT_EQ(effect("PRAGMA user_version = 3"), Effect::kWrite);
    EXPECT_EQ(effect("PRAGMA optimize"), Effect::kWrite);
}

TEST(Sql, KnowsTransactions) {
    EXPECT_EQ(effect("BEGIN IMMEDIATE"), Effect::kBegin);
    EXPECT_EQ(effect("commit transaction"), Effect::kCommit);
    EXPECT_EQ(effect("END"), Effect::kCommit);
    EXPECT_EQ(effect("ROLLBACK"), Effect::kRollback);
    EXPECT_EQ(effect("ROLLBACK TRANSACTION TO SAVEPOINT a"), Effect::kRollbackTo);
    EXPECT_EQ(analyse("ROLLBACK TO a").savepoint, "a");
    EXPECT_EQ(analyse("SAVEPOINT \"a b\"").savepoint, "\"a b\"");
    EXPECT_EQ(analyse("RELEASE SAVEPOINT x;").savepoint, "x");
    EXPECT_EQ(effect("RELEASE x"), Effect::kRelease);
    EXPECT_EQ(effect("\xef\xbb\xbf"
                     "BEGIN"),
              Effect::kBegin);
    EXPECT_EQ(effect("; \xef\xbb\xbf\xef\xbb\xbf"
                     "COMMIT"),
              Effect::kCommit);
    EXPECT_EQ(effect("BEGIN\xef\xbb\xbf"), Effect::kWrite);  // one word, and no such statement
    EXPECT_EQ(effect("\xef\xbb\xbf"), Effect::kNone);
}

TEST(Sql, KnowsWhatYieldsRows) {
    EXPECT_TRUE(analyse("SELECT 1").yields_rows);
    EXPECT_TRUE(analyse("PRAGMA user_version = 3").yields_rows);
    EXPECT_TRUE(analyse("DELETE FROM t RETURNING a").yields_rows);
    EXPECT_FALSE(analyse("DELETE FROM t").yields_rows);
    EXPECT_FALSE(analyse("BEGIN").yields_rows);
}

TEST(Sql, FindsTheEndOfTheFirstStatement) {
    EXPECT_EQ(effect(""), Effect::kNone);
    EXPECT_EQ(effect(" ; -- nothing\n ;"), Effect::kNone);
    EXPECT_FALSE(analyse("SELECT 1").complete);
    EXPECT_FALSE(analyse("SELECT 1; ; -- no more").tail);
    const SqlText two = analyse("SELECT ';'; SELECT 2");
    EXPECT_EQ(two.end, 11u);
    EXPECT_TRUE(two.complete);
    EXPECT_TRUE(two.tail);
    EXPECT_FALSE(analyse("SELECT 'it''s; here").complete);
    EXPECT_FALSE(analyse("SELECT [a;b]").tail);
    EXPECT_FALSE(analyse("SELECT /* ; SELECT 2").tail);
}

TEST(Sql, ATriggerIsOneStatement) {
    const std::string_view trigger =
        "CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET n = CASE n WHEN 1 THEN 2 END; "
        "DELETE FROM u; END;";
    const SqlText text = analyse(trigger);
    EXPECT_EQ(text.end, trigger.size());
    EXPECT_TRUE(text.complete);
    EXPECT_FALSE(text.tail);
    EXPECT_TRUE(analyse(std::string(trigger) + "SELECT 1").tail);
    // As sqlite3_complete() has it: "; END;", and nothing else.
    for (const std::string whole :
         {"CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET begin = end; DELETE FROM u; END;",
          "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE end WHEN 1 THEN 2 END; END;",
          "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT \"end\"; SELECT ?; /* END; */ END ;",
          "EXPLAIN CREATE TEMPORARY TRIGGER a AFTER INSERT ON t BEGIN SELECT 1;; END;",
          "CREATE TABLE trigger(\"begin\", a);"}) {
        EXPECT_EQ(analyse(whole + " SELECT 1").end, whole.size()) << whole;
        EXPECT_TRUE(analyse(whole).complete) << whole;
    }
    for (const std::string part : {"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT end;",
                                   "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END x;",
                                   "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; \"END\";"}) {
        EXPECT_FALSE(analyse(part).complete) << part;
    }
}

TEST(Sql, NumbersParametersAsSqliteDoes) {
    EXPECT_EQ(analyse("SELECT ?, ?").parameters, 2u);
    EXPECT_EQ(analyse("SELECT ?5, ?").parameters, 6u);
    EXPECT_EQ(analyse("SELECT '?', \"?\", -- ?\n 1").parameters, 0u);
    EXPECT_EQ(analyse("SELECT ?32768, ?250000").parameters, 250'000u);
    EXPECT_EQ(analyse("SELECT ?250001").parameters, 250'001u);
    EXPECT_EQ(analyse("SELECT ?4294967295").parameters, 250'001u);
    EXPECT_EQ(analyse("SELECT ?99999999999999999999").parameters, 250'001u);
    const SqlText named = analyse("SELECT :a, @b, :a, $c::d(e), ?2");
    ASSERT_EQ(named.parameters, 3u);
    EXPECT_EQ(named.names[0], (std::pair<std::string_view, std::uint32_t>(":a", 1)));
    EXPECT_EQ(named.names[1], (std::pair<std::string_view, std::uint32_t>("@b", 2)));
    EXPECT_EQ(named.names[2], (std::pair<std::string_view, std::uint32_t>("$c::d(e)", 3)));
}

TEST(Sql, LongLiteralsBecomeValues) {
    const std::string text = std::string(100, 'a') + "''" + std::string(10, 'b');
    const std::string digits = "00fF" + std::string(100, '7');
    const Lifted lifted = lift_literals("INSERT INTO t VALUES('" + text + "', x'" + digits +
                                        "', 'short', \"" + std::string(100, 'n') + "\")");
    EXPECT_EQ(lifted.sql, "INSERT INTO t VALUES(?, ?, 'short', \"" + std::string(100, 'n') + "\")");
    ASSERT_EQ(lifted.literals.size(), 2u);
    EXPECT_FALSE(lifted.literals[0].blob);
    EXPECT_EQ(lifted.literals[0].bytes, std::string(100, 'a') + "'" + std::string(10, 'b'));
    EXPECT_TRUE(lifted.literals[1].blob);
    EXPECT_EQ(lifted.literals[1].bytes, std::string("\x00\xff", 2) + std::string(50, 'w'));
    // What is no literal, or a wrong one, stays for the node to judge.
    for (const std::string& same :
         {"SELECT x'" + std::string(101, '0') + "'", "SELECT x'" + std::string(100, 'g') + "'",
          "SELECT '" + std::string(100, 'a'), "SELECT /* '" + std::string(100, 'a') + "' */ 1"}) {
        EXPECT_EQ(lift_literals(same).sql, same);
    }
}

TEST(Sql, AStatementIsTerminatedOutsideOfItsComments) {
    EXPECT_EQ(terminated("SELECT 1"), "SELECT 1;");
    EXPECT_EQ(terminated("SELECT 1 -- all"), "SELECT 1 -- all\n;");
    EXPECT_EQ(terminated("SELECT '--'"), "SELECT '--';");
    EXPECT_TRUE(analyse(terminated("SELECT 1 /* all")).complete);
}

// Reading line by line finds what reading all at once does.
TEST(Sql, StatementsEndInTheSamePlacesLineByLine) {
    const std::string text =
        "SELECT 'a;\n;''b' -- ;\n; /* ;\n */ ;\nCREATE TRIGGER a BEGIN SELECT end;\nSELECT "
        "1;\nEND\n"
        ";SELECT \"x;\"\"\n\", [;\n], `;`;\n--\n\xef\xbb\xbf;VALUES(1);";
    std::vector<std::size_t> whole;
    for (std::size_t at = 0; at < text.size();) {
        const SqlText found = analyse(std::string_view(text).substr(at));
        if (!found.complete) break;
        whole.push_back(at += found.end);
    }
    std::vector<std::size_t> lines;
    StatementEnd end;
    std::size_t at = 0;
    for (std::size_t size = text.find('\n'); size != std::string::npos;
         size = size == text.size() ? std::string::npos
                                    : std::min(text.find('\n', size + 1), text.size())) {
        while (end.scan(std::string_view(text).substr(0, std::min(size + 1, text.size())), at)) {
            lines.push_back(at);
        }
    }
    EXPECT_EQ(lines, whole);
    EXPECT_EQ(whole.size(), 4u);
}

TEST(Sql, NoTextHurts) {
    // Every prefix of something with every kind of token in it.
    const std::string_view text =
        "WITH a AS (SELECT 'x''y', \"q\", `w`, [e], ?1, :b, $c::(d) /* f */) -- g\nSELECT 1.5e3;";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const SqlText found = analyse(text.substr(0, size));
        EXPECT_LE(found.end, size);
    }
}

}  // namespace
}  // namespace quorlite::core
