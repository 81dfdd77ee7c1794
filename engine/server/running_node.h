// RunningNode: what a node is made of once it has started, and the order in which its parts come
// and go. Nothing runs before start(); what fails there leaves nothing behind.
//
// start() and stop() need the object for themselves, and are not called from the loop; the rest may
// be called from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/disk/log.h"
#include "engine/server/listener.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"
#include "engine/server/membership.h"
#include "engine/server/peers.h"
#include "engine/server/role_keeper.h"
#include "engine/server/system.h"
#include "quorlite/node.h"
#include "wire/base/mutex.h"

namespace quorlite::server {

// What becomes of a node: it is ready, or it has failed. Any thread may wait for it.
class Outcome {
public:
    void set_ready() QUORLITE_EXCLUDES(mutex_);
    bool set_failed(NodeError error) QUORLITE_EXCLUDES(mutex_);  // false: it had failed before
    bool has_failed() const QUORLITE_EXCLUDES(mutex_);
    std::optional<NodeError> wait(std::chrono::milliseconds timeout) QUORLITE_EXCLUDES(mutex_);

private:
    mutable Mutex mutex_;
    std::condition_variable known_;
    bool ready_ QUORLITE_GUARDED_BY(mutex_) = false;
    std::optional<NodeError> failure_ QUORLITE_GUARDED_BY(mutex_);
};

// How the descriptors that the process may have are shared.
struct DescriptorShares {
    Descriptors listener;
    std::size_t base_files = 0;
    std::size_t temporary_files = 0;
};

class RunningNode {
public:
    explicit RunningNode(NodeOptions options);
    ~RunningNode();  // as stop()
    RunningNode(const RunningNode&) = delete;
    RunningNode& operator=(const RunningNode&) = delete;

    std::optional<NodeError> start(const std::shared_ptr<const disk::Directory>& directory);
    std::optional<NodeError> wait_ready(std::chrono::milliseconds timeout);
    NodeStatus status();
    bool handover();
    void stop();

private:
    std::optional<NodeError> open(const std::shared_ptr<const disk::Directory>& directory);
    std::optional<NodeError> count_descriptors();
    std::optional<NodeError> open_disk(const std::shared_ptr<const disk::Directory>& directory);
    Result<replica::Options> replica_options();
    std::optional<NodeError> bind(const std::string& address);
    std::optional<NodeError> open_replica();
    std::optional<NodeError> serve();
    void watch_readiness();
    void report_ready();
    void report_failure(NodeError error);
    NodeStatus current_status() const;
    bool transfer_once();
    void wait_until(const std::function<bool()>& over, std::chrono::milliseconds time);
    void wait_for_clients(std::chrono::milliseconds time);
    void wait_for_statements(std::chrono::milliseconds time);
    void drain();

    const NodeOptions options_;
    Log log_;
    SystemClock clock_;
    SystemRandom random_;
    Loop loop_;
    DescriptorShares descriptors_;
    std::unique_ptr<Disk> disk_;
    Dialer dialer_;
    Peers peers_;
    std::unique_ptr<replica::Replica> replica_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<RoleKeeper> roles_;
    Outcome outcome_;
    bool is_open_ = false;
    bool stopped_ = false;
    NodeStatus last_status_;  // once it is stopped
};

}  // namespace quorlite::server
