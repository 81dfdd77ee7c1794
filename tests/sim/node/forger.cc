#include "tests/sim/node/forger.h"

#include <algorithm>

#include "tests/sim/forgery.h"

namespace quorlite::sim {
namespace {

constexpr std::uint64_t kGarbageBytesMax = 40;

bool garble_command(raft::Message& message, Seeded& random) {
    auto* append = std::get_if<raft::AppendRequest>(&message);
    if (append == nullptr) return false;
    const auto command =
        std::ranges::find(append->entries, raft::EntryKind::kCommand, &raft::Entry::kind);
    if (command == append->entries.end()) return false;
    // No command begins with this byte.
    command->payload = std::make_shared<const Bytes>(random.below(kGarbageBytesMax),
                                                     static_cast<std::uint8_t>(0xff));
    return true;
}

}  // namespace

void Forger::overhear(const Bytes& frame) {
    const auto real = replica::decode_peer_message(frame);
    if (!real) return;
    const std::optional<Forged> forged = forge(*real);
    if (!forged) return;
    ++forged_;
    deliver_(forged->sender, forged->message.to, encode(forged->message));
}

std::optional<Forger::Forged> Forger::forge(const replica::PeerMessage& real) {
    const auto* consensus = std::get_if<raft::Message>(&real.body);
    if (consensus == nullptr) return std::nullopt;
    Forged forged{.sender = real.from, .message = real};
    switch (random_.below(4)) {
        case 0:
            forged.message.body = tempting(*consensus, random_);
            // The halves by themselves, too: version 0.1 knows only the low one.
            forged.message.cluster.low += random_.below(2) + 1;
            forged.message.cluster.high += random_.below(2);
            return forged;
        case 1:
            forged.message.body = tempting(*consensus, random_);
            forged.sender = NodeId(kStranger.value() + random_.below(kStrangers));
            return forged;
        case 2: {
            raft::Message message = *consensus;
            if (!garble_command(message, random_)) return std::nullopt;
            forged.message.body = std::move(message);
            return forged;
        }
        default: {
            auto envelope = sim::forge({real.from, real.to, *consensus}, random_);
            if (!envelope) return std::nullopt;
            forged.sender = forged.message.from = envelope->from;
            forged.message.body = std::move(envelope->message);
            return forged;
        }
    }
}

}  // namespace quorlite::sim
