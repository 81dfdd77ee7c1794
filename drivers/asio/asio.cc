// The compiled parts of quorlite/asio.h.
#include "quorlite/asio.h"

#include <asio/post.hpp>

#include "drivers/asio/session.h"

namespace quorlite::async {
namespace detail {

using core::OperationKind;
using core::OperationPtr;

namespace {

std::string text_of(const request& asked) {
    switch (asked.kind) {
        case question::begin:
            return "BEGIN IMMEDIATE";
        case question::begin_read:
            return "BEGIN";
        case question::commit:
        case question::conclude:
            return "COMMIT";
        case question::rollback:
        case question::tidy:
            return "ROLLBACK";
        case question::connect:
        case question::ping:
        case question::acquire:
        case question::execute:
        case question::query:
        case question::stream:
        case question::next:
        case question::pause:
        case question::add:
        case question::finish:
        case question::administer:
            break;
    }
    return asked.sql;
}

// An operation for the question; one that has failed already if it makes no sense.
OperationPtr make(const request& asked) {
    auto operation = std::make_shared<core::Operation>();
    if (asked.kind == question::connect) {
        operation->kind = OperationKind::kConnect;
        operation->effect = core::Effect::kRead;
        return operation;
    }
    const bool own = asked.kind == question::pause || asked.kind == question::add ||
                     asked.kind == question::finish;
    if (own) return operation;  // it only stands for what the session does by itself
    if (asked.kind == question::ping) {
        return core::make_admin({wire::RequestType::kLeader, {}, {}, 0});
    }
    const bool rows = asked.kind == question::query || asked.kind == question::stream;
    const std::vector<argument> bound = asked.bound.view();
    auto made = core::make_statement(rows ? OperationKind::kQuery : OperationKind::kExecute,
                                     text_of(asked), bound);
    if (!made) {
        operation->error = std::move(made).error();
        operation->finished = true;
        return operation;
    }
    // Rows that nobody asked for are held and dropped.
    if ((*made)->yields_rows) (*made)->kind = OperationKind::kQuery;
    (*made)->whole = asked.kind != question::stream;
    return *made;
}

}  // namespace

std::shared_ptr<void> name(const std::shared_ptr<session>&, const request& asked) {
    if (asked.kind != question::next) return make(asked);
    return std::static_pointer_cast<StreamKeeper>(asked.of)->operation;
}

void start(const std::shared_ptr<session>& to, const std::shared_ptr<void>& operation,
           request asked, std::unique_ptr<completion> waiting) {
    const auto begun = std::static_pointer_cast<core::Operation>(operation);
    const auto told = std::make_shared<std::unique_ptr<completion>>(std::move(waiting));
    asked.bound = {};
    asio::post(to->strand(), [to, begun, asked = std::move(asked), told]() mutable {
        to->start(begun, std::move(asked), std::move(*told));
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

std::shared_ptr<void> connection::open_stream(detail::request asked) const {
    const core::OperationPtr operation = detail::make(asked);
    auto keeper = std::make_shared<detail::StreamKeeper>(session_, operation);
    detail::start(session_, operation, std::move(asked), nullptr);
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
