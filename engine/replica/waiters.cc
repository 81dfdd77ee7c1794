#include "engine/replica/waiters.h"

#include <algorithm>
#include <utility>

namespace quorlite::replica {

void Waiters::add(Waiter waiter) {
    earliest_deadline_ = std::min(earliest_deadline_, waiter.deadline);
    auto at = waiters_.end();
    while (at != waiters_.begin() && std::prev(at)->index > waiter.index) --at;
    waiters_.insert(at, std::move(waiter));
}

void Waiters::release(Index index, const std::function<bool(const Waiter&)>& ready) {
    while (!waiters_.empty() && waiters_.front().index <= index && ready(waiters_.front())) {
        auto done = std::move(waiters_.front().done);
        waiters_.pop_front();
        done({});
    }
}

void Waiters::expire(TimePoint now, const Error& error) {
    if (now < earliest_deadline_) return;
    std::deque<Waiter> expired;
    std::deque<Waiter> left;
    earliest_deadline_ = TimePoint::max();
    for (Waiter& waiter : waiters_) {
        if (waiter.deadline > now) {
            earliest_deadline_ = std::min(earliest_deadline_, waiter.deadline);
        }
        (waiter.deadline <= now ? expired : left).push_back(std::move(waiter));
    }
    waiters_ = std::move(left);
    for (const Waiter& waiter : expired) waiter.done(error);
}

std::deque<Waiter> Waiters::take_all() {
    earliest_deadline_ = TimePoint::max();
    return std::exchange(waiters_, {});
}

}  // namespace quorlite::replica
