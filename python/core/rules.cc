// The retry rules of the C++ core, for run() and for the tests that hold every client to the same.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>

#include "core/errors.h"
#include "drivers/core/rules.h"

namespace py = pybind11;

namespace quorlite::python {
namespace {

constexpr std::array kVerdicts = {"committed", "not_committed", "in_doubt"};
constexpr std::array kEffects = {"none", "read", "write", "begin", "commit", "rollback"};
constexpr std::array kProgress = {"not_sent", "stopped", "unanswered"};
constexpr std::array kActions = {"report", "elsewhere", "wait"};

// The value of an enumeration whose names are listed in its order.
template <class Value, std::size_t size>
Value named(const std::array<const char*, size>& names, const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw py::value_error(name);
    return static_cast<Value>(found - names.begin());
}

error_kind kind_of(const std::string& name) {
    for (auto kind = error_kind::sql; kind <= error_kind::store;
         kind = static_cast<error_kind>(static_cast<int>(kind) + 1)) {
        if (to_string(kind) == name) return kind;
    }
    throw py::value_error(name);
}

// Where a statement stood: effect, in a transaction, idempotent, rows delivered.
using Context = std::tuple<std::string, bool, bool, bool>;

core::RetryContext context_of(const Context& context) {
    const auto& [effect, in_transaction, idempotent, delivered] = context;
    return {named<core::Effect>(kEffects, effect), in_transaction, idempotent, delivered};
}

py::dict described(const core::RetryDecision& decision) {
    py::dict said;
    said["action"] = kActions.at(static_cast<std::size_t>(decision.action));
    said["kind"] = to_string(decision.error.kind);
    said["verdict"] = kVerdicts.at(static_cast<std::size_t>(decision.error.verdict));
    said["may_retry"] = decision.error.may_retry;
    said["leave"] = decision.leave;
    said["transaction_gone"] = decision.transaction_gone;
    said["probe"] = decision.probe;
    return said;
}

bool may_rerun(const std::string& kind, const std::string& verdict, bool may_retry,
               bool idempotent) {
    error_info error;
    error.kind = kind_of(kind);
    error.verdict = named<quorlite::verdict>(kVerdicts, verdict);
    error.may_retry = may_retry;
    return core::may_rerun(error, idempotent);
}

}  // namespace

void define_rules(py::module_& module) {
    module.def("may_rerun", &may_rerun);
    module.def("classify_failure",
               [](std::uint64_t code, const std::string& message, const Context& context) {
                   return described(core::classify_failure(code, message, context_of(context)));
               });
    module.def("classify_loss", [](bool sent, const std::string& kind, const Context& context) {
        return described(core::classify_loss(sent, {}, kind_of(kind), context_of(context)));
    });
    module.def("classify_abandoned", [](const std::string& progress, const std::string& kind,
                                        const Context& context) {
        return described(core::classify_abandoned(named<core::Progress>(kProgress, progress),
                                                  kind_of(kind), {}, context_of(context)));
    });
}

}  // namespace quorlite::python
