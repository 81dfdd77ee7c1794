#include "engine/session/result_set.h"

#include "engine/base/check.h"

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

bool ResultSet::append_value(wire::RowWriter& row, int column) {
    const DeclaredType declared = declared_[static_cast<std::size_t>(column)];
    const auto fits = [this](std::size_t bytes) {
        return bytes <= limits::kRowBytesMax && writer_.size() <= limits::kRowBytesMax - bytes;
    };
    switch (statement_->type(column)) {
        case wire::ValueType::kInteger: {
            const std::int64_t number = statement_->integer(column);
            if (declared == DeclaredType::kDate) {
                row.unix_time(number);
            } else if (declared == DeclaredType::kBoolean) {
                row.boolean(number);
            } else {
                row.integer(number);
            }
            return true;
        }
        case wire::ValueType::kFloat:
            row.real(statement_->real(column));
            return true;
        case wire::ValueType::kText: {
            const std::string_view text = statement_->text(column);
            if (!fits(text.size())) return false;
            declared == DeclaredType::kDate ? row.iso8601(text) : row.text(text);
            return true;
        }
        case wire::ValueType::kBlob: {
            const ByteView blob = statement_->blob(column);
            if (!fits(blob.size())) return false;
            row.blob(blob);
            return true;
        }
        case wire::ValueType::kNull:
            if (legacy_null_types_ && declared == DeclaredType::kDate) {
                row.iso8601("");
            } else if (legacy_null_types_ && declared == DeclaredType::kBoolean) {
                row.boolean(0);
            } else {
                row.null();
            }
            return true;
        case wire::ValueType::kUnixTime:
        case wire::ValueType::kIso8601:
        case wire::ValueType::kBoolean:
            break;
    }
    check_failed("SQLite stores five types", __FILE__, __LINE__);
}

}  // namespace quorlite::session
