#include "tests/check/registers.h"

#include <algorithm>
#include <unordered_set>

namespace quorlite::check {
namespace {

using Kind = RegisterOperation::Kind;

// The value after the operation, if it can come next on a register that holds `value`.
std::optional<std::int64_t> apply(const RegisterOperation& operation, std::int64_t value) {
    switch (operation.kind) {
        case Kind::kRead:
            if (operation.value != value) return std::nullopt;
            return value;
        case Kind::kWrite:
            return operation.value;
        case Kind::kCompareAndSet:
            break;
    }
    const bool swaps = value == operation.expected;
    if (operation.outcome == Outcome::kCommitted && swaps != operation.swapped) return std::nullopt;
    return swaps ? operation.value : value;
}

class Search {
public:
    Search(std::vector<RegisterOperation> operations, std::int64_t initial)
        : operations_(std::move(operations)), value_(initial), done_(operations_.size(), '0') {
        std::sort(operations_.begin(), operations_.end(),
                  [](const auto& a, const auto& b) { return a.began < b.began; });
        for (auto& operation : operations_) {
            required_ += operation.outcome == Outcome::kCommitted;
            if (operation.outcome != Outcome::kCommitted) operation.ended = INT64_MAX;
        }
    }

    bool succeeds() {
        std::vector<Step> steps{first_step()};
        while (required_ > 0) {
            Step& step = steps.back();
            if (step.next == step.candidates.size()) {
                steps.pop_back();
                if (steps.empty()) return false;
                undo(steps.back());
                continue;
            }
            const std::size_t chosen = step.candidates[step.next++];
            const auto after = apply(operations_[chosen], value_);
            if (!after) continue;
            step.chosen = chosen;
            step.value_before = value_;
            done_[chosen] = '1';
            value_ = *after;
            required_ -= operations_[chosen].outcome == Outcome::kCommitted;
            if (seen_.insert(done_ + std::to_string(value_)).second) {
                steps.push_back(first_step());
            } else {
                undo(step);
            }
        }
        return true;
    }

private:
    struct Step {
        std::vector<std::size_t> candidates;
        std::size_t next = 0;
        std::size_t chosen = 0;
        std::int64_t value_before = 0;
    };

    // Those that no operation that is still to come must precede.
    Step first_step() {
        while (first_open_ < done_.size() && done_[first_open_] == '1') ++first_open_;
        std::int64_t earliest_end = INT64_MAX;
        Step step;
        for (std::size_t i = first_open_; i < operations_.size(); ++i) {
            if (operations_[i].began > earliest_end) break;
            if (done_[i] == '1') continue;
            earliest_end = std::min(earliest_end, operations_[i].ended);
            step.candidates.push_back(i);
        }
        std::erase_if(step.candidates,
                      [&](std::size_t i) { return operations_[i].began > earliest_end; });
        return step;
    }

    void undo(const Step& step) {
        done_[step.chosen] = '0';
        value_ = step.value_before;
        required_ += operations_[step.chosen].outcome == Outcome::kCommitted;
        first_open_ = std::min(first_open_, step.chosen);
    }

    std::vector<RegisterOperation> operations_;
    std::int64_t value_;
    std::string done_;
    std::size_t required_ = 0;
    std::size_t first_open_ = 0;
    std::unordered_set<std::string> seen_;
};

}  // namespace

void Registers::add(std::int64_t key, RegisterOperation operation) {
    const bool matters = operation.kind != Kind::kRead || operation.outcome == Outcome::kCommitted;
    if (operation.outcome != Outcome::kNotCommitted && matters) {
        operations_[key].push_back(operation);
    }
}

std::optional<std::string> Registers::contradiction() const {
    for (const auto& [key, operations] : operations_) {
        if (!Search(operations, initial_).succeeds()) {
            return "register " + std::to_string(key) + " is not linearizable (" +
                   std::to_string(operations.size()) + " operations)";
        }
    }
    return {};
}

}  // namespace quorlite::check
