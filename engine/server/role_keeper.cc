#include "engine/server/role_keeper.h"

#include <algorithm>

#include "engine/cluster/roles.h"

namespace quorlite::server {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);
constexpr Duration kSilenceMax = std::chrono::seconds(15);  // of a voter, until it is replaced

}  // namespace

void RoleKeeper::watch() {
    loop_.after(kInterval, [this] { watch(); });
    if (!replica_.check_leader()) {
        voters_before_.clear();
        voter_removed_ = false;
        return;
    }
    const raft::Configuration& members = replica_.configuration();
    for (const NodeId voter : voters_before_) {
        if (members.find(voter) == nullptr) voter_removed_ = true;
    }
    voters_before_.clear();
    for (const raft::Server& server : members.servers) {
        if (server.role == raft::Role::kVoter) voters_before_.push_back(server.id);
    }
    if (voters_before_.size() >= cluster::kVotersWanted) voter_removed_ = false;
    if (changing_) return;
    const Duration patience = std::max(kSilenceMax, 10 * election_timeout_);
    if (const auto change = cluster::next_role_change(
            replica_.id(), members, replica_.status().peers, patience, voter_removed_)) {
        change_role(*change);
    }
}

void RoleKeeper::change_role(const cluster::RoleChange& change) {
    changing_ = true;
    const char* const role = change.role == raft::Role::kVoter ? "voter" : "standby";
    replica_.assign(change.node, change.role, [this, node = change.node, role](const Status& done) {
        changing_ = false;
        if (!done) return;  // tried again, if it is still wanted
        log_.info("role changed, for a voter is gone", {{"node", node.value()}, {"role", role}});
    });
}

}  // namespace quorlite::server
