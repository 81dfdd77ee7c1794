// The Arrow C data interface: arrays in memory that other libraries read without a copy.
//
// Both structures and the names of the capsules are given by Arrow's specification. What is
// exported owns itself: whoever takes it calls its release(); a capsule that nobody took does so.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string_view>
#include <vector>

#include "core/columns.h"

namespace quorlite::python {

// Whether it is UTF-8 without surrogates and overlong forms, as Arrow's strings must be.
bool is_utf8(std::string_view text);

// A pair of capsules, of a struct with a field for each column.
py::tuple export_arrow(const std::shared_ptr<std::vector<Column>>& columns);

}  // namespace quorlite::python
