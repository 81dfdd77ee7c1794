#include "tests/session/sql_grammar.h"

#include <array>

namespace quorlite::test {
namespace {

constexpr int kDepthMax = 4;

using Words = std::string_view;

constexpr std::array<Words, 32> kLiterals = {"NULL",
                                             "0",
                                             "1",
                                             "-1",
                                             "2",
                                             "7",
                                             "4611686018427387904",
                                             "-9223372036854775808",
                                             "0.0",
                                             "-0.0",
                                             "0.1",
                                             "1.5",
                                             "1e308",
                                             "-1e-300",
                                             "''",
                                             "'a'",
                                             "'abcabc'",
                                             "'äöü€😀'",
                                             "'a_%b'",
                                             "'12abc'",
                                             "' 1 '",
                                             "'1e3'",
                                             "'it''s'",
                                             "x''",
                                             "x'00'",
                                             "x'00ff61'",
                                             "x'e282'",
                                             "CAST(x'c361' AS TEXT)",
                                             "CAST(x'61ff62' AS TEXT)",
                                             "CAST(x'80a1' AS TEXT)",
                                             "'\t\n'",
                                             "'[1,{\"k\":null},\"x\"]'"};

constexpr std::array<Words, 24> kOperators = {"+",
                                              "-",
                                              "*",
                                              "/",
                                              "%",
                                              "||",
                                              "&",
                                              "|",
                                              "<<",
                                              ">>",
                                              "=",
                                              "<>",
                                              "<",
                                              "<=",
                                              ">",
                                              ">=",
                                              "IS",
                                              "IS NOT",
                                              "AND",
                                              "OR",
                                              "LIKE",
                                              "GLOB",
                                              "IS DISTINCT FROM",
                                              "NOT LIKE"};

constexpr std::array<Words, 6> kTypes = {"INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "ANY"};
constexpr std::array<Words, 3> kCollations = {"BINARY", "NOCASE", "RTRIM"};
constexpr std::array<Words, 5> kConflicts = {"ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"};

// What is called, and how many arguments it gets.
struct Called {
    Words name;
    std::size_t least;
    std::size_t most;
};
constexpr std::array kFunctions = {
    Called{"abs", 1, 1},         Called{"length", 1, 1},     Called{"lower", 1, 1},
    Called{"upper", 1, 1},       Called{"hex", 1, 1},        Called{"quote", 1, 1},
    Called{"typeof", 1, 1},      Called{"unicode", 1, 1},    Called{"char", 1, 3},
    Called{"instr", 2, 2},       Called{"instr", 2, 2},      Called{"replace", 3, 3},
    Called{"replace", 3, 3},     Called{"trim", 1, 2},       Called{"trim", 2, 2},
    Called{"ltrim", 2, 2},       Called{"rtrim", 2, 2},      Called{"substr", 2, 3},
    Called{"round", 1, 2},       Called{"coalesce", 2, 3},   Called{"ifnull", 2, 2},
    Called{"nullif", 2, 2},      Called{"iif", 3, 3},        Called{"max", 2, 3},
    Called{"min", 2, 3},         Called{"json_array", 0, 3}, Called{"json_quote", 1, 1},
    Called{"json_valid", 1, 1},  Called{"json_type", 1, 1},  Called{"json_patch", 2, 2},
    Called{"json_pretty", 1, 1}, Called{"sign", 1, 1},       Called{"format", 1, 3},
    Called{"unhex", 1, 2},       Called{"like", 2, 3},       Called{"glob", 2, 2},
    Called{"soundex", 1, 1},     Called{"likely", 1, 1},     Called{"concat", 1, 3},
    Called{"octet_length", 1, 1}};
constexpr std::array<Words, 8> kAggregates = {"count", "sum", "total",        "avg",
                                              "min",   "max", "group_concat", "json_group_array"};

constexpr std::array<Words, 16> kPragmas = {"user_version = 5",
                                            "user_version",
                                            "application_id = 9",
                                            "application_id",
                                            "integrity_check",
                                            "quick_check",
                                            "foreign_key_check",
                                            "table_info(t0)",
                                            "table_xinfo(t1)",
                                            "index_list(t0)",
                                            "foreign_keys",
                                            "recursive_triggers = 1",
                                            "defer_foreign_keys = 1",
                                            "collation_list",
                                            "reverse_unordered_selects = 1",
                                            "encoding"};

std::string text(Words words) {
    return std::string(words);
}

}  // namespace

std::size_t SqlGrammar::choose(std::size_t count) {
    return choices_.remaining() == 0 ? 0 : choices_.u8() % count;
}

Words SqlGrammar::one_of(std::span<const Words> words) {
    return words[choose(words.size())];
}

std::string SqlGrammar::list(std::size_t most, std::string (SqlGrammar::*part)()) {
    std::string all = (this->*part)();
    for (std::size_t more = choose(most); more > 0; --more) all += ", " + (this->*part)();
    return all;
}

std::string SqlGrammar::literal() {
    return text(one_of(kLiterals));
}

std::string SqlGrammar::operand() {
    return columns_ ? column() : literal();
}

std::string SqlGrammar::value() {
    columns_ = false;
    std::string chosen = expression();
    columns_ = true;
    return chosen;
}

std::string SqlGrammar::row() {
    return "(" + value() + ", " + value() + ", " + literal() + ")";
}

std::string SqlGrammar::expression() {
    if (depth_ >= kDepthMax) return choose(2) == 0 ? literal() : operand();
    ++depth_;
    std::string chosen;
    switch (choose(8)) {
        case 0:
        case 1:
            chosen = literal();
            break;
        case 2:
        case 3:
            chosen = operand();
            break;
        case 4:
            chosen = "(" + expression() + " " + text(one_of(kOperators)) + " " + expression() + ")";
            break;
        case 5:
        case 6:
            chosen = function();
            break;
        default:
            chosen = compound_expression();
    }
    --depth_;
    return chosen;
}

std::string SqlGrammar::compound_expression() {
    switch (choose(14)) {
        case 0:
            return "(-" + expression() + ")";
        case 1:
            return "(~" + expression() + ")";
        case 2:
            return "(NOT " + expression() + ")";
        case 3:
            return "(" + expression() + " IS NULL)";
        case 4:
            return "(" + expression() + " BETWEEN " + expression() + " AND " + expression() + ")";
        case 5:
            return "(" + expression() + " IN (" + list(3, &SqlGrammar::expression) + "))";
        case 6:
            return "(" + expression() + " IN (SELECT " + column() + " FROM " + table() + "))";
        case 7:
            return "CASE WHEN " + expression() + " THEN " + expression() + " ELSE " + expression() +
                   " END";
        case 8:
            return "CASE " + expression() + " WHEN " + literal() + " THEN " + expression() + " END";
        case 9:
            return "CAST(" + expression() + " AS " + text(one_of(kTypes)) + ")";
        case 10:
            return "(" + expression() + " COLLATE " + text(one_of(kCollations)) + ")";
        case 11:
            return "(SELECT " + aggregate() + " FROM " + table() + where() + ")";
        case 12:
            return "EXISTS (SELECT 1 FROM " + table() + where() + ")";
        default:
            return "(json_object('k', " + literal() + ", 'l', " + literal() + ") ->> '$.k')";
    }
}

std::string SqlGrammar::function() {
    const Called& called = kFunctions[choose(kFunctions.size())];
    std::string sql = text(called.name) + "(";
    const std::size_t count = called.least + choose(called.most - called.least + 1);
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) sql += ", ";
        sql += expression();
    }
    return sql + ")";
}

