#include "drivers/asio/session.h"

#include <algorithm>
#include <asio/dispatch.hpp>

#include "drivers/core/limits.h"
#include "drivers/core/row_source.h"

namespace quorlite::async::detail {

using core::OperationPtr;

namespace {

error_info cancelled(const char* why) {
    return core::make_error(error_kind::cancelled, code::kInterrupted, why);
}

error_info no_transaction_open() {
    return core::misuse("a bulk insert is part of a transaction, and there is none");
}

dump_piece dump_piece_of(const core::Piece& piece) {
    const auto bytes = std::as_bytes(std::span(piece.bytes));
    return {piece.file, piece.file_bytes, {bytes.begin(), bytes.end()}};
}

error_info closed() {
    return cancelled("the connection was closed");
}

}  // namespace

session::session(asio::any_io_executor executor,
                 std::shared_ptr<quorlite::detail::cluster_state> cluster, core::Target target,
                 const MakeAsyncTransport& make_transport)
    : executor_(std::move(executor)),
      strand_(asio::make_strand(executor_)),
      cluster_(std::move(cluster)),
      target_(std::move(target)),
      transport_(make_transport(strand_)) {}

void session::fail(const OperationPtr& operation, error_info error) {
    operation->error = std::move(error);
    operation->finished = true;
}

// False if the operation has failed because there is nothing to connect to.
bool session::ready(const OperationPtr& operation) {
    if (operation->finished) return false;
    if (closed_) {
        fail(operation, closed());
        return false;
    }
    if (connection_) return true;
    auto directory = cluster_->directory();
    if (!directory) {
        fail(operation, std::move(directory).error());
        return false;
    }
    connection_.emplace(target_, settings(), *directory, transport_->random());
    return true;
}

void session::start(const OperationPtr& operation, request op,
                    std::unique_ptr<completion> waiting) {
    if (op.kind == op_kind::next) return next(operation, std::move(waiting));
    if (op.kind == op_kind::pause) return pause(operation, op.pause, std::move(waiting));
    if (op.kind == op_kind::add || op.kind == op_kind::finish) {
        return add(operation, std::move(op), std::move(waiting));
    }
    const Time now = transport_->now();
    operation->deadline = core::later(now, op.chosen.timeout.value_or(settings().timeout));
    operation->idempotent = operation->idempotent || op.chosen.idempotent;
    if (waiting) waiting_[operation] = {std::move(waiting), op.kind};
    operation->finished = operation->finished || nothing_to_end(op.kind);
    if (!ready(operation)) return deliver(operation);
    connection_->start(operation, now);
    perform();
}

// A transaction is to be ended, and there is none, nor can one come of what is under way.
bool session::nothing_to_end(op_kind kind) const {
    if (kind != op_kind::conclude && kind != op_kind::tidy) return false;
    return no_transaction();
}

bool session::no_transaction() const {
    return !connection_ || (connection_->idle() && !connection_->in_transaction());
}

void session::next(const OperationPtr& operation, std::unique_ptr<completion> waiting) {
    waiting_[operation] = {std::move(waiting), op_kind::next};
    if (closed_ && !operation->finished) fail(operation, closed());
    if (connection_ && !operation->finished && operation->pieces.empty()) {
        connection_->extend(operation, core::later(transport_->now(), settings().timeout));
    }
    deliver(operation);
    if (!connection_) return;
    connection_->resume(transport_->now());
    perform();
}

void session::interrupt(const OperationPtr& operation) {
    for (auto each = pauses_.begin(); each != pauses_.end(); ++each) {
        if (each->second.operation != operation) continue;
        const Pause ended = std::move(each->second);
        pauses_.erase(each);
        return ended.handler->complete({cancelled("interrupted")});
    }
    if (interrupt_bulk(operation)) return;
    if (!connection_ || operation->finished || !waiting_.contains(operation)) return;
    connection_->interrupt(operation, transport_->now());
    perform();
}

void session::abandon(const OperationPtr& operation) {
    if (!connection_ || operation->finished) return;
    connection_->abandon(operation, transport_->now());
    perform();
}

void session::close() {
    if (closed_) return;
    closed_ = true;
    transport_->alarm(core::kNever, {});
    std::vector<OperationPtr> outstanding;
    outstanding.reserve(waiting_.size());
    for (const auto& [operation, waiting] : waiting_) outstanding.push_back(operation);
    for (const OperationPtr& each : outstanding) {
        if (connection_ && !each->finished) connection_->abandon(each, transport_->now());
        if (!each->finished) fail(each, closed());
        deliver(each);
    }
    for (const std::shared_ptr<Bulk>& each : std::vector(bulks_)) {
        each->window.fail(closed());
        advance(each);
    }
    for (const auto& [at, pause] : pauses_) pause.handler->complete({closed()});
    pauses_.clear();
    for (const auto& [channel, open] : channels_) transport_->close(channel);
    channels_.clear();
}

// Does whatever can be done now.
void session::perform() {
    if (closed_) return;
    bool again = true;
    while (again) {
        for (const std::shared_ptr<Bulk>& each : std::vector(bulks_)) advance(each);
        act();
        again = false;
        for (auto& [channel, open] : channels_) {
            if (!open.connected) continue;
            if (!open.writing && !connection_->output(channel).empty()) {
                write(channel, open);
                again = true;
            }
            if (!open.reading && connection_->wants_input(channel)) read(channel, open);
        }
        again = again || connection_->has_actions();
    }
    deliver_changed();
    if (connection_->take_nodes_changed()) cluster_->save();
    const auto trouble = connection_->take_trouble();
    if (trouble && settings().waiting) settings().waiting(*trouble);
    set_alarm();
}

void session::act() {
    for (const core::Action& action : connection_->take_actions()) {
        if (action.dial.empty()) {
            transport_->close(action.channel);
            channels_.erase(action.channel);
            continue;
        }
        channels_[action.channel] = {};
        transport_->dial(
            action.channel, action.dial,
            [self = shared_from_this(), channel = action.channel](const std::string& problem) {
                if (self->closed_ || !self->channels_.contains(channel)) return;
                if (problem.empty()) {
                    self->channels_[channel].connected = true;
                    self->connection_->dialled(channel, self->transport_->now());
                } else {
                    self->connection_->failed(channel, problem, self->transport_->now());
                }
                self->perform();
            });
    }
}

// From here on the bytes may reach the node at any time, whatever happens to the write: they count
// as sent.
void session::write(ChannelId channel, Open& open) {
    const ByteView bytes = connection_->output(channel);
    open.output.assign(bytes.begin(), bytes.end());
    open.writing = true;
    connection_->sent(channel, open.output.size());
    transport_->write(
        channel, open.output,
        [self = shared_from_this(), channel](std::size_t, const std::string& problem) {
            const auto found = self->channels_.find(channel);
            if (self->closed_ || found == self->channels_.end()) return;
            found->second.writing = false;
            if (!problem.empty()) {
                self->connection_->failed(channel, problem, self->transport_->now());
            } else {
                self->connection_->tick(self->transport_->now());
            }
            self->perform();
        });
}

void session::read(ChannelId channel, Open& open) {
    open.input.resize(core::limits::kReadBytes);
    open.reading = true;
    transport_->read(
        channel, open.input,
        [self = shared_from_this(), channel](std::size_t count, const std::string& problem) {
            const auto found = self->channels_.find(channel);
            if (self->closed_ || found == self->channels_.end()) return;
            found->second.reading = false;
            if (problem.empty()) {
                self->received(channel, count);
            } else {
                self->connection_->failed(channel, problem, self->transport_->now());
            }
            self->perform();
        });
}

void session::received(ChannelId channel, std::size_t count) {
    const Bytes input = std::move(channels_[channel].input);
    ByteView rest = ByteView(input).first(count);
    while (!rest.empty()) {
        const std::span<std::uint8_t> room = connection_->receive_room(channel);
        if (room.empty()) return;  // the channel is gone
        const std::size_t part = std::min(room.size(), rest.size());
        std::copy_n(rest.begin(), part, room.begin());
        connection_->received(channel, part, transport_->now());
        rest = rest.subspan(part);
    }
    const auto found = channels_.find(channel);
    if (found != channels_.end()) found->second.input = input;
}

void session::deliver_changed() {
    for (const OperationPtr& operation : connection_->take_changed()) deliver(operation);
}

// Tells whoever waits for this operation, if there is something to tell.
void session::deliver(const OperationPtr& operation) {
    const auto found = waiting_.find(operation);
    if (found == waiting_.end()) return;
    const op_kind kind = found->second.kind;
    op_result ended;
    const bool piece = kind == op_kind::next && !operation->pieces.empty();
    if (piece && operation->kind == core::OperationKind::kDump) {
        ended.value = std::optional(dump_piece_of(*operation->take_piece()));
        if (!operation->finished) connection_->extend(operation, core::kNever);
    } else if (piece) {
        auto batch = std::make_shared<core::Operation>();
        batch->node = operation->node;
        batch->standing = core::Effect::kRead;
        batch->finished = true;
        batch->pieces.push_back(*operation->take_piece());
        auto source = std::make_unique<quorlite::detail::row_source>(batch);
        const result<void> begun = source->begin();
        if (!begun) ended.error = begun.error();
        ended.found = rows(std::move(source));
        ended.more = true;
        if (!operation->finished) connection_->extend(operation, core::kNever);
    } else if (!operation->finished) {
        return;
    } else if (operation->error) {
        // That there was nothing to roll back is no error.
        const bool tidy = kind == op_kind::tidy && connection_ && !connection_->in_transaction();
        if (!tidy) ended.error = operation->error;
    } else if (kind == op_kind::query) {
        auto source = std::make_unique<quorlite::detail::row_source>(operation);
        const result<void> begun = source->begin();
        if (!begun) ended.error = begun.error();
        ended.found = rows(std::move(source));
    }
    if (!piece && operation->kind == core::OperationKind::kDump) {
        ended.value = std::optional<dump_piece>();
    }
    ended.done = {operation->last_insert_id, operation->rows_affected};
    const std::unique_ptr<completion> handler = std::move(found->second.handler);
    waiting_.erase(found);
    handler->complete(std::move(ended));
}

// ---- Bulk inserts ----

Bulk::Bulk(const options& settings, std::string_view table, const std::vector<std::string>& columns)
    : window(settings.pipelined_bytes_max) {
    auto made = core::make_bulk(table, columns);
    if (made) {
        packing = *std::move(made);
    } else {
        window.fail(made.error());
    }
}

void session::add(const OperationPtr& operation, request op, std::unique_ptr<completion> waiting) {
    const auto bulk = std::static_pointer_cast<Bulk>(op.of);
    op.of = nullptr;  // it would hold itself
    if (closed_) bulk->window.fail(closed());
    if (!bulk->window.error() && no_transaction()) bulk->window.fail(no_transaction_open());
    if (bulk->calls.empty()) bulks_.push_back(bulk);
    bulk->calls.push_back({operation, std::move(op), std::move(waiting)});
    if (closed_ || !connection_) return advance(bulk);
    perform();
}

void session::insert(const std::shared_ptr<Bulk>& bulk, const OperationPtr& statement,
                     const call_options& chosen) {
    const Time now = transport_->now();
    statement->deadline = core::later(now, chosen.timeout.value_or(settings().timeout));
    statement->idempotent = chosen.idempotent;
    bulk->window.started(statement);
    connection_->start(statement, now);
}

void session::advance(const std::shared_ptr<Bulk>& bulk) {
    core::BulkWindow& window = bulk->window;
    window.settle();
    while (!bulk->calls.empty()) {
        Bulk::Call& call = bulk->calls.front();
        const bool finishing = call.op.kind == op_kind::finish;
        std::optional<error_info> refused;
        while (!window.error() && !refused && !window.full() && call.done < call.op.rows.size()) {
            auto full = bulk->packing->add(call.op.rows[call.done++].view());
            if (!full) refused = full.error();
            if (full && *full) insert(bulk, *full, call.op.chosen);
        }
        if (!window.error() && finishing && !std::exchange(call.ended, true)) {
            if (const OperationPtr rest = bulk->packing->rest()) {
                insert(bulk, rest, call.op.chosen);
            }
        }
        window.settle();
        // What was started is waited for even if it is of no use any more.
        const bool whole = finishing || window.error();
        const bool over = closed_ || refused || (whole ? window.empty() : !window.full());
        if (!over) return;
        op_result ended{.error = window.error() ? window.error() : refused};
        if (finishing) ended.value = window.take_rows();
        const std::unique_ptr<completion> handler = std::move(call.handler);
        bulk->calls.pop_front();
        handler->complete(std::move(ended));
    }
    std::erase(bulks_, bulk);
}

// True if the operation stands for a call of a bulk insert. All of its statements are stopped, the
// last one, which alone can be interrupted, first.
bool session::interrupt_bulk(const OperationPtr& operation) {
    const auto found = std::find_if(bulks_.begin(), bulks_.end(), [&](const auto& each) {
        return std::any_of(each->calls.begin(), each->calls.end(),
                           [&](const Bulk::Call& call) { return call.operation == operation; });
    });
    if (found == bulks_.end()) return false;
    core::BulkWindow& window = (*found)->window;
    window.fail(cancelled("interrupted"));
    const std::vector<OperationPtr> stopped(window.under_way().rbegin(), window.under_way().rend());
    for (const OperationPtr& each : stopped) connection_->interrupt(each, transport_->now());
    perform();
    return true;
}

// ---- Time ----

void session::pause(const OperationPtr& operation, std::chrono::milliseconds length,
                    std::unique_ptr<completion> waiting) {
    if (closed_) return waiting->complete({closed()});
    pauses_.emplace(core::later(transport_->now(), length), Pause{operation, std::move(waiting)});
    set_alarm();
}

void session::set_alarm() {
    Time at = connection_ ? connection_->wake_at() : core::kNever;
    if (!pauses_.empty()) at = std::min(at, pauses_.begin()->first);
    if (at == alarm_) return;
    alarm_ = at;
    transport_->alarm(at, [self = shared_from_this()] { self->ring(); });
}

void session::ring() {
    alarm_ = core::kNever;
    if (closed_) return;
    while (!pauses_.empty() && pauses_.begin()->first <= transport_->now()) {
        pauses_.extract(pauses_.begin()).mapped().handler->complete({});
    }
    if (connection_) connection_->tick(transport_->now());
    if (connection_) return perform();
    set_alarm();
}

}  // namespace quorlite::async::detail
