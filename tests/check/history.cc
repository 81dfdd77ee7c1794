#include "tests/check/history.h"

#include <algorithm>
#include <map>

namespace quorlite::check {
namespace {

// An operation's place in the serial order: after `position` rows are in the table. A write adds
// row number `position`; a read that saw n rows comes after row n and before row n + 1.
struct Placed {
    std::uint64_t position;
    bool write;
    std::int64_t began;
    std::int64_t ended;
    std::string name;
};

// If a ended before b began, a's place must not be after b's; for two writes, or for a read before
// a write, it must be strictly before.
std::optional<std::string> check_real_time(std::vector<Placed> operations) {
    std::vector<const Placed*> by_end;
    for (const Placed& operation : operations) by_end.push_back(&operation);
    std::sort(by_end.begin(), by_end.end(), [](auto* a, auto* b) { return a->ended < b->ended; });
    std::vector<const Placed*> by_begin = by_end;
    std::sort(by_begin.begin(), by_begin.end(),
              [](auto* a, auto* b) { return a->began < b->began; });
    const Placed* latest = nullptr;  // the furthest place among those that have ended
    std::size_t ended = 0;
    for (const Placed* operation : by_begin) {
        for (; ended < by_end.size() && by_end[ended]->ended < operation->began; ++ended) {
            if (latest == nullptr || by_end[ended]->position > latest->position) {
                latest = by_end[ended];
            }
        }
        if (latest == nullptr) continue;
        const bool wrong = operation->write ? latest->position >= operation->position
                                            : latest->position > operation->position;
        if (wrong) {
            return latest->name + " ended before " + operation->name + " began, and comes after it";
        }
    }
    return {};
}

std::string describe(const char* what, std::uint64_t id, std::uint64_t position) {
    return std::string(what) + " " + std::to_string(id) + " (at place " + std::to_string(position) +
           ")";
}

}  // namespace

std::size_t History::acknowledged() const {
    return static_cast<std::size_t>(
        std::count_if(writes_.begin(), writes_.end(),
                      [](const Write& write) { return write.outcome == Outcome::kCommitted; }));
}

std::optional<std::string> History::contradiction(const std::vector<std::uint64_t>& serial) const {
    std::map<std::uint64_t, std::uint64_t> positions;
    for (std::size_t i = 0; i < serial.size(); ++i) {
        if (!positions.emplace(serial[i], i + 1).second) {
            return "write " + std::to_string(serial[i]) + " was applied twice";
        }
    }
    std::vector<Placed> operations;
    for (const Write& write : writes_) {
        const auto found = positions.find(write.id);
        const bool present = found != positions.end();
        if (write.outcome == Outcome::kCommitted && !present) {
            return "write " + std::to_string(write.id) + " was acknowledged and is lost";
        }
        if (write.outcome == Outcome::kNotCommitted && present) {
            return "write " + std::to_string(write.id) + " was refused and is there";
        }
        if (!present) continue;
        // What is in doubt may take effect at any later time, so only its beginning counts.
        const bool known = write.outcome == Outcome::kCommitted;
        operations.push_back({found->second, true, write.began, known ? write.ended : INT64_MAX,
                              describe("write", write.id, found->second)});
    }
    for (std::size_t i = 0; i < reads_.size(); ++i) {
        const Read& read = reads_[i];
        if (read.length > serial.size()) {
            return "read " + std::to_string(i) + " saw " + std::to_string(read.length) +
                   " rows, more than there are in the end";
        }
        operations.push_back(
            {read.length, false, read.began, read.ended, describe("read", i, read.length)});
    }
    return check_real_time(std::move(operations));
}

}  // namespace quorlite::check
