// Completion: how operations end: answered, failed, out of time, interrupted, their channel lost;
// and what that means for the transaction that they were part of.
//
// What the retry rules (rules.h) decide is carried out here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/connection_state.h"

namespace quorlite::core {

class Completion {
public:
    explicit Completion(ConnectionState& state) : state_(state) {}

    void finish(const OperationPtr& operation, std::optional<error_info> error = std::nullopt);
    void fail_queued(const error_info& error);
    // The server answered with a FAILURE.
    void fail(const OperationPtr& operation, const wire::FailureResponse& failure, Time now);
    // The server says that an INTERRUPT stopped it.
    void stop(const OperationPtr& operation);
    // The answer to the question whether its transaction has survived.
    void take_probe(const Outstanding& probe, const wire::Response& response, Time now);
    // A statement, when the transaction that it believes to be in is gone.
    void end_in_lost_transaction(const OperationPtr& operation, Time now);
    // The channel is gone, and what was outstanding on it will never be answered.
    void lose_outstanding(const error_info& loss);

    // See Connection.
    void interrupt(const OperationPtr& operation, Time now);
    void abandon(const OperationPtr& operation, Time now);
    // Ends an operation whose answer is still to come.
    void drop_in_flight(const OperationPtr& operation, error_info error, Time now);

    // An operation's deadline is kept once it was told here.
    void watch(Time deadline);
    void expire(Time now);
    // Not after any operation's.
    Time next_deadline() const { return next_deadline_; }

    // The caller of this operation has something to look at.
    void changed(const OperationPtr& operation) { changed_.push_back(operation); }
    std::vector<OperationPtr> take_changed() { return std::exchange(changed_, {}); }

private:
    void apply(const OperationPtr& operation, RetryDecision decision, Time now);
    bool pause(const OperationPtr& operation, Time now);
    void probe(const OperationPtr& operation, error_info error);
    void roll_back_remains(Time now);
    bool send_interrupt(const OperationPtr& operation, Time now);
    error_info late(const Operation& operation) const;
    void lose(const OperationPtr& operation, RetryDecision decision);
    void drain_by(Time time);

    ConnectionState& state_;
    Time next_deadline_ = kNever;
    std::vector<OperationPtr> changed_;
};

}  // namespace quorlite::core
