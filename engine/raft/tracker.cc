#include "engine/raft/tracker.h"

#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"

namespace quorlite::raft {

void Peer::become_probe(Index next_index) {
    QUORLITE_CHECK(next_index > match);
    if (state != PeerState::kProbe) probe_step = 0;
    state = PeerState::kProbe;
    next = next_index;
    probing = false;
    in_flight.clear();
    in_flight_bytes = 0;
    offer.reset();
}

void Peer::become_replicate(Index next_index) {
    become_probe(next_index);
    state = PeerState::kReplicate;
}

void Peer::become_snapshot() {
    become_probe(next);
    state = PeerState::kSnapshot;
    snapshot_asked = false;
}

void Peer::sent_up_to(Index last, std::size_t bytes) {
    QUORLITE_CHECK(last >= next);
    next = last.next();
    in_flight.push_back({last, bytes});
    in_flight_bytes += bytes;
}

void Peer::acknowledged(Index index) {
    match = std::max(match, index);
    next = std::max(next, match.next());
    while (!in_flight.empty() && in_flight.front().last <= match) {
        in_flight_bytes -= in_flight.front().bytes;
        in_flight.pop_front();
    }
}

Index Peer::backtrack(Index hint) {
    const Index asked = next.previous();
    probe_step = probe_step == 0 ? 1 : probe_step * 2;
    const Index stepped(asked.value() > probe_step ? asked.value() - probe_step : 0);
    return std::min(hint, stepped);
}

void Tracker::configure(const Configuration& configuration, NodeId self, Index next,
                        TimePoint now) {
    for (Peer& peer : peers_) {
        const Server* server = configuration.find(peer.id);
        peer.leaving = server == nullptr || server->role == Role::kSpare;
    }
    for (const Server& server : configuration.servers) {
        if (server.id == self || server.role == Role::kSpare || find(server.id)) continue;
        const auto at = std::find_if(peers_.begin(), peers_.end(),
                                     [&](const Peer& peer) { return peer.id > server.id; });
        peers_.insert(at, Peer(server.id, next, now));
    }
}

void Tracker::drop_leaving() {
    std::erase_if(peers_, [](const Peer& peer) { return peer.leaving; });
}

const Peer* Tracker::find(NodeId id) const {
    const auto found =
        std::lower_bound(peers_.begin(), peers_.end(), id,
                         [](const Peer& peer, NodeId sought) { return peer.id < sought; });
    return found != peers_.end() && found->id == id ? &*found : nullptr;
}

Peer* Tracker::find(NodeId id) {
    return const_cast<Peer*>(std::as_const(*this).find(id));
}

std::size_t quorum_of(std::size_t voters) {
    if (mutant(Mutant::kMajorityOffByOne)) return std::max<std::size_t>(1, voters / 2);
    return voters / 2 + 1;
}

}  // namespace quorlite::raft
