#include "engine/database/dates.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/database/sql_function.h"

namespace quorlite::database {
namespace {

namespace chrono = std::chrono;
using chrono::microseconds;
using LocalTime = chrono::local_time<microseconds>;
using UtcTime = chrono::sys_time<microseconds>;

// ---- Reading ----

// "12-34-56" and the like: numbers with a sign between them.
template <std::size_t count>
std::optional<std::array<int, count>> numbers(std::string_view text, char between) {
    std::array<int, count> found{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0 && (at == end || *at++ != between)) return std::nullopt;
        const auto [next, error] = std::from_chars(at, end, found[i]);
        if (error != std::errc() || found[i] < 0) return std::nullopt;
        at = next;
    }
    if (at != end) return std::nullopt;
    return found;
}

std::optional<chrono::local_days> read_date(std::string_view text) {
    const auto parts = numbers<3>(text, '-');
    if (!parts) return std::nullopt;
    const auto [year, month, day] = *parts;
    const chrono::year_month_day found(chrono::year(year),
                                       chrono::month(static_cast<unsigned>(month)),
                                       chrono::day(static_cast<unsigned>(day)));
    if (year < 1 || year > 9999 || !found.ok()) return std::nullopt;
    return chrono::local_days(found);
}

// "5" are 500,000: digits beyond the sixth are left out.
std::optional<microseconds> read_fraction(std::string_view digits) {
    int found = 0;
    for (std::size_t i = 0; i < 6; ++i) {
        const char digit = i < digits.size() ? digits[i] : '0';
        if (digit < '0' || digit > '9') return std::nullopt;
        found = found * 10 + (digit - '0');
    }
    return microseconds(found);
}

std::optional<microseconds> read_clock(std::string_view text) {
    const std::size_t point = text.find('.');
    const auto parts = numbers<3>(text.substr(0, point), ':');
    const std::string_view digits =
        point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
    const auto fraction = read_fraction(digits);
    if (!parts || !fraction) return std::nullopt;
    const auto [hour, minute, second] = *parts;
    if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
    return chrono::hours(hour) + chrono::minutes(minute) + chrono::seconds(second) + *fraction;
}

struct Moment {
    LocalTime time;
    bool has_clock = false;
};

std::optional<Moment> read_moment(sqlite3_value* value) {
    if (sqlite3_value_type(value) != SQLITE_TEXT) return std::nullopt;
    const std::string_view text = text_of(value);
    const std::size_t space = text.find(' ');
    const auto day = read_date(text.substr(0, space));
    if (!day) return std::nullopt;
    if (space == std::string_view::npos) return Moment{*day, false};
    std::string_view clock = text.substr(space + 1);
    clock = clock.substr(0, clock.find_first_of("+-"));  // the zone's offset
    const auto of_day = read_clock(clock);
    if (!of_day) return std::nullopt;
    return Moment{*day + *of_day, true};
}

std::optional<microseconds> read_time_of_day(sqlite3_value* value) {
    if (sqlite3_value_type(value) != SQLITE_TEXT) return std::nullopt;
    return read_clock(text_of(value));
}

// ---- Writing ----

constexpr std::size_t kTimeBytesMax = 32;

std::string write_clock(microseconds of_day) {
    const chrono::hh_mm_ss<microseconds> clock(of_day);
    const auto fraction = clock.subseconds().count();
    std::array<char, kTimeBytesMax> text{};
    std::snprintf(
        text.data(), text.size(), fraction == 0 ? "%02d:%02d:%02d" : "%02d:%02d:%02d.%06d",
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()), static_cast<int>(fraction));
    return text.data();
}

// The date, and behind it the time of day if there is one.
void result_date(sqlite3_context* context, chrono::local_days day, std::string_view clock = {}) {
    const chrono::year_month_day date(day);
    const int year = static_cast<int>(date.year());
    if (year < 1 || year > 9999) {
        return result_error(context, "the date is not in the years 1 to 9999");
    }
    std::array<char, kTimeBytesMax> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", year,
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    std::string written(text.data());
    if (!clock.empty()) written.append(" ").append(clock);
    result_text(context, written);
}

chrono::local_days day_of(LocalTime time) {
    return chrono::floor<chrono::days>(time);
}
microseconds clock_of(LocalTime time) {
    return time - day_of(time);
}

