#include "engine/server/peers.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/server/inbound_peer.h"
#include "engine/server/outbound_peer.h"

namespace quorlite::server {
namespace {

constexpr Duration kBulkPatience = std::chrono::seconds(3);

}  // namespace

std::uint64_t Refusals::to_say(std::string_view reason, TimePoint now) {
    auto found = kinds_.find(reason);
    if (found == kinds_.end()) found = kinds_.emplace(reason, Kind{now, 0}).first;
    Kind& kind = found->second;
    ++kind.unsaid;
    if (now < kind.next) return 0;
    kind.next = now + kSaidEvery;
    return std::exchange(kind.unsaid, 0);
}

bool PeersState::is_foreign(const ClusterId& cluster) const {
    const ClusterId mine = own.cluster();
    return mine && cluster && mine != cluster;
}

Duration PeersState::patience(Channel channel) const {
    return channel == Channel::kBulk ? kBulkPatience : patience_of(own.election_timeout);
}

Peers::Peers(Loop& loop, Dialer& dialer, Clock& clock, Random& random, Log& log)
    : state_(std::make_shared<PeersState>(loop, dialer, clock, random, log)) {}

Peers::~Peers() {
    stop();
}

OutboundPeer* PeersState::find(NodeId node, Channel channel) const {
    const auto found = outbound.find({node, channel});
    return found == outbound.end() ? nullptr : found->second.get();
}

void PeersState::make_room_for_stranger() {
    std::size_t strangers = 0;
    std::shared_ptr<InboundPeer> silent;  // for the longest time
    for (const auto& connection : inbound) {
        if (!connection->is_stranger()) continue;
        ++strangers;
        if (!silent || connection->heard_at() < silent->heard_at()) silent = connection;
    }
    if (strangers >= limits::kStrangersMax) silent->refuse("too many connections of strangers");
}

void PeersState::limit_unfinished_frames() {
    while (unfinished_bytes > limits::kUnfinishedFramesBytesMax) {
        // Strangers' before members', then the largest.
        const auto weight = [](const std::shared_ptr<InboundPeer>& connection) {
            return std::pair(connection->unfinished_bytes() > 0 && connection->is_stranger(),
                             connection->unfinished_bytes());
        };
        const auto largest = *std::ranges::max_element(inbound, {}, weight);
        largest->refuse("too much memory in unfinished frames");
    }
}

const InboundPeer* PeersState::other_process(const InboundPeer& newcomer) {
    std::vector<std::shared_ptr<InboundPeer>> silent;
    for (const auto& connection : inbound) {
        if (!connection->is_of_other_process(newcomer)) continue;
        if (connection->is_alive()) return connection.get();
        silent.push_back(connection);
    }
    for (const auto& connection : silent) connection->close();
    return nullptr;
}

void Peers::start(PeersOptions options, Receive receive, Gone gone) {
    state_->own = std::move(options);
    state_->incarnation = std::max<std::uint64_t>(state_->random.next(), 1);
    state_->receive = std::move(receive);
    state_->gone = std::move(gone);
    state_->stopped = false;
}

void Peers::stop() {
    if (std::exchange(state_->stopped, true)) return;
    for (auto& [key, peer] : state_->outbound) peer->close();
    state_->outbound.clear();
    state_->touched.clear();
    while (!state_->inbound.empty()) {
        const std::shared_ptr<InboundPeer> connection = *state_->inbound.begin();
        connection->close();
    }
}

void Peers::send(NodeId to, const std::string& address, Channel channel, Bytes frame) {
    if (state_->stopped || to == state_->own.self) return;
    OutboundPeer* peer = state_->find(to, channel);
    if (peer == nullptr) {
        if (state_->outbound.size() >= 2 * limits::kPeersMax) {
            const auto stranger = std::ranges::find_if(state_->outbound, [this](const auto& any) {
                return !state_->own.is_member(any.first.first);
            });
            if (stranger == state_->outbound.end()) {
                ++state_->counters.frames_dropped;
                return;
            }
            forget(NodeId(stranger->first.first));
        }
        const auto made = std::make_shared<OutboundPeer>(state_, to, channel);
        state_->outbound[{to, channel}] = made;
        peer = made.get();
    }
    peer->send(address, std::move(frame));
}

void Peers::forget(NodeId node) {
    for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
        const auto found = state_->outbound.find({node, channel});
        if (found == state_->outbound.end()) continue;
        std::erase(state_->touched, found->second.get());
        found->second->close();
        state_->outbound.erase(found);
    }
}

void Peers::adopt(std::unique_ptr<Stream> stream, ByteView received) {
    const auto connection = std::make_shared<InboundPeer>(state_, std::move(stream));
    if (state_->stopped) return;
    if (state_->inbound.size() >= limits::kPeerConnectionsMax) {
        connection->refuse("too many connections of peers");
        return;
    }
    state_->make_room_for_stranger();
    state_->inbound.insert(connection);
    connection->start(received);
}

void Peers::flush() {
    if (state_->touched.empty()) return;
    std::vector<OutboundPeer*> touched;
    touched.swap(state_->touched);
    for (OutboundPeer* peer : touched) peer->flush_round();
}

const PeerCounters& Peers::counters() const {
    return state_->counters;
}

}  // namespace quorlite::server
