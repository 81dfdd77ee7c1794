#include "engine/session/result_set.h"

namespace quorlite::session {

using database::DeclaredType;

void ResultSet::open(const database::Statement& statement, bool legacy_null_types) {
    statement_ = &statement;
    legacy_null_types_ = legacy_null_types;
    const int columns = statement.column_count();
    declared_.clear();
    names_.clear();
    for (int column = 0; column < columns; ++column) {
        declared_.push_back(statement.declared_type(column));
        names_.push_back(statement.column_name(column));
    }
    writer_.columns(names_);
}

Status ResultSet::append_row() {
    wire::RowWriter& row = writer_.row();
    const int columns = static_cast<int>(declared_.size());
    for (int column = 0; column < columns; ++column) {
        if (!append_value(row, column)) {
            return Error{code::kTooBig, "string or blob too big: a row may have " +
                                            std::to_string(limits::kRowBytesMax) + " bytes"};
        }
    }
    return {};
}

bool ResultSet::fits(std::size_t bytes) const {
    return bytes <= limits::kRowBytesMax && writer_.size() <= limits::kRowBytesMax - bytes;
}

bool ResultSet::append_value(wire::RowWriter& row, int column) {
    const DeclaredType declared = declared_[static_cast<std::size_t>(column)];
    const wire::Value value = statement_->value(column);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        if (declared == DeclaredType::kDate) {
            row.unix_time(*number);
        } else if (declared == DeclaredType::kBoolean) {
            row.boolean(*number);
        } else {
            row.integer(*number);
        }
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
        if (!fits(text->size())) return false;
        declared == DeclaredType::kDate ? row.iso8601(*text) : row.text(*text);
    } else if (const auto* blob = std::get_if<ByteView>(&value)) {
        if (!fits(blob->size())) return false;
        row.blob(*blob);
    } else if (const auto* real = std::get_if<double>(&value)) {
        row.real(*real);
    } else if (legacy_null_types_ && declared == DeclaredType::kDate) {
        row.iso8601("");
    } else if (legacy_null_types_ && declared == DeclaredType::kBoolean) {
        row.boolean(0);
    } else {
        row.null();
    }
    return true;
}

}  // namespace quorlite::session