void result_time(sqlite3_context* context, LocalTime time) {
    result_date(context, day_of(time), write_clock(clock_of(time)));
}

// ---- Zones ----

bool is_zone(std::string_view name) {
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '/' || c == '+' || c == '-';
    });
    if (!plain || name.empty() || name.front() == '/') return false;
    const char* const folder = std::getenv("TZDIR");
    std::error_code ignored;
    return std::filesystem::is_regular_file(
        std::filesystem::path(folder == nullptr ? "/usr/share/zoneinfo" : folder) / name, ignored);
}

// Nothing: the error is set. The library keeps every name that it is asked for: so it is asked only
// for zones that there are.
std::optional<cctz::time_zone> zone_named(sqlite3_context* context, std::string_view name) {
    cctz::time_zone zone;
    if (is_zone(name) && cctz::load_time_zone(std::string(name), &zone)) return zone;
    result_error(context, "there is no time zone " + std::string(name) +
                              " on this node: check the name, or install tzdata");
    return std::nullopt;
}

// As Python does: of a time that is there twice the first, and one that is left out is before.
UtcTime to_utc(const cctz::time_zone& zone, LocalTime time) {
    const auto second = chrono::floor<chrono::seconds>(time);
    const cctz::civil_second civil =
        cctz::civil_second(1970, 1, 1) + second.time_since_epoch().count();
    return zone.lookup(civil).pre + (time - second);
}

LocalTime to_local(const cctz::time_zone& zone, UtcTime time) {
    const int offset = zone.lookup(chrono::floor<chrono::seconds>(time)).offset;
    return LocalTime(time.time_since_epoch() + chrono::seconds(offset));
}

struct Offset {
    std::string_view zone;  // what is before its sign
    microseconds shift{};
};

// "Europe/Berlin-01:30": a zone and a shift, either of which may be left out.
Offset split_offset(std::string_view zone) {
    const std::size_t sign = zone.find_last_of("+-");
    if (sign == std::string_view::npos || is_zone(zone)) return {zone, {}};
    const std::string_view digits = zone.substr(sign + 1);
    if (digits.size() != 2 && digits.size() != 5) return {zone, {}};
    const auto shift = read_clock(std::string(digits) + (digits.size() == 2 ? ":00:00" : ":00"));
    if (!shift) return {zone, {}};
    return {zone.substr(0, sign), zone[sign] == '+' ? *shift : -*shift};
}

// A time that is written in the connection's zone, in another. Nothing: the error is set.
std::optional<LocalTime> in_zone(sqlite3_context* context, LocalTime time, sqlite3_value* zone,
                                 sqlite3_value* connections) {
    if (is_null(zone) || is_null(connections)) return time;
    const std::string_view from = text_of(connections);
    const std::string_view to = text_of(zone);
    if (to == from) return time;
    const Offset offset = split_offset(to);
    const auto written = zone_named(context, from);
    if (!written) return std::nullopt;
    const auto wanted = offset.zone.empty() ? written : zone_named(context, offset.zone);
    if (!wanted) return std::nullopt;
    return to_local(*wanted, to_utc(*written, time + offset.shift));
}

// The first argument's time, in the zone of those behind it. Nothing: it is none, or the error is
// set.
std::optional<LocalTime> time_in_zone(sqlite3_context* context, sqlite3_value** arguments) {
    const auto moment = read_moment(arguments[0]);
    if (!moment) return std::nullopt;
    return in_zone(context, moment->time, arguments[1], arguments[2]);
}

// ---- Parts and beginnings ----

void refuse_part(sqlite3_context* context, std::string_view part) {
    result_error(context, "there is no part of a time named " + std::string(part));
}

std::optional<std::int64_t> clock_part(std::string_view part, microseconds of_day) {
    const chrono::hh_mm_ss<microseconds> clock(of_day);
    if (part == "hour") return clock.hours().count();
    if (part == "minute") return clock.minutes().count();
    if (part == "second") return clock.seconds().count();
    if (part == "microsecond") return clock.subseconds().count();
    return std::nullopt;
}

// A week is of the year that its Thursday is in.
chrono::local_days thursday_of(chrono::local_days day) {
    return day - (chrono::weekday(day) - chrono::Monday) + chrono::days(3);
}

