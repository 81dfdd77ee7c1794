// What a driver must know of a text of SQL without understanding it.
//
// Three things: where its first statement ends, what that statement may do (so that retrying it is
// right or wrong), and which number each of its parameters has. The text is split into tokens as
// SQLite does; everything else is left to the server. When in doubt a statement counts as a write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorlite::core {

enum class Effect : std::uint8_t {
    kNone,  // no statement at all: blanks and comments
    kRead,
    kWrite,  // or anything that is not known to be harmless
    kBegin,
    kCommit,
    kRollback,
    kSavepoint,
    kRelease,
    kRollbackTo,
};

struct SqlText {
    Effect effect = Effect::kNone;
    std::string_view verb;  // the word that says what it does: with WITH the one behind the tables
    bool yields_rows = false;  // as far as its words tell; if not, it is to be executed
    std::size_t end = 0;       // of the first statement, its semicolon included
    bool tail = false;         // another statement follows
    bool complete = false;     // the first statement has its semicolon
    std::uint32_t parameters = 0;
    std::vector<std::pair<std::string_view, std::uint32_t>> names;  // with their sign, from 1 on
    std::string_view savepoint;  // of SAVEPOINT, RELEASE and ROLLBACK TO, as it is written
};

// Borrows the text. Never fails: what SQLite will refuse is described somehow.
SqlText analyse(std::string_view text);

// Its words outside of quotes and comments.
std::vector<std::string_view> words_of(std::string_view text);

// A statement, behind which a semicolon may stand: a comment that it ends with is ended too.
std::string terminated(std::string_view statement);

// A statement with its long literals taken out: parameters in their place.
struct Lifted {
    struct Literal {
        bool blob = false;
        std::string bytes;
    };
    std::string sql;
    std::vector<Literal> literals;
};
Lifted lift_literals(std::string_view sql);

// Where CREATE [TEMP] TRIGGER ends: at "; END;", as sqlite3_complete() has it, since "end" is also
// how CASE ends, and the name of a column may be.
class TriggerEnd {
public:
    void word(std::string_view text);
    void other();
    // True if it ends the statement.
    bool semicolon();

private:
    enum class State : std::uint8_t { kStart, kOrdinary, kCreate, kTrigger, kSemicolon, kEnd };
    State state_ = State::kStart;
};

// Finds where statements end in a text that grows by whole lines: nothing is read twice.
class StatementEnd {
public:
    // Reads on from `at`. True at the end of a statement: then `at` is behind its semicolon.
    bool scan(std::string_view text, std::size_t& at);
    // Of the statement so far: nothing but blanks, comments and semicolons.
    bool blank() const { return !begun_; }
    // Not in the middle of a string or comment.
    bool at_rest() const { return within_ == '\0'; }
    // Whether a semicolon now would end the statement.
    bool may_end() const {
        StatementEnd copy = *this;
        std::size_t at = 0;
        return copy.scan(";", at);
    }

private:
    void begin_token();
    bool leave(std::string_view text, std::size_t& at);

    char within_ = '\0';  // what ends the string, or '*' for a comment
    bool begun_ = false;
    TriggerEnd trigger_;
};

}  // namespace quorlite::core
