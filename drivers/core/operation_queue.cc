#include "drivers/core/operation_queue.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {

bool OperationQueue::full() const {
    return waiting_.size() >= limits::kQueuedMax;
}

OperationPtr OperationQueue::pop_front() {
    OperationPtr operation = std::move(waiting_.front());
    waiting_.pop_front();
    return operation;
}

bool OperationQueue::repeats(const OperationPtr& operation) const {
    return std::find(again_.begin(), again_.end(), operation) != again_.end();
}

void OperationQueue::requeue() {
    for (const OperationPtr& operation : again_) {
        operation->drop_pieces();
        operation->state = Operation::State::kQueued;
    }
    waiting_.insert(waiting_.begin(), again_.begin(), again_.end());
    again_.clear();
}

void OperationQueue::remove(const OperationPtr& operation) {
    std::erase(waiting_, operation);
    std::erase(again_, operation);
}

void OperationQueue::add_overdue(Time now, std::vector<OperationPtr>& overdue) const {
    const auto late = [now](const OperationPtr& each) { return each->deadline <= now; };
    std::copy_if(waiting_.begin(), waiting_.end(), std::back_inserter(overdue), late);
    std::copy_if(again_.begin(), again_.end(), std::back_inserter(overdue), late);
}

Time OperationQueue::earliest_deadline() const {
    Time earliest = kNever;
    for (const OperationPtr& each : waiting_) earliest = std::min(earliest, each->deadline);
    for (const OperationPtr& each : again_) earliest = std::min(earliest, each->deadline);
    return earliest;
}

}  // namespace quorlite::core
