// Dump: what of a database is written as SQL, and how, so that it makes the same database.
//
// Its owner has the database: it answers the questions one by one, and carries out the steps in
// their order, all within one transaction if there may be other writers. So one description serves
// every connection, and SQLite files as well. The database needs SQLite 3.37.
//
// What comes back: the schema with its texts, the rows with the types they are stored as, rowids
// that are not what INSERT gives anyway, the numbers of AUTOINCREMENT, sqlite_stat1, user_version
// and application_id. Virtual tables come with their rows, so that they make their shadow tables
// anew. The rows of a contentless FTS5 index are put together of its terms: they give the same
// terms at the same places.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorlite/error.h"
#include "quorlite/value.h"

namespace quorlite::core {

class Dump {
public:
    using Rows = std::vector<std::vector<value>>;

    enum class Kind : std::uint8_t {
        kPrepare,    // to be executed where the database is: it makes what later steps read
        kStatement,  // to be written, or executed where the copy is
        kRows,       // each row of this SELECT is to be inserted
    };
    struct Step {
        Kind kind;
        std::string sql;
        std::string insert{};  // of kRows: what stands before a row's values in parentheses
        std::string table{};   // of kRows: whose they are
        // Of kRows: each value is followed by whether it is a text that is given as its bytes.
        bool paired = false;
    };

    // How the owner reads texts. The wire cuts them at a zero byte.
    enum class Texts : std::uint8_t { kCut, kWhole };

    // Only these tables, if there are any, with what belongs to them; only what has names like the
    // pattern (of LIKE), if there is one.
    explicit Dump(std::vector<std::string> tables = {}, std::string_view pattern = {},
                  Texts texts = Texts::kCut);
    Dump(const Dump&) = delete;
    Dump& operator=(const Dump&) = delete;

    // A SELECT to be answered; nothing if all is known.
    std::optional<std::string> question() const;
    // An error if the database cannot be written as SQL.
    result<void> answer(const Rows& rows);

    // Precondition of the rest: there is no question.
    // Rows refer to others that may come later: whoever inserts them must not check foreign keys.
    bool refers() const { return refers_; }
    std::vector<Step> steps() const;
    // A row of such a step as a statement.
    static std::string statement(std::string_view insert, bool paired,
                                 std::span<const value_view> row);

private:
    struct Module;
    struct Thing {
        std::string type;
        std::string name;
        std::string sql;
        bool has_rowid = false;
        bool rowid_is_a_column = false;
        const Module* module = nullptr;  // of a virtual table
        bool contentless = false;
        std::vector<std::string> columns{};  // that rows are inserted into
        bool listed = false;                 // not all columns are
        std::vector<std::string> names{};    // of all columns, in lower case
        std::string rowid{};                 // its name, if rows must keep theirs
        bool cut = false;                    // texts of it hold zero bytes
        std::vector<std::string> settings{};
    };
    using Take = result<void> (Dump::*)(Thing* thing, const Rows& rows);
    struct Question {
        std::string sql;
        Take take;
        Thing* thing = nullptr;
    };

    void ask(std::string sql, Take take, Thing* thing = nullptr);
    result<void> take_schema(Thing*, const Rows& rows);
    result<void> take_columns(Thing*, const Rows& rows);
    result<void> take_referring(Thing*, const Rows& rows);
    result<void> take_reference(Thing*, const Rows& rows);
    result<void> take_rowids(Thing* thing, const Rows& rows);
    result<void> take_cut(Thing* thing, const Rows& rows);
    result<void> take_settings(Thing* thing, const Rows& rows);
    result<void> take_sequences(Thing*, const Rows& rows);
    result<void> take_statistics(Thing*, const Rows& rows);
    result<void> take_numbers(Thing*, const Rows& rows);
    void ask_about(Thing& table);
    void add(const Thing& thing, std::vector<Step>& steps) const;
    void add_rows(const Thing& table, std::vector<Step>& steps) const;
    void add_contentless(const Thing& index, std::vector<Step>& steps) const;

    const std::vector<std::string> tables_;
    const bool whole_;
    const Texts texts_;
    std::deque<Question> questions_;
    std::deque<Thing> things_;  // in the order in which they were made
    std::map<std::string, Thing*> by_name_;
    bool refers_ = false;
    std::vector<std::string> sequences_;
    std::vector<std::string> closing_;
};

}  // namespace quorlite::core
