// What a connection makes of what it receives.
#include "drivers/core/connection.h"
#include "drivers/core/limits.h"

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

}  // namespace

bool Connection::wants_input(ChannelId id) const {
    if (!main_ || id != main_id_ || expected_.empty()) return true;
    const OperationPtr& reading = expected_.front().operation;
    if (!reading || reading->whole || reading->held_bytes < settings_.read_ahead_bytes) return true;
    // Somebody waits behind these rows, so they are held until they are wanted.
    return (expected_.size() > 1 || !queue_.empty()) && reading->kind == OperationKind::kQuery;
}

void Connection::read(Time now) {
    while (main_ && wants_input(main_id_)) {
        if (expected_.empty()) {
            if (main_->input().unread().empty()) return;
            return lose("sends what nobody asked for", error_kind::protocol, now);
        }
        if (expected_.front().request == wire::RequestType::kDump) {
            if (!read_dump(now)) return;
            continue;
        }
        const auto message = main_->input().next();
        if (!message) return lose(message.error().message, error_kind::protocol, now);
        if (!*message) return;
        const auto response = wire::decode_response((*message)->header, (*message)->body);
        if (!response) return lose(response.error().message, error_kind::protocol, now);
        answer(*response, now);
    }
}

void Connection::answer(const wire::Response& response, Time now) {
    const Expected expected = expected_.front();
    using wire::RequestType;
    switch (expected.request) {
        case RequestType::kClient:
            return answer_greeting(response, now);
        case RequestType::kOpen:
            return answer_opening(response, now);
        case RequestType::kPrepare:
            return answer_prepare(expected, response, now);
        case RequestType::kExec:
        case RequestType::kExecSql:
        case RequestType::kQuery:
        case RequestType::kQuerySql:
            return answer_statement(expected, response, now);
        case RequestType::kInterrupt:
        case RequestType::kFinalize:
            expected_.pop_front();
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
            return answer_admin(expected, response, now);
    }
}

// Of a node that was asked for by its address: which cluster it belongs to, if it tells.
void Connection::answer_greeting(const wire::Response& response, Time now) {
    const bool failed = std::holds_alternative<wire::FailureResponse>(response);
    const auto* const welcome = std::get_if<wire::WelcomeResponse>(&response);
    if (welcome == nullptr && !failed) {
        return lose("answers another request", error_kind::protocol, now);
    }
    expected_.pop_front();
    main_->tells_null = !failed && welcome->cluster.has_value();
    const ClusterId cluster = failed ? ClusterId() : welcome->cluster.value_or(ClusterId());
    const auto refusal = directory_->refusal(address(), cluster);
    if (refusal) return refuse(*refusal);
    if (cluster) directory_->admit(address(), cluster);
}

void Connection::answer_opening(const wire::Response& response, Time now) {
    give_up_ = kNever;
    if (std::holds_alternative<wire::DbResponse>(response)) {
        expected_.pop_front();
        phase_ = Phase::kReady;
        return;
    }
    const auto* const failure = std::get_if<wire::FailureResponse>(&response);
    if (failure == nullptr) return lose("does not open a database", error_kind::protocol, now);
    const RetryDecision decision =
        classify_failure(failure->code, failure->message, {Effect::kRead});
    if (decision.action != RetryAction::kReport) {
        return lose(decision.error.message, error_kind::unavailable, now);
    }
    expected_.pop_front();
    error_info error = decision.error;
    error.node = address();
    expected_.clear();
    leave();
    fail_queued(error);
}

void Connection::answer_prepare(const Expected& expected, const wire::Response& response,
                                Time now) {
    // Prepared on its own behalf, or on that of the operation in front of the queue.
    OperationPtr operation = expected.operation;
    expected_.pop_front();
    const bool ahead = !operation && !queue_.empty() && queue_.front()->sql == expected.sql;
    if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        if (ahead) {
            operation = queue_.front();
            queue_.pop_front();
            situate(*operation);
            operation->standing = Effect::kRead;  // it was compiled, not executed
        }
        if (operation) take_failure(operation, *failure, now);
        return;
    }
    const auto* const statement = std::get_if<wire::StmtResponse>(&response);
    if (statement == nullptr) return lose("does not prepare", error_kind::protocol, now);
    const auto surplus =
        statements_.add(expected.sql, statement->statement, statement->parameter_count);
    if (surplus) expect(wire::FinalizeRequest{0, *surplus}, nullptr);
    if (operation) {
        operation->parameters = statement->parameter_count;
        finish(operation);
    } else if (ahead && statement->schema == 0 && queue_.front()->yields_rows &&
               queue_.front()->effect == Effect::kWrite) {
        operation = queue_.front();
        queue_.pop_front();
        error_info too_old = misuse(
            "this server is too old to replicate a statement that writes and yields rows: leave "
            "RETURNING out");
        too_old.node = address();
        finish(operation, std::move(too_old));
    }
}

