// What a session keeps of compiled statements: by text, and by number.
#include "engine/session/statements.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"

namespace quorlite::session {
namespace {

// None of it is ever run here.
class Compiled final : public database::Statement {
public:
    int parameter_count() const override { return 0; }
    std::string_view parameter_name(int) const override { return {}; }
    int parameter_index(const std::string&) const override { return 0; }
    int column_count() const override { return 0; }
    std::string_view column_name(int) const override { return {}; }
    database::DeclaredType declared_type(int) const override { return {}; }
    std::string_view declaration(int) const override { return {}; }
    database::ColumnOrigin origin(int) const override { return {}; }
    bool read_only() const override { return true; }
    bool explains() const override { return false; }
    bool writes() const override { return false; }
    bool takes_write_lock() const override { return false; }
    void reset() override {}
    void clear_bindings() override {}
    Status bind(int, const wire::Value&) override { return {}; }
    Result<bool> step() override { return false; }
    wire::Value value(int) const override { return {}; }
};

Prepared prepared(std::size_t sql_bytes = 1) {
    Prepared made;
    made.statement = std::make_unique<Compiled>();
    made.sql_bytes = sql_bytes;
    return made;
}

TEST(StatementCache, FindsByTheWholeText) {
    StatementCache cache;
    const Prepared* kept = cache.insert("SELECT 1", prepared());
    EXPECT_EQ(cache.find("SELECT 1"), kept);
    EXPECT_EQ(cache.find("SELECT 1 "), nullptr);
    EXPECT_EQ(cache.find("SELECT"), nullptr);
    cache.clear();
    EXPECT_EQ(cache.find("SELECT 1"), nullptr);
}

TEST(StatementCache, ForgetsWhatWasUnusedForLongest) {
    StatementCache cache;
    for (std::size_t i = 0; i < limits::kCachedStatementsMax; ++i) {
        cache.insert(std::to_string(i), prepared());
    }
    const Prepared* second = cache.find("1");
    ASSERT_NE(cache.find("0"), nullptr);
    cache.insert("one more", prepared());
    cache.insert("and another", prepared());
    EXPECT_NE(cache.find("0"), nullptr);
    EXPECT_EQ(cache.find("1"), second) << "a statement has moved while others came";
    EXPECT_EQ(cache.find("2"), nullptr);
    EXPECT_EQ(cache.find("3"), nullptr);
    EXPECT_NE(cache.find("4"), nullptr);
    EXPECT_NE(cache.find("one more"), nullptr);
}

TEST(StatementCache, TakesShortTextsAndNoPragma) {
    const std::string longest(limits::kCachedSqlBytesMax, 'x');
    EXPECT_TRUE(StatementCache::takes(longest, prepared()));
    EXPECT_FALSE(StatementCache::takes(longest + "x", prepared()));
    Prepared pragma = prepared();
    pragma.pragma = true;
    EXPECT_FALSE(StatementCache::takes("PRAGMA foreign_keys = ON", pragma));
}

TEST(StatementTable, GivesTheLowestNumberThatIsFree) {
    StatementTable table;
    for (std::uint32_t id = 0; id < 4; ++id) ASSERT_EQ(*table.insert(prepared()), id);
    table.erase(2);
    table.erase(1);
    EXPECT_EQ(table.find(1), nullptr);
    EXPECT_NE(table.find(3), nullptr);
    EXPECT_EQ(table.find(4), nullptr);
    EXPECT_EQ(table.find(~std::uint64_t{0}), nullptr);
    EXPECT_EQ(*table.insert(prepared()), 1u);
    EXPECT_EQ(*table.insert(prepared()), 2u);
    EXPECT_EQ(*table.insert(prepared()), 4u);
}

TEST(StatementTable, HasALimitOnStatements) {
    StatementTable table;
    for (std::size_t i = 0; i < limits::kStatementsPerSessionMax; ++i) {
        ASSERT_TRUE(table.insert(prepared()).ok());
    }
    const auto refused = table.insert(prepared());
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("finalize some"), std::string::npos);
    table.erase(7);
    EXPECT_EQ(*table.insert(prepared()), 7u);
}

TEST(StatementTable, HasALimitOnTheirTexts) {
    StatementTable table;
    ASSERT_TRUE(table.insert(prepared(limits::kPreparedSqlBytesMax - 10)).ok());
    EXPECT_FALSE(table.insert(prepared(11)).ok());
    ASSERT_TRUE(table.insert(prepared(10)).ok());
    EXPECT_FALSE(table.insert(prepared(1)).ok());
    table.erase(0);
    EXPECT_TRUE(table.insert(prepared(limits::kPreparedSqlBytesMax - 10)).ok());
}

TEST(StatementTable, IsAsNewOnceItIsCleared) {
    StatementTable table;
    ASSERT_TRUE(table.insert(prepared(limits::kPreparedSqlBytesMax)).ok());
    table.clear();
    EXPECT_EQ(table.find(0), nullptr);
    EXPECT_EQ(*table.insert(prepared()), 0u);
}

}  // namespace
}  // namespace quorlite::session
