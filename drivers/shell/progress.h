// Progress: how far long work is, on a terminal's last line: what, how much, how fast, how long
// yet.
//
// Says nothing if standard error is no terminal, and little otherwise: a few times a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quorlite::shell {

enum class Unit { kBytes, kRows };

// The line, as it is drawn: a pure function. `total` is 0 if it is not known.
std::string progress_line(const std::string& what, Unit unit, std::uint64_t done,
                          std::uint64_t total, double seconds);

class Progress {
public:
    Progress(std::string what, Unit unit, std::uint64_t total = 0);
    ~Progress();  // takes the line away
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void at(std::uint64_t done);
    void set_total(std::uint64_t total) { total_ = total; }

private:
    const std::string what_;
    const Unit unit_;
    std::uint64_t total_;
    const bool shown_;
    const std::chrono::steady_clock::time_point begin_;
    std::chrono::steady_clock::time_point drawn_;
};

}  // namespace quorlite::shell
