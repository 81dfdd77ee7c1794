// Forger: overhears what nodes send to each other, and now and then sends a frame of its own to one
// of them: as tests/sim/forgery.h makes them, from another cluster, over another node's connection,
// or with a command that cannot be read.
#pragma once

#include <functional>

#include "engine/replica/peer_codec.h"
#include "tests/sim/node/world.h"

namespace quorlite::sim {

class Forger {
public:
    // `deliver`: a frame arrives over a connection on which `sender` has said Hello.
    using Deliver = std::function<void(NodeId sender, NodeId to, Bytes frame)>;

    Forger(Seeded& random, Deliver deliver) : random_(random), deliver_(std::move(deliver)) {}

    void overhear(const Bytes& frame);
    std::uint64_t forged() const { return forged_; }

private:
    struct Forged {
        NodeId sender;
        replica::PeerMessage message;
    };
    std::optional<Forged> forge(const replica::PeerMessage& real);

    Seeded& random_;
    const Deliver deliver_;
    std::uint64_t forged_ = 0;
};

}  // namespace quorlite::sim
