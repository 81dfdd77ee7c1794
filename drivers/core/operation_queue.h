// OperationQueue: the operations of a connection that are not in flight: those that wait for their
// turn, and those that have to be sent again.
//
// What is sent again goes in front of what waits, in the old order, but only once nothing is in
// flight any more: nothing may overtake it.
#pragma once

#include <deque>
#include <vector>

#include "drivers/core/operation.h"

namespace quorlite::core {

class OperationQueue {
public:
    bool full() const;
    bool empty() const { return waiting_.empty(); }
    void push_back(const OperationPtr& operation) { waiting_.push_back(operation); }
    const OperationPtr& front() const { return waiting_.front(); }
    OperationPtr pop_front();
    // All that wait; those that are to be sent again stay.
    std::deque<OperationPtr> take() { return std::exchange(waiting_, {}); }

    void repeat(const OperationPtr& operation) { again_.push_back(operation); }
    bool repeats() const { return !again_.empty(); }
    bool repeats(const OperationPtr& operation) const;
    // Nothing is in flight any more.
    void requeue();

    void remove(const OperationPtr& operation);
    void add_overdue(Time now, std::vector<OperationPtr>& overdue) const;
    Time earliest_deadline() const;

private:
    std::deque<OperationPtr> waiting_;
    std::vector<OperationPtr> again_;
};

}  // namespace quorlite::core
