// Values: what goes into a statement and what comes out of a row.
//
// What: value_view borrows a value, value owns one. An argument is a value to be bound, by position
// or, made by named(), by name; it is built implicitly from C++'s own types, from std::optional
// (empty is NULL) and from dates and times. convert() is the way back. Times are bound as ISO 8601
// text in UTC, as go-dqlite binds them, and read from that, from a date, or from seconds since
// 1970.
//
// Errors: a type without one plain meaning in SQL does not compile as an argument, and a static
// assertion says what to bind instead; a value out of range fails the statement. convert() returns
// false if the value does not fit: NULL into anything but std::optional, an integer out of range,
// text into a number. Nothing is parsed or rounded silently.
//
// Exception safety: owning conversions may throw std::bad_alloc; nothing else throws.
//
// Lifetimes: a value_view, and a std::string_view or span got from one, live as long as what they
// point into: for a column that is until the next row is asked for. An argument borrows texts and
// blobs from what it was built from: it is meant to live as long as the call that it is passed to.
//
// Thread safety: plain values; distinct objects may be used from distinct threads.
#pragma once

#include <bit>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "quorlite/export.h"

namespace quorlite {

// The type that a value has on the wire. The last three come from the declared type of a column.
enum class value_type : std::uint8_t {
    integer = 1,
    real = 2,
    text = 3,
    blob = 4,
    null = 5,
    unix_time = 9,  // an integer in a DATE, DATETIME or TIMESTAMP column: seconds since 1970
    iso8601 = 10,   // a text in such a column, as it was stored
    boolean = 11,   // an integer in a BOOLEAN column
};

QUORLITE_EXPORT const char* to_string(value_type type) noexcept;

using blob_view = std::span<const std::byte>;
using time_point = std::chrono::sys_time<std::chrono::nanoseconds>;

class value_view {
public:
    constexpr value_view() = default;  // NULL
    static constexpr value_view of_integer(std::int64_t number,
                                           value_type type = value_type::integer) {
        value_view view;
        view.type_ = type;
        view.number_ = number;
        return view;
    }
    static constexpr value_view of_real(double number) {
        return of_integer(std::bit_cast<std::int64_t>(number), value_type::real);
    }
    static constexpr value_view of_text(std::string_view text, value_type type = value_type::text) {
        value_view view;
        view.type_ = type;
        view.text_ = text;
        return view;
    }
    static value_view of_blob(blob_view blob) {
        return of_text({reinterpret_cast<const char*>(blob.data()), blob.size()}, value_type::blob);
    }

    constexpr value_type type() const noexcept { return type_; }
    constexpr bool is_null() const noexcept { return type_ == value_type::null; }
    // Of an integer, a boolean, or a unix_time; otherwise 0.
    constexpr std::int64_t integer() const noexcept {
        return type_ == value_type::real ? 0 : number_;
    }
    // Of a real; otherwise 0.
    constexpr double real() const noexcept {
        return type_ == value_type::real ? std::bit_cast<double>(number_) : 0.0;
    }
    // The bytes of a text, an iso8601 or a blob; otherwise empty.
    constexpr std::string_view text() const noexcept { return text_; }
    blob_view blob() const noexcept {
        return {reinterpret_cast<const std::byte*>(text_.data()), text_.size()};
    }

    friend bool operator==(const value_view&, const value_view&) = default;

private:
    value_type type_ = value_type::null;
    std::int64_t number_ = 0;
    std::string_view text_;
};

class value {
public:
    value() = default;
    value(const value_view& view)
        : type_(view.type()), number_(view.integer()), text_(view.text()) {
        if (type_ == value_type::real) number_ = std::bit_cast<std::int64_t>(view.real());
    }

    value_type type() const noexcept { return type_; }
    value_view view() const noexcept {
        if (type_ == value_type::real) return value_view::of_real(std::bit_cast<double>(number_));
        return text_.empty() && number_ != 0 ? value_view::of_integer(number_, type_) : whole();
    }
    operator value_view() const noexcept { return view(); }

