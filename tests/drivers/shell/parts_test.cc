// Arguments, completion, CSV, progress, and the status of the nodes as a table.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "drivers/shell/administration.h"
#include "drivers/shell/arguments.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/completion.h"
#include "drivers/shell/csv.h"
#include "drivers/shell/progress.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

using namespace std::string_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// ---- Arguments ----

Arguments parsed(std::vector<const char*> words) {
    words.insert(words.begin(), "quorlite");
    return std::get<Arguments>(parse_arguments(static_cast<int>(words.size()), words.data()));
}
int refused(std::vector<const char*> words) {
    words.insert(words.begin(), "quorlite");
    const auto result = parse_arguments(static_cast<int>(words.size()), words.data());
    const int* const status = std::get_if<int>(&result);
    return status ? *status : -1;
}

TEST(Arguments, NodesDatabaseAndSql) {
    const Arguments arguments = parsed({"-c", "a:1,b:2", "app", "select 1", ".tables"});
    EXPECT_EQ(arguments.cluster, "a:1,b:2");
    EXPECT_EQ(arguments.database, "app");
    EXPECT_THAT(arguments.sql, ElementsAre("select 1", ".tables"));
    EXPECT_FALSE(arguments.json || arguments.mode || arguments.headers || arguments.bail);
}

TEST(Arguments, Options) {
    const Arguments json = parsed({"--json", "--timeout", "1.5", "--bail", "--no-header"});
    EXPECT_TRUE(json.json && json.bail);
    EXPECT_EQ(json.mode, Mode::kJson);
    EXPECT_EQ(json.headers, false);
    EXPECT_EQ(json.timeout.count(), 1500);
    EXPECT_EQ(parsed({"--mode", "csv", "--header"}).headers, true);
}

TEST(Arguments, MistakesAreUsage) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(refused({"--mode", "nice"}), kUsage);
    EXPECT_EQ(refused({"--timeout", "0"}), kUsage);
    EXPECT_EQ(refused({"--nope"}), kUsage);
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("--nope"));
    testing::internal::CaptureStdout();
    EXPECT_EQ(refused({"--help"}), kFine);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("in doubt"));
}

TEST(Arguments, WhereTheNodesAre) {
    EXPECT_EQ(open_nodes("a:1, b:2")->load()->size(), 2u);
    EXPECT_THROW(open_nodes("a:1,b"), error);
    EXPECT_THROW(open_nodes("a:99999"), error);
    EXPECT_THROW(open_nodes(""), error);
    EXPECT_THROW(open_nodes("dns:name"), error);
    EXPECT_NE(open_nodes("dns:name:1"), nullptr);
    const std::string path = testing::TempDir() + "quorlite-nodes.yaml";
    std::ofstream(path) << "- Address: c:3\n  ID: 7\n  Role: 1\n";
    const auto stored = open_nodes(path)->load();
    std::filesystem::remove(path);
    ASSERT_EQ(stored->size(), 1u);
    EXPECT_EQ(stored->front(), (node_info{7, "c:3", node_role::standby}));
}

// ---- Completion ----

const Names kNames{{"people", "Order Lines"}, {"name", "age", "größe"}};

TEST(Completion, KeywordsTablesAndColumns) {
    EXPECT_THAT(complete("sel", kNames).candidates, ElementsAre("select"));
    EXPECT_THAT(complete("SEL", kNames).candidates, ElementsAre("SELECT"));
    EXPECT_THAT(complete("select * from peo", kNames).candidates, ElementsAre("people"));
    EXPECT_EQ(complete("select * from peo", kNames).begin, 14u);
    EXPECT_THAT(complete("select gr", kNames).candidates, Contains("größe"));
    EXPECT_THAT(complete("from ord", kNames).candidates, ElementsAre("\"Order Lines\"", "order"));
    EXPECT_THAT(complete("select ", kNames).candidates, ElementsAre());
}

TEST(Completion, AfterADotOnlyColumns) {
    EXPECT_THAT(complete("select people.a", kNames).candidates, ElementsAre("age"));
}

TEST(Completion, Commands) {
    EXPECT_THAT(complete(".tab", kNames).candidates, ElementsAre(".tables"));
    EXPECT_THAT(complete(".mode m", kNames).candidates, ElementsAre("markdown"));
    EXPECT_THAT(complete(".dump pe", kNames).candidates, ElementsAre("people"));
}

TEST(Completion, CommonPrefix) {
    EXPECT_EQ(common_prefix({"table", "tables", "tablets"}), "table");
    EXPECT_EQ(common_prefix({"a", "b"}), "");
    EXPECT_EQ(common_prefix({}), "");
}

// ---- CSV ----

std::vector<std::vector<CsvField>> records(const std::string& text) {
    std::istringstream in(text);
    CsvReader reader(in);
    std::vector<std::vector<CsvField>> all;
    for (std::vector<CsvField> fields; reader.next(fields);) all.push_back(fields);
    return all;
}

