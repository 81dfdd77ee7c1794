// What a connection sends, and when.
#include <algorithm>

#include "drivers/core/connection.h"
#include "drivers/core/limits.h"

namespace quorlite::core {

void Connection::send(Time now) {
    while (!queue_.empty() && phase_ == Phase::kReady && send_first(now)) {
    }
}

// Sends the request of the operation in front of the queue, or one that must come before it. False
// if it has to wait.
bool Connection::send_first(Time now) {
    const OperationPtr operation = queue_.front();
    if (held_up(*operation, now)) return false;
    if (transaction_ == Transaction::kLost) {
        const bool rollback = operation->effect == Effect::kRollback;
        if (!rollback) {
            queue_.pop_front();
            end_in_lost_transaction(operation, now);
            return true;
        }
    } else if (leader_moved()) {
        leave();
        connect(now);
        return false;
    }
    refresh(now);
    if (operation->kind == OperationKind::kConnect) {
        queue_.pop_front();
        finish(operation);
        return true;
    }
    if (!prepared(*operation)) return false;
    queue_.pop_front();
    if (operation->finished) return true;
    situate(*operation);
    operation->state = Operation::State::kInFlight;
    operation->node = address();
    if (operation->busy_until == kNever) {
        operation->busy_until = later(now, settings_.busy_timeout);
    }
    const bool statement =
        operation->kind == OperationKind::kExecute || operation->kind == OperationKind::kQuery;
    if (statement) {
        send_statement(operation);
    } else if (operation->kind != OperationKind::kPrepare) {
        send_admin(operation);
    } else {
        expect(wire::PrepareRequest{1, 0, operation->sql}, operation, operation->sql);
    }
    return true;
}

bool Connection::held_up(const Operation& operation, Time now) const {
    if (leaving_ || !again_.empty() || operation.not_before > now) return true;
    if (expected_.empty()) return false;
    if (operation.barrier() || transaction_ == Transaction::kLost) return true;
    if (expected_.back().barrier) return true;
    if (!expected_.back().sql.empty()) return true;  // a PREPARE is outstanding
    return expected_.size() >= settings_.pipelined_max ||
           main_->output().size() >= settings_.pipelined_bytes_max;
}

bool Connection::leader_moved() const {
    if (!target_.node.empty() || !expected_.empty() || transaction_ != Transaction::kNone) {
        return false;
    }
    const std::string leader = directory_->leader();
    return !leader.empty() && leader != main_->address();
}

// A statement, when the transaction that it believes to be in is gone.
void Connection::end_in_lost_transaction(const OperationPtr& operation, Time now) {
    if (operation->effect == Effect::kRollback) {
        transaction_ = Transaction::kNone;
        return finish(operation);
    }
    error_info error = lost_because_;
    error.message = "the transaction was lost and has to be rolled back: " + error.message;
    // A COMMIT that fails so ends the transaction.
    if (operation->effect == Effect::kCommit) {
        transaction_ = Transaction::kNone;
        roll_back_remains(now);
    }
    finish(operation, std::move(error));
}

// A transaction that is over for its owner may still be open on the server, and what comes next
// must not become a part of it.
void Connection::roll_back_remains(Time now) {
    if (phase_ != Phase::kReady) return;
    expect(wire::ExecSqlRequest{wire::kNarrowTuple, 0, "ROLLBACK", {}}, nullptr);
    expected_.back().barrier = true;
    drain_by_ = std::min(drain_by_, later(now, settings_.interrupt_timeout));
}

// Whether the transaction has survived the conflict only the server knows: RAISE(ROLLBACK), or ON
// CONFLICT ROLLBACK wherever it is declared, ends it. BEGIN is refused inside of one; if it is not,
// the new transaction stands in for the lost one until that is rolled back.
void Connection::probe(const OperationPtr& operation, error_info error) {
    const bool behind = followed();
    expect(wire::ExecSqlRequest{wire::kNarrowTuple, 0, "BEGIN", {}}, operation);
    expected_.back().barrier = true;
    expected_.back().conflict = Conflict{std::move(error), behind};
}

// False if a PREPARE has to be answered first, which has been sent.
bool Connection::prepared(const Operation& operation) {
    if (operation.kind != OperationKind::kExecute && operation.kind != OperationKind::kQuery) {
        return true;
    }
    if (operation.preparing == Preparing::kNo || operation.barrier()) return true;
    // Writes that yield rows are always prepared: that tells whether the server replicates them.
    const bool returning = operation.yields_rows && operation.effect != Effect::kRead;
    const bool wanted = operation.preparing == Preparing::kAlways || returning ||
                        statements_.repeated(operation.sql);
    if (!wanted || statements_.find(operation.sql)) return true;
    if (operation.sql.size() > limits::kLongSqlBytes) return true;
    expect(wire::PrepareRequest{1, 0, operation.sql}, nullptr, operation.sql);
    return false;
}

void Connection::expect(const wire::Request& request, OperationPtr operation, std::string sql) {
    const auto mark = main_->append(request);
    if (!mark) {
        if (!operation) return;
        error_info error;
        error.kind = error_kind::usage;
        error.extended_code = code::kTooBig;
        error.message = mark.error().message;
        return finish(operation, std::move(error));
    }
    const auto type = std::visit([](const auto& each) { return each.kType; }, request);
    const bool barrier = operation && operation->barrier() &&
                         operation->kind != OperationKind::kAdmin &&
                         operation->kind != OperationKind::kDump;
    expected_.push_back({type, std::move(operation), *mark, std::move(sql), barrier});
}

void Connection::send_statement(const OperationPtr& operation) {
    const bool rows = operation->kind == OperationKind::kQuery && operation->yields_rows;
    const std::uint8_t schema =
        operation->values > wire::kNarrowTupleCountMax ? wire::kWideTuple : wire::kNarrowTuple;
    wire::Parameters parameters;
    if (operation->values > 0) {
        parameters = wire::Parameters::decode(operation->tuple, schema).value_or(parameters);
    }
    const auto number = operation->barrier() || operation->preparing == Preparing::kNo
                            ? std::nullopt
                            : statements_.find(operation->sql);
    if (number && rows) {
        expect(wire::QueryRequest{schema, 0, *number, parameters}, operation);
    } else if (number) {
        expect(wire::ExecRequest{schema, 0, *number, parameters}, operation);
    } else if (rows) {
        expect(wire::QuerySqlRequest{schema, 0, operation->sql, parameters}, operation);
    } else {
        expect(wire::ExecSqlRequest{schema, 0, operation->sql, parameters}, operation);
    }
}

void Connection::send_admin(const OperationPtr& operation) {
    const AdminRequest& admin = operation->admin;
    const auto ask = [&](const wire::Request& request) { expect(request, operation); };
    using wire::RequestType;
    switch (admin.type) {
        case RequestType::kLeader:
            return ask(wire::LeaderRequest{});
        case RequestType::kCluster:
            return ask(wire::ClusterRequest{});
        case RequestType::kAdd:
            return ask(wire::AddRequest{admin.id, admin.address});
        case RequestType::kAssign:
            return ask(wire::AssignRequest{admin.id, wire::Role(admin.number)});
        case RequestType::kRemove:
            return ask(wire::RemoveRequest{admin.id});
        case RequestType::kTransfer:
            return ask(wire::TransferRequest{admin.id});
        case RequestType::kDescribe:
            return ask(wire::DescribeRequest{0});
        case RequestType::kWeight:
            return ask(wire::WeightRequest{admin.number});
        case RequestType::kStatus:
            return ask(wire::StatusRequest{});
        case RequestType::kDump:
            return ask(wire::DumpRequest{admin.address});
        case RequestType::kClient:
        case RequestType::kOpen:
        case RequestType::kPrepare:
        case RequestType::kExec:
        case RequestType::kQuery:
        case RequestType::kFinalize:
        case RequestType::kExecSql:
        case RequestType::kQuerySql:
        case RequestType::kInterrupt:
        case RequestType::kConnect:
            break;
    }
    finish(operation, misuse("no such request"));
}

// The list of nodes is asked for in passing.
void Connection::refresh(Time now) {
    if (!target_.node.empty() || !expected_.empty() || transaction_ != Transaction::kNone) return;
    if (!directory_->refresh_due(now, settings_.refresh_interval)) return;
    expect(wire::ClusterRequest{}, nullptr);
}

}  // namespace quorlite::core
