// The retry rules: what a failure means for the work, and what to do about it. Pure functions.
//
// The Go client has the same rules. Both are held to one table of cases, spec/vectors/rules.json;
// spec/errors.md tells it in words, and why.
//
// Nothing is tried again beyond its deadline, nor after a row was handed out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "drivers/core/sql.h"
#include "drivers/core/time.h"
#include "quorlite/error.h"
#include "wire/base/error_codes.h"

namespace quorlite::core {

// What was asked for, and where it stood.
struct RetryContext {
    Effect effect = Effect::kWrite;  // where it stood; kRead for whatever changes nothing
    bool in_transaction = false;     // an explicit one, begun before this statement
    bool idempotent = false;
    bool delivered = false;  // the caller has been given rows of it
};

enum class RetryAction : std::uint8_t {
    kReport,     // give the error to the caller
    kElsewhere,  // leave this connection, look for the leader, try again
    kWait,       // try again here a little later
};

struct RetryDecision {
    RetryAction action = RetryAction::kReport;
    error_info error;               // to be reported if nothing helps, or not in time
    bool leave = false;             // the connection is of no use any more
    bool transaction_gone = false;  // or cannot be relied on: it has to be rolled back
    // Only the server knows whether the transaction is still open (ON CONFLICT ROLLBACK).
    bool probe = false;
    // The transaction may have ended before what was sent behind the statement was carried out.
    bool followers_escaped = false;
};

// The server answered with a FAILURE.
RetryDecision classify_failure(std::uint64_t failure_code, std::string_view message,
                               const RetryContext& context);

// An error of the client's own: nothing was done.
error_info make_error(error_kind kind, int code, std::string message);

// A call that makes no sense.
error_info misuse(std::string message);

// There is no node to talk to.
error_info unavailable(std::string message);

// The connection broke. `sent`: the request had left entirely.
RetryDecision classify_loss(bool sent, std::string reason, error_kind kind,
                            const RetryContext& context);

// How far a request had come that nobody waits for any more.
enum class Progress : std::uint8_t {
    kNotSent,
    kStopped,     // the server says that it interrupted it
    kUnanswered,  // it left, and may still be running
};

// The caller no longer waits, for this reason (deadline or cancelled).
RetryDecision classify_abandoned(Progress progress, error_kind kind, std::string message,
                                 const RetryContext& context);

// Whether a failed transaction may be run again as a whole.
bool may_rerun(const error_info& error, bool idempotent);

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
