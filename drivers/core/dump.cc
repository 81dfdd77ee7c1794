#include "drivers/core/dump.h"

#include <algorithm>
#include <array>
#include <utility>

#include "drivers/core/literals.h"
#include "drivers/core/rules.h"
#include "drivers/core/sql.h"

namespace quorlite::core {

// Which virtual tables have rows to be inserted.
struct Dump::Module {
    std::string_view name;
    bool holds_rows;
    bool keeps_rowids;  // by them its rows belong to those of other tables
};

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::string text_of(const value& from) {
    return std::string(from.view().text());
}

bool is_true(const value& from) {
    return from.view().integer() != 0;
}

// Another schema may have a table of the same name.
std::string in_main(std::string_view table) {
    return "main." + sql_name(table);
}

// SQLite's own: it makes them by itself, and nobody else may.
bool is_internal(std::string_view name) {
    return lower(name.substr(0, 7)) == "sqlite_";
}

// ---- The text of CREATE VIRTUAL TABLE ----

// A word, what is in quotes, or a single character; blanks and comments are left out.
class Pieces {
public:
    explicit Pieces(std::string_view text) : text_(text) {}

    std::string_view next() {
        skip_blanks();
        const std::size_t start = at_;
        if (at_ == text_.size()) return {};
        const char first = text_[at_++];
        if (first == '\'' || first == '"' || first == '`' || first == '[') {
            leave_quotes(first == '[' ? ']' : first);
        } else if (is_word(first)) {
            while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        }
        return text_.substr(start, at_ - start);
    }

private:
    static bool is_word(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
    }
    void skip_blanks() {
        while (at_ < text_.size()) {
            const std::string_view rest = text_.substr(at_);
            if (rest[0] == ' ' || (rest[0] >= '\t' && rest[0] <= '\r')) {
                ++at_;
            } else if (rest.starts_with("--")) {
                skip_past("\n");
            } else if (rest.starts_with("/*")) {
                skip_past("*/");
            } else {
                return;
            }
        }
    }
    void skip_past(std::string_view end) {
        const std::size_t found = text_.find(end, at_);
        at_ = found == std::string_view::npos ? text_.size() : found + end.size();
    }
    void leave_quotes(char quote) {
        while (at_ < text_.size()) {
            if (text_[at_++] != quote) continue;
            if (quote == ']' || at_ == text_.size() || text_[at_] != quote) return;
            ++at_;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string without_quotes(std::string_view piece) {
    if (piece.empty() || std::string_view("'\"`[").find(piece[0]) == std::string_view::npos) {
        return std::string(piece);
    }
    std::string out;
    const char quote = piece[0];
    for (std::size_t i = 1; i + 1 < piece.size(); ++i) {
        out += piece[i];
        if (piece[i] == quote) ++i;
    }
    return out;
}

struct VirtualTable {
    std::string module;                          // in lower case
    std::map<std::string, std::string> options;  // key = value
};

VirtualTable read_virtual_table(std::string_view sql) {
    VirtualTable table;
    Pieces pieces(sql);
    std::string_view piece = pieces.next();
    while (!piece.empty() && lower(piece) != "using") piece = pieces.next();
    table.module = lower(without_quotes(pieces.next()));
    pieces.next();  // the parenthesis
    while (!piece.empty()) {
        const std::string key = lower(piece = pieces.next());
        if (piece == ",") continue;
        if ((piece = pieces.next()) == "=") table.options[key] = without_quotes(pieces.next());
        while (!piece.empty() && piece != ",") piece = pieces.next();
    }
    return table;
}

// FTS5 takes the name of an option cut short as well.
const std::string* find_option(const VirtualTable& table, std::string_view name) {
    for (const auto& [key, value] : table.options) {
        if (!key.empty() && name.starts_with(key)) return &value;
    }
    return nullptr;
}

bool counts_rows(std::string_view sql) {
    const std::vector<std::string_view> words = words_of(sql);
    return std::ranges::any_of(words, [](auto word) { return lower(word) == "autoincrement"; });
}

constexpr const char* kColumns =
    "SELECT t.name, x.name, x.hidden, x.pk > 0 AND NOT EXISTS "
    "(SELECT 1 FROM pragma_index_list(t.name, 'main') WHERE origin = 'pk') "
    "FROM pragma_table_list AS t, pragma_table_xinfo(t.name, 'main') AS x "
    "WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') ORDER BY t.name, x.cid";

constexpr const char* kReferring =
    "SELECT DISTINCT t.name FROM pragma_table_list AS t, pragma_foreign_key_list(t.name, 'main') "
    "WHERE t.schema = 'main'";

std::string schema_question(const std::vector<std::string>& tables, std::string_view pattern) {
    std::string sql =
        "WITH kinds AS MATERIALIZED "
        "(SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main') "
        "SELECT s.type, s.name, s.sql, k.type, k.wr FROM main.sqlite_schema AS s "
        "LEFT JOIN kinds AS k ON s.type = 'table' AND k.name = s.name "
        "WHERE s.sql IS NOT NULL AND k.type IS NOT 'shadow'";
    if (!tables.empty()) {
        std::vector<std::string> names;
        for (const std::string& each : tables) names.push_back(sql_text(each));
        sql += " AND s.tbl_name COLLATE NOCASE IN (" + joined(names, ", ") + ")";
    }
    if (!pattern.empty()) sql += " AND s.name LIKE " + sql_text(pattern);
    return sql + " ORDER BY s.rowid";
}

}  // namespace

Dump::Dump(std::vector<std::string> tables, std::string_view pattern, Texts texts)
    : tables_(std::move(tables)), whole_(tables_.empty() && pattern.empty()), texts_(texts) {
    ask(schema_question(tables_, pattern), &Dump::take_schema);
}

// ---- Questions ----

void Dump::ask(std::string sql, Take take, Thing* thing) {
    questions_.push_back({std::move(sql), take, thing});
}

std::optional<std::string> Dump::question() const {
    if (questions_.empty()) return std::nullopt;
    return questions_.front().sql;
}

result<void> Dump::answer(const Rows& rows) {
    const Question asked = std::move(questions_.front());
    questions_.pop_front();
    return (this->*asked.take)(asked.thing, rows);
}

result<void> Dump::take_schema(Thing*, const Rows& rows) {
    static constexpr std::array<Module, 10> kModules = {{
        {"fts3", true, true},
        {"fts4", true, true},
        {"fts5", true, true},
        {"geopoly", true, true},
        {"rtree", true, false},
        {"rtree_i32", true, false},
        {"dbstat", false, false},
        {"fts3tokenize", false, false},
        {"fts4aux", false, false},
        {"fts5vocab", false, false},
    }};
    bool counts = false;
    for (const auto& row : rows) {
        Thing thing{text_of(row[0]), text_of(row[1]), text_of(row[2])};
        if (lower(thing.name) == "sqlite_stat1" && whole_) {
            ask("SELECT tbl, idx, stat FROM main.sqlite_stat1", &Dump::take_statistics);
        }
        if (is_internal(thing.name)) continue;
        const bool is_virtual = text_of(row[3]) == "virtual";
        thing.has_rowid = thing.type == "table" && !is_virtual && !is_true(row[4]);
        if (is_virtual) {
            const VirtualTable made = read_virtual_table(thing.sql);
            thing.module = std::ranges::find(kModules, made.module, &Module::name);
            if (thing.module == kModules.end()) {
                return misuse("the virtual table " + thing.name + " is one of the module " +
                              made.module +
                              ", whose rows cannot be written as SQL: back it up as a file");
            }
            const std::string* const content = find_option(made, "content");
            thing.contentless = made.module.starts_with("fts") && content && content->empty();
            const bool of_its_own = made.module != "fts5" || find_option(made, "tokenize");
            if (thing.contentless && of_its_own) {
                return misuse("the full-text index " + thing.name +
                              " has no content and a tokenizer of its own: SQL cannot tell its "
                              "texts: back it up as a file");
            }
        }
        Thing& kept = things_.emplace_back(std::move(thing));
        if (kept.type == "table") by_name_[kept.name] = &kept;
        counts |= kept.has_rowid && counts_rows(kept.sql);
    }
    if (things_.empty() && !tables_.empty()) {
        return misuse("there is no table " + joined(tables_, " or "));
    }
    if (by_name_.empty() && !whole_) return {};
    ask(kColumns, &Dump::take_columns);
    ask(kReferring, &Dump::take_referring);
    if (counts) ask("SELECT name, seq FROM main.sqlite_sequence", &Dump::take_sequences);
    if (whole_) {
        ask("SELECT user_version, application_id FROM pragma_user_version, pragma_application_id",
            &Dump::take_numbers);
    }
    return {};
}

result<void> Dump::take_columns(Thing*, const Rows& rows) {
    enum : std::int64_t { kStored, kHidden };  // others are generated
    for (const auto& row : rows) {
        const auto found = by_name_.find(text_of(row[0]));
        if (found == by_name_.end()) continue;
        Thing& table = *found->second;
        const std::string name = text_of(row[1]);
        const std::int64_t hidden = row[2].view().integer();
        table.names.push_back(lower(name));
        table.rowid_is_a_column |= is_true(row[3]);
        // With the option languageid FTS4 has a column that a SELECT of all leaves out.
        const bool language = hidden == kHidden && table.module && table.module->name == "fts4" &&
                              name != table.name && name != "docid" && name != "__langid";
        if (hidden == kStored || language) {
            table.columns.push_back(name);
        } else {
            table.listed = true;
        }
    }
    for (Thing& each : things_) {
        if (each.type == "table") ask_about(each);
    }
    return {};
}

void Dump::ask_about(Thing& table) {
    const std::string from = " FROM " + in_main(table.name);
    for (const char* const name : {"rowid", "_rowid_", "oid"}) {
        if (table.rowid.empty() && std::ranges::find(table.names, name) == table.names.end()) {
            table.rowid = name;
        }
    }
    if (texts_ == Texts::kCut && !table.contentless &&
        (!table.module || table.module->holds_rows)) {
        std::string found;
        for (const std::string& each : sql_names(table.columns)) {
            found.append(found.empty() ? "" : " OR ");
            found.append("typeof(" + each + ") = 'text' AND instr(" + each + ", char(0))");
        }
        ask("SELECT EXISTS(SELECT 1" + from + " WHERE " + found + ")", &Dump::take_cut, &table);
    }
    if (table.module) {
        if (!table.module->keeps_rowids) table.rowid.clear();
        if (table.module->name != "fts5") return;
        ask("SELECT k, v FROM " + in_main(table.name + "_config") + " WHERE k <> 'version'",
            &Dump::take_settings, &table);
        return;
    }
    if (!table.has_rowid || table.rowid_is_a_column) table.rowid.clear();
    if (table.rowid.empty()) return;
    ask("SELECT count(*) <> coalesce(max(" + table.rowid + "), 0) OR coalesce(min(" + table.rowid +
            "), 1) <> 1" + from,
        &Dump::take_rowids, &table);
}

result<void> Dump::take_rowids(Thing* thing, const Rows& rows) {
    if (!is_true(rows.at(0)[0])) thing->rowid.clear();
    return {};
}

result<void> Dump::take_cut(Thing* thing, const Rows& rows) {
    thing->cut = is_true(rows.at(0)[0]);
    return {};
}

result<void> Dump::take_settings(Thing* thing, const Rows& rows) {
    const std::string name = sql_name(thing->name);
    for (const auto& row : rows) {
        const std::array<value_view, 2> setting = {row[0], row[1]};
        thing->settings.push_back(
            insert_statement("INSERT INTO " + name + "(" + name + ",rank) VALUES", setting));
    }
    return {};
}

result<void> Dump::take_referring(Thing*, const Rows& rows) {
    for (const auto& row : rows) {
        const std::string name = text_of(row[0]);
        if (!by_name_.contains(name)) continue;
        ask("SELECT EXISTS(SELECT 1 FROM " + in_main(name) + ")", &Dump::take_reference);
    }
    return {};
}

result<void> Dump::take_reference(Thing*, const Rows& rows) {
    refers_ |= is_true(rows.at(0)[0]);
    return {};
}

result<void> Dump::take_sequences(Thing*, const Rows& rows) {
    sequences_.emplace_back("DELETE FROM \"sqlite_sequence\";");
    for (const auto& row : rows) {
        // Numbers of tables that are no more would be all that is left of them.
        const auto found = by_name_.find(text_of(row[0]));
        if (found == by_name_.end() || !counts_rows(found->second->sql)) continue;
        const std::array<value_view, 2> number = {row[0], row[1]};
        sequences_.push_back(insert_statement("INSERT INTO \"sqlite_sequence\" VALUES", number));
    }
    return {};
}

result<void> Dump::take_statistics(Thing*, const Rows& rows) {
    closing_.emplace_back("ANALYZE \"sqlite_master\";");
    for (const auto& row : rows) {
        const std::array<value_view, 3> statistic = {row[0], row[1], row[2]};
        closing_.push_back(insert_statement("INSERT INTO \"sqlite_stat1\" VALUES", statistic));
    }
    return {};
}

result<void> Dump::take_numbers(Thing*, const Rows& rows) {
    for (const auto& [name, number] :
         {std::pair("user_version", rows.at(0)[0]), std::pair("application_id", rows.at(0)[1])}) {
        if (!is_true(number)) continue;
        closing_.push_back(std::string("PRAGMA ") + name + "=" + sql_literal(number) + ";");
    }
    return {};
}

// ---- Steps ----

std::string Dump::statement(std::string_view insert, bool paired, std::span<const value_view> row) {
    if (!paired) return insert_statement(insert, row);
    std::vector<value_view> values;
    for (std::size_t i = 0; i + 1 < row.size(); i += 2) {
        const bool is_text = row[i + 1].integer() != 0;
        values.push_back(is_text ? value_view::of_text(row[i].text()) : row[i]);
    }
    return insert_statement(insert, values);
}

std::vector<Dump::Step> Dump::steps() const {
    std::vector<Step> steps;
    const auto say = [&](const std::vector<std::string>& statements) {
        for (const std::string& each : statements) steps.push_back({Kind::kStatement, each});
    };
    const auto add_all = [&](auto wanted) {
        for (const Thing& each : things_) {
            if (wanted(each)) add(each, steps);
        }
    };
    add_all([](const Thing& each) { return each.type == "table" && !each.module; });
    say(sequences_);
    add_all([](const Thing& each) { return each.type != "table"; });
    // Behind the tables and views that they may have their content in.
    add_all([](const Thing& each) { return each.module != nullptr; });
    say(closing_);
    return steps;
}

void Dump::add(const Thing& thing, std::vector<Step>& steps) const {
    steps.push_back({Kind::kStatement, terminated(thing.sql)});
    if (thing.type != "table" || (thing.module && !thing.module->holds_rows)) return;
    thing.contentless ? add_contentless(thing, steps) : add_rows(thing, steps);
    for (const std::string& each : thing.settings) steps.push_back({Kind::kStatement, each});
}

void Dump::add_rows(const Thing& table, std::vector<Step>& steps) const {
    std::vector<std::string> columns = sql_names(table.columns);
    std::vector<std::string> values;
    for (const std::string& each : columns) {
        const std::string is_text = "typeof(" + each + ") = 'text'";
        // A sign + changes nothing but that the result has no declared type: a declared DATE or
        // BOOLEAN changes what a server sends.
        const std::string plain = "+" + each;
        values.push_back(table.cut ? "iif(" + is_text + ", CAST(" + each + " AS BLOB), " + plain +
                                         "), " + is_text
                                   : plain);
    }
    if (!table.rowid.empty()) {
        columns.insert(columns.begin(), table.rowid);
        values.insert(values.begin(), table.rowid + (table.cut ? ", 0" : ""));
    }
    std::string insert = "INSERT INTO " + sql_name(table.name);
    if (table.listed || !table.rowid.empty()) insert += "(" + joined(columns, ",") + ")";
    // In the order of an index rows would be given other rowids.
    const char* const order = table.module ? "" : " NOT INDEXED";
    steps.push_back({Kind::kRows,
                     "SELECT " + joined(values, ", ") + " FROM " + in_main(table.name) + order,
                     insert + " VALUES", table.name, table.cut});
}

void Dump::add_contentless(const Thing& index, std::vector<Step>& steps) const {
    const auto prepare = [&](std::string sql) {
        steps.push_back({Kind::kPrepare, std::move(sql)});
    };
    const auto clear = [&] {
        prepare("DROP TABLE IF EXISTS temp.quorlite_terms");
        prepare("DROP TABLE IF EXISTS temp.quorlite_vocabulary");
    };
    clear();
    prepare("CREATE VIRTUAL TABLE temp.quorlite_vocabulary USING fts5vocab(main, " +
            sql_text(index.name) + ", instance)");
    prepare(
        "CREATE TABLE temp.quorlite_terms(doc, col, place, term, PRIMARY KEY(doc, col, place, "
        "term)) "
        "WITHOUT ROWID");
    // With less detail an index does not know the columns, or the places.
    prepare("INSERT INTO temp.quorlite_terms SELECT doc, coalesce(col, " +
            sql_text(index.columns.front()) +
            "), coalesce(offset, 0), term FROM temp.quorlite_vocabulary");
    std::string select = "SELECT f.rowid";
    for (const std::string& each : index.columns) {
        select += ", coalesce(f." + sql_name(each) +
                  ", (SELECT group_concat(term, ' ') FROM (SELECT term FROM temp.quorlite_terms "
                  "WHERE doc = f.rowid AND col = " +
                  sql_text(each) + " ORDER BY place)))";
    }
    steps.push_back({Kind::kRows, select + " FROM " + in_main(index.name) + " AS f",
                     "INSERT INTO " + sql_name(index.name) + "(" + index.rowid + "," +
                         joined(sql_names(index.columns), ",") + ") VALUES",
                     index.name});
    clear();
}

}  // namespace quorlite::core
