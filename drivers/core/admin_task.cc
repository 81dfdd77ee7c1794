#include "drivers/core/admin_task.h"

#include <algorithm>

#include "drivers/core/address.h"

namespace quorlite::core {

using wire::RequestType;

namespace {

// A dqlite server older than 1.18 does not answer what it does not know.
constexpr std::chrono::milliseconds kProgressPatience{500};

constexpr const char* kNoAddress = "its address is not HOST:PORT in printable letters";

}  // namespace

// ---- RequestTask ----

RequestTask::RequestTask(AdminRequest request, std::string node)
    : operation_(make_admin(std::move(request))), node_(std::move(node)) {}

std::optional<AdminStep> RequestTask::next(Time) {
    if (!std::exchange(asked_, true)) return AdminStep{operation_, node_};
    error_ = operation_->error;
    return std::nullopt;
}

// ---- AddNodeTask ----

std::optional<AdminStep> AddNodeTask::next(Time) {
    if (!is_address(node_.address, true)) {
        error_ = misuse(kNoAddress);
        return std::nullopt;
    }
    if (!adding_) {
        adding_ = make_admin({RequestType::kAdd, NodeId(node_.id), node_.address, 0});
        return AdminStep{adding_, {}};
    }
    error_ = adding_->error;
    if (error_ || node_.role == node_role::spare) return std::nullopt;
    if (!assigning_) {
        const auto role = static_cast<std::uint64_t>(node_.role);
        assigning_ = make_admin({RequestType::kAssign, NodeId(node_.id), {}, role});
        return AdminStep{assigning_, {}};
    }
    error_ = assigning_->error;
    if (!error_) return std::nullopt;
    error_->verdict = verdict::in_doubt;  // half of it is done
    error_->message = "added as a spare, but it could not be made a " +
                      std::string(to_string(node_.role)) + ": " + error_->message;
    return std::nullopt;
}

// ---- ClusterStatusTask ----

AdminStep ClusterStatusTask::ask(RequestType type, std::chrono::milliseconds patience) {
    asked_ = make_admin({type, {}, {}, 0});
    return {asked_, status_[at_].node.address, {patience, false}};
}

// Whether the node did not answer; then it is the next one's turn.
bool ClusterStatusTask::failed() {
    if (!asked_->error) return false;
    status_[at_].reachable = false;
    status_[at_++].trouble = asked_->error->message;
    return true;
}

std::optional<AdminStep> ClusterStatusTask::next(Time now) {
    if (!asked_) {
        asked_ = make_admin({RequestType::kCluster, {}, {}, 0});
        return AdminStep{asked_, {}};
    }
    const bool stopped = asked_->error && asked_->error->kind == error_kind::cancelled;
    if (stopped || (stage_ == Stage::kNodes && asked_->error)) {
        error_ = asked_->error;
        return std::nullopt;
    }
    const auto patience = settings_.connect_timeout;
    switch (stage_) {
        case Stage::kNodes:
            for (const node_info& each : asked_->nodes) status_.emplace_back().node = each;
            local_ = is_local(asked_->node);
            break;
        case Stage::kDescribe:
            if (failed()) break;
            status_[at_].description = {asked_->metadata.failure_domain, asked_->metadata.weight};
            begin_ = now;
            stage_ = Stage::kLeader;
            return ask(RequestType::kLeader, patience);
        case Stage::kLeader:
            if (failed()) break;
            status_[at_].reachable = true;
            status_[at_].leader = asked_->leader.address == status_[at_].node.address;
            status_[at_].latency =
                std::chrono::duration_cast<std::chrono::microseconds>(now - begin_);
            stage_ = Stage::kProgress;
            return ask(RequestType::kStatus, std::min(patience, kProgressPatience));
        case Stage::kProgress:
            status_[at_++].progress = asked_->progress;
            break;
    }
    while (at_ < status_.size() && !is_address(status_[at_].node.address, local_)) {
        status_[at_].reachable = false;
        status_[at_++].trouble = kNoAddress;
    }
    if (at_ == status_.size()) return std::nullopt;
    stage_ = Stage::kDescribe;
    return ask(RequestType::kDescribe, patience);
}

}  // namespace quorlite::core
