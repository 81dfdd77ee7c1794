// session: one connection of the blocking front end: the core's logic and a Transport, brought
// together by waiting.
//
// Everything happens inside calls; nothing runs between them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "drivers/core/cluster_state.h"
#include "drivers/core/connection.h"
#include "drivers/sync/transport.h"
#include "quorlite/options.h"

namespace quorlite::detail {

// What the blocking front end adds to it.
struct blocking_state : cluster_state {
    using cluster_state::cluster_state;
    std::function<std::unique_ptr<sync::Transport>()> make_transport = sync::make_sockets;
};
std::shared_ptr<blocking_state> blocking_state_of(const cluster& owner);

class session : public std::enable_shared_from_this<session> {
public:
    session(std::shared_ptr<blocking_state> cluster, core::Target target);

    const options& settings() const { return cluster_->settings; }
    core::Time now() { return transport_->now(); }

    // Queues an operation; nothing is sent before the next call that waits, or push().
    void start(const core::OperationPtr& operation, const call_options& chosen);
    // Sends what can be sent without waiting.
    void push();
    // Waits until it has ended.
    void await(const core::OperationPtr& operation);
    // Waits until it has a piece or has ended; the time for that begins now.
    void await_piece(const core::OperationPtr& operation, const call_options& chosen);
    void run(const core::OperationPtr& operation, const call_options& chosen);
    void abandon(const core::OperationPtr& operation);
    // Any thread, or a signal handler.
    void interrupt() noexcept;

    bool in_transaction() const { return connection_ && connection_->in_transaction(); }
    bool transaction_lost() const { return connection_ && connection_->transaction_lost(); }
    std::string node() const { return connection_ ? connection_->address() : std::string(); }

private:
    bool ready(const core::OperationPtr& operation);
    template <class Done>
    void pump(const core::OperationPtr& operation, Done done);
    void perform();
    void write(sync::ChannelId channel);
    void read(sync::ChannelId channel);
    void look_for_loss();
    void handle(const std::vector<sync::Event>& events);

    struct Open {
        sync::ChannelId channel;
        bool connected = false;
        bool blocked = false;  // for writing
    };
    Open* find(sync::ChannelId channel);

    const std::shared_ptr<blocking_state> cluster_;
    const core::Target target_;
    const std::unique_ptr<sync::Transport> transport_;
    std::optional<core::Connection> connection_;
    std::vector<Open> channels_;
    std::vector<sync::Interest> interests_;
    std::vector<sync::Event> events_;
    core::Time used_ = {};
    std::atomic<bool> interrupted_ = false;
};

}  // namespace quorlite::detail
