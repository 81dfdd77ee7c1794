#include "core/values.h"

#include <algorithm>
#include <bit>

#include "core/errors.h"
#include "drivers/core/dump.h"
#include "drivers/core/sql.h"

namespace quorlite::python {
namespace {

// A buffer is handed out before it is larger than this, and so is a row of any size.
constexpr std::size_t kBufferBytes = 256u << 10;

py::object adapt(py::handle value) {
    return py::module_::import("quorlite._adapt").attr("adapt")(value);
}

argument integer(py::handle value) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow != 0) {
        PyErr_SetString(PyExc_OverflowError, "an int is too large for an INTEGER of SQL (64 bits)");
        throw py::error_already_set();
    }
    if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    return argument(static_cast<std::int64_t>(number));
}

py::object owned(PyObject* made) {
    if (made == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(made);
}

// Of a list a copy, which no adapter and no other thread can change. Of other sequences by what
// they must have: a length and an index.
py::object tuple_of(py::handle sequence) {
    if (PyTuple_Check(sequence.ptr()) || PyList_Check(sequence.ptr())) {
        return owned(PySequence_Tuple(sequence.ptr()));
    }
    const Py_ssize_t count = PySequence_Size(sequence.ptr());
    if (count < 0) throw py::error_already_set();
    py::object items = owned(PyTuple_New(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        py::object item = owned(PySequence_GetItem(sequence.ptr(), i));
        PyTuple_SET_ITEM(items.ptr(), i, item.release().ptr());
    }
    return items;
}

// A Row of this package or of sqlite3 knows names as well, but is a sequence of values.
bool is_mapping(py::handle bound) {
    if (PyDict_Check(bound.ptr())) return true;
    if (!PyMapping_Check(bound.ptr()) || !py::hasattr(bound, "keys")) return false;
    return !py::isinstance(bound, py::module_::import("collections.abc").attr("Sequence"));
}

}  // namespace

std::string_view text_of(py::handle text) {
    if (!PyUnicode_Check(text.ptr())) {
        throw py::type_error("a text of SQL is a str, not " +
                             std::string(Py_TYPE(text.ptr())->tp_name));
    }
    Py_ssize_t size = 0;
    const char* const bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (bytes == nullptr) throw py::error_already_set();
    return {bytes, static_cast<std::size_t>(size)};
}

// ---- Parameters ----

Parameters::Parameters(std::string_view sql, py::handle bound) {
    if (bound.is_none()) return;
    try {
        if (PyTuple_Check(bound.ptr()) || PyList_Check(bound.ptr())) {
            add_sequence(bound);
        } else if (is_mapping(bound)) {
            add_mapping(sql, bound);
        } else if (PySequence_Check(bound.ptr()) && !PyUnicode_Check(bound.ptr())) {
            add_sequence(bound);
        } else {
            throw_misuse("parameters are a sequence or a mapping, not " +
                         std::string(Py_TYPE(bound.ptr())->tp_name));
        }
    } catch (...) {
        release();
        throw;
    }
}

Parameters::~Parameters() {
    release();
}

void Parameters::release() {
    for (Py_buffer& each : buffers_) PyBuffer_Release(&each);
    buffers_.clear();
}

void Parameters::add_sequence(py::handle bound) {
    const py::object values = tuple_of(bound);
    const Py_ssize_t count = PyTuple_GET_SIZE(values.ptr());
    arguments_.reserve(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
        arguments_.push_back(convert(PyTuple_GET_ITEM(values.ptr(), i), false));
    }
    kept_.push_back(values);
}

void Parameters::add_mapping(std::string_view sql, py::handle bound) {
    for (const auto& [name, number] : core::analyse(sql).names) {
        const std::string_view bare = name.substr(1);
        const py::str key(bare.data(), bare.size());
        const py::object value =
            py::reinterpret_steal<py::object>(PyObject_GetItem(bound.ptr(), key.ptr()));
        if (!value) {
            if (PyErr_ExceptionMatches(PyExc_LookupError) == 0) throw py::error_already_set();
            PyErr_Clear();
            throw_misuse("there is no value for the parameter " + std::string(name));
        }
        arguments_.push_back(named(bare, convert(value, false)));
        kept_.push_back(value);
    }
}

std::size_t Parameters::bytes() const {
    std::size_t sum = 0;
    for (const argument& each : arguments_) sum += each.view().text().size();
    return sum;
}

argument Parameters::convert(py::handle value, bool adapted) {
    PyObject* const object = value.ptr();
    if (object == Py_None) return {};
    if (PyLong_CheckExact(object)) return integer(value);
    if (PyUnicode_CheckExact(object)) return argument(text_of(value));
    if (PyFloat_CheckExact(object)) return argument(PyFloat_AS_DOUBLE(object));
    if (PyBool_Check(object)) return argument(object == Py_True);
    if (PyBytes_CheckExact(object)) {
        const auto* const bytes = reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(object));
        return argument(blob_view(bytes, static_cast<std::size_t>(PyBytes_GET_SIZE(object))));
    }
    if (!adapted) {
        const py::object plain = adapt(value);
        kept_.push_back(plain);
        return convert(plain, true);
    }
    if (PyLong_Check(object)) return integer(value);
    if (PyUnicode_Check(object)) return argument(text_of(value));
    if (PyFloat_Check(object)) return argument(PyFloat_AS_DOUBLE(object));
    if (PyObject_CheckBuffer(object)) return borrow_buffer(value);
    throw_misuse("no value of SQL can be made of a " + std::string(Py_TYPE(object)->tp_name) +
                 ": use quorlite.register_adapter()");
}

