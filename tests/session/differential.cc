#include "tests/session/differential.h"

#include <sqlite3.h>

#include <memory>
#include <vector>

#include "engine/database/sqlite.h"
#include "tests/session/client.h"
#include "tests/session/sql_grammar.h"

namespace quorlite::test {
namespace {

constexpr int kStatementsMax = 40;

// The library by itself, with the limits and switches that nodes set.
class Plain {
public:
    Plain() {
        sqlite3_open(":memory:", &db_);
        database::restrict_sqlite(db_);
        sqlite3_extended_result_codes(db_, 1);
    }
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;
    ~Plain() { sqlite3_close(db_); }

    std::string answer(const Sql& sql) {
        std::string rows;
        const char* rest = sql.text.c_str();
        while (rest != nullptr && *rest != '\0') {
            sqlite3_stmt* statement = nullptr;
            if (sqlite3_prepare_v2(db_, rest, -1, &statement, &rest) != SQLITE_OK) return failure();
            const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owner(statement,
                                                                              sqlite3_finalize);
            if (statement == nullptr) break;
            rows = "ROWS ";
            for (int i = 0; i < sqlite3_column_count(statement); ++i) {
                if (i > 0) rows += ',';
                rows += sqlite3_column_name(statement, i);
            }
            int result = 0;
            while ((result = sqlite3_step(statement)) == SQLITE_ROW) rows += row(statement);
            if (result != SQLITE_DONE) return failure();
        }
        if (sql.has_rows) return rows;
        return "RESULT " + std::to_string(sqlite3_last_insert_rowid(db_)) + " " +
               std::to_string(sqlite3_changes64(db_));
    }

    // Behind the largest rowid SQLite draws others by chance.
    bool draws_rowids() {
        for (const char* const table : {"t0", "t1", "t2"}) {
            const Sql asked{
                "SELECT 1 FROM " + std::string(table) + " WHERE rowid = 9223372036854775807", true};
            if (answer(asked) == "ROWS 1 (1)") return true;
        }
        return false;
    }

    bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

private:
    std::string failure() {
        return "FAILURE " + std::to_string(sqlite3_extended_errcode(db_)) + " " +
               sqlite3_errmsg(db_);
    }

    static std::string row(sqlite3_stmt* statement) {
        std::string text;
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            text += i > 0 ? "," : " (";
            text += describe(value(statement, i));
        }
        return text + ")";
    }

    static wire::Value value(sqlite3_stmt* statement, int column) {
        switch (sqlite3_column_type(statement, column)) {
            case SQLITE_INTEGER:
                return std::int64_t{sqlite3_column_int64(statement, column)};
            case SQLITE_FLOAT:
                return sqlite3_column_double(statement, column);
            case SQLITE_TEXT: {
                const auto* const text =
                    reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
                return std::string_view(text);  // the protocol's texts end at a zero
            }
            case SQLITE_BLOB: {
                const auto* const bytes =
                    static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
                return ByteView(bytes,
                                static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
            }
            default:
                return wire::Null{};
        }
    }

    sqlite3* db_ = nullptr;
};

class Comparison {
public:
    Comparison() {
        client_.greet();
        client_.open();
    }

    bool same(const Sql& sql) {
        const std::string ours = ask(client_, sql);
        const std::string theirs = plain_.answer(sql);
        said_ += sql.text + ";\n";
        chance_ = chance_ || plain_.draws_rowids();
        if (ours == theirs || chance_) return true;
        said_ += "ours:   " + ours + "\nSQLite: " + theirs + "\n";
        return false;
    }

    // What another client finds, once nothing is open any more.
    bool same_content() {
        if (plain_.in_transaction() && !same({"COMMIT"})) return false;
        if (plain_.in_transaction() && !same({"ROLLBACK"})) return false;
        plain_.answer({"PRAGMA reverse_unordered_selects = 0", false});
        Client other(cluster_);
        other.greet();
        other.open();
        for (const Sql& sql : {Sql{"SELECT type, name, tbl_name, sql FROM sqlite_schema", true},
                               Sql{"PRAGMA integrity_check", true}, Sql{"SELECT * FROM t0", true},
                               Sql{"SELECT * FROM t1", true}, Sql{"SELECT * FROM t2", true}}) {
            const std::string ours = ask(other, sql);
            const std::string theirs = plain_.answer(sql);
            if (ours == theirs || chance_) continue;
            said_ +=
                "another client: " + sql.text + "\nours:   " + ours + "\nSQLite: " + theirs + "\n";
            return false;
        }
        return true;
    }

    std::string said() { return std::move(said_); }

private:
    static std::string ask(Client& client, const Sql& sql) {
        return sql.has_rows ? client.query(sql.text) : client.exec(sql.text);
    }

    Cluster cluster_;
    Client client_{cluster_};
    Plain plain_;
    std::string said_;
    bool chance_ = false;  // has a part in the answers
};

}  // namespace

std::optional<std::string> difference(ByteView choices) {
    SqlGrammar grammar(choices);
    Comparison both;
    if (!both.same({grammar.schema()})) return both.said();
    for (int count = 0; count < kStatementsMax; ++count) {
        const std::optional<Sql> sql = grammar.next();
        if (!sql) break;
        if (!both.same(*sql)) return both.said();
    }
    if (!both.same_content()) return both.said();
    return {};
}

}  // namespace quorlite::test
