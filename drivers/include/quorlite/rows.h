// Rows: the result of a query, read as it comes, in bounded memory.
//
// What: rows is a cursor over rows of any type; typed_rows reads each row into a tuple and works
// with range-for and structured bindings. Rows are fetched while they are read, only so far ahead
// as options::read_ahead_bytes allows. A statement that yields no rows gives rows without columns,
// whose executed() says what it did.
//
// Errors: next() and get() throw an error, try_next() and try_get() return it. A result that breaks
// off in the middle is an error, never an end. A value that does not fit the type asked for is an
// error of kind conversion, with the verdict of the statement: what was written stays written.
//
// Exception safety: basic. After an error there are no more rows.
//
// Lifetimes: rows keep their connection alive. Views into a row are valid until the next row is
// asked for. Destroying rows that are not read to the end stops the query on the server. If the
// connection is used for something else meanwhile, the rest of the rows is read into memory first,
// up to options::rows_held_bytes_max.
//
// Thread safety: that of the connection: one thread at a time.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "quorlite/error.h"
#include "quorlite/export.h"
#include "quorlite/value.h"

namespace quorlite {

// What a statement did.
struct execute_result {
    std::int64_t last_insert_id = 0;  // of the connection: an older one if nothing was inserted
    std::uint64_t rows_affected = 0;  // by the last INSERT, UPDATE or DELETE of the connection
};
using outcome [[deprecated("use execute_result")]] = execute_result;

namespace detail {
class row_source;  // the front end's side of a result
}

class QUORLITE_EXPORT rows {
public:
    rows();
    explicit rows(std::unique_ptr<detail::row_source> source);
    rows(rows&& other) noexcept;
    rows& operator=(rows&& other) noexcept;
    ~rows();

    // Moves to the next row, at first to the first one. False if there is none.
    bool next() { return try_next().value(); }
    result<bool> try_next();

    std::size_t column_count() const;
    std::string_view column_name(std::size_t column) const;
    std::optional<std::size_t> find_column(std::string_view name) const;

    // Of the current row. Precondition: next() was true, and column < column_count().
    value_view operator[](std::size_t column) const;

    template <class T>
    T get(std::size_t column) const {
        return try_get<T>(column).value();
    }
    template <class T>
    result<T> try_get(std::size_t column) const {
        T into{};
        if (column < column_count() && convert((*this)[column], into)) return into;
        return does_not_fit(column);
    }
    // As many values as there are types, from the first column on.
    template <class... T>
    result<std::tuple<T...>> try_get_row() const {
        std::tuple<T...> into;
        const std::size_t wrong = read(into, std::index_sequence_for<T...>());
        if (wrong < sizeof...(T)) return does_not_fit(wrong);
        return into;
    }

    execute_result executed() const;
    [[deprecated("use executed()")]] execute_result outcome() const { return executed(); }
    // HOST:PORT of the node that answered.
    std::string node() const;

private:
    error_info does_not_fit(std::size_t column) const;

    // The number of the first column that does not fit; or how many there are.
    template <class... T, std::size_t... I>
    std::size_t read(std::tuple<T...>& into, std::index_sequence<I...>) const {
        std::size_t good = 0;
        const std::size_t columns = column_count();
        static_cast<void>(
            ((I < columns && convert((*this)[I], std::get<I>(into)) && ++good) && ...));
        return good;
    }

    std::unique_ptr<detail::row_source> source_;
};

template <class... T>
class typed_rows {
public:
    using row = std::tuple<T...>;

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = row;
        using difference_type = std::ptrdiff_t;
        using pointer = const row*;
        using reference = const row&;

        iterator() = default;
        explicit iterator(typed_rows& owner) : owner_(&owner) { ++*this; }
        reference operator*() const { return *owner_->current_; }
        pointer operator->() const { return &*owner_->current_; }
        iterator& operator++() {
            if (!owner_->try_next().value()) owner_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator&, const iterator&) = default;

    private:
        typed_rows* owner_ = nullptr;
    };

    explicit typed_rows(rows untyped) : rows_(std::move(untyped)) {}

    // May be iterated over once.
    iterator begin() { return iterator(*this); }
    iterator end() { return {}; }

    result<bool> try_next() {
        result<bool> more = rows_.try_next();
        if (!more || !*more) return more;
        result<row> read = rows_.try_get_row<T...>();
        if (!read) return std::move(read).error();
        current_ = *std::move(read);
        return true;
    }
    // Precondition: try_next() was true.
    const row& current() const { return *current_; }

    rows& untyped() { return rows_; }

private:
    rows rows_;
    std::optional<row> current_;
};

}  // namespace quorlite
