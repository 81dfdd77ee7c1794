#include "drivers/core/rules.h"

#include <algorithm>

namespace quorlite::core {
namespace {

constexpr std::uint64_t kNotLeaderOld = 8202;
constexpr std::uint64_t kLeadershipLostOld = 8458;

// Begins no work, so there is nothing that could be done twice.
bool harmless(const Situation& situation) {
    return situation.effect == Effect::kRead || situation.effect == Effect::kBegin ||
           situation.effect == Effect::kNone || situation.idempotent;
}

bool commits(const Situation& situation) {
    return situation.in_transaction &&
           (situation.effect == Effect::kCommit || situation.effect == Effect::kRelease);
}

// A statement whose handle the server dropped when it lost, and got back, the leadership.
bool handle_gone(std::uint64_t failure_code, std::string_view message) {
    return failure_code == code::kNotFound &&
           (message == "no database opened" || message == "no statement with the given id");
}

// Nothing was done: outside of a transaction it is tried again.
Judgement not_done(error_info error, const Situation& situation) {
    Judgement judgement{Remedy::kNone, std::move(error), true, situation.in_transaction};
    judgement.error.verdict = verdict::not_committed;
    judgement.error.may_retry = true;
    if (!situation.in_transaction && !situation.delivered) judgement.remedy = Remedy::kElsewhere;
    return judgement;
}

// Nobody knows whether it was done.
Judgement outcome_unknown(error_info error, const Situation& situation) {
    if (situation.in_transaction ? !commits(situation) : harmless(situation)) {
        return not_done(std::move(error), situation);
    }
    Judgement judgement{Remedy::kNone, std::move(error), true, situation.in_transaction};
    judgement.error.verdict = verdict::in_doubt;
    judgement.error.may_retry = true;  // by somebody who knows that twice does no harm
    return judgement;
}

Judgement busy(error_info error, const Situation& situation) {
    error.kind = error_kind::busy;
    error.may_retry = true;
    const bool stale = error.extended_code == code::kBusySnapshot && situation.in_transaction;
    const bool again = !stale && !situation.delivered;
    return {again ? Remedy::kPause : Remedy::kNone, std::move(error), false, stale};
}

// After these SQLite has, or may have, rolled the transaction back by itself.
bool ends_transaction(const error_info& error) {
    switch (error.extended_code & 0xff) {
        case 7:   // no memory
        case 9:   // interrupted
        case 10:  // input or output
        case 11:  // corrupt
        case 13:  // full
            return true;
        default:
            return false;
    }
}

}  // namespace

Judgement judge_failure(std::uint64_t failure_code, std::string_view message,
                        const Situation& situation) {
    error_info error;
    error.extended_code = static_cast<int>(std::min<std::uint64_t>(failure_code, 0x7fffffff));
    error.message = message;
    if (failure_code == code::kNotLeader || failure_code == kNotLeaderOld ||
        handle_gone(failure_code, message)) {
        error.kind = error_kind::unavailable;
        return not_done(std::move(error), situation);
    }
    if (failure_code == code::kLeadershipLost || failure_code == kLeadershipLostOld) {
        error.kind = error_kind::unavailable;
        return outcome_unknown(std::move(error), situation);
    }
    if ((failure_code & 0xff) == code::kBusy) return busy(std::move(error), situation);
    if (failure_code == code::kIo && message == "leader exec failed") {
        // What dqlite says when it has no better word, a node that shuts down included.
        return outcome_unknown(std::move(error), situation);
    }
    if (message == "leadership transfer failed") error.may_retry = true;
    const bool gone = situation.in_transaction && ends_transaction(error);
    return {Remedy::kNone, std::move(error), false, gone};
}

error_info misuse(std::string message) {
    error_info error;
    error.kind = error_kind::usage;
    error.extended_code = code::kMisuse;
    error.message = std::move(message);
    return error;
}

Judgement judge_loss(bool sent, std::string reason, error_kind kind, const Situation& situation) {
    error_info error;
    error.kind = kind;
    error.extended_code = kind == error_kind::protocol ? code::kProtocol : code::kIo;
    error.message = std::move(reason);
    return sent ? outcome_unknown(std::move(error), situation)
                : not_done(std::move(error), situation);
}

error_info judge_abandoned(bool sent, error_kind kind, std::string message,
                           const Situation& situation) {
    error_info error;
    error.kind = kind;
    error.extended_code = code::kInterrupted;
    error.message = std::move(message);
    const bool unknown =
        sent && (situation.in_transaction ? commits(situation)
                                          : !harmless(situation) || situation.idempotent);
    const bool reads = situation.effect == Effect::kRead || situation.effect == Effect::kBegin;
    if (unknown && !reads) error.verdict = verdict::in_doubt;
    error.may_retry = error.verdict == verdict::not_committed && kind != error_kind::cancelled;
    return error;
}

bool may_rerun(const error_info& error, bool idempotent) {
    if (error.verdict == verdict::in_doubt) return idempotent && error.may_retry;
    return error.verdict == verdict::not_committed && error.may_retry &&
           error.kind != error_kind::deadline && error.kind != error_kind::cancelled;
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
