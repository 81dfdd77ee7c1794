// The compiled parts of quorlite/asio.h.
#include "quorlite/asio.h"

#include <asio/post.hpp>

#include "drivers/asio/session.h"

namespace quorlite::async {
namespace detail {

using core::OperationKind;
using core::OperationPtr;

namespace {

std::string text_of(const request& op) {
    switch (op.kind) {
        case op_kind::begin:
            return "BEGIN IMMEDIATE";
        case op_kind::begin_read:
            return "BEGIN";
        case op_kind::commit:
        case op_kind::conclude:
            return "COMMIT";
        case op_kind::rollback:
        case op_kind::tidy:
            return "ROLLBACK";
        case op_kind::connect:
        case op_kind::ping:
        case op_kind::acquire:
        case op_kind::execute:
        case op_kind::query:
        case op_kind::stream:
        case op_kind::next:
        case op_kind::pause:
        case op_kind::add:
        case op_kind::finish:
        case op_kind::administer:
            break;
    }
    return op.sql;
}

// An operation for the question; one that has failed already if it makes no sense.
OperationPtr make(const request& op) {
    auto operation = std::make_shared<core::Operation>();
    if (op.kind == op_kind::connect) {
        operation->kind = OperationKind::kConnect;
        operation->effect = core::Effect::kRead;
        return operation;
    }
    const bool own =
        op.kind == op_kind::pause || op.kind == op_kind::add || op.kind == op_kind::finish;
    if (own) return operation;  // it only stands for what the session does by itself
    if (op.kind == op_kind::ping) {
        return core::make_admin({wire::RequestType::kLeader, {}, {}, 0});
    }
    const bool rows = op.kind == op_kind::query || op.kind == op_kind::stream;
    const std::vector<argument> bound = op.bound.view();
    auto made = core::make_statement(rows ? OperationKind::kQuery : OperationKind::kExecute,
                                     text_of(op), bound);
    if (!made) {
        operation->error = std::move(made).error();
        operation->finished = true;
        return operation;
    }
    // Rows that nobody asked for are held and dropped.
    if ((*made)->yields_rows) (*made)->kind = OperationKind::kQuery;
    (*made)->whole = op.kind != op_kind::stream;
    return *made;
}

}  // namespace

std::shared_ptr<void> name(const std::shared_ptr<session>&, const request& op) {
    if (op.kind != op_kind::next) return make(op);
    return std::static_pointer_cast<StreamKeeper>(op.of)->operation;
}

void start(const std::shared_ptr<session>& to, const std::shared_ptr<void>& operation, request op,
           std::unique_ptr<completion> waiting) {
    const auto begun = std::static_pointer_cast<core::Operation>(operation);
    const auto handler = std::make_shared<std::unique_ptr<completion>>(std::move(waiting));
    op.bound = {};
    asio::post(to->strand(), [to, begun, op = std::move(op), handler]() mutable {
        to->start(begun, std::move(op), std::move(*handler));
    });
}

void cancel(const std::shared_ptr<session>& to, const std::shared_ptr<void>& operation) {
    const OperationPtr stopped = std::static_pointer_cast<core::Operation>(operation);
    asio::post(to->strand(), [to, stopped] { to->interrupt(stopped); });
}

asio::any_io_executor executor_of(const session& own) {
    return own.executor();
}

}  // namespace detail

connection::connection(std::shared_ptr<detail::session> session)
    : session_(std::move(session)), keeper_(std::make_shared<detail::Keeper>(session_)) {}

connection::connection(asio::any_io_executor executor, const cluster& owner,
                       std::string_view database)
    : connection(std::make_shared<detail::session>(std::move(executor),
                                                   quorlite::detail::state_of(owner),
                                                   core::Target{{}, std::string(database)})) {}

std::shared_ptr<void> connection::open_stream(detail::request op) const {
    const core::OperationPtr operation = detail::make(op);
    auto keeper = std::make_shared<detail::StreamKeeper>(session_, operation);
    detail::start(session_, operation, std::move(op), nullptr);
    return keeper;
}

bulk_insert connection::bulk_insert(std::string_view table,
                                    const std::vector<std::string>& columns) const {
    return {session_, std::make_shared<detail::Bulk>(session_->settings(), table, columns)};
}

call_options connection::patience() const {
    return {session_->settings().interrupt_timeout, false};
}

quorlite::detail::attempts connection::attempts(const call_options& chosen) const {
    return {session_->settings(), chosen};
}

}  // namespace quorlite::async
