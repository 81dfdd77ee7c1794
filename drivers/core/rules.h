// The retry rules: what a failure means for the work, and what to do about it. Pure functions.
//
// The rules, in one table:
//
//   what happened                             statement           done about it
//   not leader, handle gone: nothing proposed outside, any        search the leader, again
//                                             in a transaction    not_committed, restart it
//   leadership lost (10506), connection lost  outside, read       search the leader, again
//   after the request was sent                outside, write      in_doubt (idempotent: again)
//                                             in a transaction    not_committed, restart it
//                                             COMMIT              in_doubt
//   connection lost before it was sent        outside, any        search the leader, again
//                                             in a transaction    not_committed, restart it
//   busy                                      any                 again, within the busy timeout
//   busy, stale snapshot                      in a transaction    not_committed, restart it
//   broken constraint                         in a transaction    not_committed; ask whether it is
//                                                                 still open (ON CONFLICT ROLLBACK)
//   anything else that the server says        any                 not_committed
//
// "Again" never goes beyond the deadline, and never after a row was handed out. "Outside" includes
// BEGIN itself, which has no effect until something follows it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "drivers/core/sql.h"
#include "drivers/core/time.h"
#include "quorlite/error.h"

namespace quorlite::core {

namespace code {
inline constexpr int kError = 1;
inline constexpr int kBusy = 5;
inline constexpr int kInterrupted = 9;
inline constexpr int kIo = 10;
inline constexpr int kNotFound = 12;
inline constexpr int kCannotOpen = 14;
inline constexpr int kProtocol = 15;
inline constexpr int kTooBig = 18;
inline constexpr int kConstraint = 19;
inline constexpr int kMismatch = 20;
inline constexpr int kMisuse = 21;
inline constexpr int kBusySnapshot = 517;
inline constexpr int kNotLeader = 10250;
inline constexpr int kLeadershipLost = 10506;
}  // namespace code

// What was asked for, and where it stood.
struct Situation {
    Effect effect = Effect::kWrite;  // kRead for whatever changes nothing
    bool in_transaction = false;     // an explicit one, begun before this statement
    bool idempotent = false;
    bool delivered = false;  // the caller has been given rows of it
};

enum class Remedy : std::uint8_t {
    kNone,       // report the error
    kElsewhere,  // leave this connection, look for the leader, try again
    kPause,      // try again here a little later
};

struct Judgement {
    Remedy remedy = Remedy::kNone;
    error_info error;               // to be reported if nothing helps, or not in time
    bool leave = false;             // the connection is of no use any more
    bool transaction_gone = false;  // or cannot be relied on: it has to be rolled back
};

// The server answered with a FAILURE.
Judgement judge_failure(std::uint64_t failure_code, std::string_view message,
                        const Situation& situation);

// A call that makes no sense, so nothing of it was done.
error_info misuse(std::string message);

// The connection broke. `sent`: the request had left entirely.
Judgement judge_loss(bool sent, std::string reason, error_kind kind, const Situation& situation);

// The caller no longer waits, for this reason (deadline or cancelled).
error_info judge_abandoned(bool sent, error_kind kind, std::string message,
                           const Situation& situation);

// Whether a failed transaction may be run again as a whole.
bool may_rerun(const error_info& error, bool idempotent);

// A write lock is held for single milliseconds as a rule: who waits for longer than this between
// two attempts mostly sleeps while it is free. The Go client has the same limit.
inline constexpr std::chrono::milliseconds kBusyPauseMax{20};

// Pauses that double, each drawn from the upper half of its range.
class Backoff {
public:
    Backoff(std::chrono::milliseconds min, std::chrono::milliseconds max) : min_(min), max_(max) {}

    // `random`: any 64 random bits.
    Duration next(std::uint64_t random);
    void reset() { step_ = 0; }

private:
    std::chrono::milliseconds min_;
    std::chrono::milliseconds max_;
    unsigned step_ = 0;
};

}  // namespace quorlite::core
