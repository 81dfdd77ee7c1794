// .dump: a database as SQL that any SQLite executes. All of it is read in one transaction, so that
// it is the database of one moment.
#include "drivers/shell/dump.h"

#include <algorithm>
#include <utility>

#include "drivers/core/sql.h"
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
    std::string module;  // of a virtual table, in lower case

    bool full_text() const { return module == "fts3" || module == "fts4" || module == "fts5"; }
    // An index of texts that are nowhere.
    bool contentless() const {
        std::string bare;
        for (const char c : sql) {
            if (c != ' ' && c != '\t' && c != '\n' && c != '\r') bare += c;
        }
        const auto has = [&](const char* option) { return bare.find(option) != std::string::npos; };
        return full_text() && (has("content=''") || has("content=\"\"") || has("content=``"));
    }
};

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

bool has_word(const std::vector<std::string_view>& words, std::string_view word) {
    return std::ranges::any_of(words, [&](std::string_view each) { return same_word(each, word); });
}

// What follows USING in CREATE VIRTUAL TABLE.
std::string module_of(const std::string& sql) {
    const std::vector<std::string_view> words = core::words_of(sql);
    if (words.size() < 2 || !same_word(words[1], "virtual")) return {};
    for (std::size_t i = 2; i + 1 < words.size(); ++i) {
        if (same_word(words[i], "using")) return lower(words[i + 1]);
    }
    return {};
}

// Everything of the schema, in the order in which it was made. The tables behind a virtual table
// are left out: making that makes them.
std::vector<Thing> things_of(queries& db, Words tables) {
    std::vector<Thing> things;
    const char* const sql =
        "SELECT type, name, tbl_name, sql FROM sqlite_schema "
        "WHERE sql IS NOT NULL AND name NOT IN "
        "(SELECT name FROM pragma_table_list WHERE type = 'shadow' AND schema = 'main') "
        "ORDER BY CASE type WHEN 'table' THEN name = 'sqlite_sequence' WHEN 'view' THEN 2 ELSE 3 "
        "END, "
        "rowid";
    for (const auto& [type, name, table, text] :
         db.query<std::string, std::string, std::string, std::string>(sql)) {
        const bool wanted =
            tables.empty() || std::ranges::any_of(tables, [&word = table](const auto& each) {
                return same_word(each, word);
            });
        if (wanted) things.push_back({type, name, text, module_of(text)});
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
    if (table.full_text()) {
        select.insert(std::string_view("SELECT ").size(), "+rowid AS \"rowid\", ");
    }
    return select;
}

// Some virtual tables are only for reading: what they show is made of others. The node says so.
bool can_be_written(queries& db, const Thing& table) {
    if (table.module.empty()) return true;
    const std::string insert = "EXPLAIN INSERT INTO " + sql_name(table.name) + " DEFAULT VALUES";
    const auto tried = db.try_query_row<int>(insert);
    return tried || tried.error().message.find("may not be modified") == std::string::npos;
}

// The terms of a contentless index, put together to texts that give the same terms in the same
// order. That is so only if the tokenizer leaves its own terms as they are.
void dump_contentless(queries& db, const Thing& table, Output& output) {
    if (table.module != "fts5" || lower(table.sql).find("tokenize") != std::string::npos) {
        fail("the full-text index " + table.name +
             " has no content and a tokenizer of its own: SQL cannot tell its texts; use .backup");
    }
    const std::vector<std::string> columns = stored_columns(db, table.name);
    const std::string insert =
        "INSERT INTO " + sql_name(table.name) + "(rowid, " + joined(sql_names(columns), ", ");
    const auto write = [&](std::int64_t row, const std::vector<std::string>& texts) {
        std::string line = insert + ") VALUES(" + std::to_string(row);
        for (const std::string& each : texts) line.append(", ").append(sql_text(each));
        output.write(line + ");\n");
    };
    db.execute("CREATE VIRTUAL TABLE temp.quorlite_terms USING fts5vocab(main, " +
               sql_text(table.name) + ", instance)");
    std::optional<std::int64_t> current;
    std::vector<std::string> texts(columns.size());
    for (const auto& [row, column, term] :
         db.query<std::int64_t, std::optional<std::string>, std::string>(
             "SELECT doc, col, term FROM temp.quorlite_terms ORDER BY doc, col, offset")) {
        if (current && *current != row) {
            write(*current, std::exchange(texts, std::vector<std::string>(columns.size())));
        }
        current = row;
        const auto found = std::ranges::find(columns, column.value_or(columns.front()));
        std::string& text = texts[static_cast<std::size_t>(found - columns.begin())];
        text.append(text.empty() ? "" : " ").append(term);
    }
    if (current) write(*current, texts);
    // Those without any term.
    for (const auto& [row] :
         db.query<std::int64_t>("SELECT rowid FROM " + sql_name(table.name) +
                                " WHERE rowid NOT IN (SELECT doc FROM temp.quorlite_terms)")) {
        write(row, std::vector<std::string>(columns.size()));
    }
    db.execute("DROP TABLE temp.quorlite_terms");
}

// SQLite makes sqlite_sequence with the first table that needs it, and nobody else may.
void dump_sequences(queries& db, const std::vector<Thing>& things, Output& output) {
    std::vector<std::string> names;
    for (const Thing& each : things) {
        const bool counts = has_word(core::words_of(each.sql), "autoincrement");
        if (each.type == "table" && counts) names.push_back(sql_text(each.name));
    }
    if (names.empty()) return;
    output.write("DELETE FROM sqlite_sequence;\n");
    RenderOptions options;
    options.mode = Mode::kInsert;
    options.insert_into = "sqlite_sequence";
    rows found = db.query_list(
        "SELECT name, seq FROM sqlite_sequence WHERE name IN (" + joined(names, ", ") + ")", {});
    render_rows(found, *make_renderer(options, output.sink()));
}

void dump(queries& db, Words tables, Output& output) {
    const std::vector<Thing> things = things_of(db, tables);
    Progress progress("dump", Unit::kRows, rows_of(db, things));
    output.write("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
    std::uint64_t done = 0;
    for (const Thing& each : things) {
        if (each.name == "sqlite_sequence") dump_sequences(db, things, output);
        // SQLite makes its own tables by itself, and does not allow anybody else to.
        if (lower(each.name).starts_with("sqlite_")) continue;
        output.write(core::terminated(each.sql) + "\n");
        if (each.type != "table" || !can_be_written(db, each)) continue;
        if (each.contentless()) {
            dump_contentless(db, each, output);
            continue;
        }
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
