#include "drivers/core/cursor.h"

namespace quorlite::core {
namespace {

struct ToView {
    bool tells_null = false;

    value_view operator()(wire::Null) const { return {}; }
    value_view operator()(std::int64_t number) const { return value_view::of_integer(number); }
    value_view operator()(double number) const { return value_view::of_real(number); }
    value_view operator()(std::string_view text) const { return value_view::of_text(text); }
    value_view operator()(ByteView blob) const {
        return value_view::of_text(as_text(blob), value_type::blob);
    }
    value_view operator()(wire::UnixTime time) const {
        return value_view::of_integer(time.seconds, value_type::unix_time);
    }
    value_view operator()(wire::Iso8601 time) const {
        if (time.text.empty() && !tells_null) return {};
        return value_view::of_text(time.text, value_type::iso8601);
    }
    value_view operator()(wire::Boolean flag) const {
        return value_view::of_integer(flag.number, value_type::boolean);
    }
};

}  // namespace

error_info Cursor::garbage(const std::string& what) const {
    return make_error(error_kind::protocol, code::kProtocol,
                      "the server's rows cannot be read: " + what);
}

result<void> Cursor::feed(Piece batch) {
    reader_.reset();
    batch_ = std::move(batch);
    auto opened = wire::RowsReader::open(batch_.bytes);
    if (!opened) return garbage(opened.error().message);
    if (columns_.empty()) columns_.assign(opened->columns().begin(), opened->columns().end());
    if (opened->columns().size() != columns_.size()) return garbage("the columns changed");
    reader_ = std::move(*opened);
    return {};
}

result<bool> Cursor::next() {
    if (!reader_) return false;
    const auto step = reader_->next(values_);
    if (!step) {
        reader_.reset();
        return garbage(step.error().message);
    }
    if (*step != wire::RowsReader::Step::kRow) {
        reader_.reset();
        return false;
    }
    row_.resize(values_.size());
    const ToView to_view{batch_.tells_null};
    for (std::size_t i = 0; i < values_.size(); ++i) row_[i] = std::visit(to_view, values_[i]);
    return true;
}

}  // namespace quorlite::core
