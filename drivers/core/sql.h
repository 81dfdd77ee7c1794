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

}  // namespace quorlite::core