std::string SqlGrammar::aggregate() {
    std::string sql = text(one_of(kAggregates)) + "(" + expression() + ")";
    if (rarely()) sql += " FILTER (WHERE " + expression() + ")";
    return sql;
}

std::string SqlGrammar::where() {
    return likely() ? " WHERE " + expression() : "";
}

std::string SqlGrammar::source() {
    switch (choose(8)) {
        case 0:
            return "(SELECT a.c0, b.c1, a.c2, b.c3 FROM " + table() + " AS a JOIN " + table() +
                   " AS b USING (c0))";
        case 1:
            return "(SELECT a.c0, b.c1, a.c2, b.c3 FROM " + table() + " AS a LEFT JOIN " + table() +
                   " AS b ON a.c0 = b.c1)";
        case 2:
            return "(SELECT * FROM " + table() + where() + ")";
        case 3:
            return "(WITH RECURSIVE g(c0, c1) AS (SELECT 1, " + literal() +
                   " UNION ALL SELECT c0 + 1, c1 FROM g LIMIT 20) SELECT c0, c1, c0 AS c2, c1 AS "
                   "c3 "
                   "FROM g)";
        case 4:
            return "v0";
        case 5:
            return "(SELECT key AS c0, value AS c1, type AS c2, atom AS c3 "
                   "FROM json_each('[1,[2],\"3\"]'))";
        default:
            return table();
    }
}

