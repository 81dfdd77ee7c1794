// PoolQueue: who gets which connection of a pool, and when; without connections, locks or threads.
//
// Bounded: never more than `size_max` slots. Fair: who asks first is served first, also before
// somebody who would find a slot free in passing. The slot used last is handed out first, so that
// its prepared statements are warm and the others can grow old and be closed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "drivers/core/time.h"
#include "quorlite/error.h"

namespace quorlite::core {

class PoolQueue {
public:
    using Slot = std::size_t;
    using Ticket = std::uint64_t;

    struct Grant {
        Slot slot = 0;
        bool make = false;   // there is no connection in it yet
        bool check = false;  // it was idle for so long that it must be asked first
    };

    PoolQueue(std::size_t size_max, std::chrono::milliseconds check_after,
              std::chrono::milliseconds idle_max)
        : size_max_(size_max == 0 ? 1 : size_max), check_after_(check_after), idle_max_(idle_max) {}

    // Takes a place in the line.
    Ticket ask();
    // The slot for this ticket, if it is its turn and one is free: the ticket is spent then.
    std::optional<Grant> grant(Ticket ticket, Time now);
    // Leaves the line.
    void give_up(Ticket ticket);
    // `kept`: the connection in it may be used again.
    void release(Slot slot, bool kept, Time now);

    // Slots that were idle for too long: their connections are to be closed. They are empty now.
    std::vector<Slot> expire(Time now);

    std::size_t idle() const { return idle_.size(); }
    std::size_t in_use() const { return in_use_; }
    std::size_t waiting() const { return line_.size(); }

private:
    struct Idle {
        Slot slot;
        Time since;
    };
    std::size_t size_max_;
    std::chrono::milliseconds check_after_;
    std::chrono::milliseconds idle_max_;
    Ticket next_ticket_ = 1;
    std::deque<Ticket> line_;
    std::vector<Idle> idle_;  // the one used last at the end
    std::vector<Slot> empty_;
    Slot slots_ = 0;  // ever used
    std::size_t in_use_ = 0;
};

// What somebody is told who waited in vain.
error_info all_in_use();

}  // namespace quorlite::core
