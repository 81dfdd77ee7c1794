// What went wrong, as Python exceptions.
//
// The classes are Python's own (quorlite/_errors.py); this side describes a failure, and
// _errors.from_core() makes the exception of it. raise() may be called only with the GIL; errors
// that are thrown become exceptions by themselves when they leave a function of the module.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "quorlite/error.h"
#include "quorlite/node.h"

namespace quorlite::python {

// The call makes no sense: a ProgrammingError.
[[noreturn]] void throw_misuse(std::string message);
// A value is out of SQL's range, or does not fit: a DataError.
[[noreturn]] void throw_conversion(std::string message);

struct NodeFailure : std::exception {
    explicit NodeFailure(NodeError why) : error(std::move(why)) {}
    const char* what() const noexcept override { return error.message.c_str(); }
    NodeError error;
};

// The exception for a failure.
pybind11::object exception_of(const error_info& info);

void define_errors();
void define_rules(pybind11::module_& module);

}  // namespace quorlite::python
