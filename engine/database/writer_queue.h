// FairQueue: the queue of those who want to write to one database, first come, first served.
//
// The database can hold it: then no one is granted the lock, however free it is, and no timeout
// runs. So there comes a moment without an uncommitted transaction, as a checkpoint needs it.
//
// Callbacks run inline, one after the other, not nested: a chain of writers that each finish at
// once needs no stack.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "engine/base/executor.h"
#include "engine/database/database.h"

namespace quorlite::database {

class FairQueue final : public WriterQueue {
public:
    // `released` runs whenever the lock became free, before the next one is granted it.
    FairQueue(Executor& executor, std::function<void()> released);
    ~FairQueue() override;

    Ticket acquire(std::string holder, Duration timeout, Granted granted) override;
    void release(Ticket ticket) override;

    bool taken() const { return holder_ != Ticket::kNone; }
    bool waiting() const { return !waiters_.empty(); }
    bool held() const { return held_; }
    void hold() { held_ = true; }
    void resume();
    // The lock is free, and everyone who waits for it gets `error`.
    void reset(const Error& error);
    // While set, everyone who asks for the lock is refused.
    void refuse(std::optional<Error> error) { refusal_ = std::move(error); }

private:
    struct Waiter {
        Ticket ticket;
        std::string name;
        Duration timeout;
        Granted granted;
        TimerId timer = TimerId::kNone;
        bool timed = false;
    };

    void pump();
    void start_timers();
    void expire(Ticket ticket);
    Error busy() const;

    Executor& executor_;
    const std::function<void()> released_;
    std::uint64_t last_ticket_ = 0;
    Ticket holder_ = Ticket::kNone;
    std::string holder_name_;
    std::deque<Waiter> waiters_;
    std::optional<Error> refusal_;
    bool held_ = false;
    bool pumping_ = false;
};

}  // namespace quorlite::database