void Connection::answer_statement(const Expected& expected, const wire::Response& response,
                                  Time now) {
    const OperationPtr& operation = expected.operation;
    if (const auto* const rows = std::get_if<wire::RowsResponse>(&response)) {
        return answer_rows(*rows, now);
    }
    const bool answered = std::holds_alternative<wire::FailureResponse>(response) ||
                          std::holds_alternative<wire::ResultResponse>(response);
    if (expected.conflict && answered) {
        expected_.pop_front();
        return take_probe(expected, response, now);
    }
    if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        expected_.pop_front();
        if (!operation) return;
        if (operation->interrupted && failure->code == code::kInterrupted) {
            return take_stopped(operation);
        }
        return take_failure(operation, *failure, now);
    }
    if (const auto* const result = std::get_if<wire::ResultResponse>(&response)) {
        expected_.pop_front();
        if (!operation) return;
        operation->last_insert_id = result->last_insert_id;
        operation->rows_affected = result->rows_affected;
        follow_transaction(*operation);
        return finish(operation);
    }
    // The one EMPTY that an interrupted statement and its INTERRUPT are answered with.
    const bool stopped = std::holds_alternative<wire::EmptyResponse>(response) &&
                         expected_.size() > 1 &&
                         expected_[1].request == wire::RequestType::kInterrupt;
    if (!stopped) return lose("gives no answer to a statement", error_kind::protocol, now);
    expected_.pop_front();
    expected_.pop_front();
    if (operation) take_stopped(operation);
}

void Connection::answer_rows(const wire::RowsResponse& rows, Time now) {
    const Expected expected = expected_.front();
    const auto end = end_of(rows.content);
    const bool asked = expected.request == wire::RequestType::kQuery ||
                       expected.request == wire::RequestType::kQuerySql;
    if (!end || !asked) return lose("sends rows that are none", error_kind::protocol, now);
    if (*end == wire::RowsEnd::kDone) expected_.pop_front();
    const OperationPtr& operation = expected.operation;
    if (!operation) return;
    if (!operation->interrupted) {
        Piece piece{Bytes(rows.content.begin(), rows.content.end()), {}, 0, main_->tells_null};
        hold(operation, std::move(piece), now);
    }
    if (*end == wire::RowsEnd::kPart || operation->finished) return;
    if (operation->interrupted) return take_stopped(operation);
    follow_transaction(*operation);
    finish(operation);
}

void Connection::hold(const OperationPtr& operation, Piece piece, Time now) {
    operation->held_bytes += piece.bytes.size();
    operation->pieces.push_back(std::move(piece));
    if (operation->held_bytes <= settings_.rows_held_bytes_max) {
        changed_.push_back(operation);
        return;
    }
    error_info error =
        classify_abandoned(Progress::kUnanswered, error_kind::usage,
                           "more rows than may be held in memory: read them before the connection "
                           "is used for something else, or raise rows_held_bytes_max",
                           operation->context())
            .error;
    error.extended_code = code::kTooBig;
    const bool outstanding = !expected_.empty() && expected_.front().operation == operation;
    if (outstanding) return drop_in_flight(operation, error, now);
    operation->pieces.clear();
    finish(operation, error);
}

void Connection::take_failure(const OperationPtr& operation, const wire::FailureResponse& failure,
                              Time now) {
    if (transaction_ == Transaction::kLost && operation->effect == Effect::kRollback) {
        // SQLite had rolled it back already.
        transaction_ = Transaction::kNone;
        return finish(operation);
    }
    RetryDecision decision = classify_failure(failure.code, failure.message, operation->context());
    const bool asked = !expected_.empty() && expected_.back().conflict;
    if (decision.probe && transaction_ == Transaction::kOpen && !asked)
        return probe(operation, std::move(decision.error));
    apply(operation, std::move(decision), now);
}

