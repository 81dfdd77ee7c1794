// session: one connection of the Asio front end: the core's logic and an AsyncTransport, brought
// together by callbacks on one strand.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <asio/strand.hpp>

#include "drivers/asio/transport.h"
#include "drivers/core/connection.h"
#include "drivers/sync/session.h"
#include "quorlite/asio.h"

namespace quorlite::async::detail {

// Everything but the constructor and executor() runs on the strand.
class session : public std::enable_shared_from_this<session> {
public:
    session(asio::any_io_executor executor,
            std::shared_ptr<quorlite::detail::cluster_state> cluster, core::Target target,
            const MakeAsyncTransport& make_transport = make_asio_transport);

    const asio::any_io_executor& executor() const { return executor_; }
    const asio::any_io_executor& strand() const { return strand_; }
    const options& settings() const { return cluster_->settings; }
    const std::shared_ptr<quorlite::detail::cluster_state>& cluster() const { return cluster_; }

    // `waiting` may be null: then nobody is told.
    void start(const core::OperationPtr& operation, request asked,
               std::unique_ptr<completion> waiting);
    // The operation, or the next batch of a stream, that somebody waits for.
    void interrupt(const core::OperationPtr& operation);
    void abandon(const core::OperationPtr& operation);
    void close();
    bool in_transaction() const { return connection_ && connection_->in_transaction(); }

private:
    struct Open {
        bool connected = false;
        bool reading = false;
        bool writing = false;
        Bytes input;
        Bytes output;
    };
    struct Waiting {
        std::unique_ptr<completion> told;
        question kind;
    };
    struct Pause {
        core::OperationPtr operation;
        std::unique_ptr<completion> told;
    };

    void next(const core::OperationPtr& operation, std::unique_ptr<completion> waiting);
    void pause(const core::OperationPtr& operation, std::chrono::milliseconds length,
               std::unique_ptr<completion> waiting);
    bool nothing_to_end(question kind) const;
    bool ready(const core::OperationPtr& operation);
    void fail(const core::OperationPtr& operation, error_info error);
    void perform();
    void act();
    void write(ChannelId channel, Open& open);
    void read(ChannelId channel, Open& open);
    void received(ChannelId channel, std::size_t count);
    void tell_changed();
    void tell(const core::OperationPtr& operation);
    void set_alarm();
    void ring();

    const asio::any_io_executor executor_;
    const asio::any_io_executor strand_;
    const std::shared_ptr<quorlite::detail::cluster_state> cluster_;
    const core::Target target_;
    const std::shared_ptr<AsyncTransport> transport_;
    std::optional<core::Connection> connection_;
    std::map<ChannelId, Open> channels_;
    std::map<core::OperationPtr, Waiting> waiting_;
    std::multimap<Time, Pause> pauses_;
    Time alarm_ = core::kNever;
    bool closed_ = false;
};

}  // namespace quorlite::async::detail