    friend bool operator==(const value&, const value&) = default;

private:
    value_view whole() const noexcept {
        switch (type_) {
            case value_type::text:
            case value_type::iso8601:
            case value_type::blob:
                return value_view::of_text(text_, type_);
            case value_type::null:
                return {};
            case value_type::integer:
            case value_type::real:
            case value_type::unix_time:
            case value_type::boolean:
                break;
        }
        return value_view::of_integer(number_, type_);
    }

    value_type type_ = value_type::null;
    std::int64_t number_ = 0;
    std::string text_;
};

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_time = false;
template <class Duration>
inline constexpr bool is_time<std::chrono::sys_time<Duration>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool always_false = false;

// Not signed char and unsigned char, which are the integers of 8 bits.
template <class T>
concept character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                    std::same_as<T, char16_t> || std::same_as<T, char32_t>;
template <class T>
concept unscoped_enum = std::is_enum_v<T> && std::is_convertible_v<T, std::underlying_type_t<T>>;
// Also an array.
template <class T, class Character>
concept points_to =
    std::same_as<std::decay_t<T>, Character*> || std::same_as<std::decay_t<T>, const Character*>;
template <class T>
concept bytes = std::ranges::contiguous_range<const T> && std::ranges::sized_range<const T> &&
                (std::same_as<std::ranges::range_value_t<const T>, std::byte> ||
                 std::same_as<std::ranges::range_value_t<const T>, unsigned char>);

// "YYYY-MM-DD HH:MM:SS[.fraction]+00:00", at most 40 characters; returns how many.
QUORLITE_EXPORT std::size_t format_time(time_point time, char* into) noexcept;
QUORLITE_EXPORT std::size_t format_date(std::chrono::year_month_day date, char* into) noexcept;
QUORLITE_EXPORT bool parse_time(std::string_view text, time_point& into) noexcept;
QUORLITE_EXPORT bool read_time(const value_view& from, time_point& into) noexcept;

}  // namespace detail

class argument {
public:
    argument() = default;  // NULL
    // Whatever has one plain meaning in SQL is taken exactly: bool, integers, float and double,
    // text, bytes, times and dates, unscoped enumerations as their numbers, an empty std::optional
    // or a null pointer to characters as NULL. Nothing else compiles.
    template <class T>
        requires(!std::same_as<T, argument>)
    argument(const T& from) {
        bind(from);
    }

    // NULL for what does not fit.
    value_view view() const noexcept {
        if (own_bytes_ == 0 || !fits()) return view_;
        return value_view::of_text({own_, own_bytes_}, value_type::iso8601);
    }
    // Empty for a positional one.
    std::string_view name() const noexcept { return name_; }

    // False for an integer, a time or a date that is out of range. A statement with such an
    // argument is an error with the words of problem(), and nothing is sent.
    bool fits() const noexcept { return misfit_ == misfit::none; }
    QUORLITE_EXPORT std::string problem() const;

private:
    friend argument named(std::string_view name, argument bound);

    enum class misfit : std::uint8_t { none, integer, time, date };

    template <class T>
    void bind(const T& from);
    template <class Integer>
    void bind_integer(Integer number);
    // Up to the first zero byte, or to `room`.
    void bind_characters(const void* text, std::size_t room);
    template <class Duration>
    void bind_time(std::chrono::sys_time<Duration> time);
    void bind_date(std::chrono::year_month_day date);

    value_view view_;
    std::string_view name_;
    char own_[40] = {};  // the text of a time or date, or of what does not fit
    std::uint8_t own_bytes_ = 0;
    misfit misfit_ = misfit::none;
};

