#include "drivers/core/receiver.h"

namespace quorlite::core {
namespace {

std::vector<node_info> nodes_of(const wire::ServersResponse& servers) {
    std::vector<node_info> nodes;
    for (const wire::Server& server : servers.servers) {
        const auto number = static_cast<std::uint64_t>(server.role);
        const node_role role = number <= 2 ? static_cast<node_role>(number) : node_role::spare;
        nodes.push_back({server.id.value(), std::string(server.address), role});
    }
    return nodes;
}

node_progress progress_of(const wire::StatusResponse& status) {
    node_progress progress;
    progress.leads = status.state == wire::ElectionState::kLeader;
    progress.term = status.term;
    progress.leader = status.leader.value();
    progress.first = status.first;
    progress.last = status.last;
    progress.durable = status.durable;
    progress.committed = status.committed;
    progress.applied = status.applied;
    progress.flushed = status.flushed;
    progress.log_bytes = status.log_bytes;
    progress.memory_bytes = status.memory_bytes;
    progress.databases.assign(status.databases.begin(), status.databases.end());
    return progress;
}

// The word that ends a batch; nothing if there is none.
std::optional<wire::RowsEnd> end_of(ByteView content) {
    if (content.size() < wire::kWordBytes) return std::nullopt;
    const auto word =
        load_little<std::uint64_t>(content.data() + content.size() - wire::kWordBytes);
    if (word == wire::kRowsDoneMarker) return wire::RowsEnd::kDone;
    if (word == wire::kRowsPartMarker) return wire::RowsEnd::kPart;
    return std::nullopt;
}

// What a request about the cluster is answered with, into its operation, if anybody wants it. False
// if it is no such answer.
bool take_result(const wire::Response& response, Operation* operation) {
    Operation unwanted;
    Operation& result = operation == nullptr ? unwanted : *operation;
    if (const auto* const servers = std::get_if<wire::ServersResponse>(&response)) {
        result.nodes = nodes_of(*servers);
    } else if (const auto* const leader = std::get_if<wire::ServerResponse>(&response)) {
        result.leader = {leader->id.value(), std::string(leader->address), node_role::voter};
    } else if (const auto* const metadata = std::get_if<wire::MetadataResponse>(&response)) {
        result.metadata = {metadata->failure_domain, metadata->weight};
    } else if (const auto* const status = std::get_if<wire::StatusResponse>(&response)) {
        result.progress = progress_of(*status);
    } else {
        return std::holds_alternative<wire::EmptyResponse>(response);
    }
    return true;
}

}  // namespace

bool Receiver::wants_input() const {
    const Pipeline& pipeline = state_.pipeline;
    if (pipeline.empty()) return true;
    const OperationPtr& reading = pipeline.front().operation;
    if (!reading || reading->whole) return true;
    if (reading->held_bytes < state_.settings.read_ahead_bytes) return true;
    // Somebody waits behind these rows, so they are held until they are wanted.
    return (pipeline.size() > 1 || !state_.queue.empty()) && reading->kind == OperationKind::kQuery;
}

void Receiver::garbage(std::string what) {
    state_.pipeline.lose(std::move(what), error_kind::protocol);
}

void Receiver::read(Time now) {
    const Pipeline& pipeline = state_.pipeline;
    bool more = true;
    while (more && !pipeline.failed() && wants_input()) {
        const bool dump = !pipeline.empty() && pipeline.front().request == wire::RequestType::kDump;
        more = dump ? read_dump(now) : read_message(now);
    }
}

// False if more bytes have to come first.
bool Receiver::read_message(Time now) {
    wire::MessageReader& in = state_.pipeline.channel().input();
    if (state_.pipeline.empty()) {
        if (!in.unread().empty()) garbage("sends what nobody asked for");
        return false;
    }
    const auto message = in.next();
    if (message && !*message) return false;
    const auto response = message ? wire::decode_response((*message)->header, (*message)->body)
                                  : Result<wire::Response>(message.error());
    if (response) {
        answer(*response, now);
    } else {
        garbage(response.error().message);
    }
    return true;
}

// As read_message(), of an answer that is read in parts.
bool Receiver::read_dump(Time now) {
    wire::MessageReader& in = state_.pipeline.channel().input();
    if (!dump_) {
        const auto header = in.header();
        if (header && !*header) return false;
        const auto files = static_cast<std::uint8_t>(wire::ResponseType::kFiles);
        if (!header || (*header)->type != files) return read_message(now);
        dump_.emplace();
    }
    const ByteView part = in.next_part();
    const bool over = in.part_bytes_left() == 0;
    if (part.empty() && !over) return false;
    auto pieces = dump_->take(part);
    if (!pieces) {
        garbage(pieces.error().message);
        return false;
    }
    const OperationPtr operation = state_.pipeline.front().operation;
    for (Piece& piece : *pieces) {
        if (operation) hold(operation, std::move(piece), now);
    }
    if (!over) return true;
    dump_.reset();
    state_.pipeline.pop_front();
    if (operation) completion_.finish(operation);
    return true;
}

void Receiver::answer(const wire::Response& response, Time now) {
    const Outstanding request = state_.pipeline.front();
    using wire::RequestType;
    switch (request.request) {
        case RequestType::kClient:
            return answer_greeting(response);
        case RequestType::kOpen:
            return answer_opening(response);
        case RequestType::kPrepare:
            return answer_prepare(request, response, now);
        case RequestType::kExec:
        case RequestType::kExecSql:
        case RequestType::kQuery:
        case RequestType::kQuerySql:
            return answer_statement(request, response, now);
        case RequestType::kInterrupt:
        case RequestType::kFinalize:
            state_.pipeline.pop_front();
            return;
        case RequestType::kLeader:
        case RequestType::kConnect:
        case RequestType::kAdd:
        case RequestType::kAssign:
        case RequestType::kRemove:
        case RequestType::kDump:
        case RequestType::kCluster:
        case RequestType::kTransfer:
        case RequestType::kDescribe:
        case RequestType::kWeight:
        case RequestType::kStatus:
        case RequestType::kRun:
            return answer_admin(request, response, now);
    }
}

// Of a node that was asked for by its address: which cluster it belongs to, if it tells.
void Receiver::answer_greeting(const wire::Response& response) {
    const bool failed = std::holds_alternative<wire::FailureResponse>(response);
    const auto* const welcome = std::get_if<wire::WelcomeResponse>(&response);
    if (welcome == nullptr && !failed) return garbage("answers another request");
    state_.pipeline.pop_front();
    state_.pipeline.channel().tells_null = !failed && welcome->cluster.has_value();
    const ClusterId cluster = failed ? ClusterId() : welcome->cluster.value_or(ClusterId());
    const std::string node = state_.address();
    const auto refusal = state_.directory->refusal(node, cluster);
    if (refusal) return state_.pipeline.refuse(unavailable(*refusal));
    if (cluster) state_.directory->admit(node, cluster);
}

void Receiver::answer_opening(const wire::Response& response) {
    Pipeline& pipeline = state_.pipeline;
    if (std::holds_alternative<wire::DbResponse>(response)) {
        pipeline.pop_front();
        return pipeline.set_ready();
    }
    const auto* const failure = std::get_if<wire::FailureResponse>(&response);
    if (failure == nullptr) return garbage("does not open a database");
    RetryDecision decision = classify_failure(failure->code, failure->message, {Effect::kRead});
    if (decision.action == RetryAction::kReport) return pipeline.refuse(std::move(decision.error));
    pipeline.lose(std::move(decision.error.message), error_kind::unavailable);
}

// Prepared on its own behalf, or on that of the operation in front of the queue.
void Receiver::answer_prepare(const Outstanding& request, const wire::Response& response,
                              Time now) {
    OperationQueue& queue = state_.queue;
    OperationPtr operation = request.operation;
    const bool ahead = !operation && !queue.empty() && queue.front()->sql == request.sql;
    if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        state_.pipeline.pop_front();
        if (ahead) {
            operation = queue.pop_front();
            state_.transaction.situate(*operation);
            operation->standing = Effect::kRead;  // it was compiled, not executed
        }
        if (operation) completion_.fail(operation, *failure, now);
        return;
    }
    const auto* const statement = std::get_if<wire::StmtResponse>(&response);
    if (statement == nullptr) return garbage("does not prepare");
    state_.pipeline.pop_front();
    keep(request.sql, *statement);
    if (operation) {
        operation->parameters = statement->parameter_count;
        completion_.finish(operation);
    } else if (ahead && statement->schema == 0 && queue.front()->yields_rows &&
               queue.front()->effect == Effect::kWrite) {
        completion_.finish(queue.pop_front(), misuse("this server is too old to replicate a "
                                                     "statement that writes and yields rows: "
                                                     "leave RETURNING out"));
    }
}

