// .export: a table or a result to a file, in the format that the file's name ends with.
#include <filesystem>

#include "drivers/core/sql.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/dump.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/progress.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

Mode mode_for(const std::string& path) {
    const std::string extension = std::filesystem::path(path).extension();
    if (extension == ".csv") return Mode::kCsv;
    if (extension == ".json") return Mode::kJson;
    if (extension == ".sql") return Mode::kInsert;
    fail("the name of the file must end in .csv, .json or .sql: it decides the format");
}

// The columns that hold something: no generated and no hidden ones.
std::vector<std::string> stored_columns(queries& db, const std::string& table) {
    std::vector<std::string> columns;
    for (const auto& [name] :
         db.query<std::string>("SELECT name FROM pragma_table_info(?)", table)) {
        columns.push_back(name);
    }
    if (columns.empty()) fail("there is no table " + table);
    return columns;
}

// A SELECT of all of them. The values come with the types that they are stored as, whatever the
// columns are declared as.
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

}  // namespace

void export_file(Shell& shell, Words words) {
    connection& db = shell.client().db();
    RenderOptions options;
    options.mode = mode_for(words[0]);
    options.headers = true;
    std::string sql = words[1];
    std::uint64_t total = 0;
    const bool table = db.query_value<bool>(
        "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? "
        "COLLATE NOCASE",
        sql);
    if (table) {
        options.insert_into = sql;
        total = db.query_value<std::uint64_t>("SELECT count(*) FROM " + sql_name(sql));
        sql = select_stored(db, sql);
    }
    if (core::analyse(sql).effect != core::Effect::kRead) {
        fail("only what reads can be exported: a table, or a SELECT");
    }
    NewFile file(words[0]);
    Progress progress("export", Unit::kRows, total);
    const std::uint64_t count =
        copy_rows(db, sql, options, [&](std::string_view text) { file.write(text); }, progress);
    file.keep();
    if (shell.interactive()) shell.note(count_text(count) + " rows");
}

}  // namespace quorlite::shell
