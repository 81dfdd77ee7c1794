#include "engine/cluster/roles.h"

#include <algorithm>
#include <tuple>

namespace quorlite::cluster {

NodeId best_successor(NodeId self, const raft::Configuration& configuration,
                      const std::vector<raft::Progress>& peers) {
    const raft::Progress* best = nullptr;
    for (const raft::Progress& peer : peers) {
        if (peer.id == self || !peer.active || peer.snapshotting) continue;
        if (!configuration.is_voter(peer.id)) continue;
        const auto rank = [](const raft::Progress& of) { return std::tie(of.match, of.applied); };
        const bool better = best == nullptr || rank(peer) > rank(*best) ||
                            (rank(peer) == rank(*best) && peer.id < best->id);
        if (better) best = &peer;
    }
    return best == nullptr ? NodeId() : best->id;
}

std::optional<RoleChange> next_role_change(NodeId self, const raft::Configuration& configuration,
                                           const std::vector<raft::Progress>& peers,
                                           Duration patience, bool vacancy) {
    std::size_t live = 0;
    std::optional<NodeId> silent;
    const raft::Progress* heir = nullptr;
    for (const raft::Server& server : configuration.servers) {
        const auto progress = std::find_if(peers.begin(), peers.end(),
                                           [&](const auto& peer) { return peer.id == server.id; });
        const bool known = progress != peers.end();
        if (server.role == raft::Role::kVoter) {
            const bool away = server.id != self && known && progress->silent >= patience;
            if (away) silent = server.id;
            if (!away) ++live;
        }
        const bool able = server.role == raft::Role::kStandby && known && progress->active &&
                          !progress->snapshotting && !progress->full;
        if (able && (heir == nullptr || progress->match > heir->match)) heir = &*progress;
    }
    if ((silent || vacancy) && live < kVotersWanted && heir != nullptr) {
        return RoleChange{heir->id, raft::Role::kVoter};
    }
    if (silent && live >= kVotersWanted) return RoleChange{*silent, raft::Role::kStandby};
    return std::nullopt;
}

}  // namespace quorlite::cluster
