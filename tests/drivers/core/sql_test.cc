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
}

TEST(Sql, NumbersParametersAsSqliteDoes) {
    EXPECT_EQ(analyse("SELECT ?, ?").parameters, 2u);
    EXPECT_EQ(analyse("SELECT ?5, ?").parameters, 6u);
    EXPECT_EQ(analyse("SELECT '?', \"?\", -- ?\n 1").parameters, 0u);
    const SqlText named = analyse("SELECT :a, @b, :a, $c::d(e), ?2");
    ASSERT_EQ(named.parameters, 3u);
    EXPECT_EQ(named.names[0], (std::pair<std::string_view, std::uint32_t>(":a", 1)));
    EXPECT_EQ(named.names[1], (std::pair<std::string_view, std::uint32_t>("@b", 2)));
    EXPECT_EQ(named.names[2], (std::pair<std::string_view, std::uint32_t>("$c::d(e)", 3)));
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
