// The compiled parts of quorlite/error.h.
#include "quorlite/error.h"

namespace quorlite {

const char* to_string(verdict value) noexcept {
    switch (value) {
        case verdict::committed:
            return "committed";
        case verdict::not_committed:
            return "not committed";
        case verdict::in_doubt:
            return "in doubt";
    }
    return "?";
}

const char* to_string(error_kind value) noexcept {
    switch (value) {
        case error_kind::sql:
            return "sql";
        case error_kind::busy:
            return "busy";
        case error_kind::unavailable:
            return "unavailable";
        case error_kind::connection:
            return "connection";
        case error_kind::deadline:
            return "deadline";
        case error_kind::cancelled:
            return "cancelled";
        case error_kind::protocol:
            return "protocol";
        case error_kind::usage:
            return "usage";
        case error_kind::conversion:
            return "conversion";
        case error_kind::store:
            return "store";
    }
    return "?";
}

namespace {

std::string describe(const error_info& info) {
    std::string text = info.message + " (code " + std::to_string(info.extended_code) + ", " +
                       to_string(info.verdict);
    if (!info.node.empty()) text += ", at " + info.node;
    return text + ")";
}

}  // namespace

error::error(error_info info)
    : std::runtime_error(describe(info)),
      info_(std::make_shared<const error_info>(std::move(info))) {}
error::~error() = default;

in_doubt_error::in_doubt_error(error_info info) : error(std::move(info)) {}
in_doubt_error::~in_doubt_error() = default;

void throw_error(error_info info) {
    if (info.verdict == verdict::in_doubt) throw in_doubt_error(std::move(info));
    throw error(std::move(info));
}

std::exception_ptr make_exception(error_info info) {
    if (info.verdict == verdict::in_doubt) {
        return std::make_exception_ptr(in_doubt_error(std::move(info)));
    }
    return std::make_exception_ptr(error(std::move(info)));
}

}  // namespace quorlite
