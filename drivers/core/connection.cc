#include "drivers/core/connection.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {

Connection::Connection(Target target, const options& settings, std::shared_ptr<Directory> directory,
                       std::uint64_t seed)
    : state_(std::move(target), settings, std::move(directory), seed) {}

// ---- What callers want ----

void Connection::start(const OperationPtr& operation, Time now) {
    const bool administers =
        operation->kind == OperationKind::kAdmin || operation->kind == OperationKind::kDump;
    const std::size_t name = state_.target.database.size();
    const bool misnamed = !administers && (name == 0 || name > wire::kDatabaseNameBytesMax);
    if (misnamed) {
        return completion_.finish(operation,
                                  misuse("a database's name has 1 to " +
                                         std::to_string(wire::kDatabaseNameBytesMax) + " bytes"));
    }
    if (state_.queue.full()) {
        return completion_.finish(operation, misuse("too many operations wait on one connection"));
    }
    completion_.watch(operation->deadline);
    state_.queue.push_back(operation);
    advance(now);
}

void Connection::interrupt(const OperationPtr& operation, Time now) {
    completion_.interrupt(operation, now);
    advance(now);
}

void Connection::abandon(const OperationPtr& operation, Time now) {
    completion_.abandon(operation, now);
    advance(now);
}

void Connection::extend(const OperationPtr& operation, Time deadline) {
    operation->deadline = deadline;
    completion_.watch(deadline);
}

bool Connection::idle() const {
    return state_.queue.empty() && state_.pipeline.empty() && !state_.queue.repeats();
}

// ---- What happens to channels ----

Channel* Connection::find(ChannelId id) {
    Channel* const channel = state_.pipeline.find(id);
    return channel != nullptr ? channel : state_.connector.find(id);
}

void Connection::dialled(ChannelId id, Time now) {
    state_.connector.dialled(id, now);
    advance(now);
}

void Connection::failed(ChannelId id, const std::string& reason, Time now) {
    if (state_.pipeline.find(id) != nullptr) {
        state_.pipeline.lose(reason, error_kind::connection);
    } else {
        state_.connector.failed(id, reason, now);
    }
    advance(now);
}

std::span<std::uint8_t> Connection::receive_room(ChannelId id) {
    Channel* const channel = find(id);
    return channel ? channel->input().prepare() : std::span<std::uint8_t>();
}

void Connection::received(ChannelId id, std::size_t count, Time now) {
    Channel* const channel = find(id);
    if (channel == nullptr) return;
    channel->input().commit(count);
    if (state_.pipeline.find(id) != nullptr) return resume(now);
    state_.connector.received(id, now);
    advance(now);
}

ByteView Connection::output(ChannelId id) {
    const Channel* const channel = find(id);
    return channel ? channel->output() : ByteView();
}

void Connection::sent(ChannelId id, std::size_t count) {
    if (Channel* const channel = find(id)) channel->consumed(count);
}

bool Connection::wants_input(ChannelId id) const {
    const Pipeline& pipeline = state_.pipeline;
    return !pipeline.attached() || id != pipeline.id() || receiver_.wants_input();
}

void Connection::resume(Time now) {
    if (state_.pipeline.attached()) receiver_.read(now);
    follow_pipeline(now);
    settle(now);
    advance(now);
}

// ---- Time ----

Time Connection::wake_at() const {
    const Pipeline& pipeline = state_.pipeline;
    Time at = std::min({pipeline.drain_by, pipeline.open_by, state_.connector.wake_at()});
    if (!idle()) at = std::min(at, completion_.next_deadline());
    if (state_.queue.empty()) return at;
    at = std::min(at, state_.connector.pause_over_at());
    const Time not_before = state_.queue.front()->not_before;
    return pipeline.ready() && not_before != Time{} ? std::min(at, not_before) : at;
}

// Whatever can be done now is done.
void Connection::advance(Time now) {
    expire(now);
    if (state_.pipeline.attached()) {
        if (!state_.pipeline.ready()) return;
        if (sender_.send(now) == Sender::Outcome::kWaits) return;
        leave();
    }
    if (!state_.queue.empty()) connect(now);
}

