// administrator: what performs a cluster's administration on Asio: the core's tasks, each with
// sessions of its own, on one strand.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "drivers/asio/session.h"
#include "drivers/core/admin_task.h"
#include "quorlite/asio_administration.h"

namespace quorlite::async::detail {

// A task and whoever waits for it. After the start, the strand's.
struct RunningTask {
    std::unique_ptr<core::AdminTask> task;
    std::function<std::any(core::AdminTask&)> read;  // what it has found
    std::unique_ptr<completion> handler;
    std::shared_ptr<session> with;  // the node that was asked last
    std::string node;
    core::OperationPtr op;
    bool cancelled = false;
};

// Everything but the constructor, executor(), strand() and make_session() runs on the strand.
class administrator : public std::enable_shared_from_this<administrator> {
public:
    administrator(const asio::any_io_executor& executor,
                  std::shared_ptr<quorlite::detail::cluster_state> cluster,
                  MakeAsyncTransport make_transport = make_asio_transport);

    const asio::any_io_executor& executor() const { return executor_; }
    const asio::any_io_executor& strand() const { return strand_; }
    const options& settings() const { return cluster_->settings; }
    std::shared_ptr<session> make_session(std::string node) const;

    // Goes on with a task, whose last step has ended at this time.
    void proceed(const std::shared_ptr<RunningTask>& running, Time now);
    void cancel(const std::shared_ptr<RunningTask>& running);

private:
    void ask(const std::shared_ptr<RunningTask>& running, const core::AdminStep& step);

    const asio::any_io_executor executor_;
    const asio::any_io_executor strand_;
    const std::shared_ptr<quorlite::detail::cluster_state> cluster_;
    const MakeAsyncTransport make_transport_;
};

}  // namespace quorlite::async::detail
