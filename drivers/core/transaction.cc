#include "drivers/core/transaction.h"

#include <algorithm>

namespace quorlite::core {
namespace {

bool same_savepoint(const std::string& left, const std::string& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        return lower(a) == lower(b);
    });
}

}  // namespace

void Transaction::situate(Operation& operation) const {
    operation.in_transaction = !none();
    operation.standing = operation.effect;
    if (operation.effect == Effect::kSavepoint) {
        operation.standing = operation.in_transaction ? Effect::kWrite : Effect::kBegin;
    } else if (operation.effect == Effect::kRelease) {
        const bool outermost = operation.in_transaction && !began_ && !savepoints_.empty() &&
                               same_savepoint(savepoints_.front(), operation.savepoint);
        operation.standing = outermost ? Effect::kCommit : Effect::kWrite;
    } else if (operation.effect == Effect::kRollbackTo) {
        operation.standing = Effect::kWrite;
    }
}

void Transaction::follow(const Operation& operation) {
    if (!operation.barrier()) return;
    if (operation.ends_transaction()) {
        end();
    } else if (operation.standing == Effect::kBegin) {
        state_ = State::kOpen;
        began_ = operation.effect == Effect::kBegin;
    }
    follow_savepoint(operation);
}

void Transaction::follow_savepoint(const Operation& operation) {
    if (operation.effect == Effect::kSavepoint) savepoints_.push_back(operation.savepoint);
    if (operation.effect != Effect::kRelease && operation.effect != Effect::kRollbackTo) return;
    for (std::size_t i = savepoints_.size(); i > 0; --i) {
        if (!same_savepoint(savepoints_[i - 1], operation.savepoint)) continue;
        savepoints_.resize(operation.effect == Effect::kRelease ? i - 1 : i);
        return;
    }
}

void Transaction::end() {
    state_ = State::kNone;
    savepoints_.clear();
}

void Transaction::lose(const error_info& cause) {
    state_ = State::kLost;
    cause_ = cause;
    savepoints_.clear();
}

}  // namespace quorlite::core
