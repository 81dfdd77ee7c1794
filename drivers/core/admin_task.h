// AdminTask: a task of administration that takes several requests, as logic without I/O.
//
// The front end takes the next request from the task, performs it, and comes back until there is no
// more. Requests to the same node, one after the other, go over one connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/operation.h"
#include "quorlite/cluster.h"

namespace quorlite::core {

struct AdminStep {
    OperationPtr operation;
    std::string node;  // HOST:PORT; empty: whichever leads
    call_options chosen = {};
};

class AdminTask {
public:
    virtual ~AdminTask() = default;

    // The next request, once the one before has ended; nothing when the task is over. `now`: when
    // that was.
    virtual std::optional<AdminStep> next(Time now) = 0;

    const std::optional<error_info>& error() const { return error_; }

protected:
    std::optional<error_info> error_;
};

// One request.
class RequestTask : public AdminTask {
public:
    explicit RequestTask(AdminRequest request, std::string node = {});
    std::optional<AdminStep> next(Time now) override;
    const Operation& response() const { return *operation_; }

private:
    const OperationPtr operation_;
    const std::string node_;
    bool asked_ = false;
};

// A node becomes a member: it joins as a spare, and any other role is given to it afterwards. In
// doubt if it got that far and no further.
class AddNodeTask : public AdminTask {
public:
    explicit AddNodeTask(node_info node) : node_(std::move(node)) {}
    std::optional<AdminStep> next(Time now) override;

private:
    const node_info node_;
    OperationPtr adding_;
    OperationPtr assigning_;
};

// Every node of the cluster is asked how it is. One that does not answer is part of the result; a
// cancellation ends the task.
class ClusterStatusTask : public AdminTask {
public:
    explicit ClusterStatusTask(const options& settings) : settings_(settings) {}
    std::optional<AdminStep> next(Time now) override;
    std::vector<node_status> take_status() { return std::move(status_); }

private:
    AdminStep ask(wire::RequestType type, std::chrono::milliseconds patience);
    bool failed();

    enum class Stage : std::uint8_t { kNodes, kDescribe, kLeader, kProgress };

    const options settings_;
    std::vector<node_status> status_;
    std::size_t at_ = 0;  // in status_
    bool local_ = false;  // the nodes may be Unix sockets, as the leader is
    Stage stage_ = Stage::kNodes;
    OperationPtr asked_;
    Time begin_ = {};  // of the round trip that is measured
};

}  // namespace quorlite::core
