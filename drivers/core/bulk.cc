#include "drivers/core/bulk.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {
namespace {

std::string quoted(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

void append(const value_view& view, Bytes& codes, Bytes& values) {
    value_type type = view.type();
    if (view.is_null()) type = value_type::null;
    if (type == value_type::unix_time) type = value_type::integer;  // not one for parameters
    codes.push_back(static_cast<std::uint8_t>(type));
    switch (type) {
        case value_type::text:
        case value_type::iso8601:
            return wire::append_text(values, view.text());
        case value_type::blob:
            return wire::append_blob(values, as_bytes(view.text()));
        case value_type::real:
            return ByteWriter(values).u64(std::bit_cast<std::uint64_t>(view.real()));
        case value_type::integer:
        case value_type::null:
        case value_type::unix_time:
        case value_type::boolean:
            break;
    }
    ByteWriter(values).u64(static_cast<std::uint64_t>(view.integer()));
}

}  // namespace

Bulk::Bulk(std::string_view table, const std::vector<std::string>& columns)
    : head_("INSERT INTO "),
      row_("("),
      columns_(columns.size()),
      rows_max_(std::max<std::size_t>(wire::kNarrowTupleCountMax / columns.size(), 1)) {
    head_.append(quoted(table)).append("(");
    for (std::size_t i = 0; i < columns.size(); ++i) {
        head_.append(i == 0 ? "" : ",").append(quoted(columns[i]));
        row_.append(i == 0 ? "?" : ",?");
    }
    head_ += ") VALUES ";
    row_ += ')';
    full_ = text(rows_max_);
}

std::string Bulk::text(std::size_t rows) const {
    std::string sql = head_;
    for (std::size_t i = 0; i < rows; ++i) sql.append(i == 0 ? "" : ",").append(row_);
    return sql;
}

result<OperationPtr> Bulk::add(arguments row) {
    if (row.size() != columns_) {
        return misuse("a row of " + std::to_string(row.size()) + " values for " +
                      std::to_string(columns_) + " columns");
    }
    for (const argument& each : row) {
        const value_view view = each.view();
        if (!each.fits()) return misuse(each.problem());
        if (view.type() == value_type::text && view.text().find('\0') != std::string_view::npos) {
            return misuse("a text holds a zero byte: bind it as a blob");
        }
    }
    for (const argument& each : row) append(each.view(), codes_, values_);
    ++rows_;
    return rows_ == rows_max_ || values_.size() >= limits::kBulkBytes ? pack() : nullptr;
}

OperationPtr Bulk::rest() {
    return rows_ == 0 ? nullptr : pack();
}

OperationPtr Bulk::pack() {
    auto operation = std::make_shared<Operation>();
    operation->sql = rows_ == rows_max_ ? full_ : text(rows_);
    operation->preparing = rows_ == rows_max_ ? Preparing::kAlways : Preparing::kNo;
    operation->values = rows_ * columns_;
    const bool narrow = operation->values <= wire::kNarrowTupleCountMax;
    ByteWriter out(operation->tuple);
    narrow ? out.u8(static_cast<std::uint8_t>(operation->values))
           : out.u32(static_cast<std::uint32_t>(operation->values));
    out.bytes(codes_);
    out.zeros(wire::padded(out.position()) - out.position());
    out.bytes(values_);
    codes_.clear();
    values_.clear();
    rows_ = 0;
    return operation;
}

result<std::unique_ptr<Bulk>> make_bulk(std::string_view table,
                                        const std::vector<std::string>& columns) {
    if (!columns.empty()) return std::make_unique<Bulk>(table, columns);
    return misuse("a bulk insert needs columns");
}

void BulkWindow::started(const OperationPtr& operation) {
    bytes_ += operation->tuple.size();
    under_way_.push_back(operation);
}

void BulkWindow::settle() {
    while (!under_way_.empty() && under_way_.front()->finished) {
        const OperationPtr first = std::move(under_way_.front());
        under_way_.pop_front();
        bytes_ -= first->tuple.size();
        rows_ += first->rows_affected;
        if (first->error) fail(*first->error);
    }
}

void BulkWindow::fail(const error_info& error) {
    if (!error_) error_ = error;
}

}  // namespace quorlite::core
