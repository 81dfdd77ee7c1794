// Columns: many rows as one array for each column, for NumPy and by the Arrow C data interface.
//
// SQLite's values have types, its columns have not. The kind of a column is that of its values:
// integers, reals (an integer among them becomes one, if it can exactly), texts or blobs. Whatever
// else is mixed is an error that names the column and the row. What nothing but NULL was seen of
// is undecided.
//
// No cell becomes an object of Python's. What is exported keeps the arrays alive, and they do not
// change afterwards. Rows are added without the GIL, or with it; one thread at a time. What is
// exported may be released without it.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorlite/rows.h"
#include "quorlite/value.h"

namespace quorlite::python {

namespace py = pybind11;

enum class ColumnKind { undecided, int64, float64, string, binary };

// What a kind is called in Python, and its format in Arrow.
struct ColumnKindNames {
    const char* python;
    const char* arrow;
};

inline const ColumnKindNames& names_of(ColumnKind kind) {
    static constexpr std::array<ColumnKindNames, 5> kNames = {
        {{"null", "n"}, {"int64", "l"}, {"float64", "g"}, {"string", "U"}, {"binary", "Z"}}};
    return kNames.at(static_cast<std::size_t>(kind));
}

struct Column {
    std::string name;
    ColumnKind kind = ColumnKind::undecided;
    bool fixed = false;  // no value may change the kind
    std::size_t size = 0;
    std::size_t nulls = 0;
    std::vector<std::uint8_t> validity;  // a bit for each row, the lowest first; 0: NULL
    // int64: values; float64: their bits, NaN for NULL; otherwise: where each text begins in bytes,
    // and where the last one ends.
    std::vector<std::int64_t> numbers;
    std::string bytes;
};

class Columns {
public:
    // `types`: kinds that are known beforehand, by columns' names.
    Columns(const py::tuple& names, const py::dict& types);

    // An empty one of the same kinds, which are fixed: for the rows that come next.
    std::shared_ptr<Columns> successor() const;

    std::size_t row_count() const { return data_->empty() ? 0 : data_->front().size; }
    // Adds rows until there are so many, or none left: then it returns false. May wait. After an
    // error the object is of no use.
    bool fill(rows& from, std::size_t rows_max);
    // Adds a value to a column; a row is complete when each column got one.
    void append(std::size_t column, const value_view& value);

    // Two capsules: an arrow_schema and an arrow_array, of a struct with a field for each column.
    py::tuple to_arrow() const;
    // A list of pairs: a name, and an array or masked array of NumPy.
    py::list to_numpy() const;

private:
    Columns() = default;

    std::shared_ptr<std::vector<Column>> data_ = std::make_shared<std::vector<Column>>();
    std::size_t rows_before_ = 0;  // of the same result
};

void define_columns(py::module_& module);

}  // namespace quorlite::python
