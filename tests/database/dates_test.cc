// The functions of Django's dates: each line is what Django's own, in Python, answers.
#include <gmock/gmock.h>

#include "tests/database/support.h"

namespace quorlite::database {
namespace {

class DatesTest : public testing::Test {
protected:
    DatesTest() {
        EXPECT_OK(node_.open());
        connection_ = node_.connect();
    }
    std::string value(const std::string& expression) {
        const auto found = query(*connection_, "SELECT " + expression);
        if (!found.ok()) return "error: " + found.error().message;
        return found.value().substr(0, found.value().size() - 1);
    }

    Node node_{1};
    std::unique_ptr<Connection> connection_;
};

TEST_F(DatesTest, PartsOfADate) {
    EXPECT_EQ(value("django_date_extract('year', '2026-11-29')"), "2026");
    EXPECT_EQ(value("django_date_extract('quarter', '2026-11-29')"), "4");
    EXPECT_EQ(value("django_date_extract('week_day', '2026-11-29')"), "1");
    EXPECT_EQ(value("django_date_extract('iso_week_day', '2026-11-29')"), "7");
    EXPECT_EQ(value("django_date_extract('week', '2021-01-03')"), "53");
    EXPECT_EQ(value("django_date_extract('iso_year', '2021-01-03')"), "2020");
    EXPECT_EQ(value("django_time_extract('microsecond', '01:02:03.5')"), "500000");
    EXPECT_EQ(value("django_datetime_extract('second', '2026-11-29 01:02:03', NULL, NULL)"), "3");
}

TEST_F(DatesTest, PartsInAnotherZone) {
    const std::string zone = ", 'Europe/Berlin', 'UTC')";
    EXPECT_EQ(value("django_datetime_extract('hour', '2026-07-01 22:30:00'" + zone), "0");
    EXPECT_EQ(value("django_datetime_extract('day', '2026-07-01 22:30:00'" + zone), "2");
    EXPECT_EQ(value("django_datetime_extract('hour', '2026-12-01 22:30:00'" + zone), "23");
    EXPECT_EQ(value("django_datetime_cast_date('2026-12-31 23:00:00.25'" + zone), "2027-01-01");
    EXPECT_EQ(value("django_datetime_cast_time('2026-12-31 23:00:00.25'" + zone),
              "00:00:00.250000");
    EXPECT_EQ(value("django_datetime_cast_time('2026-12-31 23:00:00', '+05:30', 'UTC')"),
              "04:30:00");
    EXPECT_EQ(value("django_datetime_cast_time('2026-12-31 23:00:00', 'Asia/Tokyo-2', 'UTC')"),
              "error: there is no time zone Asia/Tokyo-2 on this node: check the name, or install "
              "tzdata");
    EXPECT_EQ(value("django_datetime_cast_time('2026-12-31 23:00:00', 'Asia/Tokyo-02', 'UTC')"),
              "06:00:00");
    // What tzdata says of all years to come.
    EXPECT_EQ(value("django_datetime_extract('hour', '2126-07-01 22:30:00'" + zone), "0");
}

// When clocks are put forward a time is left out, and when they are put back one is there twice.
TEST_F(DatesTest, TimesThatAreLeftOutOrThereTwice) {
    EXPECT_EQ(value("django_datetime_cast_time('2026-03-29 02:30:00', 'UTC', 'Europe/Berlin')"),
              "01:30:00");
    EXPECT_EQ(value("django_datetime_cast_time('2026-10-25 02:30:00', 'UTC', 'Europe/Berlin')"),
              "00:30:00");
}

TEST_F(DatesTest, Beginnings) {
    EXPECT_EQ(value("django_date_trunc('week', '2026-11-29', NULL, NULL)"), "2026-11-23");
    EXPECT_EQ(value("django_date_trunc('quarter', '2026-11-29', NULL, NULL)"), "2026-10-01");
    EXPECT_EQ(value("django_datetime_trunc('month', '2026-11-29 10:11:12.5', NULL, NULL)"),
              "2026-11-01 00:00:00");
    EXPECT_EQ(value("django_datetime_trunc('minute', '2026-11-29 10:11:12.5', NULL, NULL)"),
              "2026-11-29 10:11:00");
    EXPECT_EQ(value("django_datetime_trunc('day', '2026-11-29 23:11:12', 'Asia/Tokyo', 'UTC')"),
              "2026-11-30 00:00:00");
    EXPECT_EQ(value("django_time_trunc('hour', '10:11:12', NULL, NULL)"), "10:00:00");
    EXPECT_EQ(value("django_time_trunc('second', '2026-11-29 10:11:12.5', NULL, NULL)"),
              "10:11:12");
}

TEST_F(DatesTest, DifferencesAndSums) {
    EXPECT_EQ(value("django_time_diff('00:00:01.5', '00:00:03')"), "-1500000");
    EXPECT_EQ(value("django_timestamp_diff('2026-11-29', '2026-11-28 23:59:59.999999')"), "1");
    EXPECT_EQ(value("django_format_dtdelta('+', '2026-11-29 00:00:00', 90000000)"),
              "2026-11-29 00:01:30");
    EXPECT_EQ(value("django_format_dtdelta('-', '2026-11-29 00:00:00', 1)"),
              "2026-11-28 23:59:59.999999");
    EXPECT_EQ(value("django_format_dtdelta('+', 86400000000, '2026-11-29')"), "2026-11-30");
    EXPECT_EQ(value("django_format_dtdelta('-', '2026-11-29', 1)"), "2026-11-29");
    EXPECT_EQ(value("django_format_dtdelta('+', '2026-11-29', -1)"), "2026-11-28");
    EXPECT_EQ(value("django_format_dtdelta('-', '2026-11-29', -1)"), "2026-11-30");
    EXPECT_EQ(value("django_format_dtdelta('*', 3, 7)"), "21");
    EXPECT_EQ(value("django_format_dtdelta('/', 3, 2)"), "1.5");
}

TEST_F(DatesTest, WhatIsNoTimeGivesNull) {
    for (const char* const text : {"NULL", "''", "5", "x'00'", "'2026-02-30'", "'0000-01-01'",
                                   "'2026-11'", "'2026-11-29 25:00:00'", "'2026-11-29 1:2'",
                                   "'99999999999999999999-01-01'", "'2026-1-1 0:0:0.x'"}) {
        const std::string time(text);
        EXPECT_EQ(value("typeof(django_date_extract('year', " + time + "))"), "null") << time;
        EXPECT_EQ(value("typeof(django_datetime_cast_date(" + time + ", 'UTC', 'Asia/Tokyo'))"),
                  "null")
            << time;
        EXPECT_EQ(value("typeof(django_format_dtdelta('+', " + time + ", '1'))"), "null") << time;
    }
    EXPECT_EQ(value("typeof(django_format_dtdelta('/', 3, 0))"), "null");
}

TEST_F(DatesTest, ErrorsSayWhatIsWrong) {
    EXPECT_EQ(value("django_date_extract('eon', '2026-11-29')"),
              "error: there is no part of a time named eon");
    EXPECT_LT(value("django_date_extract(hex(zeroblob(1000000)), '2026-11-29')").size(), 1'000u);
    for (const char* const zone : {"Moon/Base", "../../etc/passwd", "/etc/passwd", "Europe"}) {
        EXPECT_EQ(
            value("django_datetime_cast_date('2026-11-29', '" + std::string(zone) + "', 'UTC')"),
            "error: there is no time zone " + std::string(zone) +
                " on this node: check the name, or install tzdata");
    }
    for (const char* const duration : {"9223372036854775807", "-9223372036854775808"}) {
        EXPECT_EQ(value("django_format_dtdelta('+', '2026-11-29', " + std::string(duration) + ")"),
                  "error: the date is not in the years 1 to 9999");
    }
    EXPECT_EQ(value("django_format_dtdelta('+', 9223372036854775807, 1)"),
              "error: the duration is too long");
}

}  // namespace
}  // namespace quorlite::database
