#include "engine/database/writer_queue.h"

#include <algorithm>
#include <vector>

namespace quorlite::database {

FairQueue::FairQueue(Executor& executor, std::function<void()> released)
    : executor_(executor), released_(std::move(released)) {}

FairQueue::~FairQueue() {
    for (const Waiter& waiter : waiters_) executor_.cancel(waiter.timer);
}

FairQueue::Ticket FairQueue::acquire(std::string holder, Duration timeout, Granted granted) {
    const Ticket ticket{++last_ticket_};
    if (refusal_) {
        granted(*refusal_);
        return ticket;
    }
    waiters_.push_back({ticket, std::move(holder), timeout, std::move(granted)});
    pump();
    return ticket;
}

void FairQueue::release(Ticket ticket) {
    if (ticket == Ticket::kNone) return;
    if (ticket != holder_) {
        const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                         [&](const Waiter& w) { return w.ticket == ticket; });
        if (waiter == waiters_.end()) return;
        executor_.cancel(waiter->timer);
        waiters_.erase(waiter);
        return;
    }
    holder_ = Ticket::kNone;
    released_();
    pump();
}

void FairQueue::resume() {
    held_ = false;
    pump();
}

void FairQueue::reset(const Error& error) {
    holder_ = Ticket::kNone;
    held_ = false;
    const std::deque<Waiter> waiters = std::exchange(waiters_, {});
    for (const Waiter& waiter : waiters) executor_.cancel(waiter.timer);
    for (const Waiter& waiter : waiters) waiter.granted(error);
}

void FairQueue::pump() {
    if (pumping_) return;
    pumping_ = true;
    while (!held_ && !taken() && !waiters_.empty()) {
        Waiter next = std::move(waiters_.front());
        waiters_.pop_front();
        executor_.cancel(next.timer);
        holder_ = next.ticket;
        holder_name_ = std::move(next.name);
        next.granted({});
    }
    pumping_ = false;
    if (!held_ && !waiters_.empty()) start_timers();
}

void FairQueue::start_timers() {
    // Those that came last have none yet.
    auto waiter = waiters_.end();
    while (waiter != waiters_.begin() && !std::prev(waiter)->timed) --waiter;
    std::vector<Ticket> expired;
    for (; waiter != waiters_.end(); ++waiter) {
        waiter->timed = true;
        if (waiter->timeout <= Duration::zero()) {
            expired.push_back(waiter->ticket);
        } else {
            waiter->timer = executor_.after(waiter->timeout,
                                            [this, ticket = waiter->ticket] { expire(ticket); });
        }
    }
    for (const Ticket ticket : expired) expire(ticket);
}

void FairQueue::expire(Ticket ticket) {
    const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                     [&](const Waiter& w) { return w.ticket == ticket; });
    if (waiter == waiters_.end()) return;
    const Granted granted = std::move(waiter->granted);
    waiters_.erase(waiter);
    granted(busy());
}

Error FairQueue::busy() const {
    if (!taken()) return Error{code::kBusy, text::kBusy};
    return Error{code::kBusy, "database is locked by " + holder_name_};
}

}  // namespace quorlite::database
