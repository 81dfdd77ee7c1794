#include "drivers/shell/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "drivers/shell/limits.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {

std::string progress_line(const std::string& what, Unit unit, std::uint64_t done,
                          std::uint64_t total, double seconds) {
    const auto amount = [&](double number) {
        if (unit == Unit::kBytes) return size_text(number);
        return count_text(static_cast<std::uint64_t>(number)) + " rows";
    };
    std::string line = what + ": " + amount(static_cast<double>(done));
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    if (total > 0) {
        line += " of " + amount(static_cast<double>(total));
        line += " (" + std::to_string(std::min<std::uint64_t>(100, done * 100 / total)) + " %)";
    }
    line += ", " + amount(rate) + "/s";
    if (total > done && rate > 0) {
        line += ", " + seconds_text(static_cast<double>(total - done) / rate) + " left";
    }
    return line;
}

Progress::Progress(std::string what, Unit unit, std::uint64_t total)
    : what_(std::move(what)),
      unit_(unit),
      total_(total),
      shown_(::isatty(2) == 1),
      begin_(std::chrono::steady_clock::now()),
      drawn_(begin_) {}

Progress::~Progress() {
    if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::at(std::uint64_t done) {
    if (!shown_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - drawn_ < limits::kProgressInterval) return;
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    std::fprintf(stderr, "\r\033[K%s", progress_line(what_, unit_, done, total_, seconds).c_str());
    std::fflush(stderr);
}

}  // namespace quorlite::shell
