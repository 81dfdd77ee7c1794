// Splitter: lines as they come, statements and dot commands as they are meant.
//
// A line that begins with a dot, where no statement has been begun, is a command. Anything else is
// SQL, which ends at a semicolon that ends a statement (not at one in a string, a comment or a
// trigger), or at a line that holds nothing but "/" or "go".
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "drivers/core/sql.h"

namespace quorlite::shell {

struct Statement {
    std::string sql;
    std::size_t line = 0;  // of the input, from 1 on, where it begins
};

struct Command {
    std::vector<std::string> words;  // the first without its dot
    std::size_t line = 0;
};

using Item = std::variant<Statement, Command>;

class Splitter {
public:
    // One line, without its end. Items that it completed wait in take().
    void feed(std::string_view line);
    // The input is over: what was begun counts as complete.
    void finish();
    // Throws away what was begun.
    void reset();

    bool empty() const { return items_.empty(); }
    Item take();
    // A statement was begun and has not ended.
    bool within_statement() const { return !pending_.empty(); }

private:
    void split();
    void take_statement();
    void clear();

    std::string pending_;
    std::size_t begin_ = 0;    // of the statement, in pending_
    std::size_t scanned_ = 0;  // of pending_: all that was read of it
    core::StatementEnd end_;
    std::size_t pending_line_ = 0;
    std::size_t line_ = 0;
    std::deque<Item> items_;
};

// The words of a command: separated by blanks, or in single quotes, or in double quotes with the
// escapes of C (\n, \t, \\, \").
std::vector<std::string> split_words(std::string_view text);

}  // namespace quorlite::shell
