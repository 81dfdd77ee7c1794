#include "engine/cluster/roles.h"

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

}  // namespace quorlite::cluster