// Another statement may have to make room.
void Receiver::keep(const std::string& sql, const wire::StmtResponse& statement) {
    const auto surplus = state_.statements.add(sql, statement.statement, statement.parameter_count);
    if (!surplus) return;
    if (state_.pipeline.ask(wire::FinalizeRequest{0, *surplus}, nullptr)) return;
    state_.pipeline.lose("cannot be told to finalize a statement", error_kind::connection);
}

void Receiver::answer_statement(const Outstanding& request, const wire::Response& response,
                                Time now) {
    const OperationPtr& operation = request.operation;
    if (const auto* const rows = std::get_if<wire::RowsResponse>(&response)) {
        return answer_rows(*rows, now);
    }
    const bool answered = std::holds_alternative<wire::FailureResponse>(response) ||
                          std::holds_alternative<wire::ResultResponse>(response);
    if (request.conflict && answered) {
        state_.pipeline.pop_front();
        return completion_.take_probe(request, response, now);
    }
    if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        state_.pipeline.pop_front();
        if (!operation) return;
        if (operation->interrupted && failure->code == code::kInterrupted) {
            return completion_.stop(operation);
        }
        return completion_.fail(operation, *failure, now);
    }
    if (const auto* const result = std::get_if<wire::ResultResponse>(&response)) {
        state_.pipeline.pop_front();
        if (!operation) return;
        operation->last_insert_id = result->last_insert_id;
        operation->rows_affected = result->rows_affected;
        state_.transaction.follow(*operation);
        return completion_.finish(operation);
    }
    // The one EMPTY that an interrupted statement and its INTERRUPT are answered with.
    const bool stopped = std::holds_alternative<wire::EmptyResponse>(response) &&
                         state_.pipeline.size() > 1 &&
                         state_.pipeline.second().request == wire::RequestType::kInterrupt;
    if (!stopped) return garbage("gives no answer to a statement");
    state_.pipeline.pop_front();
    state_.pipeline.pop_front();
    if (operation) completion_.stop(operation);
}

