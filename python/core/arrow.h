// The Arrow C data interface: arrays in memory that other libraries read without a copy.
//
// Both structures and the names of the capsules are given by Arrow's specification. What is
// exported owns itself: whoever takes it calls its release(); a capsule that nobody took does so.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "core/columns.h"

namespace quorlite::python {

// A pair of capsules, of a struct with a field for each column.
py::tuple export_arrow(const std::shared_ptr<std::vector<Column>>& columns);

}  // namespace quorlite::python
