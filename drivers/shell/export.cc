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
