// Bulk: rows to be inserted, packed into as few statements as possible.
//
// Rows are encoded as they come, straight into the parameter tuple of an INSERT with as many rows
// as a narrow tuple has room for; every server understands that one. A full statement is handed out
// as an operation, ready to be started.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/operation.h"

namespace quorlite::core {

class Bulk {
public:
    // Names are quoted here. Precondition: at least one column.
    Bulk(std::string_view table, const std::vector<std::string>& columns);

    // An operation when a statement is full.
    result<OperationPtr> add(arguments row);
    // The rows that are left; null if there are none.
    OperationPtr rest();

private:
    OperationPtr pack();
    std::string text(std::size_t rows) const;

    std::string head_;
    std::string row_;
    std::size_t columns_;
    std::size_t rows_max_;
    std::string full_;
    std::size_t rows_ = 0;
    Bytes codes_;
    Bytes values_;
};

}  // namespace quorlite::core