std::string SqlGrammar::select() {
    switch (choose(6)) {
        case 0:
            return "SELECT " + column() + ", " + aggregate() + " FROM " + source() + where() +
                   " GROUP BY " + column() + (rarely() ? " HAVING " + expression() : "") +
                   " ORDER BY 1, 2";
        case 1:
            return "SELECT " + column() + ", " + aggregate() + " OVER (PARTITION BY " + column() +
                   " ORDER BY " + column() + ", c0) FROM " + source() + where() + " LIMIT 50";
        case 2:
            return "SELECT " + expression() + " FROM " + table() + where() +
                   (rarely() ? " UNION ALL SELECT " : " UNION SELECT ") + expression() + " FROM " +
                   table() + " ORDER BY 1 LIMIT 60";
        case 3:
            return "SELECT " + list(4, &SqlGrammar::value);
        default:
            return text(rarely() ? "SELECT DISTINCT " : "SELECT ") +
                   list(3, &SqlGrammar::expression) + " FROM " + source() + where() +
                   (rarely() ? " ORDER BY " + expression() : "") + " LIMIT 60";
    }
}

std::string SqlGrammar::column_definition(std::size_t number) {
    std::string sql = "c";
    sql += std::to_string(number);
    if (likely()) sql += " " + text(one_of(kTypes));
    switch (choose(12)) {
        case 0:
            return sql + " UNIQUE" + (rarely() ? " ON CONFLICT " + text(one_of(kConflicts)) : "");
        case 1:
            return sql + " NOT NULL DEFAULT " + literal();
        case 2:
            return sql + " DEFAULT (" + literal() + ")";
        case 3:
            return sql + " CHECK (" + sql.substr(0, 2) + " IS NOT 7)";
        case 4:
            return sql + " COLLATE " + text(one_of(kCollations));
        case 5:
            return sql + " REFERENCES t0(c0) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED";
        case 6:
            if (number != 3) return sql;  // the others are written to
            return sql + " AS (coalesce(c0, 1) || 'x') " + (rarely() ? "STORED" : "VIRTUAL");
        default:
            return sql;
    }
}

std::string SqlGrammar::create_table(Words name) {
    std::string sql = "CREATE TABLE IF NOT EXISTS " + text(name) + "(";
    const bool keyed = rarely();
    sql += keyed ? "c0 PRIMARY KEY" : likely() ? "c0 INTEGER PRIMARY KEY" : "c0 UNIQUE";
    for (std::size_t i = 1; i < 4; ++i) sql += ", " + column_definition(i);
    return sql + ")" + (keyed ? " WITHOUT ROWID" : "");
}

std::string SqlGrammar::schema() {
    return create_table("t0") + "; " + create_table("t1") + "; " + create_table("t2");
}

std::string SqlGrammar::create() {
    const std::string name = std::to_string(choose(2));
    switch (choose(8)) {
        case 0:
            return text(rarely() ? "CREATE UNIQUE INDEX i" : "CREATE INDEX i") + name + " ON " +
                   table() + "(" + column() + (rarely() ? " DESC" : "") + ", " + column() + ")" +
                   where();
        case 1:
            return "CREATE INDEX i" + name + " ON " + table() + "(" + function() + ")";
        case 2:
            return "CREATE VIEW v" + name + " AS SELECT c0, c1, c2, c3 FROM " + table() + where();
        case 3:
            return "CREATE TRIGGER r" + name + (rarely() ? " BEFORE " : " AFTER ") +
                   (rarely() ? "DELETE" : "INSERT") + " ON " + table() + " BEGIN UPDATE " +
                   table() + " SET c1 = c0 WHERE c0 IS NOT NULL; DELETE FROM " + table() +
                   " WHERE c2 = 'gone'; END";
        case 4:
            return "CREATE TABLE " + table() + " AS " + select();
        case 5:
            return "CREATE TEMP TABLE u" + name + " AS " + select();
        case 6:
            return "CREATE VIRTUAL TABLE f" + name + " USING fts5(a, b)";
        default:
            return create_table(table());
    }
}

