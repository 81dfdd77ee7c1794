#include "drivers/core/dump.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <limits>
#include <memory>

#include "drivers/core/literals.h"

namespace quorlite::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A database of SQLite's own, which reads texts whole.
class Database {
public:
    explicit Database(const std::string& script) {
        sqlite3* db = nullptr;
        EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
        db_.reset(db);
        for (const auto& row : query(script)) ADD_FAILURE() << row.size() << " values of a script";
    }

    Dump::Rows query(const std::string& sql) {
        Dump::Rows rows;
        const char* rest = sql.c_str();
        while (*rest != '\0') {
            sqlite3_stmt* made = nullptr;
            EXPECT_EQ(sqlite3_prepare_v2(db_.get(), rest, -1, &made, &rest), SQLITE_OK)
                << sql << ": " << sqlite3_errmsg(db_.get());
            const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(made,
                                                                                  sqlite3_finalize);
            if (!made) break;
            int state = SQLITE_OK;
            while ((state = sqlite3_step(made)) == SQLITE_ROW) {
                std::vector<value>& row = rows.emplace_back();
                for (int i = 0; i < sqlite3_column_count(made); ++i) row.push_back(at(made, i));
            }
            EXPECT_EQ(state, SQLITE_DONE) << sql << ": " << sqlite3_errmsg(db_.get());
        }
        return rows;
    }

