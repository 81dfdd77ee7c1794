// Commands about the schema.
#include "drivers/core/sql.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/limits.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

constexpr const char* kSql = "sql";

// Rows of one text each, one a line; or a result like any other where a program reads it.
void show_texts(Shell& shell, const char* column, std::string_view sql, const argument& bound) {
    Relation found{{column}, {}};
    for (const auto& [text] : shell.client().db().query<std::string>(sql, bound)) {
        found.rows.push_back({text_value(text)});
    }
    if (shell.rendering().mode == Mode::kJson) return shell.show(found);
    for (const auto& each : found.rows) {
        const std::string text(each[0].view().text());
        shell.output().write((column == kSql ? core::terminated(text) : text) + "\n");
    }
}

argument pattern_of(Words words) {
    return words.empty() ? argument("%") : argument(words[0]);
}

}  // namespace

void show_tables(Shell& shell, Words words) {
    show_texts(shell, "name",
               "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
               "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name LIKE ? ORDER BY name",
               pattern_of(words));
}

void show_indexes(Shell& shell, Words words) {
    show_texts(shell, "name",
               "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE ? "
               "ORDER BY name",
               pattern_of(words));
}

void show_schema(Shell& shell, Words words) {
    show_texts(shell, kSql,
               "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND "
               "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name LIKE ? ORDER BY "
               "tbl_name, type IN ('index', 'trigger'), name",
               pattern_of(words));
}

Names names_of(Shell& shell) {
    Names names;
    if (shell.client().database().empty()) return names;
    const queries db = shell.client().db().with({.timeout = limits::kSchemaPatience});
    const auto add = [](queries from, const char* sql, std::vector<std::string>& into) {
        result<rows> found = from.try_query(sql);
        while (found) {
            const result<bool> more = found->try_next();
            if (!more || !*more) return;
            const auto name = found->get<std::string>(0);
            if (harmless(name) == name) into.push_back(name);
        }
    };
    add(db, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')", names.tables);
    add(db,
        "SELECT DISTINCT c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
        "WHERE t.type IN ('table', 'view')",
        names.columns);
    return names;
}

void show_databases(Shell& shell, Words) {
    Relation found{{"name"}, {}};
    for (const node_status& each : shell.client().cluster().status()) {
        if (!each.leader) continue;
        if (!each.progress) fail("the nodes cannot say which databases there are");
        for (const std::string& name : each.progress->databases) {
            found.rows.push_back({text_value(name)});
        }
        return shell.show(found);
    }
    fail("the leader does not answer");
}

}  // namespace quorlite::shell
