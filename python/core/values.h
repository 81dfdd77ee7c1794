// Values between Python and SQL: parameters to be bound, and rows to be handed out.
//
// Nothing here knows a connection: every front end uses it. Parameters are read, and rows made into
// tuples, with the GIL; rows are taken off a result without it.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "core/columns.h"
#include "quorlite/rows.h"
#include "quorlite/value.h"

namespace quorlite::python {

namespace py = pybind11;

// The parameters of one statement: a sequence for `?`, a mapping for `:name`. Keeps what the
// arguments borrow from; a value that SQL does not have goes through quorlite's adapters.
class Parameters {
public:
    // The text says which names there are: a mapping may hold more.
    Parameters(std::string_view sql, py::handle bound);
    ~Parameters();
    Parameters(const Parameters&) = delete;
    Parameters& operator=(const Parameters&) = delete;

    arguments view() const { return arguments_; }
    // Of texts and blobs.
    std::size_t bytes() const;

private:
    argument convert(py::handle value, bool adapted);
    argument borrow_buffer(py::handle value);
    void add_sequence(py::handle bound);
    void add_mapping(std::string_view sql, py::handle bound);
    void release();

    std::vector<py::object> kept_;
    std::deque<Py_buffer> buffers_;  // of objects whose bytes might move otherwise
    std::vector<argument> arguments_;
};

// How values become Python's.
struct Decoding {
    py::object text_factory;            // None: str
    std::vector<py::object> by_column;  // converters, taking bytes; None: none
    py::object time = py::none();       // of columns declared as DATE, DATETIME or TIMESTAMP
    bool booleans = false;              // columns declared as BOOLEAN give bool
};

// Some rows, copied out of a result, and then made into tuples one by one.
class RowBuffer {
public:
    // Takes rows until there are `rows_max`, or enough bytes. False if the result is over. May
    // wait. Precondition: nothing was taken before.
    bool fill(rows& from, std::size_t rows_max);

    std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_ - next_; }
    // The next row. Precondition: size() > 0.
    py::object take(const Decoding& decoding);
    // The next row as a statement that inserts it: see core::Dump. Precondition: size() > 0.
    std::string take(std::string_view insert, bool paired);
    // Adds the next row. Precondition: size() > 0.
    void take(Columns& into);

private:
    struct Cell {
        value_type type;
        std::int64_t number;  // or where the text begins
        std::size_t bytes;
    };
    py::object decode(const Cell& cell, const Decoding& decoding, std::size_t column) const;
    value_view view_of(const Cell& cell) const;
    std::string_view text_of(const Cell& cell) const;
    py::bytes as_bytes(const Cell& cell) const;
    py::object decode_text(std::string_view text, const Decoding& decoding) const;

    std::size_t columns_ = 0;
    std::size_t next_ = 0;
    std::vector<Cell> cells_;
    std::string text_;
};

// A str's text, which lives as long as that does. A TypeError if it is none.
std::string_view text_of(py::handle text);
// A tuple of str.
py::tuple column_names(const rows& from);

}  // namespace quorlite::python
