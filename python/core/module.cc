// quorlite._core: what the package quorlite is built on. Private.
#include <pybind11/pybind11.h>
#include <sqlite3.h>

#include "core/async.h"
#include "core/columns.h"
#include "core/errors.h"
#include "core/session.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ driver and node beneath the package quorlite. Private.";
    module.attr("sqlite_version") = sqlite3_libversion();
    quorlite::python::forks();
    quorlite::python::define_errors();
    quorlite::python::define_columns(module);
    quorlite::python::define_async(module);
    quorlite::python::define_connections(module);
    quorlite::python::define_node(module);
}
