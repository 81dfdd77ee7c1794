#include "drivers/core/completion.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {
namespace {

// An attempt that may have been carried out leaves every later one in doubt, too.
void note_doubt(Operation& operation, const RetryDecision& decision) {
    if (decision.error.verdict == verdict::in_doubt) operation.in_doubt = true;
}

// What was sent behind the statement that ended its transaction may have been executed outside.
void escape(error_info& error) {
    error.verdict = verdict::in_doubt;
    error.may_retry = false;
}

// A statement that ends every node that executes it must not go round the cluster.
void count_loss(Operation& operation, RetryDecision& decision) {
    if (++operation.losses < limits::kLossesMax) return;
    decision.action = RetryAction::kReport;
    decision.error.may_retry = false;
    decision.error.message += ". The connection broke " + std::to_string(operation.losses) +
                              " times during this statement, which may be the reason: it is not "
                              "sent again";
}

error_info unanswered_in_time(const Operation& operation) {
    return classify_abandoned(Progress::kUnanswered, error_kind::deadline, "not answered in time",
                              operation.context())
        .error;
}

}  // namespace

void Completion::finish(const OperationPtr& operation, std::optional<error_info> error) {
    if (operation->finished) return;
    operation->finished = true;
    operation->state = Operation::State::kDone;
    const std::string node = state_.address();
    if (error && error->node.empty()) error->node = node;
    if (operation->node.empty()) operation->node = node;
    if (!error) state_.connector.reset_pause();
    const bool doubt = operation->in_doubt && error && error->verdict == verdict::not_committed;
    if (doubt) error->verdict = verdict::in_doubt;
    operation->error = std::move(error);
    changed(operation);
}

void Completion::fail_queued(const error_info& error) {
    for (const OperationPtr& operation : state_.queue.take()) finish(operation, error);
}

// ---- Deadlines ----

void Completion::watch(Time deadline) {
    next_deadline_ = std::min(next_deadline_, deadline);
}

void Completion::expire(Time now) {
    if (now < next_deadline_) return;
    std::vector<OperationPtr> overdue;
    state_.queue.add_overdue(now, overdue);
    for (const OperationPtr& each : overdue) {
        state_.queue.remove(each);
        finish(each, late(*each));
    }
    overdue.clear();
    state_.pipeline.add_overdue(now, overdue);
    for (const OperationPtr& each : overdue) drop_in_flight(each, unanswered_in_time(*each), now);
    next_deadline_ =
        std::min(state_.queue.earliest_deadline(), state_.pipeline.earliest_deadline());
}

// Of an operation that was not in flight when its time was over.
error_info Completion::late(const Operation& operation) const {
    error_info error = classify_abandoned(Progress::kNotSent, error_kind::deadline,
                                          "not begun in time", operation.context())
                           .error;
    if (operation.in_doubt) error.message = "not answered in time";
    const std::string why = state_.connector.trouble();
    if (!state_.pipeline.ready() && !why.empty()) {
        error.kind = error_kind::unavailable;
        error.extended_code = code::kCannotOpen;
        error.message = "no leader could be reached in time: " + why;
    }
    return error;
}

// ---- Interrupted and abandoned ----

void Completion::interrupt(const OperationPtr& operation, Time now) {
    if (operation->finished) return;
    if (operation->state == Operation::State::kInFlight && send_interrupt(operation, now)) return;
    if (operation->interrupted) return;
    abandon(operation, now);
}

// Possible only for the request that was sent last: an INTERRUPT stops what runs, and its answer
// could not be told from that of a later request.
bool Completion::send_interrupt(const OperationPtr& operation, Time now) {
    Pipeline& pipeline = state_.pipeline;
    const bool last = !pipeline.empty() && pipeline.back().operation == operation;
    if (!last || !operation->is_statement() || operation->interrupted) return false;
    if (!pipeline.ask(wire::InterruptRequest{}, nullptr)) return false;
    operation->interrupted = true;
    pipeline.drain_by = later(now, state_.settings.interrupt_timeout);
    return true;
}

