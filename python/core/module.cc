// quorlite._core: what the package quorlite is built on. Private.
#include <pybind11/pybind11.h>

#include "core/async.h"
#include "core/columns.h"
#include "core/errors.h"
#include "core/session.h"
#include "quorlite/node.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ driver and node beneath the package quorlite. Private.";
    const quorlite::SqliteBuild sqlite = quorlite::Node::sqlite();
    module.attr("sqlite_version") = sqlite.version;
    module.attr("sqlite_origin") = sqlite.origin;
    quorlite::python::forks();
    quorlite::python::define_errors();
    quorlite::python::define_columns(module);
    quorlite::python::define_async(module);
    quorlite::python::define_connections(module);
    quorlite::python::define_node(module);
}
