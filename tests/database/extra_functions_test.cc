// The functions that programs add to their own SQLite: what they answer, and where they end.
#include <gmock/gmock.h>

#include "engine/base/limits.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

class ExtraFunctionsTest : public testing::Test {
protected:
    ExtraFunctionsTest() {
        EXPECT_OK(node_.open());
        connection_ = node_.connect();
    }
    std::string value(const std::string& expression) {
        const auto found = query(*connection_, "SELECT " + expression);
        if (!found.ok()) return found.error().message;
        return found.value().substr(0, found.value().size() - 1);
    }

    Node node_{1};
    std::unique_ptr<Connection> connection_;
};

TEST_F(ExtraFunctionsTest, Texts) {
    EXPECT_EQ(value("lpad('ab', 5, 'xyz')"), "xyzab");
    EXPECT_EQ(value("lpad('ab', 6, 'äöü')"), "äöüäab");
    EXPECT_EQ(value("rpad('ab', 6, 'äöü')"), "abäöüä");
    EXPECT_EQ(value("lpad('äöü', 2, 'x')"), "äö");
    EXPECT_EQ(value("rpad('ab', 5, '')"), "ab");
    EXPECT_EQ(value("quote(lpad('ab', -1, 'x'))"), "''");
    EXPECT_EQ(value("quote(rpad('ab', -9223372036854775807 - 1, 'x'))"), "''");
    EXPECT_EQ(value("repeat('ab', 3)"), "ababab");
    EXPECT_EQ(value("quote(repeat('ab', -1)) || quote(repeat('', 9223372036854775807))"), "''''");
    EXPECT_EQ(value("reverse('aäö€')"), "€öäa");
    EXPECT_EQ(value("quote(reverse(''))"), "''");
    EXPECT_EQ(value("hex(reverse(CAST(x'808161' AS TEXT)))"), "618081");
    for (const char* const call :
         {"lpad(NULL, 1, 'a')", "rpad('a', NULL, 'a')", "repeat('a', NULL)", "reverse(NULL)",
          "md5(NULL)", "bitxor(1, NULL)", "cot(NULL)"}) {
        EXPECT_EQ(value("typeof(" + std::string(call) + ")"), "null") << call;
    }
}

TEST_F(ExtraFunctionsTest, TextsEndAtTheLimitOfAValue) {
    for (const char* const call :
         {"repeat('ab', 9223372036854775807)", "lpad('a', 9223372036854775807, 'b')",
          "rpad('a', 9223372036854775807, 'bc')", "repeat('ab', 40000000)"}) {
        EXPECT_EQ(value("length(" + std::string(call) + ")"), "string or blob too big") << call;
    }
    EXPECT_EQ(value("length(repeat(repeat('ab', 1000), 30000))"), "60000000");
    EXPECT_EQ(value("length(reverse(repeat('ab', 100000)))"), "200000");
}

TEST_F(ExtraFunctionsTest, Hashes) {
    EXPECT_EQ(value("md5('abc')"), "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(value("sha1('abc')"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(value("sha224('abc')"), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
    EXPECT_EQ(value("sha256('abc')"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(value("substr(sha384('abc'), 1, 16) || length(sha384(''))"), "cb00753f45a35e8b96");
    EXPECT_EQ(value("substr(sha512('abc'), 1, 16) || length(sha512(''))"), "ddaf35a193617aba128");
    EXPECT_EQ(value("md5(x'') = md5('') AND md5(x'00') <> md5('')"), "1");
}

TEST_F(ExtraFunctionsTest, Numbers) {
    EXPECT_EQ(value("bitxor(6, 3)"), "5");
    EXPECT_EQ(value("round(cot(1), 6)"), "0.642093");
    EXPECT_EQ(value("typeof(cot(0))"), "null");
    EXPECT_EQ(value("min(rand()) >= 0 AND max(rand()) < 1 AND count(DISTINCT rand()) > 90 FROM "
                    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) "
                    "SELECT i FROM n)"),
              "1");
}

TEST_F(ExtraFunctionsTest, Deviations) {
    const std::string of = " FROM (VALUES(1000000001), (1000000002), (NULL), (1000000006))";
    EXPECT_EQ(value("round(var_pop(column1), 6)" + of), "4.66667");
    EXPECT_EQ(value("round(var_samp(column1), 6)" + of), "7");
    EXPECT_EQ(value("round(stddev_pop(column1), 6)" + of), "2.16025");
    EXPECT_EQ(value("round(stddev_samp(column1), 6)" + of), "2.64575");
    EXPECT_EQ(value("quote(var_pop(column1)) || quote(var_samp(column1)) FROM (VALUES(7))"),
              "0.0NULL");
    EXPECT_EQ(value("quote(var_pop(column1)) FROM (VALUES(NULL))"), "NULL");
}

TEST_F(ExtraFunctionsTest, Uuid7SortsByTime) {
    EXPECT_EQ(value("uuid7() REGEXP '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                    "[0-9a-f]{12}$'"),
              "1");
    EXPECT_EQ(
        value("count(DISTINCT u) FROM (WITH RECURSIVE n(u, i) AS (SELECT uuid7(), 1 UNION ALL "
              "SELECT uuid7(), i + 1 FROM n LIMIT 1000) SELECT u FROM n)"),
        "1000");
    // The first twelve digits are the time of "now", in ms.
    EXPECT_EQ(value("substr(replace(uuid7(), '-', ''), 1, 12) = "
                    "printf('%012x', CAST(round((julianday('now') - 2440587.5) * 86400000) AS "
                    "INTEGER))"),
              "1");
}

TEST_F(ExtraFunctionsTest, LimitsAreTold) {
    EXPECT_EQ(value("quorlite_limit(0)"), std::to_string(limits::kValueBytesMax));
    EXPECT_EQ(value("quorlite_limit(9)"), std::to_string(limits::kParametersMax));
    EXPECT_EQ(value("typeof(quorlite_limit(-1)) || typeof(quorlite_limit(99)) || "
                    "typeof(quorlite_limit(4294967296))"),
              "nullnullnull");
}

}  // namespace
}  // namespace quorlite::database