void Completion::abandon(const OperationPtr& operation, Time now) {
    if (operation->finished) return;
    const bool in_flight =
        operation->state == Operation::State::kInFlight && !state_.queue.repeats(operation);
    const Progress progress = in_flight ? Progress::kUnanswered : Progress::kNotSent;
    error_info error =
        classify_abandoned(progress, error_kind::cancelled, "interrupted", operation->context())
            .error;
    if (in_flight) return drop_in_flight(operation, std::move(error), now);
    state_.queue.remove(operation);
    finish(operation, std::move(error));
}

void Completion::drop_in_flight(const OperationPtr& operation, error_info error, Time now) {
    send_interrupt(operation, now);
    drain_by(later(now, state_.settings.interrupt_timeout));
    state_.pipeline.disown(operation);
    operation->drop_pieces();
    error.node = state_.address();
    if (operation->in_transaction) {
        const bool over = operation->ends_transaction();
        if (over) state_.transaction.end();
        // A read that is stopped leaves the transaction as it was.
        if (!over && operation->standing != Effect::kRead) state_.transaction.lose(error);
    }
    finish(operation, std::move(error));
    // Whether the transaction is open will not be known.
    if (!operation->barrier() || !state_.pipeline.attached()) return;
    state_.pipeline.lose("the answer was not waited for", error_kind::connection);
}

void Completion::drain_by(Time time) {
    state_.pipeline.drain_by = std::min(state_.pipeline.drain_by, time);
}

// Inside a transaction a write that is stopped takes the rest with it.
void Completion::stop(const OperationPtr& operation) {
    RetryDecision decision = classify_abandoned(Progress::kStopped, error_kind::cancelled,
                                                "interrupted", operation->context());
    decision.error.node = state_.address();
    if (decision.transaction_gone) state_.transaction.lose(decision.error);
    operation->drop_pieces();
    finish(operation, std::move(decision.error));
}

// ---- Failed ----

void Completion::fail(const OperationPtr& operation, const wire::FailureResponse& failure,
                      Time now) {
    if (state_.transaction.lost() && operation->effect == Effect::kRollback) {
        // SQLite had rolled it back already.
        state_.transaction.end();
        return finish(operation);
    }
    RetryDecision decision = classify_failure(failure.code, failure.message, operation->context());
    const bool asked = !state_.pipeline.empty() && state_.pipeline.back().conflict;
    if (decision.probe && state_.transaction.open() && !asked) {
        return probe(operation, std::move(decision.error));
    }
    apply(operation, std::move(decision), now);
}

void Completion::apply(const OperationPtr& operation, RetryDecision decision, Time now) {
    const std::string node = state_.address();
    decision.error.node = node;
    note_doubt(*operation, decision);
    if (decision.leave) {
        state_.pipeline.leaving = true;
        drain_by(later(now, state_.settings.connect_timeout));
        state_.directory->lost_leader(node);
        state_.connector.set_trouble(node + ": " + decision.error.message);
    }
    if (decision.transaction_gone && state_.transaction.open()) {
        const bool followed = state_.pipeline.has_statements();
        if (decision.followers_escaped && followed) escape(decision.error);
        const bool over = operation->ends_transaction();
        if (over) state_.transaction.end();
        if (over && !decision.leave) roll_back_remains(now);
        if (!over) state_.transaction.lose(decision.error);
    }
    const bool again = decision.action == RetryAction::kElsewhere ||
                       (decision.action == RetryAction::kWait && pause(operation, now));
    if (again && !operation->interrupted) {
        state_.queue.repeat(operation);
    } else {
        finish(operation, std::move(decision.error));
    }
}

// Whether a busy statement may wait and be sent again.
bool Completion::pause(const OperationPtr& operation, Time now) {
    // What was sent behind it is part of the same transaction, and would overtake it.
    if (operation->in_transaction && !state_.pipeline.empty()) return false;
    if (now >= operation->busy_until) return false;
    const options& settings = state_.settings;
    if (!operation->backoff) {
        operation->backoff.emplace(settings.retry_pause_min,
                                   std::min(settings.retry_pause_max, limits::kBusyPauseMax));
    }
    operation->not_before =
        std::min(now + operation->backoff->next(state_.generator()), operation->busy_until);
    return true;
}

