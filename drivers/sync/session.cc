#include "drivers/sync/session.h"

#include <algorithm>

#include "quorlite/stop_signal.h"

namespace quorlite::detail {

using core::OperationPtr;
using core::Time;
using sync::ChannelId;

namespace {

// A connection that was not used for this long may have been closed by the node.
constexpr std::chrono::milliseconds kStaleAfter{1};

core::Time deadline_of(const call_options& chosen, const options& settings, Time now) {
    return core::later(now, chosen.timeout.value_or(settings.timeout));
}

}  // namespace

session::session(std::shared_ptr<blocking_state> cluster, core::Target target)
    : cluster_(std::move(cluster)),
      target_(std::move(target)),
      transport_(cluster_->make_transport()) {}

// False if there are no nodes to connect to; the operation has failed then.
bool session::ready(const OperationPtr& operation) {
    if (connection_) return true;
    auto directory = cluster_->directory();
    if (!directory) {
        operation->error = std::move(directory).error();
        operation->finished = true;
        return false;
    }
    connection_.emplace(target_, settings(), *directory, transport_->random());
    return true;
}

void session::start(const OperationPtr& operation, const call_options& chosen) {
    const Time now = transport_->now();
    interrupted_.store(false);
    operation->deadline = deadline_of(chosen, settings(), now);
    operation->idempotent = operation->idempotent || chosen.idempotent;
    if (!ready(operation)) return;
    if (now - used_ >= kStaleAfter) look_for_loss();
    used_ = now;
    connection_->start(operation, now);
}

// What a node did while nobody listened, it closing the connection above all, must be known before
// anything is sent: what was sent cannot be sent again.
void session::look_for_loss() {
    for (std::size_t i = channels_.size(); i > 0; --i) {
        if (i <= channels_.size() && channels_[i - 1].connected) read(channels_[i - 1].channel);
    }
    connection_->tick(transport_->now());
}

void session::push() {
    if (connection_) perform();
}

void session::await(const OperationPtr& operation) {
    pump(operation, [&] { return operation->finished; });
}

void session::await_piece(const OperationPtr& operation, const call_options& chosen) {
    if (!operation->finished && operation->pieces.empty()) {
        connection_->extend(operation, deadline_of(chosen, settings(), transport_->now()));
        connection_->resume(transport_->now());
    }
    pump(operation, [&] { return operation->finished || !operation->pieces.empty(); });
    // The caller takes as long as it likes with what it got.
    if (!operation->finished) connection_->extend(operation, core::kNever);
}

void session::run(const OperationPtr& operation, const call_options& chosen) {
    start(operation, chosen);
    await(operation);
}

void session::abandon(const OperationPtr& operation) {
    if (operation->finished || !connection_) return;
    connection_->abandon(operation, transport_->now());
    perform();
}

void session::interrupt() noexcept {
    interrupted_.store(true);
    transport_->wake();
}

session::Open* session::find(ChannelId channel) {
    const auto found = std::find_if(channels_.begin(), channels_.end(),
                                    [&](const Open& each) { return each.channel == channel; });
    return found == channels_.end() ? nullptr : &*found;
}

template <class Done>
void session::pump(const OperationPtr& operation, Done done) {
    const stop_signal* stop =
        operation->effect == core::Effect::kRollback ? nullptr : settings().stop.get();
    bool stopped = false;
    if (operation->finished) return;
    while (true) {
        stopped = interrupted_.exchange(false) || stopped;
        if (stop && stop->raised()) {
            stopped = true;
            stop = nullptr;  // said once
        }
        if (stopped) connection_->interrupt(operation, transport_->now());
        perform();
        if (done()) break;
        interests_.clear();
        for (const Open& each : channels_) {
            if (!each.connected) continue;
            interests_.push_back(
                {each.channel, connection_->wants_input(each.channel), each.blocked});
        }
        events_.clear();
        stopped = !transport_->wait(interests_, connection_->wake_at(),
                                    stop ? stop->descriptor() : -1, events_);
        handle(events_);
        connection_->tick(transport_->now());
        const auto trouble = connection_->take_trouble();
        if (trouble && settings().waiting) settings().waiting(*trouble);
    }
    used_ = transport_->now();
    if (connection_->take_nodes_changed()) cluster_->save();
}

void session::handle(const std::vector<sync::Event>& events) {
    for (const sync::Event& event : events) {
        Open* const open = find(event.channel);
        if (open == nullptr) continue;
        if (!event.problem.empty()) {
            connection_->failed(event.channel, event.problem, transport_->now());
        } else if (event.connected) {
            open->connected = true;
            connection_->dialled(event.channel, transport_->now());
        } else {
            open->blocked = false;
            read(event.channel);
        }
    }
}

// Does what the core asked for, and sends what it has to send.
void session::perform() {
    while (true) {
        for (core::Action& action : connection_->take_actions()) {
            if (action.dial.empty()) {
                transport_->close(action.channel);
                std::erase_if(channels_,
                              [&](const Open& each) { return each.channel == action.channel; });
            } else {
                channels_.push_back({action.channel});
                transport_->dial(action.channel, action.dial);
            }
        }
        bool moved = false;
        for (std::size_t i = 0; i < channels_.size(); ++i) {
            const Open& open = channels_[i];
            if (!open.connected || open.blocked || connection_->output(open.channel).empty()) {
                continue;
            }
            write(open.channel);
            moved = true;
        }
        if (!moved && !connection_->has_actions()) break;
    }
    connection_->take_changed();
}

void session::write(ChannelId channel) {
    const ByteView bytes = connection_->output(channel);
    const sync::Io io = transport_->write(channel, bytes);
    if (!io.problem.empty()) return connection_->failed(channel, io.problem, transport_->now());
    connection_->sent(channel, io.bytes);
    if (io.bytes < bytes.size()) find(channel)->blocked = true;
    // There is room for more requests now.
    if (io.bytes > 0) connection_->tick(transport_->now());
}

void session::read(ChannelId channel) {
    while (true) {
        const std::span<std::uint8_t> room = connection_->receive_room(channel);
        if (room.empty() || !connection_->wants_input(channel)) return;
        const std::size_t size = room.size();
        const sync::Io io = transport_->read(channel, room);
        if (!io.problem.empty()) return connection_->failed(channel, io.problem, transport_->now());
        if (io.blocked) return;
        connection_->received(channel, io.bytes, transport_->now());
        if (io.bytes < size) return;
    }
}

}  // namespace quorlite::detail
