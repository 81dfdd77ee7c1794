#include "drivers/shell/splitter.h"

#include <gmock/gmock.h>

namespace quorlite::shell {
namespace {

using testing::ElementsAre;

std::string text_of(const Item& item) {
    if (const auto* const statement = std::get_if<Statement>(&item)) {
        return std::to_string(statement->line) + " " + statement->sql;
    }
    const Command& command = std::get<Command>(item);
    std::string text = std::to_string(command.line) + " ";
    for (const std::string& each : command.words) text += "<" + each + ">";
    return text;
}

std::vector<std::string> split(const std::vector<std::string>& lines, bool finish = true) {
    Splitter splitter;
    for (const std::string& each : lines) splitter.feed(each);
    if (finish) splitter.finish();
    std::vector<std::string> items;
    while (!splitter.empty()) items.push_back(text_of(splitter.take()));
    return items;
}

TEST(Splitter, StatementsEndAtSemicolons) {
    EXPECT_THAT(split({"select 1; select", "2;"}), ElementsAre("1 select 1;", "1 select\n2;"));
    EXPECT_THAT(split({"select 1;", "", "-- nothing", "select 2"}),
                ElementsAre("1 select 1;", "4 select 2"));
    EXPECT_THAT(split({"select 1"}, false), ElementsAre());
}

TEST(Splitter, SemicolonsInTextsCommentsAndTriggersEndNothing) {
    EXPECT_THAT(split({"select ';", "';"}), ElementsAre("1 select ';\n';"));
    EXPECT_THAT(split({"select 1 -- ;", ";"}), ElementsAre("1 select 1 -- ;\n;"));
    EXPECT_THAT(split({"/* ;", "; */ select 1;"}), ElementsAre("1 /* ;\n; */ select 1;"));
    EXPECT_THAT(
        split({"create trigger a after insert on t begin", "select 1;", "select 2;", "end;"}),
        ElementsAre("1 create trigger a after insert on t begin\nselect 1;\nselect 2;\n"
                    "end;"));
}

TEST(Splitter, AWordAloneEndsAStatementToo) {
    EXPECT_THAT(split({"select 1", "GO", "select 2", "/"}, false),
                ElementsAre("1 select 1", "3 select 2"));
    EXPECT_THAT(split({"select '", "go", "';"}), ElementsAre("1 select '\ngo\n';"));
}

TEST(Splitter, AWordAloneEndsNothingWithinATrigger) {
    EXPECT_THAT(
        split({"create trigger a after insert on t begin", "update t set a = end;", "go",
               "select 1;", "end;", "select 2"}),
        ElementsAre("1 create trigger a after insert on t begin\nupdate t set a = end;\ngo\n"
                    "select 1;\nend;",
                    "6 select 2"));
}

TEST(Splitter, ManyStatementsInOneLineKeepTheirPlaces) {
    EXPECT_THAT(split({"/* a", "*/ select 1; select 2;", ";", "select 3"}),
                ElementsAre("1 /* a\n*/ select 1;", "2 select 2;", "4 select 3"));
}

TEST(Splitter, CommandsStandWhereNoStatementHasBegun) {
    EXPECT_THAT(split({".mode  csv", "select 1", ".5;", ".quit"}),
                ElementsAre("1 <mode><csv>", "2 select 1\n.5;", "4 <quit>"));
    EXPECT_THAT(split({"-- a comment", ".tables"}), ElementsAre("2 <tables>"));
    EXPECT_THAT(split({"."}), ElementsAre("1 <>"));
}

TEST(Splitter, WhatWasBegunCanBeThrownAway) {
    Splitter splitter;
    splitter.feed("select '");
    EXPECT_TRUE(splitter.within_statement());
    splitter.reset();
    EXPECT_FALSE(splitter.within_statement());
    splitter.feed("select 1;");
    EXPECT_EQ(text_of(splitter.take()), "2 select 1;");
}

TEST(Words, AreSeparatedByBlanksOrQuoted) {
    EXPECT_THAT(split_words("import  'a b' \"c\\n\\\"d\" ''"),
                ElementsAre("import", "a b", "c\n\"d", ""));
    EXPECT_THAT(split_words("'open"), ElementsAre("open"));
    EXPECT_THAT(split_words("  "), ElementsAre());
}

}  // namespace
}  // namespace quorlite::shell
