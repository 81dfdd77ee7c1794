// Sums that must hold: of accounts between which money moves, and of a counter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/check/outcome.h"

namespace quorlite::check {

// Accounts whose transfers keep the total: every read of all of them must find it.
class Bank {
public:
    explicit Bank(std::int64_t total) : total_(total) {}
    void read(const std::vector<std::int64_t>& balances) {
        std::int64_t sum = 0;
        for (const std::int64_t balance : balances) sum += balance;
        if (sum != total_ && !wrong_) {
            wrong_ = "a read found a total of " + std::to_string(sum) + " in the accounts, not " +
                     std::to_string(total_);
        }
    }
    const std::optional<std::string>& contradiction() const { return wrong_; }

private:
    const std::int64_t total_;
    std::optional<std::string> wrong_;
};

// A counter that each of its operations raises by one: an operation that is applied twice, or lost,
// shows in its value.
class Counter {
public:
    void add(Outcome outcome) {
        known_ += outcome == Outcome::kCommitted;
        doubtful_ += outcome == Outcome::kInDoubt;
    }
    std::optional<std::string> contradiction(std::int64_t value) const {
        if (value >= known_ && value <= known_ + doubtful_) return std::nullopt;
        return "the counter is " + std::to_string(value) + " after " + std::to_string(known_) +
               " acknowledged increments and " + std::to_string(doubtful_) + " in doubt";
    }

private:
    std::int64_t known_ = 0;
    std::int64_t doubtful_ = 0;
};

}  // namespace quorlite::check
