// quorlite._core: what the package quorlite is built on. Private.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/async.h"
#include "core/columns.h"
#include "core/errors.h"
#include "core/session.h"
#include "drivers/core/sql.h"
#include "quorlite/node.h"

namespace quorlite::python {
namespace {

// The word that says what the first statement of a text does: with WITH the one behind the tables.
// None if the text holds no statement.
std::optional<std::string> verb(std::string_view sql) {
    const core::SqlText text = core::analyse(sql);
    if (text.effect == core::Effect::kNone) return std::nullopt;
    return std::string(text.verb);
}

}  // namespace
}  // namespace quorlite::python

PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ driver and node beneath the package quorlite. Private.";
    const quorlite::SqliteBuild sqlite = quorlite::Node::sqlite();
    module.attr("sqlite_version") = sqlite.version;
    module.attr("sqlite_origin") = sqlite.origin;
    module.def("verb", &quorlite::python::verb, pybind11::arg("sql"));
    quorlite::python::forks();
    quorlite::python::define_errors();
    quorlite::python::define_rules(module);
    quorlite::python::define_columns(module);
    quorlite::python::define_dump(module);
    quorlite::python::define_async(module);
    quorlite::python::define_connections(module);
    quorlite::python::define_node(module);
}
