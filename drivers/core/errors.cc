// The compiled parts of quorlite/error.h.
#include "quorlite/error.h"

#include <array>

namespace quorlite {

namespace {

constexpr std::array kVerdicts = {"committed", "not committed", "in doubt"};
constexpr std::array kKinds = {"sql",       "busy",     "unavailable", "connection", "deadline",
                               "cancelled", "protocol", "usage",       "conversion", "store"};
static_assert(kKinds.size() == static_cast<std::size_t>(error_kind::store) + 1);

template <class Value, std::size_t size>
const char* name_in(const std::array<const char*, size>& names, Value value) {
    const auto index = static_cast<std::size_t>(value);
    return index < size ? names[index] : "?";
}

}  // namespace

const char* to_string(verdict value) noexcept {
    return name_in(kVerdicts, value);
}

const char* to_string(error_kind value) noexcept {
    return name_in(kKinds, value);
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
