// Messages from and to the other nodes: consensus, chunks of snapshots, and pages that a disk has
// damaged.

#include <algorithm>
#include <utility>

#include "engine/base/address.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"

namespace quorlite::replica {

void Replica::State::send(raft::Envelope envelope) {
    send_frame(envelope.to, Channel::kConsensus, std::move(envelope.message));
}

void Replica::State::send_frame(NodeId to, Channel channel, decltype(PeerMessage::body) body) {
    std::string address;
    if (const raft::Server* server = core->configuration().find(to)) {
        address = server->address;
    } else if (const auto learnt = learnt_addresses.find(to); learnt != learnt_addresses.end()) {
        address = learnt->second;
    } else {
        return;  // removed meanwhile, and never heard from
    }
    seams.network.send(to, address, channel,
                       encode({.cluster = identity.cluster,
                               .from = identity.id,
                               .to = to,
                               .from_address = identity.address,
                               .body = std::move(body)}));
}

SendBulk Replica::State::send_chunks() {
    return [this](NodeId to, std::variant<ChunkRequest, Chunk> body) {
        std::visit([&](auto& part) { send_frame(to, Channel::kBulk, std::move(part)); }, body);
    };
}

bool Replica::State::receive(PeerMessage message) {
    if (message.to != identity.id || message.from == identity.id ||
        !learn_cluster(message.cluster)) {
        return false;
    }
    learn_address(message);
    // Pages are for members only; what consensus makes of a stranger it decides itself.
    const auto* consensus_message = std::get_if<raft::Message>(&message.body);
    const bool asks = std::holds_alternative<ChunkRequest>(message.body) ||
                      std::holds_alternative<PageRequest>(message.body);
    if (asks && core->configuration().find(message.from) == nullptr) return false;
    if (consensus_message != nullptr && !is_acceptable(*consensus_message)) return false;
    if (auto* request = std::get_if<ChunkRequest>(&message.body)) {
        if (!sender->answer(message.from, *request, now())) {
            core->snapshot_unavailable(now(), message.from);
            schedule_pump();
        }
        return true;
    }
    if (auto* chunk = std::get_if<Chunk>(&message.body)) {
        if (receiver && receiver->from() == message.from) receiver->receive(*chunk, now());
        return true;
    }
    if (const auto* request = std::get_if<PageRequest>(&message.body)) {
        send_frame(message.from, Channel::kBulk, repair->answer(*request));
        return true;
    }
    if (const auto* reply = std::get_if<PageReply>(&message.body)) {
        receive(*reply, message.from);
        return true;
    }
    auto& consensus = std::get<raft::Message>(message.body);
    if (const auto* reply = std::get_if<raft::SnapshotReply>(&consensus);
        reply != nullptr && reply->installed) {
        sender->installed(message.from, reply->index);
    }
    auto* const append = std::get_if<raft::AppendRequest>(&consensus);
    if (append != nullptr) appended_at = now();
    if (append != nullptr && must_hold() && hold(message.from, *append)) return true;
    core->step(now(), message.from, std::move(consensus));
    schedule_pump();
    return true;
}

// A member of a cluster says its id with every frame; a node that has none yet has nothing to say.
bool Replica::State::learn_cluster(ClusterId cluster) {
    if (!cluster) return false;
    if (!identity.cluster) {
        identity.cluster = cluster;
        if (const Status saved = records->save(identity); !saved.ok()) {
            fatal("the cluster's id cannot be saved: " + saved.error().message);
        }
    }
    return same_cluster(cluster, identity.cluster) || mutant(Mutant::kOtherClustersHeard);
}

void Replica::State::learn_address(const PeerMessage& message) {
    const auto known = learnt_addresses.find(message.from);
    if (known != learnt_addresses.end() && known->second == message.from_address) return;
    if (!parse_address(message.from_address)) return;
    if (learnt_addresses.size() >= limits::kPeersMax) learnt_addresses.clear();
    learnt_addresses[message.from] = message.from_address;
}

// While the disk does not keep up with what was applied, nothing more is taken in. What comes is
// held, unacknowledged, so that the leader's window bounds it.
bool Replica::State::must_hold() const {
    return !leading && (store->behind() || !held.empty());
}

// False: the message must be handled now.
bool Replica::State::hold(NodeId from, raft::AppendRequest& append) {
    if (append.entries.empty()) {
        // A heartbeat is answered, or there would be an election; but it must not ask about what is
        // held. What is committed here is in the leader's log too.
        append.commit = std::min(append.commit, core->commit_index());
        append.previous_index = core->commit_index();
        append.previous_term = core->term_at(append.previous_index).value_or(Term());
        return false;
    }
    std::size_t bytes = 0;
    for (const raft::Entry& entry : append.entries) bytes += entry.size();
    if (held_bytes + bytes > limits::kHeldAppendBytesMax) return true;  // as if lost on the way
    held_bytes += bytes;
    held.push_back({from, std::move(append), bytes});
    return true;
}

void Replica::State::take_held() {
    while (!held.empty() && (leading || !store->behind())) {
        Held next = std::move(held.front());
        held.pop_front();
        held_bytes -= next.bytes;
        core->step(now(), next.from, raft::Message(std::move(next.append)));
        pump();
    }
}

// What is logged is applied one day, here and after every restart: so it must be readable.
bool Replica::State::is_acceptable(const raft::Message& message) const {
    const auto* append = std::get_if<raft::AppendRequest>(&message);
    if (append == nullptr || mutant(Mutant::kCommandUnchecked)) return true;
    return std::ranges::all_of(append->entries, [](const raft::Entry& entry) {
        return entry.kind != raft::EntryKind::kCommand || database::is_command(*entry.payload);
    });
}

bool Replica::State::has_others() const {
    return std::ranges::any_of(core->configuration().servers, [this](const raft::Server& server) {
        return server.id != identity.id;
    });
}

void Replica::State::ask_others(const PageRequest& request) {
    for (const raft::Server& server : core->configuration().servers) {
        if (server.id != identity.id) send_frame(server.id, Channel::kBulk, request);
    }
}

void Replica::State::damaged(const std::string& database, std::uint32_t page) {
    if (!repair->damaged(database, page, now())) return;
    seams.events.record(event::PageDamaged{database, page});
}

void Replica::State::receive(const PageReply& reply, NodeId from) {
    if (!repair->receive(reply, !serving)) return;
    seams.events.record(event::PageRepaired{reply.database, reply.page, from});
    if (unapplied.empty()) return;
    apply({});
    schedule_pump();
}

}  // namespace quorlite::replica
