// The Network seam: frames to other nodes, best effort.
//
// Two channels per peer, each a connection of its own: consensus (small, frequent, latency matters)
// and bulk (snapshot chunks), so that a heartbeat is never behind a gigabyte. Frames of one channel
// arrive in the order sent, each at most once, or not at all: a frame is dropped when the peer
// cannot be reached or its queue is full (limits.h). Nothing here blocks.
#pragma once

#include <string>

#include "wire/base/bytes.h"
#include "wire/base/ids.h"

namespace quorlite {

enum class Channel : std::uint8_t { kConsensus = 0, kBulk = 1 };

class Network {
public:
    virtual ~Network() = default;
    virtual void send(NodeId to, const std::string& address, Channel channel, Bytes frame) = 0;
    // The node is no longer in the configuration: its connections may go.
    virtual void forget(NodeId node) = 0;
};

}  // namespace quorlite
