#include "drivers/core/sender.h"

#include "drivers/core/limits.h"

namespace quorlite::core {
namespace {

// Nothing if the request is not one about the cluster.
std::optional<wire::Request> to_wire(const AdminRequest& admin) {
    using wire::RequestType;
    switch (admin.type) {
        case RequestType::kLeader:
            return wire::LeaderRequest{};
        case RequestType::kCluster:
            return wire::ClusterRequest{};
        case RequestType::kAdd:
            return wire::AddRequest{admin.id, admin.address};
        case RequestType::kAssign:
            return wire::AssignRequest{admin.id, wire::Role(admin.number)};
        case RequestType::kRemove:
            return wire::RemoveRequest{admin.id};
        case RequestType::kTransfer:
            return wire::TransferRequest{admin.id};
        case RequestType::kDescribe:
            return wire::DescribeRequest{0};
        case RequestType::kWeight:
            return wire::WeightRequest{admin.number};
        case RequestType::kStatus:
            return wire::StatusRequest{};
        case RequestType::kDump:
            return wire::DumpRequest{admin.address};
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
        case RequestType::kRun:
            break;
    }
    return std::nullopt;
}

}  // namespace

Sender::Outcome Sender::send(Time now) {
    while (!state_.queue.empty() && state_.pipeline.ready()) {
        const OperationPtr operation = state_.queue.front();
        if (held_up(*operation, now)) return Outcome::kWaits;
        if (state_.transaction.lost() && operation->effect != Effect::kRollback) {
            state_.queue.pop_front();
            completion_.end_in_lost_transaction(operation, now);
            continue;
        }
        if (leader_moved()) return Outcome::kLeaderMoved;
        refresh(now);
        if (operation->kind == OperationKind::kConnect) {
            state_.queue.pop_front();
            completion_.finish(operation);
            continue;
        }
        if (needs_prepare(*operation)) {
            const wire::PrepareRequest prepare{1, 0, operation->sql};
            if (state_.pipeline.ask(prepare, nullptr, operation->sql)) return Outcome::kWaits;
        }
        send_front(now);
    }
    return Outcome::kWaits;
}

bool Sender::held_up(const Operation& operation, Time now) const {
    const Pipeline& pipeline = state_.pipeline;
    if (pipeline.leaving || state_.queue.repeats() || operation.not_before > now) return true;
    if (pipeline.empty()) return false;
    if (operation.barrier() || state_.transaction.lost()) return true;
    if (pipeline.back().barrier) return true;
    if (!pipeline.back().sql.empty()) return true;  // a PREPARE is outstanding
    return pipeline.size() >= state_.settings.pipelined_max ||
           pipeline.channel().output().size() >= state_.settings.pipelined_bytes_max;
}

bool Sender::leader_moved() const {
    if (!state_.target.node.empty() || !state_.pipeline.empty() || !state_.transaction.none()) {
        return false;
    }
    const std::string leader = state_.directory->leader();
    return !leader.empty() && leader != state_.pipeline.channel().address();
}

// The list of nodes is asked for in passing.
void Sender::refresh(Time now) {
    if (!state_.target.node.empty() || !state_.pipeline.empty() || !state_.transaction.none()) {
        return;
    }
    if (!state_.directory->refresh_due(now, state_.settings.refresh_interval)) return;
    ask(wire::ClusterRequest{}, nullptr);
}

bool Sender::needs_prepare(const Operation& operation) {
    if (!operation.is_statement()) return false;
    if (operation.preparing == Preparing::kNo || operation.barrier()) return false;
    // Writes that yield rows are always prepared: that tells whether the server replicates them.
    const bool returning = operation.yields_rows && operation.effect != Effect::kRead;
    const bool wanted = operation.preparing == Preparing::kAlways || returning ||
                        state_.statements.repeated(operation.sql);
    if (!wanted || state_.statements.find(operation.sql)) return false;
    return operation.sql.size() <= limits::kLongSqlBytes;
}

void Sender::send_front(Time now) {
    const OperationPtr operation = state_.queue.pop_front();
    state_.transaction.situate(*operation);
    operation->state = Operation::State::kInFlight;
    operation->node = state_.address();
    if (operation->busy_until == kNever) {
        operation->busy_until = later(now, state_.settings.busy_timeout);
    }
    send_request(operation);
}

void Sender::send_request(const OperationPtr& operation) {
    if (operation->is_statement()) return send_statement(operation);
    if (operation->kind == OperationKind::kPrepare) {
        return ask(wire::PrepareRequest{1, 0, operation->sql}, operation, operation->sql);
    }
    const auto request = to_wire(operation->admin);
    if (!request) return completion_.finish(operation, misuse("no such request"));
    ask(*request, operation);
}

void Sender::send_statement(const OperationPtr& operation) {
    const bool rows = operation->kind == OperationKind::kQuery && operation->yields_rows;
    const std::uint8_t schema =
        operation->values > wire::kNarrowTupleCountMax ? wire::kWideTuple : wire::kNarrowTuple;
    wire::Parameters parameters;
    if (operation->values > 0) {
        parameters = wire::Parameters::decode(operation->tuple, schema).value_or(parameters);
    }
    const auto number = operation->barrier() || operation->preparing == Preparing::kNo
                            ? std::nullopt
                            : state_.statements.find(operation->sql);
    if (number && rows) {
        ask(wire::QueryRequest{schema, 0, *number, parameters}, operation);
    } else if (number) {
        ask(wire::ExecRequest{schema, 0, *number, parameters}, operation);
    } else if (rows) {
        ask(wire::QuerySqlRequest{schema, 0, operation->sql, parameters}, operation);
    } else {
        ask(wire::ExecSqlRequest{schema, 0, operation->sql, parameters}, operation);
    }
}

// Sends a request, or finishes its operation if it is too long.
void Sender::ask(const wire::Request& request, const OperationPtr& operation, std::string sql) {
    const auto asked = state_.pipeline.ask(request, operation, std::move(sql));
    if (asked || !operation) return;
    completion_.finish(operation,
                       make_error(error_kind::usage, code::kTooBig, asked.error().message));
}

}  // namespace quorlite::core