template <class T>
void argument::bind(const T& from) {
    using Plain = std::remove_cv_t<T>;
    if constexpr (std::same_as<Plain, std::nullptr_t> || std::same_as<Plain, std::nullopt_t>) {
        view_ = {};
    } else if constexpr (detail::is_optional<Plain>) {
        if (from) bind(*from);
    } else if constexpr (std::same_as<Plain, argument>) {
        *this = from;
    } else if constexpr (std::same_as<Plain, bool> ||
                         std::same_as<Plain, std::vector<bool>::reference>) {
        view_ = value_view::of_integer(from ? 1 : 0, value_type::boolean);
    } else if constexpr (detail::character<Plain>) {
        static_assert(detail::always_false<T>,
                      "a single character may be meant as a text or as a number: bind "
                      "std::string_view(&c, 1) or int{c}");
    } else if constexpr (std::integral<Plain>) {
        bind_integer(static_cast<Plain>(from));
    } else if constexpr (detail::unscoped_enum<Plain>) {
        bind(+from);
    } else if constexpr (std::is_enum_v<Plain>) {
        static_assert(detail::always_false<T>,
                      "an enum class has no number by itself: bind "
                      "static_cast<std::underlying_type_t<E>>(e)");
    } else if constexpr (std::same_as<Plain, double> || std::same_as<Plain, float>) {
        view_ = value_view::of_real(from);
    } else if constexpr (std::floating_point<Plain>) {
        static_assert(detail::always_false<T>,
                      "SQL's real numbers are doubles, and this one may be more exact: bind "
                      "static_cast<double>(x)");
    } else if constexpr (detail::points_to<T, char> || detail::points_to<T, char8_t>) {
        bind_characters(from, std::is_array_v<T> ? sizeof from : std::string_view::npos);
    } else if constexpr (std::is_convertible_v<const T&, value_view>) {
        view_ = from;
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        view_ = value_view::of_text(from);
    } else if constexpr (std::is_convertible_v<const T&, std::u8string_view>) {
        const std::u8string_view text = from;
        view_ = value_view::of_text({reinterpret_cast<const char*>(text.data()), text.size()});
    } else if constexpr (detail::is_time<Plain>) {
        bind_time(from);
    } else if constexpr (std::same_as<Plain, std::chrono::year_month_day>) {
        bind_date(from);
    } else if constexpr (detail::bytes<T>) {
        view_ = value_view::of_blob(std::as_bytes(std::span(from)));
    } else if constexpr (std::is_pointer_v<std::decay_t<T>> || std::is_member_pointer_v<Plain>) {
        static_assert(detail::always_false<T>,
                      "a pointer is no value: bind what it points to, a text as const char*, a "
                      "blob as std::span<const std::byte>");
    } else if constexpr (detail::is_duration<Plain>) {
        static_assert(detail::always_false<T>,
                      "a duration has no unit in SQL: bind its count() in the unit that is meant");
    } else {
        static_assert(detail::always_false<T>,
                      "this type has no plain meaning in SQL: bind a bool, a number, a text, "
                      "bytes, a std::chrono::sys_time or year_month_day, or a std::optional of "
                      "one of them");
    }
}

template <class Integer>
void argument::bind_integer(Integer number) {
    static_assert(sizeof(Integer) <= sizeof(std::int64_t),
                  "SQL's integers have 64 bits, and this one has more: bind it as a text");
    if (std::in_range<std::int64_t>(number)) {
        view_ = value_view::of_integer(static_cast<std::int64_t>(number));
        return;
    }
    misfit_ = misfit::integer;
    own_bytes_ =
        static_cast<std::uint8_t>(std::to_chars(own_, own_ + sizeof own_, number).ptr - own_);
}

inline void argument::bind_characters(const void* text, std::size_t room) {
    if (text == nullptr) return;
    const auto* const first = static_cast<const char*>(text);
    std::size_t size = 0;
    while (size < room && first[size] != '\0') ++size;
    view_ = value_view::of_text({first, size});
}

