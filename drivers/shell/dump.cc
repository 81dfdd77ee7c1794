// .dump: a database as SQL that any SQLite executes. All of it is read in one transaction, so that
// it is the database of one moment.
#include "drivers/shell/dump.h"

#include <utility>

#include "drivers/core/dump.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

std::vector<core::Dump::Step> steps_of(queries& db, Words tables) {
    core::Dump description({tables.begin(), tables.end()});
    while (const auto question = description.question()) {
        rows found = db.query_list(*question, {});
        core::Dump::Rows answer;
        while (found.next()) {
            std::vector<value>& row = answer.emplace_back();
            for (std::size_t i = 0; i < found.column_count(); ++i) row.emplace_back(found[i]);
        }
        description.answer(answer).value();
    }
    return description.steps();
}

std::uint64_t rows_of(queries& db, const std::vector<core::Dump::Step>& steps) {
    std::uint64_t total = 0;
    for (const core::Dump::Step& each : steps) {
        if (each.table.empty()) continue;
        total += db.query_value<std::uint64_t>("SELECT count(*) FROM main." + sql_name(each.table));
    }
    return total;
}

void write_rows(queries& db, const core::Dump::Step& step, Output& output, Progress& progress,
                std::uint64_t& done) {
    rows found = db.query_list(step.sql, {});
    std::vector<value_view> row(found.column_count());
    while (found.next()) {
        interrupt::check();
        for (std::size_t i = 0; i < row.size(); ++i) row[i] = found[i];
        output.write(core::Dump::statement(step.insert, step.paired, row) + "\n");
        progress.at(++done);
    }
}

void dump(queries& db, Words tables, Output& output) {
    const std::vector<core::Dump::Step> steps = steps_of(db, tables);
    Progress progress("dump", Unit::kRows, rows_of(db, steps));
    // Children may come before their parents.
    output.write("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
    std::uint64_t done = 0;
    for (const core::Dump::Step& each : steps) {
        switch (each.kind) {
            case core::Dump::Kind::kPrepare:
                db.execute(each.sql);
                break;
            case core::Dump::Kind::kStatement:
                output.write(each.sql + "\n");
                break;
            case core::Dump::Kind::kRows:
                write_rows(db, each, output, progress, done);
                break;
        }
    }
    output.write("COMMIT;\n");
}

}  // namespace

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
