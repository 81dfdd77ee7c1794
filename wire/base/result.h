// Result: a value, or an Error that says what happened, what it means for the data, and what to do.
//
// Operating errors (bad input, no leader, full disk) travel as Result values; nothing in `wire` or
// `engine` throws. Every Error carries a verdict: whether the work it belongs to is committed, is
// not, or cannot be known. Codes are SQLite result codes (extended ones included) or the dqlite
// codes of spec/wire-protocol.md section 9, because that is what clients are told.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "wire/base/error_codes.h"

namespace quorlite {

enum class Verdict { kNotCommitted, kInDoubt, kCommitted };

namespace code {
// Never sent: a promotion must wait until the node has nearly all of the log.
inline constexpr int kCatchingUp = -1;
}  // namespace code

struct Error {
    int code = code::kError;
    std::string message;
    Verdict verdict = Verdict::kNotCommitted;
};

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // Precondition: ok(). Checked: std::get throws, which ends the program, on a programmer's
    // error.
    T& value() & { return std::get<0>(content_); }
    const T& value() const& { return std::get<0>(content_); }
    T&& value() && { return std::get<0>(std::move(content_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // Precondition: !ok().
    const Error& error() const& { return std::get<1>(content_); }
    Error&& error() && { return std::get<1>(std::move(content_)); }

private:
    std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    const Error& error() const& { return error_.value(); }
    Error&& error() && { return std::move(error_).value(); }

private:
    std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace quorlite
