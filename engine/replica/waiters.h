// Answers that wait: for an index to be committed, or for a read to be confirmed.
//
// Kept in the order of their indices; almost all arrive in that order, so both ends are cheap. Each
// waiter is answered exactly once. An answer may add waiters or end the session that waited:
// nothing here is touched after calling one, and the queue is consistent before.
#pragma once

#include <deque>
#include <functional>

#include "engine/base/clock.h"
#include "wire/base/ids.h"
#include "wire/base/result.h"

namespace quorlite::replica {

struct Waiter {
    Index index;
    TimePoint deadline;
    std::uint64_t round = 0;  // reads: the heartbeat round that confirms them; 0: the lease will do
    std::function<void(Status)> done;
};

class Waiters {
public:
    void add(Waiter waiter);

    // Answers with success, in order, those up to `index` for which `ready` holds; stops at the
    // first for which it does not.
    void release(Index index, const std::function<bool(const Waiter&)>& ready);
    // Answers those whose deadline has passed.
    void expire(TimePoint now, const Error& error);
    // Empties the queue; the caller answers.
    std::deque<Waiter> take_all();

    // The next to be answered, if anything waits.
    Waiter* front() { return waiters_.empty() ? nullptr : &waiters_.front(); }

    bool empty() const { return waiters_.empty(); }
    std::size_t size() const { return waiters_.size(); }

private:
    std::deque<Waiter> waiters_;
    TimePoint earliest_deadline_ = TimePoint::max();
};

}  // namespace quorlite::replica
