// AwakeWait: waits for answers that are expected soon without going to sleep.
//
// A thread that sleeps is woken some 25 microseconds late, which may be longer than the answer
// took. So if the last wait was short, the next one is spent awake for up to limits::kAwakeMax,
// others of this machine being let in all the time. Few threads of a process do so at a time, and
// none where a single core is all there is.
#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "drivers/core/limits.h"
#include "drivers/core/time.h"

namespace quorlite::sync {

class AwakeWait {
public:
    // poll(timespec) waits until something happens, and then is true, or for so long at most.
    // Without end is an hour.
    template <class Poll>
    void wait(core::Time until, Poll poll) {
        const core::Time since = now();
        const core::Time awake_until = std::min(until, since + core::limits::kAwakeMax);
        if (!waits_are_short_ || !watch(awake_until, poll)) poll(left(until));
        waits_are_short_ = now() - since < core::limits::kAwakeMax;
    }

private:
    class Place {
    public:
        Place() : taken_(several_cores() && taken_places++ < core::limits::kAwakeThreadsMax) {}
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            if (several_cores()) --taken_places;
        }
        bool taken() const { return taken_; }

    private:
        static bool several_cores() {
            static const bool several = [] {
                cpu_set_t usable;
                return ::sched_getaffinity(0, sizeof usable, &usable) != 0 ||
                       CPU_COUNT(&usable) > 1;
            }();
            return several;
        }
        inline static std::atomic<int> taken_places{0};
        const bool taken_;
    };

    static core::Time now() { return std::chrono::steady_clock::now(); }

    static timespec left(core::Time until) {
        const auto left = std::clamp<core::Duration>(until - now(), core::Duration::zero(),
                                                     std::chrono::hours(1));
        const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
        return {static_cast<time_t>(seconds.count()), static_cast<long>((left - seconds).count())};
    }

    template <class Poll>
    static bool watch(core::Time until, Poll& poll) {
        const Place place;
        while (place.taken() && now() < until) {
            if (poll(timespec{})) return true;
            ::sched_yield();
        }
        return false;
    }

    bool waits_are_short_ = false;
};

}  // namespace quorlite::sync