    // The lines, or the error that there is instead.
    std::vector<std::string> dump(std::vector<std::string> tables = {}) {
        Dump description(std::move(tables));
        while (const auto question = description.question()) {
            const result<void> taken = description.answer(query(*question));
            if (!taken) return {taken.error().message};
        }
        std::vector<std::string> lines;
        for (const Dump::Step& each : description.steps()) {
            if (each.kind == Dump::Kind::kStatement) {
                lines.push_back(each.sql);
                continue;
            }
            for (const auto& row : query(each.sql)) {
                const std::vector<value_view> views(row.begin(), row.end());
                lines.push_back(Dump::statement(each.insert, each.paired, views));
            }
        }
        return lines;
    }

private:
    static value at(sqlite3_stmt* row, int column) {
        const auto bytes = [&] {
            const auto* const first = static_cast<const char*>(sqlite3_column_blob(row, column));
            return std::string_view(first,
                                    static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
        };
        switch (sqlite3_column_type(row, column)) {
            case SQLITE_INTEGER:
                return value_view::of_integer(sqlite3_column_int64(row, column));
            case SQLITE_FLOAT:
                return value_view::of_real(sqlite3_column_double(row, column));
            case SQLITE_TEXT:
                return value_view::of_text(bytes());
            case SQLITE_BLOB:
                return value_view::of_text(bytes(), value_type::blob);
            default:
                return {};
        }
    }

    std::unique_ptr<sqlite3, int (*)(sqlite3*)> db_{nullptr, sqlite3_close};
};

TEST(Literals, ReadBackTheSame) {
    using namespace std::string_view_literals;
    const std::vector<std::pair<value_view, std::string>> cases = {
        {{}, "NULL"},
        {value_view::of_integer(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808"},
        {value_view::of_real(-0.0), "-0.0"},
        {value_view::of_real(1e300), "1e+300"},
        {value_view::of_real(-std::numeric_limits<double>::infinity()), "-9.0e999"},
        {value_view::of_text("it's\n;"), "'it''s\n;'"},
        {value_view::of_text("a\0b"sv), "CAST(X'610062' AS TEXT)"},
        {value_view::of_text("a\r\n"), "CAST(X'610D0A' AS TEXT)"},
        {value_view::of_text("\xed\xa0\x80"), "CAST(X'EDA080' AS TEXT)"},
        {value_view::of_text("\x00\xff"sv, value_type::blob), "X'00FF'"},
    };
    Database db("");
    for (const auto& [value, literal] : cases) {
        EXPECT_EQ(sql_literal(value), literal);
        EXPECT_EQ(db.query("SELECT " + literal).at(0).at(0).view(), value) << literal;
    }
}

TEST(Dump, APlainTableNeedsNoList) {
    Database db("CREATE TABLE t(a, b); INSERT INTO t VALUES(1, 'x'), (NULL, x'0a')");
    EXPECT_THAT(db.dump(), ElementsAre("CREATE TABLE t(a, b);", "INSERT INTO \"t\" VALUES(1,'x');",
                                       "INSERT INTO \"t\" VALUES(NULL,X'0A');"));
}

TEST(Dump, RowidsStayWhereInsertWouldGiveOthers) {
    Database db(
        "CREATE TABLE t(rowid, a); INSERT INTO t VALUES(1, 2), (3, 4);"
        "DELETE FROM t WHERE _rowid_ = 1");
    EXPECT_THAT(db.dump().at(1), "INSERT INTO \"t\"(_rowid_,\"rowid\",\"a\") VALUES(2,3,4);");
    // This key is none that stands for the rowid.
    Database odd(
        "CREATE TABLE t(a INTEGER PRIMARY KEY DESC); INSERT INTO t(rowid, a) VALUES(7, 1)");
    EXPECT_THAT(odd.dump().at(1), "INSERT INTO \"t\"(rowid,\"a\") VALUES(7,1);");
    Database key("CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES(7)");
    EXPECT_THAT(key.dump().at(1), "INSERT INTO \"t\" VALUES(7);");
}

TEST(Dump, RowsComeInTheOrderOfTheirRowids) {
    // The index has all that is read, and is smaller than the table.
    Database db(
        "CREATE TABLE t(a INT, b TEXT AS (a) STORED, c TEXT AS (a) STORED);"
        "CREATE INDEX i ON t(a); INSERT INTO t VALUES(2), (1)");
    EXPECT_THAT(db.dump(),
                ElementsAre(HasSubstr("CREATE TABLE"), "INSERT INTO \"t\"(\"a\") VALUES(2);",
                            "INSERT INTO \"t\"(\"a\") VALUES(1);", "CREATE INDEX i ON t(a);"));
}

TEST(Dump, GeneratedColumnsAreLeftOut) {
    Database db("CREATE TABLE t(a, b AS (a), c AS (a) STORED); INSERT INTO t VALUES(1)");
    EXPECT_THAT(db.dump().at(1), "INSERT INTO \"t\"(\"a\") VALUES(1);");
}

TEST(Dump, TextsWithAZeroByteComeAsBytes) {
    Database db("CREATE TABLE t(a, b); INSERT INTO t VALUES(CAST(x'6100' AS TEXT), x'00')");
    EXPECT_THAT(db.dump().at(1), "INSERT INTO \"t\" VALUES(CAST(X'6100' AS TEXT),X'00');");
}

TEST(Dump, SequencesOfTablesThatAreThere) {
    Database db(
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, \"autoincrement\");"
        "INSERT INTO t(id) VALUES(9); DELETE FROM t; INSERT INTO sqlite_sequence VALUES('gone', "
        "3)");
    EXPECT_THAT(db.dump(),
                ElementsAre(HasSubstr("CREATE TABLE t"), "DELETE FROM \"sqlite_sequence\";",
                            "INSERT INTO \"sqlite_sequence\" VALUES('t',9);"));
    db.query("DROP TABLE t; CREATE TABLE u(\"autoincrement\")");
    EXPECT_THAT(db.dump(), ElementsAre("CREATE TABLE u(\"autoincrement\");"));
}

TEST(Dump, WhatBelongsToSqliteIsMadeByIt) {
    Database db(
        "CREATE TABLE sqliteuser(a); CREATE INDEX i ON sqliteuser(a);"
        "INSERT INTO sqliteuser VALUES(1); ANALYZE; PRAGMA user_version = 3");
    EXPECT_THAT(db.dump(),
                ElementsAre("CREATE TABLE sqliteuser(a);", "INSERT INTO \"sqliteuser\" VALUES(1);",
                            "CREATE INDEX i ON sqliteuser(a);", "ANALYZE \"sqlite_master\";",
                            "INSERT INTO \"sqlite_stat1\" VALUES('sqliteuser','i','1 1');",
                            "PRAGMA user_version=3;"));
}

TEST(Dump, VirtualTablesMakeTheirShadows) {
    Database db(
        "CREATE VIRTUAL TABLE f USING \"FTS5\"(a); INSERT INTO f(rowid, a) VALUES(7, 'word');"
        "CREATE TABLE f_mine(a); CREATE VIRTUAL TABLE v USING fts5vocab(f, row);"
        "CREATE VIRTUAL TABLE r USING rtree(id, x, y); INSERT INTO r VALUES(3, 1, 2)");
    EXPECT_THAT(db.dump(),
                ElementsAre("CREATE TABLE f_mine(a);", "CREATE VIRTUAL TABLE f USING \"FTS5\"(a);",
                            "INSERT INTO \"f\"(rowid,\"a\") VALUES(7,'word');",
                            "CREATE VIRTUAL TABLE v USING fts5vocab(f, row);",
                            "CREATE VIRTUAL TABLE r USING rtree(id, x, y);",
                            "INSERT INTO \"r\" VALUES(3,1.0,2.0);"));
}

TEST(Dump, AContentlessIndexIsPutTogetherOfItsTerms) {
    const std::string insert = "INSERT INTO f(rowid, a, b) VALUES(7, 'b a b', 'c'), (9, NULL, '')";
    Database db("CREATE VIRTUAL TABLE f USING fts5(a, b, c = ''); " + insert);
    EXPECT_THAT(db.dump(),
                ElementsAre(HasSubstr("CREATE"),
                            "INSERT INTO \"f\"(rowid,\"a\",\"b\") VALUES(7,'b a b','c');",
                            "INSERT INTO \"f\"(rowid,\"a\",\"b\") VALUES(9,NULL,NULL);"));
    Database porter("CREATE VIRTUAL TABLE f USING fts5(a, b, content='', t=porter); " + insert);
    EXPECT_THAT(porter.dump(), ElementsAre(HasSubstr("a tokenizer of its own")));
    Database named("CREATE VIRTUAL TABLE f USING fts5(\"content=''\", tokenize=porter)");
    EXPECT_THAT(named.dump(), ElementsAre(HasSubstr("CREATE")));
}

TEST(Dump, OnlySomeTables) {
    Database db("CREATE TABLE t(a); CREATE TABLE u(a); CREATE INDEX i ON t(a); ANALYZE");
    EXPECT_THAT(db.dump({"T"}), ElementsAre("CREATE TABLE t(a);", "CREATE INDEX i ON t(a);"));
    EXPECT_THAT(db.dump({"x"}), ElementsAre("there is no table x"));
}

TEST(Dump, SaysWhetherRowsReferToOthers) {
    const auto refers = [](const std::string& script) {
        Database db(script);
        Dump dump;
        while (const auto question = dump.question()) dump.answer(db.query(*question)).value();
        return dump.refers();
    };
    EXPECT_FALSE(refers("CREATE TABLE p(id PRIMARY KEY); CREATE TABLE c(p REFERENCES p)"));
    EXPECT_TRUE(refers("CREATE TABLE c(p REFERENCES p); INSERT INTO c VALUES(1)"));
}

}  // namespace
}  // namespace quorlite::core