template <class Duration>
void argument::bind_time(std::chrono::sys_time<Duration> time) {
    using std::chrono::nanoseconds;
    static_assert(std::is_convertible_v<Duration, nanoseconds>,
                  "times are bound to the nanosecond: round this one to it, or to whole seconds, "
                  "with std::chrono::floor");
    const bool early = time.time_since_epoch() < std::chrono::ceil<Duration>(nanoseconds::min());
    const bool late = time.time_since_epoch() > std::chrono::floor<Duration>(nanoseconds::max());
    if (early || late) {
        misfit_ = misfit::time;
        return;
    }
    own_bytes_ = static_cast<std::uint8_t>(
        detail::format_time(std::chrono::time_point_cast<nanoseconds>(time), own_));
}

inline void argument::bind_date(std::chrono::year_month_day date) {
    own_bytes_ = static_cast<std::uint8_t>(detail::format_date(date, own_));
    const bool written =
        date.year() >= std::chrono::year(0) && date.year() <= std::chrono::year(9999);
    if (!date.ok() || !written) misfit_ = misfit::date;
}

// The argument for :name, @name or $name, the sign left out. All of a statement's arguments are
// named, or none is.
inline argument named(std::string_view name, argument bound) {
    bound.name_ = name;
    return bound;
}

using arguments = std::span<const argument>;

namespace detail {

template <std::integral Integer>
bool read_integer(const value_view& from, Integer& into) noexcept {
    switch (from.type()) {
        case value_type::integer:
        case value_type::boolean:
        case value_type::unix_time:
            break;
        case value_type::real:
        case value_type::text:
        case value_type::blob:
        case value_type::null:
        case value_type::iso8601:
            return false;
    }
    const std::int64_t number = from.integer();
    if constexpr (std::same_as<Integer, bool>) {
        into = number != 0;
        return true;
    } else {
        if (!std::in_range<Integer>(number)) return false;
        into = static_cast<Integer>(number);
        return true;
    }
}

template <std::floating_point Real>
bool read_real(const value_view& from, Real& into) noexcept {
    // Every integer up to this is a double as well.
    constexpr std::int64_t kExact = std::int64_t{1} << 53;
    if (from.type() == value_type::real) {
        into = static_cast<Real>(from.real());
        return true;
    }
    const std::int64_t number = from.integer();
    if (from.type() != value_type::integer || number > kExact || number < -kExact) return false;
    into = static_cast<Real>(number);
    return true;
}

inline bool has_text(const value_view& from) noexcept {
    return from.type() == value_type::text || from.type() == value_type::iso8601;
}

}  // namespace detail

// True if `from` fits into `into`, which is then set.
template <class T>
bool convert(const value_view& from, T& into) {
    if constexpr (detail::is_optional<T>) {
        if (from.is_null()) {
            into.reset();
            return true;
        }
        return convert(from, into.emplace());
    } else if constexpr (std::same_as<T, value_view> || std::same_as<T, value>) {
        into = from;
        return true;
    } else if constexpr (std::integral<T>) {
        return detail::read_integer(from, into);
    } else if constexpr (std::floating_point<T>) {
        return detail::read_real(from, into);
    } else if constexpr (std::same_as<T, std::string_view> || std::same_as<T, std::string>) {
        if (detail::has_text(from)) into = from.text();
        return detail::has_text(from);
    } else if constexpr (std::same_as<T, blob_view>) {
        if (from.type() == value_type::blob) into = from.blob();
        return from.type() == value_type::blob;
    } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
        if (from.type() != value_type::blob) return false;
        into.assign(from.blob().begin(), from.blob().end());
        return true;
    } else if constexpr (detail::is_time<T>) {
        time_point time;
        if (!detail::read_time(from, time)) return false;
        into = std::chrono::floor<typename T::duration>(time);
        return true;
    } else if constexpr (std::same_as<T, std::chrono::year_month_day>) {
        time_point time;
        if (!detail::read_time(from, time)) return false;
        into = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(time));
        return true;
    } else {
        static_assert(detail::always_false<T>, "no SQL value can be read into this type");
    }
}

}  // namespace quorlite