argument Parameters::borrow_buffer(py::handle value) {
    Py_buffer& buffer = buffers_.emplace_back();
    if (PyObject_GetBuffer(value.ptr(), &buffer, PyBUF_CONTIG_RO) != 0) {
        buffers_.pop_back();
        throw py::error_already_set();
    }
    // A number of NumPy is a buffer as well, of no dimension.
    if (buffer.ndim == 0 && py::hasattr(value, "item")) {
        PyBuffer_Release(&buffer);
        buffers_.pop_back();
        kept_.push_back(value.attr("item")());
        return convert(kept_.back(), false);
    }
    return argument(
        blob_view(static_cast<const std::byte*>(buffer.buf), static_cast<std::size_t>(buffer.len)));
}

// ---- Rows ----

bool RowBuffer::fill(rows& from, std::size_t rows_max) {
    columns_ = from.column_count();
    while (size() < rows_max && text_.size() + cells_.size() * sizeof(Cell) < kBufferBytes) {
        if (!from.next()) return false;
        for (std::size_t i = 0; i < columns_; ++i) {
            const value_view value = from[i];
            const std::string_view text = value.text();
            if (value.is_null()) {
                cells_.push_back({value_type::null, 0, 0});
            } else if (value.type() == value_type::real) {
                cells_.push_back({value.type(), std::bit_cast<std::int64_t>(value.real()), 0});
            } else if (value.type() == value_type::integer ||
                       value.type() == value_type::unix_time ||
                       value.type() == value_type::boolean) {
                cells_.push_back({value.type(), value.integer(), 0});
            } else {
                cells_.push_back(
                    {value.type(), static_cast<std::int64_t>(text_.size()), text.size()});
                text_.append(text);
            }
        }
    }
    return true;
}

py::object RowBuffer::take(const Decoding& decoding) {
    const Cell* const cells = cells_.data() + next_ * columns_;
    ++next_;
    py::object row = owned(PyTuple_New(static_cast<Py_ssize_t>(columns_)));
    for (std::size_t i = 0; i < columns_; ++i) {
        py::object value = decode(cells[i], decoding, i);
        PyTuple_SET_ITEM(row.ptr(), static_cast<Py_ssize_t>(i), value.release().ptr());
    }
    return row;
}

