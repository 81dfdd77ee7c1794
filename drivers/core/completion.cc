// How operations end: answered, failed, out of time, interrupted; and what that means for the
// transaction that they were part of.
#include <algorithm>

#include "drivers/core/connection.h"

namespace quorlite::core {

void Connection::finish(const OperationPtr& operation, std::optional<error_info> error) {
    if (operation->finished) return;
    operation->finished = true;
    operation->state = Operation::State::kDone;
    if (error && error->node.empty()) error->node = address();
    if (operation->node.empty()) operation->node = address();
    if (!error) backoff_.reset();
    const bool doubt = operation->in_doubt && error && error->verdict == verdict::not_committed;
    if (doubt) error->verdict = verdict::in_doubt;
    operation->error = std::move(error);
    changed_.push_back(operation);
}

void Connection::fail_queued(const error_info& error) {
    for (const OperationPtr& operation : std::exchange(queue_, {})) finish(operation, error);
}

error_info Connection::late(const Operation& operation) const {
    error_info error = classify_abandoned(Progress::kNotSent, error_kind::deadline,
                                          "not begun in time", operation.context())
                           .error;
    if (operation.in_doubt) error.message = "not answered in time";
    const std::string why = trouble_.empty() && search_ ? search_->story_so_far() : trouble_;
    if (phase_ != Phase::kReady && !why.empty()) {
        error.kind = error_kind::unavailable;
        error.extended_code = code::kCannotOpen;
        error.message = "no leader could be reached in time: " + why;
    }
    return error;
}

void Connection::expire(Time now) {
    if (now >= give_up_ && main_) {
        lose(phase_ == Phase::kDialling ? "cannot be reached in time" : "does not answer",
             error_kind::connection, now);
    }
    if (now >= drain_by_ && main_) lose("does not answer", error_kind::connection, now);
    if (now < next_deadline_) return;
    next_deadline_ = kNever;
    std::vector<OperationPtr> over;
    for (const OperationPtr& each : queue_) {
        if (each->deadline <= now) over.push_back(each);
    }
    for (const OperationPtr& each : again_) {
        if (each->deadline <= now) over.push_back(each);
    }
    for (const OperationPtr& each : over) {
        std::erase(queue_, each);
        std::erase(again_, each);
        finish(each, late(*each));
    }
    over.clear();
    for (const Expected& each : expected_) {
        if (each.operation && each.operation->deadline <= now) over.push_back(each.operation);
    }
    for (const OperationPtr& each : over) {
        drop_in_flight(each,
                       classify_abandoned(Progress::kUnanswered, error_kind::deadline,
                                          "not answered in time", each->context())
                           .error,
                       now);
    }
    for (const OperationPtr& each : queue_) {
        next_deadline_ = std::min(next_deadline_, each->deadline);
    }
    for (const OperationPtr& each : again_) {
        next_deadline_ = std::min(next_deadline_, each->deadline);
    }
    for (const Expected& each : expected_) {
        if (each.operation) next_deadline_ = std::min(next_deadline_, each.operation->deadline);
    }
}

// Possible only for the request that was sent last: an INTERRUPT stops what runs, and its answer
// could not be told from that of a later request.
bool Connection::send_interrupt(const OperationPtr& operation, Time now) {
    const bool last = !expected_.empty() && expected_.back().operation == operation;
    const bool statement =
        operation->kind == OperationKind::kExecute || operation->kind == OperationKind::kQuery;
    if (!last || !statement || operation->interrupted) return false;
    operation->interrupted = true;
    expect(wire::InterruptRequest{}, nullptr);
    drain_by_ = later(now, settings_.interrupt_timeout);
    return true;
}

void Connection::interrupt(const OperationPtr& operation, Time now) {
    if (operation->finished) return;
    if (operation->state == Operation::State::kInFlight && send_interrupt(operation, now)) return;
    if (operation->interrupted) return;
    abandon(operation, now);
}

void Connection::abandon(const OperationPtr& operation, Time now) {
    if (operation->finished) return;
    const bool in_flight = operation->state == Operation::State::kInFlight &&
                           std::find(again_.begin(), again_.end(), operation) == again_.end();
    const Progress progress = in_flight ? Progress::kUnanswered : Progress::kNotSent;
    error_info error =
        classify_abandoned(progress, error_kind::cancelled, "interrupted", operation->context())
            .error;
    if (in_flight) {
        drop_in_flight(operation, std::move(error), now);
    } else {
        std::erase(queue_, operation);
        std::erase(again_, operation);
        finish(operation, std::move(error));
    }
    advance(now);
}

// Ends an operation whose answer is still to come.
void Connection::drop_in_flight(const OperationPtr& operation, error_info error, Time now) {
    send_interrupt(operation, now);
    drain_by_ = std::min(drain_by_, later(now, settings_.interrupt_timeout));
    for (Expected& each : expected_) {
        if (each.operation == operation) each.operation = nullptr;
    }
    operation->pieces.clear();
    operation->held_bytes = 0;
    error.node = address();
    const bool barrier = operation->barrier();
    if (operation->in_transaction) {
        const bool over =
            operation->standing == Effect::kCommit || operation->standing == Effect::kRollback;
        if (over) transaction_ = Transaction::kNone;
        // A read that is stopped leaves the transaction as it was.
        if (!over && operation->standing != Effect::kRead) lose_transaction(error);
    }
    finish(operation, std::move(error));
    // Whether the transaction is open will not be known: the channel is of no use any more.
    if (barrier && main_) lose("the answer was not waited for", error_kind::connection, now);
}

// What the rules say is done.
void Connection::apply(const OperationPtr& operation, RetryDecision decision, Time now) {
    decision.error.node = address();
    note_doubt(*operation, decision);
    if (decision.leave) {
        leaving_ = true;
        drain_by_ = std::min(drain_by_, later(now, settings_.connect_timeout));
        directory_->lost_leader(address());
        trouble_ = address() + ": " + decision.error.message;
    }
    if (decision.transaction_gone && transaction_ == Transaction::kOpen) {
        if (decision.followers_escaped && followed()) escape(decision.error);
        const bool over =
            operation->standing == Effect::kCommit || operation->standing == Effect::kRollback;
        if (over) transaction_ = Transaction::kNone;
        if (over && !decision.leave) roll_back_remains(now);
        if (!over) lose_transaction(decision.error);
    }
    const bool again = decision.action == RetryAction::kElsewhere ||
                       (decision.action == RetryAction::kWait && pause(operation, now));
    if (again && !operation->interrupted) {
        again_.push_back(operation);
    } else {
        finish(operation, std::move(decision.error));
    }
}

// An attempt that may have been carried out leaves every later one in doubt, too.
void Connection::note_doubt(Operation& operation, const RetryDecision& decision) {
    if (decision.error.verdict == verdict::in_doubt) operation.in_doubt = true;
}

// Whether statements have been sent whose answers are outstanding.
bool Connection::followed() const {
    return std::any_of(expected_.begin(), expected_.end(), [](const Expected& each) {
        return each.request != wire::RequestType::kInterrupt &&
               each.request != wire::RequestType::kFinalize;
    });
}

// What was sent behind the statement that ended its transaction may have been executed outside.
void Connection::escape(error_info& error) {
    error.verdict = verdict::in_doubt;
    error.may_retry = false;
}

// Whether a busy statement may wait and be sent again.
bool Connection::pause(const OperationPtr& operation, Time now) {
    // What was sent behind it is part of the same transaction, and would overtake it.
    if (operation->in_transaction && !expected_.empty()) return false;
    if (now >= operation->busy_until) return false;
    if (!operation->backoff) {
        operation->backoff.emplace(settings_.retry_pause_min,
                                   std::min(settings_.retry_pause_max, kBusyPauseMax));
    }
    operation->not_before =
        std::min(now + operation->backoff->next(random()), operation->busy_until);
    return true;
}

void Connection::lose_transaction(const error_info& because) {
    transaction_ = Transaction::kLost;
    lost_because_ = because;
    savepoints_.clear();
}

namespace {

bool same_savepoint(const std::string& left, const std::string& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        return lower(a) == lower(b);
    });
}

}  // namespace

