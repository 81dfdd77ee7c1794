// Every mode, with values that are hard to write: each expectation is what a reader gets.
#include "drivers/shell/renderer.h"

#include <gtest/gtest.h>

#include <clocale>
#include <limits>
#include <nlohmann/json.hpp>

#include "drivers/shell/limits.h"

namespace quorlite::shell {
namespace {

using namespace std::string_literals;

value blob(std::string_view bytes) {
    return value(value_view::of_text(bytes, value_type::blob));
}
value real(double number) {
    return value(value_view::of_real(number));
}

Relation odd_values() {
    return {{"id", "the \"name\""},
            {{integer_value(1), text_value("it's, \"so\"")},
             {integer_value(20), value()},
             {real(0.1), text_value("a\nb|c")},
             {blob("\x00\xff"s), text_value("é漢")}}};
}

// Options that differ from the usual ones as `change` says.
template <class Change>
RenderOptions with(Change change) {
    RenderOptions options;
    change(options);
    return options;
}

std::string drawn(Mode mode, const Relation& relation, RenderOptions options = {}) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    std::string out;
    options.mode = mode;
    render(relation, *make_renderer(options, [&](std::string_view text) { out += text; }));
    return out;
}

TEST(Renderer, Table) {
    EXPECT_EQ(drawn(Mode::kTable, odd_values(), with([](auto& o) { o.null_text = "NULL"; })),
              "+---------+------------+\n"
              "| id      | the \"name\" |\n"
              "+---------+------------+\n"
              "|       1 | it's, \"so\" |\n"
              "|      20 | NULL       |\n"
              "|     0.1 | a\\nb|c     |\n"
              "| x'00ff' | é漢        |\n"
              "+---------+------------+\n");
}

TEST(Renderer, Box) {
    EXPECT_EQ(drawn(Mode::kBox, {{"x"}, {{integer_value(7)}}}),
              "┌───┐\n│ x │\n├───┤\n│ 7 │\n└───┘\n");
    EXPECT_EQ(drawn(Mode::kBox, {{"x"}, {}}), "");
}

TEST(Renderer, MarkdownEscapesItsBars) {
    EXPECT_EQ(drawn(Mode::kMarkdown, {{"a|b"}, {{text_value("c|d")}}}),
              "| a\\|b |\n|------|\n| c\\|d |\n");
}

TEST(Renderer, WidthsAreTheLeast) {
    EXPECT_EQ(drawn(Mode::kMarkdown, {{"a"}, {{text_value("long")}}},
                    with([](auto& o) { o.widths = {6}; })),
              "| a      |\n|--------|\n| long   |\n");
}

TEST(Renderer, ALongTableIsDrawnWhileItComes) {
    Relation relation{{"n"}, {}};
    relation.rows.resize(limits::kRowsMeasured, {text_value("12")});
    std::string out;
    const auto renderer = make_renderer(with([](auto& o) { o.mode = Mode::kTable; }),
                                        [&](auto text) { out += text; });
    renderer->begin(relation.columns);
    for (std::size_t i = 0; i < limits::kRowsMeasured; ++i) {
        EXPECT_EQ(out, "");
        renderer->row(std::vector{value_view::of_text("12")});
    }
    EXPECT_NE(out, "");
    out.clear();
    renderer->row(std::vector{value_view::of_text("wider")});
    EXPECT_EQ(out, "| wider |\n");
}

TEST(Renderer, Csv) {
    EXPECT_EQ(drawn(Mode::kCsv, odd_values(), with([](auto& o) { o.headers = true; })),
              "id,\"the \"\"name\"\"\"\r\n"
              "1,\"it's, \"\"so\"\"\"\r\n"
              "20,\r\n"
              "0.1,\"a\nb|c\"\r\n"
              "x'00ff',é漢\r\n");
    // Texts that look like something else are quoted.
    for (const char* const text : {"", "12", "-1", "x'00'", " a", ".5"}) {
        EXPECT_EQ(drawn(Mode::kCsv, {{"a"}, {{text_value(text)}}}), "\""s + text + "\"\r\n");
    }
}

TEST(Renderer, JsonIsReadByAParser) {
    const auto parsed = nlohmann::json::parse(drawn(Mode::kJson, odd_values()));
    ASSERT_EQ(parsed.size(), 4u);
    EXPECT_EQ(parsed[0]["the \"name\""], "it's, \"so\"");
    EXPECT_TRUE(parsed[1]["the \"name\""].is_null());
    EXPECT_EQ(parsed[2]["id"], 0.1);
    EXPECT_EQ(parsed[3]["id"], "00ff");
    EXPECT_EQ(drawn(Mode::kJson, {{"a"}, {}}), "[]\n");
    EXPECT_EQ(drawn(Mode::kJson, {{"a"}, {{text_value("\xff")}}}), "[{\"a\":\"\xef\xbf\xbd\"}]\n");
}

TEST(Renderer, InsertWritesLiterals) {
    EXPECT_EQ(drawn(Mode::kInsert, odd_values(), with([](auto& o) { o.insert_into = "t\"t"; })),
              "INSERT INTO \"t\"\"t\"(\"id\",\"the \"\"name\"\"\") VALUES(1,'it''s, \"so\"');\n"
              "INSERT INTO \"t\"\"t\"(\"id\",\"the \"\"name\"\"\") VALUES(20,NULL);\n"
              "INSERT INTO \"t\"\"t\"(\"id\",\"the \"\"name\"\"\") VALUES(0.1,'a\nb|c');\n"
              "INSERT INTO \"t\"\"t\"(\"id\",\"the \"\"name\"\"\") VALUES(X'00FF','é漢');\n");
    EXPECT_EQ(drawn(Mode::kInsert,
                    {{"a"}, {{real(2)}, {real(-std::numeric_limits<double>::infinity())}}}),
              "INSERT INTO \"table\"(\"a\") VALUES(2.0);\n"
              "INSERT INTO \"table\"(\"a\") VALUES(-9.0e999);\n");
}

TEST(Renderer, ListAndLine) {
    const Relation two{{"a", "long"}, {{integer_value(1), value()}, {integer_value(2), value()}}};
    EXPECT_EQ(drawn(Mode::kList, two, with([](auto& o) {
                        o.null_text = "-";
                        o.separator = ";";
                    })),
              "1;-\n2;-\n");
    EXPECT_EQ(drawn(Mode::kList, two, with([](auto& o) { o.headers = true; })), "a|long\n1|\n2|\n");
    EXPECT_EQ(drawn(Mode::kLine, two), "   a = 1\nlong = \n\n   a = 2\nlong = \n");
}

TEST(Renderer, ModesHaveNames) {
    for (const std::string& name : mode_names()) EXPECT_EQ(name_of(*find_mode(name)), name);
    EXPECT_TRUE(find_mode("BOX").has_value());
    EXPECT_FALSE(find_mode("boxes").has_value());
}

}  // namespace
}  // namespace quorlite::shell
