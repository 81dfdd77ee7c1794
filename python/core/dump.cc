// The description of a dump, and rows as statements: see drivers/core/dump.h.
#include "drivers/core/dump.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/errors.h"
#include "core/session.h"
#include "core/values.h"
#include "drivers/core/literals.h"

namespace quorlite::python {
namespace {

constexpr std::array kKinds = {"prepare", "statement", "rows"};

void answer(core::Dump& dump, const py::iterable& answered) {
    core::Dump::Rows rows;
    for (const py::handle each : answered) {
        const Parameters row({}, each);
        std::vector<value>& kept = rows.emplace_back();
        for (const argument& value : row.view()) kept.emplace_back(value.view());
    }
    dump.answer(rows).value();
}

py::list steps(const core::Dump& dump) {
    py::list steps;
    for (const core::Dump::Step& each : dump.steps()) {
        if (!core::is_utf8(each.sql)) {
            throw_conversion("a name in the schema is not UTF-8: copy the database with backup()");
        }
        const char* const kind = kKinds.at(static_cast<std::size_t>(each.kind));
        steps.append(py::make_tuple(kind, each.sql, each.insert, each.paired));
    }
    return steps;
}

}  // namespace

void define_dump(py::module_& module) {
    py::class_<core::Dump>(module, "Dump")
        .def(py::init([](const std::string& pattern, bool whole_texts) {
                 return std::make_unique<core::Dump>(
                     std::vector<std::string>(), pattern,
                     whole_texts ? core::Dump::Texts::kWhole : core::Dump::Texts::kCut);
             }),
             py::arg("pattern") = "", py::arg("whole_texts") = false)
        .def_property_readonly("question", &core::Dump::question)
        .def_property_readonly("refers", &core::Dump::refers)
        .def("answer", &answer, py::arg("rows"))
        .def("steps", &steps);
}

}  // namespace quorlite::python
