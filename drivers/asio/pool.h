// lender: what lends a pool's connections: the core's PoolQueue and sessions, on one strand.
#pragma once

#include <asio/cancellation_signal.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/asio/session.h"
#include "drivers/asio/transport.h"
#include "drivers/core/pool.h"
#include "quorlite/asio_pool.h"
#include "wire/base/mutex.h"

namespace quorlite::async::detail {

// Somebody who wants a connection.
struct Asker {
    core::PoolQueue::Ticket ticket = 0;
    Time until = core::kNever;
    std::unique_ptr<completion> handler;
    asio::cancellation_signal stop;  // of the check of a connection that was found for it
};

// Everything but the constructor, executor(), strand() and usage() runs on the strand.
class lender : public std::enable_shared_from_this<lender> {
public:
    lender(const asio::any_io_executor& executor,
           std::shared_ptr<quorlite::detail::cluster_state> cluster, std::string database,
           const pool_options& chosen, MakeAsyncTransport make_transport = make_asio_transport);

    const asio::any_io_executor& executor() const { return executor_; }
    const asio::any_io_executor& strand() const { return strand_; }

    void acquire(const std::shared_ptr<Asker>& asker);
    void cancel(const std::shared_ptr<Asker>& asker);
    // Rolls back what is open, and lends it again.
    void give_back(core::PoolQueue::Slot slot, const connection& lent);
    void close();

    pool_usage usage() const;

private:
    void serve();
    void lend(const core::PoolQueue::Grant& grant, const std::shared_ptr<Asker>& asker);
    void set_alarm();
    void ring();

    const asio::any_io_executor executor_;
    const asio::any_io_executor strand_;
    const std::shared_ptr<quorlite::detail::cluster_state> cluster_;
    const std::string database_;
    const pool_options options_;
    const MakeAsyncTransport make_transport_;
    const std::shared_ptr<AsyncTransport> transport_;  // for its clock
    core::PoolQueue queue_;
    std::deque<std::shared_ptr<Asker>> line_;         // in the order of the queue's
    std::vector<std::optional<connection>> resting_;  // by slot
    Time alarm_ = core::kNever;
    bool closed_ = false;

    mutable Mutex mutex_;
    pool_usage shown_ QUORLITE_GUARDED_BY(mutex_);
};

// A connection that is lent; gives it back.
class loan {
public:
    loan(std::shared_ptr<lender> owner, core::PoolQueue::Slot slot, const connection& lent)
        : owner_(std::move(owner)), slot_(slot), lent_(lent) {}
    loan(const loan&) = delete;
    loan& operator=(const loan&) = delete;
    ~loan();

    const connection& lent() const { return lent_; }

private:
    const std::shared_ptr<lender> owner_;
    const core::PoolQueue::Slot slot_;
    const connection lent_;
};

}  // namespace quorlite::async::detail
