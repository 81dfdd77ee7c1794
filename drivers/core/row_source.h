// row_source: what quorlite::rows reads from. Each front end has its own: the blocking one waits
// for more, the other one has all rows already.
#pragma once

#include "drivers/core/cursor.h"
#include "quorlite/rows.h"

namespace quorlite::detail {

class row_source {
public:
    explicit row_source(core::OperationPtr operation) : operation_(std::move(operation)) {}
    virtual ~row_source();

    // Moves to the next row.
    result<bool> next();
    // Makes the columns known, when the first piece is there.
    result<void> begin();

    const core::Cursor& cursor() const { return cursor_; }
    const core::Operation& operation() const { return *operation_; }

protected:
    // The next piece, waiting for it if need be; nothing at the end.
    virtual result<std::optional<core::Piece>> next_piece();

    core::OperationPtr operation_;

private:
    error_info judged(error_info error) const;

    core::Cursor cursor_;
    bool over_ = false;
};

}  // namespace quorlite::detail
