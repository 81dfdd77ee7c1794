#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "drivers/core/bulk.h"
#include "drivers/core/operation.h"
#include "quorlite/value.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

template <class T>
std::optional<T> read(const value_view& from) {
    T into{};
    return convert(from, into) ? std::optional<T>(into) : std::nullopt;
}

TEST(Values, ConvertOnlyWhatFits) {
    EXPECT_EQ(read<int>(value_view::of_integer(7)), 7);
    EXPECT_EQ(read<std::int8_t>(value_view::of_integer(128)), std::nullopt);
    EXPECT_EQ(read<unsigned>(value_view::of_integer(-1)), std::nullopt);
    EXPECT_EQ(read<int>(value_view::of_real(7)), std::nullopt);
    EXPECT_EQ(read<double>(value_view::of_integer(7)), 7.0);
    EXPECT_EQ(read<double>(value_view::of_integer(INT64_MAX)), std::nullopt);
    EXPECT_EQ(read<bool>(value_view::of_integer(7, value_type::boolean)), true);
    EXPECT_EQ(read<std::string>(value_view::of_integer(7)), std::nullopt);
    EXPECT_EQ(read<std::string>(value_view()), std::nullopt);
    EXPECT_EQ(read<std::optional<int>>(value_view()),
              std::optional<std::optional<int>>(std::in_place));
    EXPECT_EQ(read<std::optional<int>>(value_view::of_text("x")), std::nullopt);
}

TEST(Values, OwnedOnesAreEqualToWhatTheyWereMadeOf) {
    for (const value_view view :
         {value_view(), value_view::of_integer(0), value_view::of_integer(-1),
          value_view::of_real(0), value_view::of_real(2.5), value_view::of_text(""),
          value_view::of_text("text"), value_view::of_text("", value_type::blob),
          value_view::of_text("b", value_type::blob),
          value_view::of_integer(9, value_type::unix_time),
          value_view::of_text("", value_type::iso8601),
          value_view::of_integer(0, value_type::boolean)}) {
        EXPECT_EQ(value(view).view(), view) << to_string(view.type());
    }
}

