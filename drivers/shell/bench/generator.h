// Generator: N connections kept busy from one thread, and what became of their operations.
//
// Closed loop: every connection starts its next operation when the last one is done. Fixed rate:
// operations fall due at a steady pace and go to any idle connection; the latency then counts from
// the moment an operation fell due, so that a stall shows in all the operations it delayed.
//
// A statement that the server answers with "busy" is sent again at once and counted; the
// operation's latency includes these attempts. When the leader is lost, the connection looks for
// the new one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "drivers/shell/bench/histogram.h"
#include "drivers/shell/bench/link.h"
#include "drivers/shell/bench/workload.h"

namespace quorlite::benchmark {

struct LoadPlan {
    std::vector<std::string> nodes;
    const Workload* workload = nullptr;
    std::size_t connections = 1;
    double patience_seconds = 60;  // to reach the leader, at the begin or after it was lost
    double warmup_seconds = 1;
    double seconds = 5;
    double rate = 0;           // operations per second; 0 for a closed loop
    double busy_pause_us = 0;  // before a statement that met a busy database is sent again
};

struct LoadReport {
    Histogram latencies;          // of the operations that began in the measured time
    std::uint64_t completed = 0;  // in the measured time
    std::uint64_t rows = 0;       // that came with them
    std::uint64_t unfinished = 0;
    std::uint64_t busy_retries = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t wrong_answers = 0;
    std::map<int, std::uint64_t> errors;  // by code
};

Result<LoadReport> generate_load(const LoadPlan& plan);

}  // namespace quorlite::benchmark
