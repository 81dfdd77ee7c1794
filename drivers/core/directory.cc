#include "drivers/core/directory.h"

#include <algorithm>
#include <cstdio>

#include "drivers/core/limits.h"

namespace quorlite::core {

namespace {

std::string text_of(ClusterId id) {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(id.high),
                  static_cast<unsigned long long>(id.low));
    return text;
}

bool any_local(const std::vector<node_info>& nodes) {
    return std::any_of(nodes.begin(), nodes.end(),
                       [](const node_info& node) { return is_local(node.address); });
}

}  // namespace

Directory::Directory(std::vector<node_info> nodes)
    : local_(any_local(nodes)), nodes_(std::move(nodes)) {
    for (const node_info& each : nodes_) trusted_.push_back(each.address);
}

std::optional<std::string> Directory::refusal(const std::string& address, ClusterId cluster) const {
    const MutexLock lock(mutex_);
    if (!cluster || !cluster_ || cluster == cluster_) return std::nullopt;
    return address + " is a node of the cluster " + text_of(cluster) +
           ", and this client belongs to the cluster " + text_of(cluster_) +
           ": another cluster has its address, or it was founded anew. Correct the list of nodes, "
           "or connect anew if that cluster is meant";
}

bool Directory::is_ours(ClusterId cluster) const {
    const MutexLock lock(mutex_);
    return cluster && cluster == cluster_;
}

void Directory::admit(const std::string& address, ClusterId cluster) {
    const MutexLock lock(mutex_);
    if (!cluster_) cluster_ = cluster;
    const bool known = std::find(trusted_.begin(), trusted_.end(), address) != trusted_.end();
    if (!known && trusted_.size() < limits::kNodesMax) trusted_.push_back(address);
}

bool Directory::trusts(const std::string& address) const {
    const MutexLock lock(mutex_);
    return std::find(trusted_.begin(), trusted_.end(), address) != trusted_.end();
}

Directory::Candidates Directory::candidates(Time now, std::uint64_t random) const {
    const MutexLock lock(mutex_);
    Candidates found;
    if (!leader_.empty()) found.promising.push_back(leader_);
    // Voters know who leads; the others do not. Within a role the order is drawn, so that many
    // clients do not all ask the same node first.
    for (const node_role role : {node_role::voter, node_role::standby, node_role::spare}) {
        std::vector<std::string> same;
        for (const node_info& node : nodes_) {
            if (node.role == role && node.address != leader_) same.push_back(node.address);
        }
        if (!same.empty()) {
            std::rotate(same.begin(),
                        same.begin() + static_cast<std::ptrdiff_t>(random % same.size()),
                        same.end());
        }
        for (std::string& address : same) {
            const Health* const bad = health(address);
            auto& list = bad && bad->again > now ? found.failing : found.promising;
            list.push_back(std::move(address));
        }
    }
    return found;
}

std::string Directory::leader() const {
    const MutexLock lock(mutex_);
    return leader_;
}

void Directory::found_leader(const std::string& address) {
    const MutexLock lock(mutex_);
    leader_ = address;
}

void Directory::lost_leader(const std::string& address) {
    const MutexLock lock(mutex_);
    if (leader_ == address) leader_.clear();
}

void Directory::failed(const std::string& address, Time now) {
    const MutexLock lock(mutex_);
    if (leader_ == address) leader_.clear();
    Health* bad = health(address);
    if (bad == nullptr) bad = &failing_.emplace_back(Health{address, 0, now});
    const auto pause = limits::kPenaltyMin * (std::int64_t{1} << std::min(bad->failures, 16u));
    bad->again = later(now, std::min<std::chrono::milliseconds>(pause, limits::kPenaltyMax));
    ++bad->failures;
}

void Directory::answered(const std::string& address) {
    const MutexLock lock(mutex_);
    std::erase_if(failing_, [&](const Health& each) { return each.address == address; });
}

bool Directory::update(std::vector<node_info> nodes) {
    std::erase_if(nodes, [&](const node_info& node) { return !may_dial(node.address); });
    if (nodes.size() > limits::kNodesMax) nodes.resize(limits::kNodesMax);
    const bool voters = std::any_of(nodes.begin(), nodes.end(), [](const node_info& node) {
        return node.role == node_role::voter;
    });
    const MutexLock lock(mutex_);
    if (!voters || nodes == nodes_) return false;
    nodes_ = std::move(nodes);
    std::erase_if(failing_, [&](const Health& each) QUORLITE_REQUIRES(mutex_) {
        return std::none_of(nodes_.begin(), nodes_.end(),
                            [&](const node_info& node) { return node.address == each.address; });
    });
    return true;
}

std::vector<node_info> Directory::nodes() const {
    const MutexLock lock(mutex_);
    return nodes_;
}

bool Directory::refresh_due(Time now, std::chrono::milliseconds interval) {
    const MutexLock lock(mutex_);
    if (now < refresh_at_) return false;
    refresh_at_ = later(now, interval);
    return true;
}

Directory::Health* Directory::health(const std::string& address) {
    const auto found = std::find_if(failing_.begin(), failing_.end(),
                                    [&](const Health& each) { return each.address == address; });
    return found == failing_.end() ? nullptr : &*found;
}

const Directory::Health* Directory::health(const std::string& address) const {
    return const_cast<Directory*>(this)->health(address);
}

}  // namespace quorlite::core