void Connection::take_probe(const Expected& expected, const wire::Response& response, Time now) {
    const auto* const failure = std::get_if<wire::FailureResponse>(&response);
    const bool survived = failure != nullptr && failure->code == code::kError;
    if (!expected.operation) return;
    if (failure != nullptr && !survived) return take_failure(expected.operation, *failure, now);
    RetryDecision decision;
    decision.error = expected.conflict->error;
    decision.transaction_gone = !survived;
    if (!survived && expected.conflict->followed) escape(decision.error);
    apply(expected.operation, std::move(decision), now);
}

// An INTERRUPT stopped it. Inside a transaction a write that is stopped takes the rest with it.
void Connection::take_stopped(const OperationPtr& operation) {
    RetryDecision decision = classify_abandoned(Progress::kStopped, error_kind::cancelled,
                                                "interrupted", operation->context());
    decision.error.node = address();
    if (decision.transaction_gone) lose_transaction(decision.error);
    operation->pieces.clear();
    operation->held_bytes = 0;
    finish(operation, std::move(decision.error));
}

void Connection::answer_admin(const Expected& expected, const wire::Response& response, Time now) {
    const OperationPtr& operation = expected.operation;
    expected_.pop_front();
    if (const auto* const servers = std::get_if<wire::ServersResponse>(&response)) {
        std::vector<node_info> nodes = nodes_of(*servers);
        if (target_.node.empty() && directory_->update(nodes)) nodes_changed_ = true;
        if (operation) operation->nodes = std::move(nodes);
    } else if (const auto* const failure = std::get_if<wire::FailureResponse>(&response)) {
        if (operation) take_failure(operation, *failure, now);
        return;
    } else if (const auto* const leader = std::get_if<wire::ServerResponse>(&response)) {
        if (operation) {
            operation->leader = {leader->id.value(), std::string(leader->address),
                                 node_role::voter};
        }
    } else if (const auto* const metadata = std::get_if<wire::MetadataResponse>(&response)) {
        if (operation) operation->metadata = {metadata->failure_domain, metadata->weight};
    } else if (const auto* const status = std::get_if<wire::StatusResponse>(&response)) {
        if (operation) operation->progress = progress_of(*status);
    } else if (!std::holds_alternative<wire::EmptyResponse>(response)) {
        expected_.push_front(expected);
        return lose("answers another request", error_kind::protocol, now);
    }
    if (operation) finish(operation);
}

// False if more bytes have to come first.
bool Connection::read_dump(Time now) {
    wire::MessageReader& in = main_->input();
    const Expected expected = expected_.front();
    if (!files_) {
        const auto header = in.header();
        if (!header) {
            lose(header.error().message, error_kind::protocol, now);
            return false;
        }
        if (!*header) return false;
        if ((*header)->type != static_cast<std::uint8_t>(wire::ResponseType::kFiles)) {
            const auto message = in.next();
            if (message && !*message) return false;
            const auto response = message
                                      ? wire::decode_response((*message)->header, (*message)->body)
                                      : Result<wire::Response>(message.error());
            if (response) answer(*response, now);
            if (!response) lose(response.error().message, error_kind::protocol, now);
            return main_.has_value();
        }
        files_.emplace();
    }
    const ByteView part = in.next_part();
    const bool over = in.part_bytes_left() == 0;
    if (part.empty() && !over) return false;
    take_file(expected.operation, part, now);
    if (!main_) return false;
    if (over) {
        files_.reset();
        expected_.pop_front();
        if (expected.operation) finish(expected.operation);
    }
    return true;
}

void Connection::take_file(const OperationPtr& operation, ByteView part, Time now) {
    while (true) {
        const auto event = files_->next(part);
        if (!event) return lose(event.error().message, error_kind::protocol, now);
        if (const auto* const begins = std::get_if<wire::FilesReader::FileBegins>(&*event)) {
            file_ = begins->name;
            file_bytes_ = begins->size;
            if (operation) hold(operation, Piece{{}, file_, file_bytes_}, now);
        } else if (const auto* const content =
                       std::get_if<wire::FilesReader::FileContent>(&*event)) {
            Piece piece{Bytes(content->bytes.begin(), content->bytes.end()), file_, file_bytes_};
            if (operation) hold(operation, std::move(piece), now);
        } else {
            return;
        }
    }
}

}  // namespace quorlite::core
