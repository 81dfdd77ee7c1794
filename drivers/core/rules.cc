#include "drivers/core/rules.h"

#include <algorithm>

#include "wire/base/errors.h"

namespace quorlite::core {
namespace {

// Changes nothing that lasts: BEGIN has no effect until something follows it.
bool reads(const RetryContext& context) {
    return context.effect == Effect::kRead || context.effect == Effect::kNone ||
           context.effect == Effect::kBegin;
}

bool commits(const RetryContext& context) {
    return context.in_transaction && context.effect == Effect::kCommit;
}

bool may_be_sent_again(const RetryContext& context) {
    return !context.in_transaction && !context.delivered;
}

// Nobody knows what became of it: to do it again is safe only if doing it twice does no harm.
void leave_in_doubt(error_info& error, const RetryContext& context) {
    error.verdict = verdict::in_doubt;
    error.may_retry = error.may_retry && context.idempotent;
}

// Nothing was done: outside of a transaction it is tried again.
RetryDecision not_done(error_info error, const RetryContext& context) {
    RetryDecision decision;
    decision.error = std::move(error);
    decision.error.may_retry = true;
    decision.leave = true;
    decision.transaction_gone = context.in_transaction;
    if (may_be_sent_again(context)) decision.action = RetryAction::kElsewhere;
    return decision;
}

// Nobody knows whether it was done, which matters unless it reads, or is a part of a transaction
// that nobody can commit any more.
RetryDecision outcome_unknown(error_info error, const RetryContext& context) {
    RetryDecision decision = not_done(std::move(error), context);
    if (context.in_transaction ? !commits(context) : reads(context)) return decision;
    leave_in_doubt(decision.error, context);
    if (!context.idempotent) decision.action = RetryAction::kReport;
    return decision;
}

RetryDecision busy(error_info error, const RetryContext& context, bool stale) {
    RetryDecision decision;
    decision.error = std::move(error);
    decision.error.kind = error_kind::busy;
    decision.error.may_retry = true;
    decision.transaction_gone = decision.followers_escaped = stale && context.in_transaction;
    if (!decision.transaction_gone && !context.delivered) decision.action = RetryAction::kWait;
    return decision;
}

// The server carries out nothing until the client knows that its transaction is gone. A client that
// knows of none begins afresh on another connection.
RetryDecision rolled_back(error_info error, const RetryContext& context) {
    RetryDecision decision = not_done(std::move(error), context);
    if (context.in_transaction) decision.leave = false;
    return decision;
}

RetryDecision refused(error_info error, const RetryContext& context, ErrorMeaning meaning) {
    RetryDecision decision;
    decision.error = std::move(error);
    decision.error.may_retry = meaning == ErrorMeaning::kPassing;
    decision.transaction_gone = decision.followers_escaped =
        context.in_transaction && meaning == ErrorMeaning::kEndsTransaction;
    decision.probe = context.in_transaction && meaning == ErrorMeaning::kConflict;
    return decision;
}

}  // namespace

RetryDecision classify_failure(std::uint64_t failure_code, std::string_view message,
                               const RetryContext& context) {
    error_info error;
    error.extended_code = static_cast<int>(std::min<std::uint64_t>(failure_code, 0x7fffffff));
    error.message = message;
    const ErrorMeaning meaning = meaning_of(failure_code, message);
    switch (meaning) {
        case ErrorMeaning::kNotProposed:
            error.kind = error_kind::unavailable;
            return not_done(std::move(error), context);
        case ErrorMeaning::kUnknown:
            error.kind = error_kind::unavailable;
            return outcome_unknown(std::move(error), context);
        case ErrorMeaning::kUnexplained:
            return outcome_unknown(std::move(error), context);
        case ErrorMeaning::kRolledBack:
            return rolled_back(std::move(error), context);
        case ErrorMeaning::kBusy:
        case ErrorMeaning::kStale:
            return busy(std::move(error), context, meaning == ErrorMeaning::kStale);
        case ErrorMeaning::kRefused:
        case ErrorMeaning::kConflict:
        case ErrorMeaning::kEndsTransaction:
        case ErrorMeaning::kPassing:
            break;
    }
    return refused(std::move(error), context, meaning);
}

error_info make_error(error_kind kind, int code, std::string message) {
    error_info error;
    error.kind = kind;
    error.extended_code = code;
    error.message = std::move(message);
    return error;
}

error_info misuse(std::string message) {
    return make_error(error_kind::usage, code::kMisuse, std::move(message));
}

error_info unavailable(std::string message) {
    return make_error(error_kind::unavailable, code::kCannotOpen, std::move(message));
}

RetryDecision classify_loss(bool sent, std::string reason, error_kind kind,
                            const RetryContext& context) {
    const int code = kind == error_kind::protocol ? code::kProtocol : code::kIo;
    error_info error = make_error(kind, code, std::move(reason));
    return sent ? outcome_unknown(std::move(error), context) : not_done(std::move(error), context);
}

RetryDecision classify_abandoned(Progress progress, error_kind kind, std::string message,
                                 const RetryContext& context) {
    RetryDecision decision;
    decision.error = make_error(kind, code::kInterrupted, std::move(message));
    decision.error.may_retry = kind == error_kind::deadline;
    if (progress == Progress::kNotSent) return decision;
    const bool unanswered = progress == Progress::kUnanswered;
    // A read that is stopped leaves the transaction as it was.
    const bool read = context.effect == Effect::kRead || context.effect == Effect::kNone;
    decision.leave = unanswered;
    decision.transaction_gone = context.in_transaction && (unanswered || !read);
    if (unanswered && (context.in_transaction ? commits(context) : !reads(context))) {
        leave_in_doubt(decision.error, context);
    }
    return decision;
}

bool may_rerun(const error_info& error, bool idempotent) {
    if (error.kind == error_kind::deadline || error.kind == error_kind::cancelled) return false;
    if (error.verdict == verdict::in_doubt) return idempotent;
    return error.verdict == verdict::not_committed && error.may_retry;
}

Duration Backoff::next(std::uint64_t random) {
    constexpr unsigned kStepMax = 16;
    const auto longest = std::min<std::int64_t>(
        max_.count() * 1000, std::max<std::int64_t>(min_.count(), 1) * 1000 << step_);
    if (step_ < kStepMax) ++step_;
    const auto half = static_cast<std::uint64_t>(std::max<std::int64_t>(longest / 2, 1));
    return std::chrono::microseconds(half + random % half);
}

}  // namespace quorlite::core
