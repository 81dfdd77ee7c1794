// Peers: the Network of a real process, and the receiving end of other nodes' frames.
//
// spec/peer-protocol.md. One connection goes out per peer and channel, made when there is first
// something to send, and made again when it breaks. Frames queue up to a limit; the first frame of
// a round of the loop leaves at once, those that follow in the same round leave together in one
// system call at its end.
//
// A connection that nothing answers is replaced by a new one (link_rules.h). Incoming ones are
// refused when they are of another cluster, of a second process of a node that is heard, or break
// the protocol; what they hold in memory is bounded, and members come before strangers.
//
// A peer whose consensus connection broke and whose port refuses a new one at once has no process
// any more: `gone` says so, once. Everything else is silence, which consensus judges by its own
// clock.
//
// Only on the loop. `receive` and `gone` run from tasks of their own, never inside a call of
// send().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/base/clock.h"
#include "engine/base/network.h"
#include "engine/server/dialer.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"

namespace quorlite::server {

struct PeerCounters {
    std::uint64_t frames_dropped = 0;        // a full queue, or nobody to send them to
    std::uint64_t connections_refused = 0;   // incoming ones: malformed, or not for this node
    std::uint64_t connections_replaced = 0;  // outgoing ones that nothing came back for
};

// Who speaks in this process's Hellos.
struct PeersOptions {
    NodeId self;
    std::string address;                 // as it is advertised
    std::function<ClusterId()> cluster;  // zero while the node has not learnt it
    // Others are strangers: they may call, but members come first where something is short.
    std::function<bool(NodeId node)> is_member;
    Duration election_timeout{};
};

struct PeersState;

class Peers final : public Network {
public:
    // The sender is who the connection's Hello said. False: the frame is not acceptable, and the
    // connection is closed.
    using Receive = std::function<bool(NodeId sender, Channel channel, ByteView frame)>;
    using Gone = std::function<void(NodeId node)>;

    Peers(Loop& loop, Dialer& dialer, Clock& clock, Random& random, Log& log);
    ~Peers() override;

    // Before the first use of anything else.
    void start(PeersOptions options, Receive receive, Gone gone);
    // Closes everything; nothing is sent or received any more.
    void stop();

    void send(NodeId to, const std::string& address, Channel channel, Bytes frame) override;
    void forget(NodeId node) override;

    // Takes over an incoming connection, and what was received on it after the magic word.
    void adopt(std::unique_ptr<Stream> stream, ByteView received);
    // Sends what was gathered; to be called at the end of each round of the loop.
    void flush();

    const PeerCounters& counters() const;

private:
    std::shared_ptr<PeersState> state_;
};

}  // namespace quorlite::server