std::string SqlGrammar::change_schema() {
    const std::string name = std::to_string(choose(2));
    switch (choose(10)) {
        case 0:
            return "DROP TABLE IF EXISTS " + table();
        case 1:
            return "DROP INDEX i" + name;
        case 2:
            return "DROP VIEW v" + name;
        case 3:
            return "DROP TRIGGER r" + name;
        case 4:
            return "ALTER TABLE " + table() + " ADD COLUMN " + column_definition(choose(6));
        case 5:
            return "ALTER TABLE " + table() + " DROP COLUMN " + column();
        case 6:
            return "ALTER TABLE " + table() + " RENAME COLUMN " + column() + " TO " + column();
        case 7:
            return "ALTER TABLE " + table() + " RENAME TO " + table();
        case 8:
            return "INSERT INTO f" + name + " VALUES ('some words', 'other words')";
        default:
            return rarely() ? "VACUUM" : rarely() ? "REINDEX" : "ANALYZE";
    }
}

std::string SqlGrammar::conflict() {
    return rarely() ? " OR " + text(one_of(kConflicts)) : "";
}

std::string SqlGrammar::insert(bool returning) {
    std::string sql = "INSERT" + conflict() + " INTO " + table() + "(c0, c1, c2) ";
    if (rarely()) {
        sql += "SELECT " + expression() + ", " + expression() + ", " + literal() + " FROM " +
               table() + where() + " LIMIT 20";
    } else {
        sql += "VALUES " + list(3, &SqlGrammar::row);
        if (rarely()) sql += " ON CONFLICT (c0) DO UPDATE SET c1 = excluded.c1 || " + literal();
        if (rarely()) sql += " ON CONFLICT DO NOTHING";
    }
    return sql + (returning ? " RETURNING *, " + expression() : "");
}

std::string SqlGrammar::update(bool returning) {
    std::string sql =
        "UPDATE" + conflict() + " " + table() + " SET " + column() + " = " + expression();
    if (rarely()) sql += " FROM (SELECT c1 AS other FROM " + table() + " LIMIT 3)";
    return sql + where() + (returning ? " RETURNING " + expression() : "");
}

std::string SqlGrammar::erase(bool returning) {
    return "DELETE FROM " + table() + (rarely() ? "" : " WHERE " + expression()) +
           (returning ? " RETURNING *" : "");
}

std::string SqlGrammar::change(bool returning) {
    switch (choose(6)) {
        case 0:
            return erase(returning);
        case 1:
        case 2:
            return update(returning);
        default:
            return insert(returning);
    }
}

std::string SqlGrammar::transaction() {
    constexpr std::array<Words, 10> kSteps = {
        "BEGIN",    "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "COMMIT",    "COMMIT",
        "ROLLBACK", "SAVEPOINT s",     "SAVEPOINT s",     "RELEASE s", "ROLLBACK TO s"};
    return text(one_of(kSteps));
}

std::string SqlGrammar::pragma() {
    return "PRAGMA " + text(one_of(kPragmas));
}

std::optional<Sql> SqlGrammar::next() {
    if (choices_.remaining() == 0) return {};
    switch (choose(16)) {
        case 0:
        case 1:
            return Sql{transaction()};
        case 2:
            return Sql{create()};
        case 3:
            return Sql{change_schema()};
        case 4:
            return Sql{pragma(), true};
        case 5:
        case 6:
        case 7:
        case 8:
            return Sql{select(), true};
        case 9:
            return Sql{change(true), true};
        case 10: {
            std::string script = change(false);
            for (std::size_t more = choose(3); more > 0; --more) script += "; " + change(false);
            return Sql{script + (rarely() ? "; " + transaction() : "")};
        }
        default:
            return Sql{change(false)};
    }
}

}  // namespace quorlite::test
