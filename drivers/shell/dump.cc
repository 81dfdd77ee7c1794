// .dump: a database as SQL that any SQLite executes. All of it is read in one transaction, so that
// it is the database of one moment.
#include "drivers/shell/dump.h"

#include <algorithm>
#include <utility>

#include "drivers/shell/commands.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

struct Thing {
    std::string type;
    std::string name;
    std::string sql;
    bool full_text = false;
};

// Everything of the schema, in the order in which it was made. The tables behind a virtual table
// are left out: making that makes them.
std::vector<Thing> things_of(queries& db, Words tables) {
    std::vector<Thing> things;
    const char* const sql =
        "SELECT type, name, tbl_name, sql, sql LIKE 'create virtual%using fts%' FROM sqlite_schema "
        "WHERE sql IS NOT NULL AND name NOT IN "
        "(SELECT name FROM pragma_table_list WHERE type = 'shadow' AND schema = 'main') "
        "ORDER BY CASE type WHEN 'table' THEN name = 'sqlite_sequence' WHEN 'view' THEN 2 ELSE 3 "
        "END, "
        "rowid";
    for (const auto& [type, name, table, text, full_text] :
         db.query<std::string, std::string, std::string, std::string, bool>(sql)) {
        const bool wanted =
            tables.empty() || std::ranges::any_of(tables, [&word = table](const auto& each) {
                return same_word(each, word);
            });
        if (wanted) things.push_back({type, name, text, full_text});
    }
    if (things.empty() && !tables.empty()) {
        fail("there is no table " + joined({tables.begin(), tables.end()}, " or "));
    }
    return things;
}

std::uint64_t rows_of(queries& db, const std::vector<Thing>& things) {
    std::uint64_t total = 0;
    for (const Thing& each : things) {
        if (each.type != "table") continue;
        total += db.query_value<std::uint64_t>("SELECT count(*) FROM " + sql_name(each.name));
    }
    return total;
}

// By their rowids the rows of a full-text index belong to those of other tables.
std::string select_all(queries& db, const Thing& table) {
    std::string select = select_stored(db, table.name);
    if (table.full_text) select.insert(std::string_view("SELECT ").size(), "+rowid AS \"rowid\", ");
    return select;
}

void dump(queries& db, Words tables, Output& output) {
    const std::vector<Thing> things = things_of(db, tables);
    Progress progress("dump", Unit::kRows, rows_of(db, things));
    output.write("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
    std::uint64_t done = 0;
    for (const Thing& each : things) {
        const bool sequence = each.name == "sqlite_sequence";
        // SQLite makes its own tables by itself, and does not allow anybody else to.
        const bool internal = each.name.starts_with("sqlite_");
        if (internal && !sequence) continue;
        output.write(sequence ? "DELETE FROM sqlite_sequence;\n" : each.sql + ";\n");
        if (each.type != "table") continue;
        RenderOptions options;
        options.mode = Mode::kInsert;
        options.insert_into = each.name;
        done += copy_rows(db, select_all(db, each), options, output.sink(), progress);
        progress.at(done);
    }
    output.write("COMMIT;\n");
}

}  // namespace

std::vector<std::string> stored_columns(queries& db, const std::string& table) {
    std::vector<std::string> columns;
    for (const auto& [name] :
         db.query<std::string>("SELECT name FROM pragma_table_info(?)", table)) {
        columns.push_back(name);
    }
    if (columns.empty()) fail("there is no table " + table);
    return columns;
}

std::string select_stored(queries& db, const std::string& table) {
    std::vector<std::string> expressions;
    for (const std::string& each : stored_columns(db, table)) {
        // The sign + changes nothing but that the result has no declared type.
        std::string expression(1, '+');
        expression.append(sql_name(each)).append(" AS ").append(sql_name(each));
        expressions.push_back(std::move(expression));
    }
    return "SELECT " + joined(expressions, ", ") + " FROM " + sql_name(table);
}

std::uint64_t render_rows(rows& found, Renderer& renderer, Progress* progress) {
    std::vector<std::string> names;
    names.reserve(found.column_count());
    for (std::size_t i = 0; i < found.column_count(); ++i) {
        names.emplace_back(found.column_name(i));
    }
    renderer.begin(names);
    std::vector<value_view> values(names.size());
    std::uint64_t count = 0;
    while (found.next()) {
        interrupt::check();
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = found[i];
        renderer.row(values);
        ++count;
        if (progress) progress->at(count);
    }
    renderer.end();
    return count;
}

std::uint64_t copy_rows(queries& db, const std::string& sql, const RenderOptions& options,
                        Sink sink, Progress& progress) {
    rows found = db.query_list(sql, {});
    return render_rows(found, *make_renderer(options, std::move(sink)), &progress);
}

void dump_database(Shell& shell, Words words) {
    connection& db = shell.client().db();
    try {
        if (db.in_transaction()) {
            dump(db, words, shell.output());
        } else {
            transaction tx = db.begin(transaction_kind::read);
            dump(tx, words, shell.output());
            tx.rollback();
        }
    } catch (const error&) {
        // Whoever executes what came so far must not end with a part of it.
        shell.output().write("ROLLBACK; -- because of an error\n");
        throw;
    }
}

}  // namespace quorlite::shell
