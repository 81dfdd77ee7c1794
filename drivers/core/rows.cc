// The compiled parts of quorlite/rows.h.
#include "drivers/core/row_source.h"

namespace quorlite {
namespace detail {

row_source::~row_source() = default;

result<std::optional<core::Piece>> row_source::next_piece() {
    if (auto piece = operation_->take_piece()) return piece;
    if (operation_->error) return *operation_->error;
    return std::optional<core::Piece>();
}

// What failed here came after the statement: a write is done.
error_info row_source::judged(error_info error) const {
    const bool wrote = operation_->standing == core::Effect::kWrite && !operation_->in_transaction;
    if (operation_->finished && !operation_->error && wrote) error.verdict = verdict::committed;
    error.node = operation_->node;
    return error;
}

result<void> row_source::begin() {
    result<std::optional<core::Piece>> piece = next_piece();
    if (!piece) return std::move(piece).error();
    if (!*piece) {
        over_ = true;
        return {};
    }
    result<void> fed = cursor_.feed(*std::move(*piece));
    return fed ? result<void>() : judged(std::move(fed).error());
}

result<bool> row_source::next() {
    while (!over_) {
        result<bool> more = cursor_.next();
        if (more && *more) return true;
        over_ = true;  // unless there is another batch
        if (!more) return judged(std::move(more).error());
        result<std::optional<core::Piece>> piece = next_piece();
        if (!piece) return std::move(piece).error();
        if (!*piece) return false;
        result<void> fed = cursor_.feed(*std::move(*piece));
        if (!fed) return judged(std::move(fed).error());
        over_ = false;
    }
    return false;
}

}  // namespace detail

rows::rows() = default;
rows::rows(std::unique_ptr<detail::row_source> source) : source_(std::move(source)) {}
rows::rows(rows&& other) noexcept = default;
rows& rows::operator=(rows&& other) noexcept = default;
rows::~rows() = default;

result<bool> rows::try_next() {
    if (!source_) return false;
    return source_->next();
}

std::size_t rows::column_count() const {
    return source_ ? source_->cursor().columns().size() : 0;
}

std::string_view rows::column_name(std::size_t column) const {
    return source_->cursor().columns().at(column);
}

std::optional<std::size_t> rows::find_column(std::string_view name) const {
    for (std::size_t i = 0; i < column_count(); ++i) {
        if (column_name(i) == name) return i;
    }
    return std::nullopt;
}

value_view rows::operator[](std::size_t column) const {
    return source_->cursor().row()[column];
}

execute_result rows::executed() const {
    if (!source_) return {};
    return {source_->operation().last_insert_id, source_->operation().rows_affected};
}

std::string rows::node() const {
    return source_ ? source_->operation().node : std::string();
}

error_info rows::does_not_fit(std::size_t column) const {
    error_info error;
    error.kind = error_kind::conversion;
    error.extended_code = code::kMismatch;
    error.node = node();
    if (column >= column_count()) {
        error.message = "there is no column " + std::to_string(column);
    } else {
        error.message = "column " + std::to_string(column) + " (" +
                        std::string(column_name(column)) + ") holds a value of type " +
                        to_string((*this)[column].type()) +
                        ", which does not fit the type asked for";
    }
    if (source_ && source_->operation().finished && !source_->operation().in_transaction &&
        source_->operation().standing == core::Effect::kWrite) {
        error.verdict = verdict::committed;
    }
    return error;
}

}  // namespace quorlite