// Where the statement stands now: what it would mean for the transaction.
void Connection::situate(Operation& operation) const {
    operation.in_transaction = transaction_ != Transaction::kNone;
    operation.standing = operation.effect;
    if (operation.effect == Effect::kSavepoint) {
        operation.standing = operation.in_transaction ? Effect::kWrite : Effect::kBegin;
    } else if (operation.effect == Effect::kRelease) {
        const bool outermost = operation.in_transaction && !began_ && !savepoints_.empty() &&
                               same_savepoint(savepoints_.front(), operation.savepoint);
        operation.standing = outermost ? Effect::kCommit : Effect::kWrite;
    } else if (operation.effect == Effect::kRollbackTo) {
        operation.standing = Effect::kWrite;
    }
}

// The server has done it.
void Connection::follow_transaction(const Operation& operation) {
    if (!operation.barrier()) return;
    if (operation.standing == Effect::kCommit || operation.standing == Effect::kRollback) {
        transaction_ = Transaction::kNone;
        savepoints_.clear();
    } else if (operation.standing == Effect::kBegin) {
        transaction_ = Transaction::kOpen;
        began_ = operation.effect == Effect::kBegin;
    }
    if (operation.effect == Effect::kSavepoint) savepoints_.push_back(operation.savepoint);
    if (operation.effect != Effect::kRelease && operation.effect != Effect::kRollbackTo) return;
    for (std::size_t i = savepoints_.size(); i > 0; --i) {
        if (!same_savepoint(savepoints_[i - 1], operation.savepoint)) continue;
        savepoints_.resize(operation.effect == Effect::kRelease ? i - 1 : i);
        return;
    }
}

}  // namespace quorlite::core