std::int64_t week_of(chrono::local_days day) {
    const chrono::local_days thursday = thursday_of(day);
    const chrono::year year = chrono::year_month_day(thursday).year();
    return (thursday - chrono::local_days(year / 1 / 1)) / chrono::weeks(1) + 1;
}

std::optional<std::int64_t> part_of(std::string_view part, LocalTime time) {
    const chrono::local_days day = day_of(time);
    const chrono::year_month_day in_year(day);
    const chrono::weekday weekday(day);
    const unsigned month = static_cast<unsigned>(in_year.month());
    if (part == "year") return static_cast<int>(in_year.year());
    if (part == "month") return month;
    if (part == "day") return static_cast<unsigned>(in_year.day());
    if (part == "quarter") return (month + 2) / 3;
    if (part == "week_day") return weekday.c_encoding() + 1;
    if (part == "iso_week_day") return weekday.iso_encoding();
    if (part == "week") return week_of(day);
    if (part == "iso_year") {
        return static_cast<int>(chrono::year_month_day(thursday_of(day)).year());
    }
    return clock_part(part, clock_of(time));
}

std::optional<microseconds> begin_of_clock(std::string_view part, microseconds of_day) {
    if (part == "hour") return chrono::floor<chrono::hours>(of_day);
    if (part == "minute") return chrono::floor<chrono::minutes>(of_day);
    if (part == "second") return chrono::floor<chrono::seconds>(of_day);
    return std::nullopt;
}

std::optional<LocalTime> begin_of(std::string_view part, LocalTime time) {
    const chrono::local_days day = day_of(time);
    const chrono::year_month_day in_year(day);
    const unsigned month = static_cast<unsigned>(in_year.month());
    const chrono::month quarter(month - (month - 1) % 3);
    if (part == "year") return chrono::local_days(in_year.year() / 1 / 1);
    if (part == "quarter") return chrono::local_days(in_year.year() / quarter / 1);
    if (part == "month") return chrono::local_days(in_year.year() / in_year.month() / 1);
    if (part == "week") return day - (chrono::weekday(day) - chrono::Monday);
    if (part == "day") return day;
    const auto of_day = begin_of_clock(part, clock_of(time));
    if (!of_day) return std::nullopt;
    return day + *of_day;
}

void result_part(sqlite3_context* context, std::string_view part,
                 std::optional<std::int64_t> found) {
    if (!found) return refuse_part(context, part);
    sqlite3_result_int64(context, *found);
}

// django_date_extract(part, date)
void extract_date(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view part = text_of(arguments[0]);
    const auto moment = read_moment(arguments[1]);
    if (moment) result_part(context, part, part_of(part, moment->time));
}

// django_datetime_extract(part, time, zone, from)
void extract(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view part = text_of(arguments[0]);
    const auto time = time_in_zone(context, arguments + 1);
    if (time) result_part(context, part, part_of(part, *time));
}

// django_time_extract(part, clock)
void extract_time(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view part = text_of(arguments[0]);
    const auto of_day = read_time_of_day(arguments[1]);
    if (of_day) result_part(context, part, clock_part(part, *of_day));
}

// django_..._trunc(part, time, zone, from)
template <void (*result)(sqlite3_context*, LocalTime)>
void trunc(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view part = text_of(arguments[0]);
    const auto time = time_in_zone(context, arguments + 1);
    if (!time) return;
    const auto begin = begin_of(part, *time);
    begin ? result(context, *begin) : refuse_part(context, part);
}

void trunc_time(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view part = text_of(arguments[0]);
    const auto time = time_in_zone(context, arguments + 1);
    const auto of_day = time ? clock_of(*time) : read_time_of_day(arguments[1]);
    if (!of_day) return;
    const auto begin = begin_of_clock(part, *of_day);
    begin ? result_text(context, write_clock(*begin)) : refuse_part(context, part);
}

void result_day(sqlite3_context* context, LocalTime time) {
    result_date(context, day_of(time));
}
void result_clock(sqlite3_context* context, LocalTime time) {
    result_text(context, write_clock(clock_of(time)));
}

// django_datetime_cast_...(time, zone, from)
template <void (*result)(sqlite3_context*, LocalTime)>
void cast(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (const auto time = time_in_zone(context, arguments)) result(context, *time);
}