TEST(Csv, Fields) {
    const auto all = records(
        "\xef\xbb\xbf"
        "a,\"b \"\"c\"\", d\n e\",\r\nf\n\"\",g");
    ASSERT_EQ(all.size(), 3u);
    ASSERT_EQ(all[0].size(), 3u);
    EXPECT_EQ(all[0][0].text, "a");
    EXPECT_EQ(all[0][1].text, "b \"c\", d\n e");
    EXPECT_TRUE(all[0][1].quoted);
    EXPECT_EQ(all[0][2].text, "");
    EXPECT_EQ(all[1].size(), 1u);
    EXPECT_TRUE(all[2][0].quoted);
    EXPECT_EQ(all[2][1].text, "g");
    EXPECT_TRUE(records("").empty());
}

TEST(Csv, AnOpenQuoteIsAnErrorWithItsLine) {
    try {
        records("a\nb,\"c\nd");
        FAIL();
    } catch (const error& failed) {
        EXPECT_THAT(failed.info().message, HasSubstr("line 2"));
    }
}

TEST(Csv, ValuesComeBackAsTheyWere) {
    const std::vector<value_view> values = {
        {},
        value_view::of_integer(-5),
        value_view::of_integer(INT64_MIN),
        value_view::of_real(0.1),
        value_view::of_real(1e300),
        value_view::of_real(3),
        value_view::of_real(-HUGE_VAL),
        value_view::of_text(""),
        value_view::of_text("17"),
        value_view::of_text("x'00'"),
        value_view::of_text("a,\"b\"\r\n"),
        value_view::of_text("é"),
        value_view::of_text(std::string_view("\0'\"\xff", 4), value_type::blob),
        value_view::of_text("", value_type::blob),
    };
    for (const value_view& each : values) {
        const auto all = records(csv_literal(each) + ",\n");
        ASSERT_EQ(all.size(), 1u);
        std::string bytes;
        EXPECT_EQ(value_of(all[0][0], true, bytes), each) << csv_literal(each);
    }
}

TEST(Csv, TextsThatOnlyLookLikeNumbersStayTexts) {
    std::string bytes;
    for (const char* const text : {"0123", "+1", "1.50", "1e5", "12 ", "x'0'", "x'0g'"}) {
        EXPECT_EQ(value_of({text, false}, true, bytes), value_view::of_text(text));
    }
    EXPECT_EQ(value_of({"12", false}, false, bytes), value_view::of_text("12"));
}

// ---- Progress ----

TEST(Progress, RateAndTimeLeft) {
    EXPECT_EQ(progress_line("backup", Unit::kBytes, 3u << 20, 12u << 20, 2),
              "backup: 3.0 MiB of 12.0 MiB (25 %), 1.5 MiB/s, 6.00 s left");
    EXPECT_EQ(progress_line("export", Unit::kRows, 1234567, 0, 1),
              "export: 1,234,567 rows, 1,234,567 rows/s");
    EXPECT_THAT(progress_line("dump", Unit::kRows, 0, 10, 0), Not(HasSubstr("left")));
}

TEST(Texts, TimesAndSizes) {
    EXPECT_EQ(seconds_text(0.0123), "12.30 ms");
    EXPECT_EQ(seconds_text(200), "3 min 20 s");
    EXPECT_EQ(seconds_text(7260), "2 h 1 min");
    EXPECT_EQ(size_text(512), "512 B");
    EXPECT_EQ(count_text(1000), "1,000");
}

// ---- The cluster ----

TEST(Status, LagIsCountedFromTheLongestLog) {
    node_progress ahead;
    ahead.last = ahead.applied = 100;
    node_progress behind = ahead;
    behind.last = 95;
    behind.applied = 90;
    std::vector<node_status> nodes(3);
    nodes[0].reachable = nodes[0].leader = true;
    nodes[0].progress = ahead;
    nodes[1].reachable = true;
    nodes[1].progress = behind;
    nodes[2].trouble = "refused";
    const Relation relation = status_relation(nodes);
    const auto cell = [&](std::size_t row, const char* column) {
        const auto at = std::ranges::find(relation.columns, column) - relation.columns.begin();
        EXPECT_EQ(relation.rows[row].size(), relation.columns.size());
        return plain(relation.rows[row][static_cast<std::size_t>(at)].view(), "NULL");
    };
    EXPECT_EQ(cell(0, "lag"), "0");
    EXPECT_EQ(cell(1, "lag"), "10");
    EXPECT_EQ(cell(0, "state"), "leader");
    EXPECT_EQ(cell(2, "state"), "down");
    EXPECT_EQ(cell(2, "lag"), "NULL");
    EXPECT_EQ(cell(2, "trouble"), "refused");
}

TEST(Commands, AreSortedAndDescribed) {
    EXPECT_TRUE(std::ranges::is_sorted(commands(), {}, &CommandEntry::name));
    for (const CommandEntry& each : commands()) {
        EXPECT_LE(each.words_min, each.words_max) << each.name;
        EXPECT_NE(each.run, nullptr) << each.name;
        EXPECT_FALSE(each.does.empty()) << each.name;
    }
}

}  // namespace
}  // namespace quorlite::shell