void Connection::expire(Time now) {
    state_.connector.tick(now);
    follow_connector(now);
    Pipeline& pipeline = state_.pipeline;
    if (now >= pipeline.open_by || now >= pipeline.drain_by) {
        pipeline.lose("does not answer", error_kind::connection);
    }
    follow_pipeline(now);
    completion_.expire(now);
    follow_pipeline(now);
}

// ---- Coming ----

void Connection::connect(Time now) {
    while (!state_.queue.empty() && state_.transaction.lost()) {
        completion_.end_in_lost_transaction(state_.queue.pop_front(), now);
    }
    if (state_.queue.empty()) return;
    state_.connector.start(now);
    follow_connector(now);
}

void Connection::follow_connector(Time now) {
    if (auto found = state_.connector.take_found()) open(found->id, std::move(found->channel), now);
    if (const auto failure = state_.connector.take_failure()) completion_.fail_queued(*failure);
}

void Connection::open(ChannelId id, Channel channel, Time now) {
    Pipeline& pipeline = state_.pipeline;
    pipeline.attach(id, std::move(channel));
    // The search has asked already. What is asked of a node by name goes out behind this at once.
    const auto ask = [&pipeline](const wire::Request& request) {
        const auto asked = pipeline.ask(request, nullptr);
        if (!asked) pipeline.lose(asked.error().message, error_kind::usage);
    };
    if (!state_.target.node.empty()) ask(wire::ClientRequest{.wants_cluster_id = true});
    if (state_.target.database.empty()) return pipeline.set_ready();
    pipeline.open_by = later(now, state_.settings.connect_timeout);
    ask(wire::OpenRequest{state_.target.database, 0, "volatile"});
    // A node would wait for a lock for longer than is wanted. What dqlite says to it is no matter.
    if (state_.settings.busy_timeout >= limits::kNodeBusyTimeout) return;
    const std::string pragma =
        "PRAGMA busy_timeout = " + std::to_string(state_.settings.busy_timeout.count());
    ask(wire::ExecSqlRequest{wire::kNarrowTuple, 0, pragma, {}});
}

// ---- Going ----

// Whatever the parts have found of the channel is dealt with here.
void Connection::follow_pipeline(Time now) {
    auto failure = state_.pipeline.take_failure();
    if (!failure) return;
    failure->error.node = state_.pipeline.address();
    if (failure->refused) return refuse(std::move(failure->error));
    lose(std::move(failure->error), now);
}

// The channel is gone, and the answers that were outstanding will never come.
void Connection::lose(error_info loss, Time now) {
    state_.connector.set_trouble(loss.node + ": " + loss.message);
    completion_.lose_outstanding(loss);
    leave();
    if (state_.transaction.open()) {
        error_info error =
            classify_loss(true, loss.message, loss.kind, {Effect::kRead, true, false, false}).error;
        error.node = loss.node;
        state_.transaction.lose(error);
    }
    state_.directory->lost_leader(loss.node);
    settle(now);
    state_.connector.pause(now);
}

// The node is not one to be used, and no other would help.
void Connection::refuse(error_info error) {
    for (const Outstanding& each : state_.pipeline.take_outstanding()) {
        if (each.operation) completion_.finish(each.operation, error);
    }
    leave();
    if (state_.transaction.open()) state_.transaction.lose(error);
    completion_.fail_queued(error);
}

// Once nothing is outstanding, what has to be sent again goes back to the front of the queue.
void Connection::settle(Time now) {
    if (!state_.pipeline.empty()) return;
    state_.queue.requeue();
    state_.pipeline.drain_by = kNever;
    if (!state_.pipeline.leaving) return;
    leave();
    state_.connector.pause(now);
}

void Connection::leave() {
    if (state_.pipeline.attached()) state_.connector.close(state_.pipeline.id());
    state_.pipeline.detach();
    state_.statements.clear();
    receiver_.reset();
}

}  // namespace quorlite::core