// Whether the transaction has survived the conflict only the server knows: RAISE(ROLLBACK), or ON
// CONFLICT ROLLBACK wherever it is declared, ends it. BEGIN is refused inside of one; if it is not,
// the new transaction stands in for the lost one until that is rolled back.
void Completion::probe(const OperationPtr& operation, error_info error) {
    const bool followed = state_.pipeline.has_statements();
    if (!state_.pipeline.ask(wire::ExecSqlRequest{wire::kNarrowTuple, 0, "BEGIN", {}}, operation)) {
        return finish(operation, std::move(error));
    }
    state_.pipeline.back().barrier = true;
    state_.pipeline.back().conflict = Conflict{std::move(error), followed};
}

void Completion::take_probe(const Outstanding& probe, const wire::Response& response, Time now) {
    const auto* const failure = std::get_if<wire::FailureResponse>(&response);
    const bool survived = failure != nullptr && failure->code == code::kError;
    if (!probe.operation) return;
    if (failure != nullptr && !survived) return fail(probe.operation, *failure, now);
    RetryDecision decision;
    decision.error = probe.conflict->error;
    decision.transaction_gone = !survived;
    if (!survived && probe.conflict->followed) escape(decision.error);
    apply(probe.operation, std::move(decision), now);
}

void Completion::end_in_lost_transaction(const OperationPtr& operation, Time now) {
    if (operation->effect == Effect::kRollback) {
        state_.transaction.end();
        return finish(operation);
    }
    error_info error = state_.transaction.cause();
    error.message = "the transaction was lost and has to be rolled back: " + error.message;
    // A COMMIT that fails so ends the transaction.
    if (operation->effect == Effect::kCommit) {
        state_.transaction.end();
        roll_back_remains(now);
    }
    finish(operation, std::move(error));
}

// A transaction that is over for its owner may still be open on the server, and what comes next
// must not become a part of it.
void Completion::roll_back_remains(Time now) {
    Pipeline& pipeline = state_.pipeline;
    if (!pipeline.ready()) return;
    if (!pipeline.ask(wire::ExecSqlRequest{wire::kNarrowTuple, 0, "ROLLBACK", {}}, nullptr)) {
        return pipeline.lose("cannot be told to roll back", error_kind::connection);
    }
    pipeline.back().barrier = true;
    drain_by(later(now, state_.settings.interrupt_timeout));
}

// ---- Their channel lost ----

void Completion::lose_outstanding(const error_info& loss) {
    bool first = true;
    for (const Outstanding& each : state_.pipeline.take_outstanding()) {
        if (!each.operation || each.operation->finished) continue;
        const bool sent = state_.pipeline.channel().sent(each.mark);
        RetryDecision decision =
            classify_loss(sent, loss.message, loss.kind, each.operation->context());
        decision.error.node = loss.node;
        // Of those that were sent it is the first that ran.
        if (sent && std::exchange(first, false)) count_loss(*each.operation, decision);
        lose(each.operation, std::move(decision));
    }
}

void Completion::lose(const OperationPtr& operation, RetryDecision decision) {
    if (operation->interrupted) decision.action = RetryAction::kReport;
    if (operation->interrupted && decision.error.verdict == verdict::not_committed) {
        decision.error.kind = error_kind::cancelled;
        decision.error.extended_code = code::kInterrupted;
    }
    note_doubt(*operation, decision);
    if (decision.action == RetryAction::kElsewhere) return state_.queue.repeat(operation);
    if (!operation->in_transaction) return finish(operation, std::move(decision.error));
    // A COMMIT ends the transaction for its owner, whatever became of it. And a transaction that
    // nobody can commit any more is rolled back: a ROLLBACK has done what was wanted.
    if (operation->ends_transaction()) {
        state_.transaction.end();
    } else {
        state_.transaction.lose(decision.error);
    }
    if (operation->standing == Effect::kRollback) return finish(operation);
    finish(operation, std::move(decision.error));
}

}  // namespace quorlite::core
