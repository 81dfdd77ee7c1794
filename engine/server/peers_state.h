// What the connections of all peers share. Private to peers, outbound and inbound ones.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/server/peers.h"

namespace quorlite::server {

class InboundPeer;
class OutboundPeer;

// Lines about one thing that happens again and again are this far apart.
inline constexpr Duration kSaidEvery = std::chrono::minutes(1);
inline constexpr KeepAlive kConsensusKeepAlive{
    .idle_seconds = 3, .interval_seconds = 1, .probes = 3, .unacknowledged_ms = 3'000};
inline constexpr KeepAlive kBulkKeepAlive{
    .idle_seconds = 3, .interval_seconds = 1, .probes = 3, .unacknowledged_ms = 10'000};

// Strangers may be refused as often as they like: the log says each reason once in a while.
class Refusals {
public:
    // How many there were for this reason since it was said last, this one included; 0: not now.
    std::uint64_t to_say(std::string_view reason, TimePoint now);

private:
    struct Kind {
        TimePoint next;
        std::uint64_t unsaid;
    };
    std::map<std::string, Kind, std::less<>> kinds_;  // reasons are texts of this program: few
};

struct PeersState {
    using Key = std::pair<NodeId, Channel>;

    PeersState(Loop& loop_, Dialer& dialer_, Clock& clock_, Random& random_, Log& log_)
        : loop(loop_), dialer(dialer_), clock(clock_), random(random_), log(log_) {}

    Loop& loop;
    Dialer& dialer;
    Clock& clock;
    Random& random;
    Log& log;
    PeersOptions own;
    std::uint64_t incarnation = 0;
    Peers::Receive receive;
    Peers::Gone gone;
    bool stopped = true;

    std::map<Key, std::shared_ptr<OutboundPeer>> outbound;
    std::vector<OutboundPeer*> touched;  // sent in this round; only those that are in `outbound`
    std::set<std::shared_ptr<InboundPeer>> inbound;
    std::map<Key, InboundPeer*> identified;  // that have said Hello
    std::size_t unfinished_bytes = 0;        // of incoming frames
    PeerCounters counters;
    Refusals refusals;

    // The peer belongs to another cluster than this node; false while one of them does not know.
    bool is_foreign(const ClusterId& cluster) const;
    OutboundPeer* find(NodeId node, Channel channel) const;
    // How long a peer may be silent before its connection is doubted.
    Duration patience(Channel channel) const;
    // Closes a connection if there is no room for one more stranger.
    void make_room_for_stranger();
    // Closes connections until unfinished frames take less than their limit.
    void limit_unfinished_frames();
    // A connection that another process of the same node uses at this time, if there is one.
    // Connections of processes that have fallen silent are closed.
    const InboundPeer* other_process(const InboundPeer& newcomer);
};

}  // namespace quorlite::server
