// The functions of dates and times that Django's SQL for SQLite calls, django_date_extract() and so
// on: parts of a time, the beginning of its year or week, in a time zone; differences and sums.
//
// Times are texts as Django writes them, "2026-11-29 12:00:00.5" or only a date; zones are named as
// in the system's tzdata. Durations are integers, in microseconds. What is no time gives NULL.
#pragma once

struct sqlite3;

namespace quorlite::database {

int add_date_functions(sqlite3* db);  // SQLite's result code

}  // namespace quorlite::database
