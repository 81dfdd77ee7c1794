#include "core/columns.h"

#include <pybind11/numpy.h>

#include <bit>
#include <limits>

#include "core/arrow.h"
#include "core/errors.h"
#include "drivers/core/literals.h"

namespace quorlite::python {
namespace {

// Up to here a double has every integer.
constexpr std::int64_t kExactMax = std::int64_t{1} << 53;
constexpr auto kNan = std::bit_cast<std::int64_t>(std::numeric_limits<double>::quiet_NaN());

ColumnKind kind_named(const std::string& name) {
    for (const ColumnKind each :
         {ColumnKind::int64, ColumnKind::float64, ColumnKind::string, ColumnKind::binary}) {
        if (name == names_of(each).python) return each;
    }
    throw_misuse("a column's type is int64, float64, string or binary, not " + name);
}

ColumnKind kind_of(value_type type) {
    switch (type) {
        case value_type::integer:
        case value_type::unix_time:
        case value_type::boolean:
            return ColumnKind::int64;
        case value_type::real:
            return ColumnKind::float64;
        case value_type::text:
        case value_type::iso8601:
            return ColumnKind::string;
        case value_type::blob:
            return ColumnKind::binary;
        case value_type::null:
            break;
    }
    return ColumnKind::undecided;
}

bool has_text(ColumnKind kind) {
    return kind == ColumnKind::string || kind == ColumnKind::binary;
}

[[noreturn]] void refuse(const Column& column, std::size_t row, const std::string& problem) {
    throw_conversion("column \"" + column.name + "\", row " + std::to_string(row + 1) + ": " +
                     problem);
}

bool is_exact(std::int64_t number) {
    return number >= -kExactMax && number <= kExactMax;
}

std::int64_t bits_of(std::int64_t integer) {
    return std::bit_cast<std::int64_t>(static_cast<double>(integer));
}

bool is_valid(const Column& column, std::size_t row) {
    return (column.validity[row / 8] >> (row % 8) & 1) != 0;
}

constexpr const char* kInexact =
    "the integer is too large to be among reals: CAST the column in the SELECT";

// Gives an undecided column, of NULLs only, its kind.
void decide(Column& column, ColumnKind kind) {
    column.kind = kind;
    if (has_text(kind)) {
        column.numbers.assign(column.size + 1, 0);
    } else {
        column.numbers.assign(column.size, kind == ColumnKind::float64 ? kNan : 0);
    }
}

void make_reals(Column& column, std::size_t rows_before) {
    for (std::size_t row = 0; row < column.size; ++row) {
        std::int64_t& number = column.numbers[row];
        if (!is_exact(number)) refuse(column, rows_before + row, kInexact);
        number = is_valid(column, row) ? bits_of(number) : kNan;
    }
    column.kind = ColumnKind::float64;
}

// Sees to it that a value of the kind can be added.
void admit(Column& column, ColumnKind kind, std::size_t rows_before) {
    if (kind == column.kind) return;
    if (column.kind == ColumnKind::float64 && kind == ColumnKind::int64) return;
    if (!column.fixed && column.kind == ColumnKind::undecided) return decide(column, kind);
    if (!column.fixed && column.kind == ColumnKind::int64 && kind == ColumnKind::float64) {
        return make_reals(column, rows_before);
    }
    refuse(column, rows_before + column.size,
           std::string("a value of type ") + names_of(kind).python + " in a column of type " +
               names_of(column.kind).python +
               ": CAST the column in the SELECT, or give its type in types");
}

// What the column's array gets for a value of a kind that was admitted.
std::int64_t store(Column& column, const value_view& value, std::size_t rows_before) {
    const std::size_t row = rows_before + column.size;
    switch (column.kind) {
        case ColumnKind::undecided:
            break;
        case ColumnKind::int64:
            return value.integer();
        case ColumnKind::float64:
            if (value.type() == value_type::real) return std::bit_cast<std::int64_t>(value.real());
            if (!is_exact(value.integer())) refuse(column, row, kInexact);
            return bits_of(value.integer());
        case ColumnKind::string:
            if (!core::is_utf8(value.text())) {
                refuse(column, row, "the text is not UTF-8: CAST the column AS BLOB in the SELECT");
            }
            [[fallthrough]];
        case ColumnKind::binary:
            column.bytes.append(value.text());
            return static_cast<std::int64_t>(column.bytes.size());
    }
    return 0;
}

void append_null(Column& column) {
    ++column.nulls;
    if (has_text(column.kind)) {
        column.numbers.push_back(column.numbers.back());
    } else if (column.kind != ColumnKind::undecided) {
        column.numbers.push_back(column.kind == ColumnKind::float64 ? kNan : 0);
    }
}

py::object array_of(const std::shared_ptr<std::vector<Column>>& data, const Column& column) {
    using Owner = std::shared_ptr<std::vector<Column>>;
    const py::capsule owner(new Owner(data), [](void* made) { delete static_cast<Owner*>(made); });
    const auto size = static_cast<py::ssize_t>(column.size);
    if (column.kind == ColumnKind::float64) {
        const void* const values = column.numbers.data();
        return py::array_t<double>(size, static_cast<const double*>(values), owner);
    }
    py::object values = py::array_t<std::int64_t>(size, column.numbers.data(), owner);
    if (column.nulls == 0) return values;
    py::array_t<bool> mask(size);
    for (std::size_t row = 0; row < column.size; ++row) {
        mask.mutable_at(static_cast<py::ssize_t>(row)) = !is_valid(column, row);
    }
    return py::module_::import("numpy").attr("ma").attr("MaskedArray")(values,
                                                                       py::arg("mask") = mask);
}

py::object objects_of(const Column& column) {
    py::list objects(column.size);
    for (std::size_t row = 0; row < column.size; ++row) {
        const auto begin = static_cast<std::size_t>(column.numbers[row]);
        const auto end = static_cast<std::size_t>(column.numbers[row + 1]);
        const auto text = std::string_view(column.bytes).substr(begin, end - begin);
        if (!is_valid(column, row)) {
            objects[row] = py::none();
        } else if (column.kind == ColumnKind::string) {
            objects[row] = py::str(text.data(), text.size());
        } else {
            objects[row] = py::bytes(text.data(), text.size());
        }
    }
    // Filled, not converted: NumPy takes trailing zero bytes off otherwise.
    const py::module_ numpy = py::module_::import("numpy");
    py::object array = numpy.attr("empty")(column.size, py::arg("dtype") = "object");
    array[py::slice(py::none(), py::none(), py::none())] = objects;
    return array;
}

}  // namespace

Columns::Columns(const py::tuple& names, const py::dict& types) {
    for (const py::handle name : names) {
        Column& column = data_->emplace_back();
        column.name = py::cast<std::string>(name);
        if (types.contains(name)) decide(column, kind_named(py::cast<std::string>(types[name])));
        column.fixed = types.contains(name);
    }
    for (const auto& [name, type] : types) {
        if (!names.contains(name)) {
            throw_misuse("there is no column " + py::cast<std::string>(py::repr(name)));
        }
    }
}

std::shared_ptr<Columns> Columns::successor() const {
    std::shared_ptr<Columns> next(new Columns());
    next->rows_before_ = rows_before_ + row_count();
    for (const Column& each : *data_) {
        Column& column = next->data_->emplace_back();
        column.name = each.name;
        decide(column, each.kind);
        column.fixed = true;
    }
    return next;
}

bool Columns::fill(rows& from, std::size_t rows_max) {
    while (row_count() < rows_max) {
        if (!from.next()) return false;
        for (std::size_t i = 0; i < data_->size(); ++i) append(i, from[i]);
    }
    return true;
}

void Columns::append(std::size_t index, const value_view& value) {
    Column& column = (*data_)[index];
    const std::size_t row = column.size;
    if (row % 8 == 0) column.validity.push_back(0);
    if (value.is_null()) {
        append_null(column);
    } else {
        admit(column, kind_of(value.type()), rows_before_);
        column.numbers.push_back(store(column, value, rows_before_));
        column.validity.back() = static_cast<std::uint8_t>(column.validity.back() | 1U << row % 8);
    }
    ++column.size;
}

py::tuple Columns::to_arrow() const {
    return export_arrow(data_);
}

py::list Columns::to_numpy() const {
    py::list arrays;
    for (Column& column : *data_) {
        if (column.kind == ColumnKind::undecided) decide(column, ColumnKind::float64);
        arrays.append(py::make_tuple(
            column.name, has_text(column.kind) ? objects_of(column) : array_of(data_, column)));
    }
    return arrays;
}

void define_columns(py::module_& module) {
    py::class_<Columns, std::shared_ptr<Columns>>(module, "Columns")
        .def(py::init<const py::tuple&, const py::dict&>(), py::arg("names"), py::arg("types"))
        .def("successor", &Columns::successor)
        .def("__len__", &Columns::row_count)
        .def(
            "__arrow_c_array__",
            [](const Columns& self, const py::object&) { return self.to_arrow(); },
            py::arg("requested_schema") = py::none())
        .def("to_numpy", &Columns::to_numpy);
}

}  // namespace quorlite::python
