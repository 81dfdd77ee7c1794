// Cursor: the rows of one operation, one after the other, in C++'s own terms.
//
// The front end feeds it the operation's pieces; it never waits. What it shows of a row stays valid
// until the next call of next() or feed().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/operation.h"
#include "quorlite/value.h"
#include "wire/client.h"

namespace quorlite::core {

class Cursor {
public:
    // A batch, when the one before has been used up. Fails if it is no result set.
    result<void> feed(Piece batch);
    // True if there is a row; false if another batch is needed, or no row is left.
    result<bool> next();

    const std::vector<std::string>& columns() const { return columns_; }
    const std::vector<value_view>& row() const { return row_; }

private:
    error_info garbage(const std::string& what) const;

    Piece batch_;
    std::optional<wire::RowsReader> reader_;
    std::vector<std::string> columns_;
    std::vector<wire::Value> values_;
    std::vector<value_view> row_;
};

}  // namespace quorlite::core
