// The compiled parts of quorlite/value.h: names of types, and dates.
#include <charconv>
#include <cstdio>

#include "quorlite/node_store.h"
#include "quorlite/value.h"

namespace quorlite {

const char* to_string(value_type type) noexcept {
    switch (type) {
        case value_type::integer:
            return "integer";
        case value_type::real:
            return "real";
        case value_type::text:
            return "text";
        case value_type::blob:
            return "blob";
        case value_type::null:
            return "null";
        case value_type::unix_time:
            return "unix time";
        case value_type::iso8601:
            return "iso8601";
        case value_type::boolean:
            return "boolean";
    }
    return "?";
}

const char* to_string(node_role role) noexcept {
    switch (role) {
        case node_role::voter:
            return "voter";
        case node_role::standby:
            return "standby";
        case node_role::spare:
            return "spare";
    }
    return "?";
}

std::string argument::problem() const {
    const std::string own(own_, own_bytes_);
    switch (misfit_) {
        case misfit::none:
            return {};
        case misfit::integer:
            return own +
                   " is above 9223372036854775807, the largest integer of SQL: bind it as a " +
                   "text or as a real number";
        case misfit::time:
            return "a time before 1677-09-21 or after 2262-04-11 does not fit into nanoseconds "
                   "since 1970: bind it as a text";
        case misfit::date:
            return own + " is no date of the years 0000 to 9999";
    }
    return {};
}

namespace detail {

using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

std::size_t format_date(year_month_day date, char* into) noexcept {
    constexpr std::size_t kRoom = 40;
    const int size =
        std::snprintf(into, kRoom, "%04d-%02u-%02u", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    return static_cast<std::size_t>(size);
}

std::size_t format_time(time_point time, char* into) noexcept {
    const sys_days day = std::chrono::floor<days>(time);
    const std::chrono::hh_mm_ss<nanoseconds> clock(time - day);
    std::size_t size = format_date(year_month_day(day), into);
    constexpr std::size_t kRoom = 28;
    size += static_cast<std::size_t>(std::snprintf(
        into + size, kRoom, " %02d:%02d:%02d", static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count())));
    if (clock.subseconds().count() != 0) {
        size += static_cast<std::size_t>(std::snprintf(
            into + size, kRoom - 9, ".%09lld", static_cast<long long>(clock.subseconds().count())));
        while (into[size - 1] == '0') --size;
    }
    size += static_cast<std::size_t>(std::snprintf(into + size, 7, "+00:00"));
    return size;
}

namespace {

// Reads one field after the other; whatever does not fit makes it fail for good.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    int digits(std::size_t count) {
        int number = 0;
        if (rest_.size() < count) ok_ = false;
        for (std::size_t i = 0; ok_ && i < count; ++i) {
            if (rest_[i] < '0' || rest_[i] > '9') ok_ = false;
            if (ok_) number = number * 10 + (rest_[i] - '0');
        }
        if (ok_) rest_.remove_prefix(count);
        return number;
    }
    bool skip(std::string_view any_of) {
        if (rest_.empty() || any_of.find(rest_[0]) == std::string_view::npos) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void demand(std::string_view any_of) {
        if (!skip(any_of)) ok_ = false;
    }
    // The digits after a decimal point, as nanoseconds.
    nanoseconds fraction() {
        std::int64_t number = 0;
        std::int64_t unit = 1'000'000'000;
        bool any = false;
        while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
            unit /= 10;
            number += (rest_[0] - '0') * unit;
            rest_.remove_prefix(1);
            any = true;
        }
        if (!any) ok_ = false;
        return nanoseconds(number);
    }
    char front() const { return rest_.empty() ? '\0' : rest_[0]; }
    bool done() const { return ok_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

// YYYY-MM-DD[ T]HH:MM[:SS[.fraction]][Z|+HH:MM], or the date alone.
bool parse_time(std::string_view text, time_point& into) noexcept {
    Scanner in(text);
    const std::chrono::year year(in.digits(4));
    in.demand("-");
    const std::chrono::month month(static_cast<unsigned>(in.digits(2)));
    in.demand("-");
    const std::chrono::day day(static_cast<unsigned>(in.digits(2)));
    const year_month_day date(year, month, day);
    if (!date.ok()) return false;
    nanoseconds clock{};
    if (in.skip(" T")) {
        const int hours = in.digits(2);
        in.demand(":");
        const int minutes = in.digits(2);
        int seconds = 0;
        if (in.skip(":")) seconds = in.digits(2);
        if (hours > 23 || minutes > 59 || seconds > 59) return false;
        clock = std::chrono::hours(hours) + std::chrono::minutes(minutes) +
                std::chrono::seconds(seconds);
        if (in.skip(".")) clock += in.fraction();
        const bool east = in.front() == '+';
        if (in.skip("+-")) {
            const int zone_hours = in.digits(2);
            in.demand(":");
            const nanoseconds offset =
                std::chrono::hours(zone_hours) + std::chrono::minutes(in.digits(2));
            clock += east ? -offset : offset;
        } else {
            in.skip("Z");
        }
    }
    // What nanoseconds since 1970 can count.
    if (!in.done() || year < std::chrono::year(1678) || year > std::chrono::year(2261))
        return false;
    into = sys_days(date) + clock;
    return true;
}

bool read_time(const value_view& from, time_point& into) noexcept {
    if (has_text(from)) return parse_time(from.text(), into);
    if (from.type() != value_type::integer && from.type() != value_type::unix_time) return false;
    constexpr std::int64_t kSecondsMax = 9'000'000'000;
    if (from.integer() > kSecondsMax || from.integer() < -kSecondsMax) return false;
    into = time_point(std::chrono::seconds(from.integer()));
    return true;
}

}  // namespace detail
}  // namespace quorlite
