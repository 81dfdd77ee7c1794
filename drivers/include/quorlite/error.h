// How calls fail: what happened, what became of the work, and whether trying again may help.
//
// What: error_info is the description of a failure. The throwing form of a call throws it as an
// error (as an in_doubt_error if nobody can know what became of the work); the quiet form, named
// try_..., returns a result holding it.
//
// Errors: none of these functions fails, except result::value(), which throws the error it holds.
//
// Exception safety: copying an error_info may throw std::bad_alloc; errors themselves, as all
// exceptions should be, are copied without throwing.
//
// Lifetimes: everything here owns what it holds.
//
// Thread safety: plain values; distinct objects may be used from distinct threads.
#pragma once

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "quorlite/export.h"

namespace quorlite {

// What became of the work of the call that failed. For a statement inside a transaction, the work
// is the whole transaction.
enum class verdict {
    committed,      // it is done and durable; what failed came after it
    not_committed,  // it had no effect, and will have none
    in_doubt,       // it may have been done, or may still be: only looking at the data can tell
};

enum class error_kind {
    sql,          // the server refused the statement, or failed to execute it; see the code
    busy,         // another transaction was in the way for longer than the busy timeout
    unavailable,  // no leader could be reached, or it went away, before the deadline
    connection,   // the connection broke
    deadline,     // the call's time was over
    cancelled,    // the caller interrupted it
    protocol,     // the other side does not speak the protocol
    usage,        // the call makes no sense: the message says why
    conversion,   // a value does not fit the C++ type that was asked for
    store,        // the list of nodes could not be loaded or saved
};

QUORLITE_EXPORT const char* to_string(verdict value) noexcept;
QUORLITE_EXPORT const char* to_string(error_kind value) noexcept;

struct error_info {
    error_kind kind = error_kind::sql;
    int extended_code = 1;  // of SQLite, or of dqlite: 2067 is a broken UNIQUE constraint
    std::string message;    // one line
    std::string node;       // HOST:PORT of the node concerned; empty if there is none
    quorlite::verdict verdict = quorlite::verdict::not_committed;
    // It is safe to try the same call again, or in a transaction the whole transaction, and that
    // may help. Never true of what is in_doubt, which might be done twice, unless it was declared
    // idempotent.
    bool may_retry = false;

    // SQLite's primary code: 19 is any broken constraint. dqlite's own codes are as they are.
    int code() const noexcept {
        const bool own = extended_code >= 1001 && extended_code <= 1005;
        return own ? extended_code : extended_code & 0xff;
    }
};

class QUORLITE_EXPORT error : public std::runtime_error {
public:
    explicit error(error_info info);
    ~error() override;

    const error_info& info() const noexcept { return *info_; }
    error_kind kind() const noexcept { return info_->kind; }
    int code() const noexcept { return info_->code(); }
    int extended_code() const noexcept { return info_->extended_code; }
    const std::string& node() const noexcept { return info_->node; }
    quorlite::verdict verdict() const noexcept { return info_->verdict; }
    bool may_retry() const noexcept { return info_->may_retry; }

private:
    std::shared_ptr<const error_info> info_;
};

// Nobody can know whether the work was done: the connection broke, or the leadership changed, after
// it was sent. Never retried by the library unless the caller said that the work is idempotent.
class QUORLITE_EXPORT in_doubt_error : public error {
public:
    explicit in_doubt_error(error_info info);
    ~in_doubt_error() override;
};

[[noreturn]] QUORLITE_EXPORT void throw_error(error_info info);
QUORLITE_EXPORT std::exception_ptr make_exception(error_info info);

// A value, or why there is none.
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    result(error_info error) : content_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    T& value() & {
        if (!ok()) throw_error(error());
        return *std::get_if<0>(&content_);
    }
    const T& value() const& {
        if (!ok()) throw_error(error());
        return *std::get_if<0>(&content_);
    }
    T value() && {
        if (!ok()) throw_error(error());
        return std::move(*std::get_if<0>(&content_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // Precondition: !ok(); throws std::bad_variant_access otherwise.
    const error_info& error() const& { return std::get<1>(content_); }
    error_info&& error() && { return std::get<1>(std::move(content_)); }

private:
    std::variant<T, error_info> content_;
};

template <>
class [[nodiscard]] result<void> {
public:
    result() = default;
    result(error_info error) : content_(std::move(error)) {}

    bool ok() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }
    void value() const {
        if (!ok()) throw_error(error());
    }
    const error_info& error() const& { return std::get<1>(content_); }
    error_info&& error() && { return std::get<1>(std::move(content_)); }

private:
    std::variant<std::monostate, error_info> content_;
};

}  // namespace quorlite
