// session: one connection of the Asio front end: the core's logic and an AsyncTransport, brought
// together by callbacks on one strand.
#pragma once

#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "drivers/asio/transport.h"
#include "drivers/core/bulk.h"
#include "drivers/core/cluster_state.h"
#include "drivers/core/connection.h"
#include "quorlite/asio_administration.h"

namespace quorlite::async::detail {

// A bulk insert: who adds to it, in order, and what is under way.
struct Bulk {
    Bulk(const options& settings, std::string_view table, const std::vector<std::string>& columns);

    struct Call {
        core::OperationPtr operation;  // stands for it
        request op;
        std::unique_ptr<completion> handler;
        std::size_t done = 0;  // of its rows
        bool ended = false;    // nothing more is to be started for it
    };
    std::unique_ptr<core::Bulk> packing;  // null: it failed from the beginning
    core::BulkWindow window;
    std::deque<Call> calls;
};

// Everything but the constructor and executor() runs on the strand.
class session : public std::enable_shared_from_this<session> {
public:
    session(asio::any_io_executor executor,
            std::shared_ptr<quorlite::detail::cluster_state> cluster, core::Target target,
            const MakeAsyncTransport& make_transport = make_asio_transport);

    const asio::any_io_executor& executor() const { return executor_; }
    const asio::any_io_executor& strand() const { return strand_; }
    Time now() const { return transport_->now(); }  // any thread
    const options& settings() const { return cluster_->settings; }
    const std::shared_ptr<quorlite::detail::cluster_state>& cluster() const { return cluster_; }

    // `waiting` may be null: then nobody is told.
    void start(const core::OperationPtr& operation, request op,
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
        std::unique_ptr<completion> handler;
        op_kind kind;
    };
    struct Pause {
        core::OperationPtr operation;
        std::unique_ptr<completion> handler;
    };

    void next(const core::OperationPtr& operation, std::unique_ptr<completion> waiting);
    void pause(const core::OperationPtr& operation, std::chrono::milliseconds length,
               std::unique_ptr<completion> waiting);
    void add(const core::OperationPtr& operation, request op, std::unique_ptr<completion> waiting);
    // Starts what there is room for, and tells who waits for room or for the end.
    void advance(const std::shared_ptr<Bulk>& bulk);
    bool interrupt_bulk(const core::OperationPtr& operation);
    void insert(const std::shared_ptr<Bulk>& bulk, const core::OperationPtr& statement,
                const call_options& chosen);
    bool no_transaction() const;
    bool nothing_to_end(op_kind kind) const;
    bool ready(const core::OperationPtr& operation);
    void fail(const core::OperationPtr& operation, error_info error);
    void perform();
    void act();
    void write(ChannelId channel, Open& open);
    void read(ChannelId channel, Open& open);
    void received(ChannelId channel, std::size_t count);
    void deliver_changed();
    void deliver(const core::OperationPtr& operation);
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
    std::vector<std::shared_ptr<Bulk>> bulks_;  // those with somebody waiting
    Time alarm_ = core::kNever;
    bool closed_ = false;
};

inline void close_later(const std::shared_ptr<session>& closed) {
    asio::post(closed->strand(), [closed] { closed->close(); });
}

// What the user of a session holds: when the last copy goes, the session is closed.
struct Keeper {
    explicit Keeper(std::shared_ptr<session> kept) : own(std::move(kept)) {}
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper() { close_later(own); }
    std::shared_ptr<session> own;
};

// The same for a stream of rows.
struct StreamKeeper {
    StreamKeeper(std::shared_ptr<session> of, core::OperationPtr kept)
        : own(std::move(of)), operation(std::move(kept)) {}
    StreamKeeper(const StreamKeeper&) = delete;
    StreamKeeper& operator=(const StreamKeeper&) = delete;
    ~StreamKeeper() {
        asio::post(own->strand(),
                   [closed = own, stopped = operation] { closed->abandon(stopped); });
    }
    std::shared_ptr<session> own;
    core::OperationPtr operation;
};

}  // namespace quorlite::async::detail