void Receiver::answer_rows(const wire::RowsResponse& rows, Time now) {
    const Outstanding request = state_.pipeline.front();
    const auto end = end_of(rows.content);
    const bool asked = request.request == wire::RequestType::kQuery ||
                       request.request == wire::RequestType::kQuerySql;
    if (!end || !asked) return garbage("sends rows that are none");
    if (*end == wire::RowsEnd::kDone) state_.pipeline.pop_front();
    const OperationPtr& operation = request.operation;
    if (!operation) return;
    if (!operation->interrupted) {
        Piece piece{Bytes(rows.content.begin(), rows.content.end()),
                    {},
                    0,
                    state_.pipeline.channel().tells_null};
        hold(operation, std::move(piece), now);
    }
    if (*end == wire::RowsEnd::kPart || operation->finished) return;
    if (operation->interrupted) return completion_.stop(operation);
    state_.transaction.follow(*operation);
    completion_.finish(operation);
}

void Receiver::hold(const OperationPtr& operation, Piece piece, Time now) {
    operation->held_bytes += piece.bytes.size();
    operation->pieces.push_back(std::move(piece));
    if (operation->held_bytes <= state_.settings.rows_held_bytes_max) {
        completion_.changed(operation);
        return;
    }
    error_info error =
        classify_abandoned(Progress::kUnanswered, error_kind::usage,
                           "more rows than may be held in memory: read them before the connection "
                           "is used for something else, or raise rows_held_bytes_max",
                           operation->context())
            .error;
    error.extended_code = code::kTooBig;
    const bool outstanding =
        !state_.pipeline.empty() && state_.pipeline.front().operation == operation;
    if (outstanding) return completion_.drop_in_flight(operation, error, now);
    operation->drop_pieces();
    completion_.finish(operation, std::move(error));
}

void Receiver::answer_admin(const Outstanding& request, const wire::Response& response, Time now) {
    const OperationPtr& operation = request.operation;
    if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        state_.pipeline.pop_front();
        if (operation) completion_.fail(operation, *failure, now);
        return;
    }
    const auto* const servers = std::get_if<wire::ServersResponse>(&response);
    if (servers != nullptr && state_.target.node.empty()) {
        state_.nodes_changed = state_.directory->update(nodes_of(*servers)) || state_.nodes_changed;
    }
    if (!take_result(response, operation.get())) return garbage("answers another request");
    state_.pipeline.pop_front();
    if (operation) completion_.finish(operation);
}

}  // namespace quorlite::core