TEST(Values, TimesGoThereAndBack) {
    for (const std::int64_t nanoseconds :
         {0ll, 1ll, -1ll, 1'700'000'000'123'000'000ll, -2'000'000'000'000'000'001ll}) {
        const time_point time{std::chrono::nanoseconds(nanoseconds)};
        const argument bound(time);
        EXPECT_EQ(read<time_point>(bound.view()), time) << bound.view().text();
    }
    EXPECT_EQ(argument(time_point(1'500ms)).view().text(), "1970-01-01 00:00:01.5+00:00");
    const auto text = [](std::string_view from) {
        return read<std::chrono::sys_seconds>(value_view::of_text(from));
    };
    EXPECT_EQ(text("1970-01-02")->time_since_epoch(), 24h);
    EXPECT_EQ(text("1970-01-01T00:01Z")->time_since_epoch(), 1min);
    EXPECT_EQ(text("1970-01-01 02:00:00+02:00")->time_since_epoch(), 0s);
    for (const char* const wrong : {"", "1970", "1970-13-01", "1970-01-01 25:00", "1970-01-01x",
                                    "1970-01-01 00:00:00.", "9999-01-01", "1970-01-01 00:00+1"}) {
        EXPECT_FALSE(text(wrong)) << wrong;
    }
    EXPECT_EQ(read<std::chrono::sys_seconds>(value_view::of_integer(5, value_type::unix_time))
                  ->time_since_epoch(),
              5s);
    EXPECT_FALSE(read<time_point>(value_view::of_integer(INT64_MAX)));
}

// ---- Arguments: every implicit conversion. What must not compile: refused_arguments.py ----

value_view integer(std::int64_t number) {
    return value_view::of_integer(number);
}

template <class Integer>
void expect_exact() {
    for (const Integer each : {std::numeric_limits<Integer>::min(), Integer{0}, Integer{42},
                               std::numeric_limits<Integer>::max()}) {
        const argument bound = each;
        if (std::in_range<std::int64_t>(each)) {
            EXPECT_TRUE(bound.fits());
            EXPECT_EQ(bound.view(), integer(static_cast<std::int64_t>(each)));
        } else {
            EXPECT_FALSE(bound.fits());
            EXPECT_TRUE(bound.view().is_null());
            EXPECT_THAT(bound.problem(), HasSubstr(std::to_string(each)));
        }
    }
}

TEST(Arguments, EveryIntegerIsBoundExactlyOrDoesNotFit) {
    expect_exact<signed char>();
    expect_exact<unsigned char>();
    expect_exact<short>();
    expect_exact<unsigned short>();
    expect_exact<int>();
    expect_exact<unsigned>();
    expect_exact<long>();
    expect_exact<unsigned long>();
    expect_exact<long long>();
    expect_exact<unsigned long long>();
    const std::vector<int> three{1, 2, 3};
    EXPECT_EQ(argument(three.size()).view(), integer(3));
    EXPECT_EQ(argument(sizeof three[0]).view(), integer(4));
    EXPECT_EQ(argument(three.end() - three.begin()).view(), integer(3));
    EXPECT_FALSE(argument(std::uint64_t{INT64_MAX} + 1).fits());
    EXPECT_TRUE(argument(std::uint64_t{INT64_MAX}).fits());
    struct {
        unsigned bits : 3;
    } const field{5};
    EXPECT_EQ(argument(field.bits).view(), integer(5));
    const volatile int changing = 6;
    EXPECT_EQ(argument(changing).view(), integer(6));
}

TEST(Arguments, OnlyABoolIsABoolean) {
    EXPECT_EQ(argument(true).view(), value_view::of_integer(1, value_type::boolean));
    EXPECT_EQ(argument(false).view(), value_view::of_integer(0, value_type::boolean));
    std::vector<bool> flags{false, true};
    EXPECT_EQ(argument(flags[1]).view(), value_view::of_integer(1, value_type::boolean));
    const std::vector<bool>& constant = flags;
    EXPECT_EQ(argument(constant[0]).view(), value_view::of_integer(0, value_type::boolean));
}

TEST(Arguments, AnEnumerationWithoutAScopeIsItsNumber) {
    enum Small { kSmall = 7 };
    enum Large : std::uint64_t { kLarge = 1ull << 63 };
    enum Flag : bool { kOff, kOn };
    enum Letter : char { kLetter = 'a' };
    EXPECT_EQ(argument(kSmall).view(), integer(7));
    EXPECT_FALSE(argument(kLarge).fits());
    EXPECT_EQ(argument(kOn).view(), integer(1));
    EXPECT_EQ(argument(kLetter).view(), integer(97));
}

TEST(Arguments, RealNumbers) {
    EXPECT_EQ(argument(0.1).view(), value_view::of_real(0.1));
    EXPECT_EQ(argument(0.1f).view(), value_view::of_real(double{0.1f}));
    EXPECT_EQ(argument(-0.0).view(), value_view::of_real(-0.0));
}

struct Named {
    operator std::string_view() const { return "named"; }
};

TEST(Arguments, TextsOfEveryKind) {
    const auto text = [](std::string_view wanted) { return value_view::of_text(wanted); };
    const std::string owned = "owned";
    const char* const pointer = "pointer";
    char buffer[16] = "buffer";
    char* const writable = buffer;
    const char unterminated[2] = {'a', 'b'};
    EXPECT_EQ(argument("literal").view(), text("literal"));
    EXPECT_EQ(argument("").view(), text(""));
    EXPECT_EQ(argument(owned).view(), text("owned"));
    EXPECT_EQ(argument(std::string_view(owned).substr(1)).view(), text("wned"));
    EXPECT_EQ(argument(pointer).view(), text("pointer"));
    EXPECT_EQ(argument(buffer).view(), text("buffer"));
    EXPECT_EQ(argument(writable).view(), text("buffer"));
    EXPECT_EQ(argument(unterminated).view(), text("ab"));
    EXPECT_EQ(argument(u8"é").view(), text("\xc3\xa9"));
    EXPECT_EQ(argument(std::u8string(u8"é")).view().text().size(), 2u);
    EXPECT_EQ(argument(Named()).view(), text("named"));
}

TEST(Arguments, BytesOfEveryKind) {
    const std::vector<std::byte> vector{std::byte{1}, std::byte{2}};
    std::vector<std::uint8_t> numbers{1, 2};
    const std::array<std::byte, 2> array{std::byte{1}, std::byte{2}};
    const unsigned char plain[] = {1, 2};
    const value_view wanted = value_view::of_text("\x01\x02", value_type::blob);
    EXPECT_EQ(argument(vector).view(), wanted);
    EXPECT_EQ(argument(numbers).view(), wanted);
    EXPECT_EQ(argument(array).view(), wanted);
    EXPECT_EQ(argument(plain).view(), wanted);
    EXPECT_EQ(argument(blob_view(vector)).view(), wanted);
    EXPECT_EQ(argument(std::span(numbers)).view(), wanted);
    EXPECT_EQ(argument(std::vector<std::byte>()).view().type(), value_type::blob);
}

TEST(Arguments, NothingIsNull) {
    EXPECT_EQ(argument().view(), value_view());
    EXPECT_EQ(argument(nullptr).view(), value_view());
    EXPECT_EQ(argument(std::nullopt).view(), value_view());
    EXPECT_EQ(argument(static_cast<const char*>(nullptr)).view(), value_view());
    EXPECT_EQ(argument(std::optional<int>()).view(), value_view());
    EXPECT_EQ(argument(std::optional<std::size_t>(5)).view(), integer(5));
    EXPECT_FALSE(argument(std::optional<std::uint64_t>(UINT64_MAX)).fits());
    EXPECT_EQ(argument(std::optional<std::string>("x")).view(), value_view::of_text("x"));
}

TEST(Arguments, ValuesStayWhatTheyAre) {
    EXPECT_EQ(argument(value_view::of_integer(1, value_type::boolean)).view().type(),
              value_type::boolean);
    EXPECT_EQ(argument(value(value_view::of_real(2.5))).view(), value_view::of_real(2.5));
    const argument first = 1;
    EXPECT_EQ(argument(first).view(), integer(1));
    EXPECT_EQ(named("a", std::size_t{5}).view(), integer(5));
    EXPECT_FALSE(named("a", UINT64_MAX).fits());
}

TEST(Arguments, TimesAndDatesOutOfRangeDoNotFit) {
    using namespace std::chrono;
    EXPECT_EQ(argument(sys_days(2024y / 2 / 29)).view().text(), "2024-02-29 00:00:00+00:00");
    EXPECT_EQ(argument(2024y / February / 29).view().text(), "2024-02-29");
    EXPECT_EQ(argument(0y / 1 / 1).view().text(), "0000-01-01");
    EXPECT_EQ(argument(sys_seconds(9'223'372'036s)).view().text(), "2262-04-11 23:47:16+00:00");
    EXPECT_FALSE(argument(sys_days(3000y / 1 / 1)).fits());
    EXPECT_FALSE(argument(sys_days(1600y / 1 / 1)).fits());
    EXPECT_FALSE(argument(sys_seconds::max()).fits());
    EXPECT_THAT(argument(sys_seconds::max()).problem(), HasSubstr("2262-04-11"));
    EXPECT_FALSE(argument(2023y / 2 / 29).fits());
    EXPECT_FALSE(argument(10000y / 1 / 1).fits());
    EXPECT_FALSE(argument(-1y / 1 / 1).fits());
    EXPECT_THAT(argument(2023y / 2 / 29).problem(), HasSubstr("2023-02-29"));
}

TEST(Arguments, WhatDoesNotFitFailsTheStatement) {
    const argument too_large[] = {1, UINT64_MAX};
    const auto made = core::make_statement(core::OperationKind::kExecute, "SELECT ?, ?", too_large);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, error_kind::usage);
    EXPECT_THAT(made.error().message, HasSubstr("argument 2: 18446744073709551615 is above"));
    const argument by_name[] = {named("a", UINT64_MAX)};
    EXPECT_THAT(
        core::make_statement(core::OperationKind::kExecute, "SELECT :a", by_name).error().message,
        HasSubstr("argument a: 18446744073709551615"));
    EXPECT_THAT(core::Bulk("t", {"a", "b"}).add(too_large).error().message,
                HasSubstr("18446744073709551615"));
}

}  // namespace
}  // namespace quorlite
