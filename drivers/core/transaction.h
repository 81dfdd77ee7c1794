// Transaction: what a client knows of the explicit transaction on its connection.
//
// BEGIN and SAVEPOINT open one; COMMIT, ROLLBACK and the RELEASE of the savepoint that opened it
// end it. One that a failure took away is lost, and stays lost until its owner rolls it back, so
// that no later statement is executed outside of it by mistake.
#pragma once

#include <string>
#include <vector>

#include "drivers/core/operation.h"

namespace quorlite::core {

class Transaction {
public:
    bool none() const { return state_ == State::kNone; }
    bool open() const { return state_ == State::kOpen; }
    bool lost() const { return state_ == State::kLost; }
    // Why it was lost.
    const error_info& cause() const { return cause_; }

    // Notes in the operation where it stands: whether in a transaction, and what it would do to it.
    void situate(Operation& operation) const;
    // The server has carried the operation out.
    void follow(const Operation& operation);
    // Committed, rolled back, or given up by its owner.
    void end();
    void lose(const error_info& cause);

private:
    enum class State : std::uint8_t { kNone, kOpen, kLost };

    void follow_savepoint(const Operation& operation);

    State state_ = State::kNone;
    bool began_ = false;  // by BEGIN, not by SAVEPOINT
    std::vector<std::string> savepoints_;
    error_info cause_;
};

}  // namespace quorlite::core
