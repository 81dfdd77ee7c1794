// Bulk: rows to be inserted, packed into as few statements as possible.
//
// Rows are encoded as they come, straight into the parameter tuple of an INSERT with as many rows
// as a narrow tuple has room for; every server understands that one. A full statement is handed out
// as an operation, ready to be started.
//
// BulkWindow keeps account of the statements that are under way. Either front end starts what Bulk
// hands out, tells the window, and starts no more while the window is full.
#pragma once

#include <deque>
#include <memory>
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

// Fails if there are no columns.
result<std::unique_ptr<Bulk>> make_bulk(std::string_view table,
                                        const std::vector<std::string>& columns);

class BulkWindow {
public:
    // `bytes_max`: of parameters under way; one statement may go beyond it.
    explicit BulkWindow(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    void started(const OperationPtr& operation);
    // Takes away those in front that have ended.
    void settle();
    // What ends the bulk insert: the first error stays.
    void fail(const error_info& error);

    bool full() const { return bytes_ > bytes_max_; }
    bool empty() const { return under_way_.empty(); }
    const std::deque<OperationPtr>& under_way() const { return under_way_; }  // in order
    const std::optional<error_info>& error() const { return error_; }
    // Inserted since the last call.
    std::uint64_t take_rows() { return std::exchange(rows_, 0); }

private:
    const std::size_t bytes_max_;
    std::deque<OperationPtr> under_way_;
    std::size_t bytes_ = 0;
    std::uint64_t rows_ = 0;
    std::optional<error_info> error_;
};

}  // namespace quorlite::core
