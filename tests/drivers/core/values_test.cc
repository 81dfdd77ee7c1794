#include <gtest/gtest.h>

#include "quorlite/value.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;

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

}  // namespace
}  // namespace quorlite
