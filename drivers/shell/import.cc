// .import: the records of a CSV file into a table.
//
// Records go in batches; each is a transaction that the driver repeats by itself where that is
// safe. So an import of any size takes bounded memory and survives a change of leader, and what is
// in when it fails is said. Inside a transaction of the user's everything belongs to that one.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "drivers/shell/commands.h"
#include "drivers/shell/csv.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/limits.h"
#include "drivers/shell/progress.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

struct Column {
    std::string name;
    bool numbers = false;  // keeps a number as one: its affinity is not that of text
};

std::vector<Column> columns_of(connection& db, const std::string& table) {
    std::vector<Column> columns;
    for (const auto& [name, type] : db.query<std::string, std::string>(
             "SELECT name, upper(type) FROM pragma_table_info(?)", table)) {
        const auto has = [&declared = type](const char* word) {
            return declared.find(word) != std::string::npos;
        };
        const bool text = !has("INT") && (has("CHAR") || has("CLOB") || has("TEXT"));
        columns.push_back({name, !text});
    }
    return columns;
}

class Import {
public:
    Import(Shell& shell, const std::string& path, std::string table)
        : db_(shell.client().db()),
          path_(path),
          table_(std::move(table)),
          file_(path, std::ios::binary),
          reader_(file_) {
        if (!file_) fail_by_errno("cannot read " + path);
    }

    std::uint64_t run(bool no_header) {
        find_columns(no_header);
        std::error_code unknown;  // of a pipe: then no time left is shown
        const std::uintmax_t size = std::filesystem::file_size(path_, unknown);
        Progress progress("import", Unit::kBytes, unknown ? 0 : size);
        while (more_) {
            insert_batch();
            progress.at(reader_.bytes());
        }
        return inserted_;
    }

private:
    struct Record {
        std::vector<CsvField> fields;
        std::uint64_t line = 0;
    };

    bool read(Record& record) {
        while (reader_.next(record.fields)) {
            const bool blank = record.fields.size() == 1 && record.fields[0].text.empty() &&
                               !record.fields[0].quoted;
            record.line = reader_.line();
            if (!blank || columns_.size() == 1) return true;
        }
        return false;
    }

    // The first line names columns if the table is new, or if all its fields are columns of it.
    void find_columns(bool no_header) {
        const std::vector<Column> known = columns_of(db_, table_);
        columns_ = known;
        more_ = read(ahead_);
        if (!more_) return;
        if (known.empty()) {
            create_table();
        } else if (!no_header) {
            std::vector<Column> named;
            for (const CsvField& field : ahead_.fields) {
                const auto found = std::ranges::find_if(
                    known, [&](const Column& each) { return same_word(each.name, field.text); });
                if (found == known.end()) return;
                named.push_back(*found);
            }
            columns_ = named;
        } else {
            return;
        }
        more_ = read(ahead_);
    }

    void create_table() {
        std::vector<std::string> names;
        names.reserve(ahead_.fields.size());
        for (const CsvField& each : ahead_.fields) names.push_back(sql_name(each.text));
        const std::string create =
            "CREATE TABLE " + sql_name(table_) + " (" + joined(names, ", ") + ")";
        db_.execute(create);
        columns_ = columns_of(db_, table_);
    }

    std::string insert_sql() const {
        std::vector<std::string> names;
        names.reserve(columns_.size());
        for (const Column& each : columns_) names.push_back(sql_name(each.name));
        const std::vector<std::string> marks(names.size(), "?");
        return "INSERT INTO " + sql_name(table_) + " (" + joined(names, ",") + ") VALUES (" +
               joined(marks, ",") + ")";
    }

    // The next records, as many as are one transaction.
    std::vector<Record> take_records() {
        std::vector<Record> records;
        const std::uint64_t begin = reader_.bytes();
        while (more_ && records.size() < limits::kBatchRows &&
               reader_.bytes() - begin < limits::kBatchBytes) {
            if (ahead_.fields.size() != columns_.size()) {
                fail_at(ahead_, "there are " + std::to_string(ahead_.fields.size()) +
                                    " fields for " + std::to_string(columns_.size()) + " columns");
            }
            records.push_back(std::move(ahead_));
            more_ = read(ahead_);
        }
        return records;
    }

    void insert_batch() {
        try {
            interrupt::check();
            const std::vector<Record> records = take_records();
            if (records.empty()) return;
            if (db_.in_transaction()) {
                insert_within_transaction(records);
            } else {
                db_.run_transaction([&](transaction& tx) { insert(tx, records); });
            }
            inserted_ += records.size();
        } catch (const error& failed) {
            error_info info = failed.info();
            info.message += "; " + progress_so_far();
            throw_error(std::move(info));
        }
    }

    // All of them or none, whatever becomes of the transaction.
    void insert_within_transaction(const std::vector<Record>& records) {
        db_.execute("SAVEPOINT quorlite_import");
        try {
            insert(db_, records);
        } catch (const error&) {
            if (!db_.transaction_lost()) {
                db_.execute("ROLLBACK TO quorlite_import");
                db_.execute("RELEASE quorlite_import");
            }
            throw;
        }
        db_.execute("RELEASE quorlite_import");
    }

    void insert(queries& into, const std::vector<Record>& records) {
        const std::string sql = insert_sql();
        batch statements;
        std::vector<std::string> blobs(columns_.size());
        for (const Record& record : records) {
            std::vector<argument> values;
            values.reserve(columns_.size());
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                values.emplace_back(value_of(record.fields[i], columns_[i].numbers, blobs[i]));
            }
            statements.add_list(sql, values);
        }
        const std::vector<result<rows>> results = into.run(statements);
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (results[i].ok()) continue;
            error_info info = results[i].error();
            if (info.kind != error_kind::cancelled) info.message = place(records[i]) + info.message;
            throw_error(std::move(info));
        }
    }

    std::string place(const Record& record) const {
        return path_ + ":" + std::to_string(record.line) + ": ";
    }
    std::string progress_so_far() const {
        if (db_.transaction_lost()) return "none of its records are in the table";
        return count_text(inserted_) + " records before it are in the table";
    }
    [[noreturn]] void fail_at(const Record& record, const std::string& why) const {
        fail(place(record) + why);
    }

    connection& db_;
    const std::string path_;
    const std::string table_;
    std::ifstream file_;
    CsvReader reader_;
    std::vector<Column> columns_;
    Record ahead_;
    bool more_ = false;
    std::uint64_t inserted_ = 0;
};

}  // namespace

void import_file(Shell& shell, Words words) {
    const bool no_header = words[0] == "--no-header";
    if (words.size() != (no_header ? 3u : 2u)) fail("usage: .import [--no-header] FILE TABLE");
    const std::string& path = words[words.size() - 2];
    const std::uint64_t count = Import(shell, path, words.back()).run(no_header);
    if (shell.interactive()) shell.note(count_text(count) + " records");
}

}  // namespace quorlite::shell
