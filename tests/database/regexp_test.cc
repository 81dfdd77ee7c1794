// REGEXP: what it finds, and that no pattern and no text takes long.
#include <gmock/gmock.h>

#include "tests/database/support.h"

namespace quorlite::database {
namespace {

class RegexpTest : public testing::Test {
protected:
    RegexpTest() {
        EXPECT_OK(node_.open());
        connection_ = node_.connect();
    }
    std::string value(const std::string& expression) {
        const auto found = query(*connection_, "SELECT " + expression);
        return found.ok() ? found.value() : found.error().message;
    }

    Node node_{1};
    std::unique_ptr<Connection> connection_;
};

TEST_F(RegexpTest, FindsAPatternAnywhere) {
    EXPECT_EQ(value("'caffè' REGEXP 'f.$'"), "1\n");
    EXPECT_EQ(value("'Coffee' REGEXP '^c'"), "0\n");
    EXPECT_EQ(value("'Coffee' REGEXP '(?i)^c'"), "1\n");
    EXPECT_EQ(value("17 REGEXP '^[0-9]+$'"), "1\n");
    EXPECT_EQ(value("'' REGEXP ''"), "1\n");
    EXPECT_EQ(value("typeof(NULL REGEXP 'a')"), "null\n");
    EXPECT_EQ(value("typeof('a' REGEXP NULL)"), "null\n");
}

TEST_F(RegexpTest, ManyPatternsInOneStatement) {
    EXPECT_EQ(value("sum('a' || i REGEXP '^a' || i || '$') FROM (WITH RECURSIVE n(i) AS (SELECT 1 "
                    "UNION ALL SELECT i + 1 FROM n LIMIT 50) SELECT i FROM n)"),
              "50\n");
}

TEST_F(RegexpTest, IndexesAndChecksMayUseIt) {
    EXPECT_OK(execute(*connection_, "SELECT 1 WHERE 'a' REGEXP 'a'"));
    Log log;
    Writer writer(node_, log, "checked");
    ASSERT_OK(writer.run("CREATE TABLE t(a CHECK(a REGEXP '^[a-z]+$'))"));
    EXPECT_OK(writer.run("INSERT INTO t VALUES('abc')"));
    EXPECT_FALSE(writer.run("INSERT INTO t VALUES('abc1')").ok());
}

TEST_F(RegexpTest, RefusesWhatRe2Cannot) {
    for (const char* const pattern :
         {"'('", "'(a)\\1'", "'a(?=b)'", "'\\pL{500}'", "'((a{100}){100}){100}'",
          "replace(hex(zeroblob(20000)), '0', 'a')"}) {
        EXPECT_THAT(value("'a' REGEXP " + std::string(pattern)), testing::HasSubstr("REGEXP"))
            << pattern;
    }
}

// Linear in the text, which is what the limit of a pattern's steps times a text's bytes rests on.
TEST_F(RegexpTest, BoundsTheWork) {
    EXPECT_EQ(value("replace(hex(zeroblob(100000)), '0', 'x') || '!' REGEXP '(x+x+)+y'"), "0\n");
    // Too many states to be remembered: each step of the pattern for each letter.
    const auto letters = [](int bytes) {
        return "replace(hex(randomblob(" + std::to_string(bytes) + ")), '0', 'a')";
    };
    EXPECT_EQ(value(letters(50'000) + " REGEXP '([0-9A-F]|a)*a([0-9A-F]|a){30}z'"), "0\n");
    EXPECT_THAT(value(letters(2'000'000) + " REGEXP '([0-9A-F]|a)*a([0-9A-F]|a){900}z'"),
                testing::HasSubstr("the text is too long for this pattern"));
}

}  // namespace
}  // namespace quorlite::database
