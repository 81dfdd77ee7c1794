#include "drivers/core/sql.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <cstdlib>

#include "tests/drivers/core/vectors.h"

namespace quorlite::core {
namespace {

using nlohmann::json;

const json& vectors() {
    static const json loaded = read_vectors("sql");
    return loaded;
}

Effect effect(std::string_view text) {
    return analyse(text).effect;
}

std::vector<SqlText> statements_of(std::string_view text) {
    std::vector<SqlText> all;
    while (!text.empty()) {
        all.push_back(analyse(text));
        if (all.back().effect == Effect::kNone) all.pop_back();
        text.remove_prefix(analyse(text).end);
    }
    return all;
}

// From spec/vectors/sql.json, which the Go client reads, too.
TEST(Sql, TellsEffects) {
    constexpr std::array kNames = {"none",     "read",      "write",   "begin",      "commit",
                                   "rollback", "savepoint", "release", "rollback_to"};
    for (const json& each : vectors()["cases"]) {
        json effects = json::array();
        json rows = json::array();
        for (const SqlText& statement : statements_of(each["sql"].get_ref<const std::string&>())) {
            effects.push_back(kNames.at(static_cast<std::size_t>(statement.effect)));
            rows.push_back(statement.yields_rows);
        }
        EXPECT_EQ(effects, each["effects"]) << each["sql"];
        EXPECT_EQ(rows, each.value("rows", rows)) << each["sql"];
    }
}

TEST(Sql, NumbersParametersAsSqliteDoes) {
    for (const json& each : vectors()["parameters"]) {
        const std::string sql = each["sql"];
        const SqlText text = analyse(sql);
        EXPECT_EQ(text.parameters, each["parameters"].get<std::uint32_t>()) << sql;
        json names = json::array();
        for (const auto& [name, number] : text.names) {
            while (names.size() + 1 < number) names.push_back("");
            names.push_back(name);
        }
        EXPECT_EQ(names, each["names"]) << sql;
    }
}

// Whether StatementEnd, which reads lines as they come, says what sqlite3_complete() says of all.
bool ends_as_sqlite_says(const std::string& lines) {
    StatementEnd end;
    std::size_t at = 0;
    bool ended = false;
    for (std::size_t size = 0; size < lines.size();) {
        size = lines.find('\n', size) + 1;
        while (end.scan(std::string_view(lines).substr(0, size), at)) ended = true;
    }
    const bool complete = ended && end.blank() && end.at_rest();
    return complete == (sqlite3_complete(lines.c_str()) != 0);
}

// Statements that SQLite has judged: see tests/corpus.
TEST(Sql, AgreesWithSqliteAboutTheCorpus) {
    const char* const path = std::getenv("QUORLITE_CORPUS");
    if (path == nullptr) GTEST_SKIP() << "QUORLITE_CORPUS is not set: tests/run corpus makes one";
    std::ifstream lines(path);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const json said = json::parse(line);
        const std::string sql = said["sql"];
        const std::size_t step = std::max<std::size_t>(1, sql.size() / 7);
        for (std::size_t size = step; size <= sql.size(); size += step) {
            EXPECT_TRUE(ends_as_sqlite_says(sql.substr(0, size) + "\n")) << sql.substr(0, size);
        }
        const SqlText text = analyse(sql);
        EXPECT_EQ(text.end, said["used"].get<std::size_t>()) << sql;
        EXPECT_EQ(text.parameters, said["count"].get<std::uint32_t>()) << sql;
        EXPECT_TRUE(text.effect != Effect::kRead || said["reads"]) << sql;
    }
    EXPECT_GE(count, 10'000u) << path;
}

TEST(Sql, KnowsNamesOfSavepoints) {
    EXPECT_EQ(analyse("ROLLBACK TO a").savepoint, "a");
    EXPECT_EQ(analyse("SAVEPOINT \"a b\"").savepoint, "\"a b\"");
    EXPECT_EQ(analyse("RELEASE SAVEPOINT x;").savepoint, "x");
}

TEST(Sql, KnowsTheVerb) {
    EXPECT_EQ(analyse("/* x */ with a AS (SELECT 1) Insert INTO t SELECT 1").verb, "Insert");
    EXPECT_EQ(analyse("; delete FROM t").verb, "delete");
    EXPECT_EQ(analyse("-- nothing").verb, "");
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