// ---- Differences and sums ----

void time_diff(sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto left = read_time_of_day(arguments[0]);
    const auto right = read_time_of_day(arguments[1]);
    if (left && right) sqlite3_result_int64(context, (*left - *right).count());
}

void timestamp_diff(sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto left = read_moment(arguments[0]);
    const auto right = read_moment(arguments[1]);
    if (left && right) sqlite3_result_int64(context, (left->time - right->time).count());
}

std::optional<std::int64_t> duration_of(sqlite3_value* value) {
    if (sqlite3_value_type(value) != SQLITE_INTEGER) return std::nullopt;
    return sqlite3_value_int64(value);
}

// A date moves by whole days, of which one that has begun counts if it is to the past.
void result_moved(sqlite3_context* context, const Moment& moment, std::int64_t duration,
                  bool back) {
    // More than all years there are: then the sum is out of range as well.
    constexpr std::int64_t kFar = microseconds(chrono::years(20'000)).count();
    microseconds by(std::clamp(duration, -kFar, kFar));
    if (!moment.has_clock) by = chrono::floor<chrono::days>(by);
    const LocalTime sum = back ? moment.time - by : moment.time + by;
    moment.has_clock ? result_time(context, sum) : result_day(context, sum);
}

void sum(sqlite3_context* context, sqlite3_value* left, sqlite3_value* right, bool minus) {
    const auto from = read_moment(left);
    const auto to = read_moment(right);
    const auto first = duration_of(left);
    const auto second = duration_of(right);
    if (from && second) return result_moved(context, *from, *second, minus);
    if (to && first && !minus) return result_moved(context, *to, *first, false);
    if (from && to && minus) {
        return sqlite3_result_int64(context, (from->time - to->time).count());
    }
    if (!first || !second) return;
    std::int64_t result = 0;
    const bool over = minus ? __builtin_sub_overflow(*first, *second, &result)
                            : __builtin_add_overflow(*first, *second, &result);
    if (over) return result_error(context, "the duration is too long");
    sqlite3_result_int64(context, result);
}

void product(sqlite3_context* context, sqlite3_value* left, sqlite3_value* right) {
    std::int64_t result = 0;
    if (duration_of(left) && duration_of(right) &&
        !__builtin_mul_overflow(*duration_of(left), *duration_of(right), &result)) {
        return sqlite3_result_int64(context, result);
    }
    sqlite3_result_double(context, sqlite3_value_double(left) * sqlite3_value_double(right));
}

// django_format_dtdelta(sign, left, right): of times and durations, or of durations and numbers.
void combine(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view sign = text_of(arguments[0]);
    if (sign == "+" || sign == "-") return sum(context, arguments[1], arguments[2], sign == "-");
    if (sign == "*") return product(context, arguments[1], arguments[2]);
    if (sign != "/") return result_error(context, "the sign is none of + - * /");
    const double divisor = sqlite3_value_double(arguments[2]);
    if (divisor != 0) sqlite3_result_double(context, sqlite3_value_double(arguments[1]) / divisor);
}

}  // namespace

int add_date_functions(sqlite3* db) {
    // Those with zones may get NULL for them, and depend on tzdata, which changes.
    constexpr FunctionEntry kEntries[] = {
        {"django_date_extract", 2, guarded<extract_date>},
        {"django_date_trunc", 4, guarded<trunc<result_day>, Nulls::kPassed>, 0},
        {"django_datetime_cast_date", 3, guarded<cast<result_day>, Nulls::kPassed>, 0},
        {"django_datetime_cast_time", 3, guarded<cast<result_clock>, Nulls::kPassed>, 0},
        {"django_datetime_extract", 4, guarded<extract, Nulls::kPassed>, 0},
        {"django_datetime_trunc", 4, guarded<trunc<result_time>, Nulls::kPassed>, 0},
        {"django_time_extract", 2, guarded<extract_time>},
        {"django_time_trunc", 4, guarded<trunc_time, Nulls::kPassed>, 0},
        {"django_time_diff", 2, guarded<time_diff>},
        {"django_timestamp_diff", 2, guarded<timestamp_diff>},
        {"django_format_dtdelta", 3, guarded<combine>},
    };
    return add_functions(db, kEntries);
}

}  // namespace quorlite::database