std::string RowBuffer::take(std::string_view insert, bool paired) {
    const Cell* const cells = cells_.data() + next_ * columns_;
    ++next_;
    std::vector<value_view> row;
    row.reserve(columns_);
    for (std::size_t i = 0; i < columns_; ++i) row.push_back(view_of(cells[i]));
    return core::Dump::statement(insert, paired, row);
}

void RowBuffer::take(Columns& into) {
    const Cell* const cells = cells_.data() + next_ * columns_;
    ++next_;
    for (std::size_t i = 0; i < columns_; ++i) into.append(i, view_of(cells[i]));
}

value_view RowBuffer::view_of(const Cell& cell) const {
    switch (cell.type) {
        case value_type::null:
            return {};
        case value_type::text:
        case value_type::iso8601:
        case value_type::blob:
            return value_view::of_text(text_of(cell), cell.type);
        case value_type::integer:
        case value_type::real:
        case value_type::unix_time:
        case value_type::boolean:
            break;
    }
    return value_view::of_integer(cell.number, cell.type);
}

py::object RowBuffer::decode(const Cell& cell, const Decoding& decoding, std::size_t column) const {
    if (cell.type == value_type::null) return py::none();
    if (column < decoding.by_column.size() && !decoding.by_column[column].is_none()) {
        return decoding.by_column[column](as_bytes(cell));
    }
    switch (cell.type) {
        case value_type::integer:
            return owned(PyLong_FromLongLong(cell.number));
        case value_type::real:
            return owned(PyFloat_FromDouble(std::bit_cast<double>(cell.number)));
        case value_type::boolean:
            if (decoding.booleans) return py::bool_(cell.number != 0);
            return owned(PyLong_FromLongLong(cell.number));
        case value_type::unix_time: {
            py::object number = owned(PyLong_FromLongLong(cell.number));
            return decoding.time.is_none() ? number : decoding.time(number);
        }
        case value_type::iso8601: {
            py::object text = decode_text(text_of(cell), decoding);
            return decoding.time.is_none() ? text : decoding.time(text);
        }
        case value_type::text:
            return decode_text(text_of(cell), decoding);
        case value_type::blob:
            return py::bytes(text_of(cell));
        case value_type::null:
            break;
    }
    return py::none();
}

std::string_view RowBuffer::text_of(const Cell& cell) const {
    return std::string_view(text_).substr(static_cast<std::size_t>(cell.number), cell.bytes);
}

// What a converter is given, as sqlite3's are: the value as SQLite writes it.
py::bytes RowBuffer::as_bytes(const Cell& cell) const {
    switch (cell.type) {
        case value_type::integer:
        case value_type::unix_time:
        case value_type::boolean:
            return py::bytes(std::to_string(cell.number));
        case value_type::real: {
            const py::object number = owned(PyFloat_FromDouble(std::bit_cast<double>(cell.number)));
            return py::bytes(py::cast<std::string>(py::repr(number)));
        }
        case value_type::text:
        case value_type::iso8601:
        case value_type::blob:
        case value_type::null:
            break;
    }
    return py::bytes(text_of(cell));
}

py::object RowBuffer::decode_text(std::string_view text, const Decoding& decoding) const {
    const auto size = static_cast<Py_ssize_t>(text.size());
    PyObject* const factory = decoding.text_factory.ptr();
    if (factory == Py_None || factory == reinterpret_cast<PyObject*>(&PyUnicode_Type)) {
        PyObject* const made = PyUnicode_DecodeUTF8(text.data(), size, nullptr);
        if (made != nullptr) return py::reinterpret_steal<py::object>(made);
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) throw py::error_already_set();
        PyErr_Clear();
        throw_conversion("a text is not UTF-8: set text_factory to bytes to read it");
    }
    if (factory == reinterpret_cast<PyObject*>(&PyBytes_Type)) return py::bytes(text);
    return decoding.text_factory(py::bytes(text));
}

py::tuple column_names(const rows& from) {
    py::tuple names(from.column_count());
    for (std::size_t i = 0; i < from.column_count(); ++i) {
        const std::string_view name = from.column_name(i);
        names[i] = owned(
            PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "replace"));
    }
    return names;
}

}  // namespace quorlite::python
