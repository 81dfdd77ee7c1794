#include "tests/replica/forged_frames.h"

#include <array>
#include <deque>
#include <limits>

#include "engine/base/check.h"
#include "engine/replica/peer_codec.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kNodes = 2;
constexpr std::size_t kOverheardMax = 64;
constexpr std::uint64_t kStranger = 7777;

struct Overheard {
    NodeId from;
    NodeId to;
    Bytes frame;
};

class Forger {
public:
    explicit Forger(ByteView moves) : moves_(moves) {
        cluster_.join(2);
        cluster_.on_frame = [this](NodeId from, NodeId to, const Bytes& frame) {
            overheard_.push_back({from, to, frame});
            if (overheard_.size() > kOverheardMax) overheard_.pop_front();
        };
        OpenClient client(cluster_);
        client.exec("CREATE TABLE t(a)");
        cluster_.executor.advance(200ms);
    }

    void run() {
        while (moves_.remaining() >= 2) {
            move();
            for (std::size_t id = 1; id <= kNodes; ++id) check_committed(id);
        }
        for (std::size_t id = 1; id <= kNodes; ++id) restart(id);
        cluster_.heal();
        cluster_.executor.advance(3s);
    }

private:
    std::uint64_t choose(std::uint64_t count) {
        return moves_.remaining() == 0 ? 0 : moves_.u8() % count;
    }

    void move() {
        const std::size_t id = 1 + choose(kNodes);
        switch (choose(12)) {
            case 0:
                return cluster_.executor.advance(std::chrono::milliseconds(1 + choose(200)));
            case 1:
                return cluster_.executor.advance(std::chrono::milliseconds(10 * choose(200)));
            case 2:
                return write(id);
            case 3:
                return choose(2) == 0 ? cluster_.isolate(id) : cluster_.heal();
            case 4:
                if (choose(4) == 0) restart(id);
                return;
            case 5:
                return cluster_.replica(id).transfer(NodeId(1 + choose(kNodes)), [](Status) {});
            case 6:
            case 7:
                return repeat();
            default:
                return forge(id);
        }
    }

    void restart(std::size_t id) {
        cluster_.restart(id);
        committed_.at(id - 1) = Index();
    }

    // What it knows to be committed never becomes less while it runs.
    void check_committed(std::size_t id) {
        const Index committed = cluster_.replica(id).status().committed;
        QUORLITE_CHECK(committed >= committed_.at(id - 1));
        committed_.at(id - 1) = committed;
    }

    void write(std::size_t id) {
        Client client(cluster_, {}, id);
        client.greet();
        client.send(wire::OpenRequest{"test.db"});
        client.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
        cluster_.executor.advance(20ms);
    }

    // A real frame again: late, to another, or with a few bytes changed.
    void repeat() {
        if (overheard_.empty()) return;
        Overheard said = overheard_[choose(overheard_.size())];
        if (choose(4) == 0) said.to = NodeId(1 + choose(kNodes));
        if (choose(4) == 0) said.from = sender();
        for (std::uint64_t changes = choose(4); changes > 0 && !said.frame.empty(); --changes) {
            const std::uint64_t place = choose(256) * 256 + choose(256);
            said.frame[place % said.frame.size()] = static_cast<std::uint8_t>(choose(256));
        }
        deliver(said.from, said.to, said.frame);
    }

    void deliver(NodeId from, NodeId to, const Bytes& frame) {
        (void)cluster_.replica(to.value()).receive(from, frame);
        if (choose(2) == 0) cluster_.executor.run();
    }

    NodeId sender() {
        constexpr std::array<std::uint64_t, 8> kSenders = {1, 2, 1, 2, 1, 2, 3, kStranger};
        return NodeId(kSenders[choose(kSenders.size())]);
    }

    // A number near one that matters, or far from all.
    std::uint64_t near(std::uint64_t number) {
        constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
        switch (choose(24)) {
            case 0:
                return number + 1;
            case 1:
                return number - 1;
            case 2:
                return number + choose(200);
            case 3:
                return 0;
            case 4:
                return 1;
            case 5:
                return kMost - choose(3);
            case 6:
                return kMost / 2 + choose(3);
            default:
                return number;
        }
    }
    Index near(Index index) { return Index(near(index.value())); }
    Term near(Term term) { return Term(near(term.value())); }

    Bytes configuration() {
        raft::Configuration made;
        for (std::uint64_t id = 1; id <= choose(4); ++id) {
            if (choose(4) == 0) continue;
            made.servers.push_back(
                {NodeId(id), Cluster::address(id), static_cast<raft::Role>(choose(3))});
        }
        return encode(made);
    }

    Bytes some_bytes() {
        if (choose(8) == 0) return Bytes(std::size_t{1} << (10 + choose(12)));
        const std::uint64_t wanted = choose(64);
        const ByteView taken = moves_.take(std::min<std::uint64_t>(wanted, moves_.remaining()));
        return {taken.begin(), taken.end()};
    }

    // Something that a real node has sent in this place.
    SharedBytes real_payload(raft::EntryKind kind) {
        for (const Overheard& said : overheard_) {
            const auto message = replica::decode_peer_message(said.frame);
            if (!message) continue;
            const auto* const raft_message = std::get_if<raft::Message>(&message->body);
            if (raft_message == nullptr) continue;
            const auto* const append = std::get_if<raft::AppendRequest>(raft_message);
            if (append == nullptr) continue;
            for (const raft::Entry& entry : append->entries) {
                if (entry.kind == kind) return entry.payload;
            }
        }
        return std::make_shared<const Bytes>();
    }

    raft::Entry entry(Term term, Index index) {
        const auto kind = static_cast<raft::EntryKind>(1 + choose(3));
        SharedBytes payload = real_payload(kind);
        if (kind == raft::EntryKind::kConfiguration && choose(4) != 0) {
            payload = std::make_shared<const Bytes>(configuration());
        }
        if (choose(6) == 0) payload = std::make_shared<const Bytes>(some_bytes());
        return {term, index, kind, std::move(payload)};
    }

    raft::AppendRequest append(const replica::ReplicaStatus& status, Term term) {
        raft::AppendRequest request{.term = term,
                                    .previous_index = near(status.last),
                                    .previous_term = near(status.term),
                                    .commit = near(status.committed),
                                    .round = choose(100),
                                    .entries = {}};
        if (choose(3) == 0) request.previous_index = near(status.committed);
        if (choose(4) == 0) {
            request.hash = {Index(), near(status.committed), choose(100)};
            request.agreed = Index(choose(100));
        }
        for (std::uint64_t count = choose(4); count > 0; --count) {
            const Index index = request.previous_index.plus(request.entries.size() + 1);
            request.entries.push_back(entry(choose(4) == 0 ? near(term) : term, index));
        }
        return request;
    }

    raft::SnapshotRequest snapshot(const replica::ReplicaStatus& status, Term term) {
        auto members = raft::decode_configuration(configuration());
        return {.term = term,
                .point = {near(status.last), near(status.term),
                          members ? *members : raft::Configuration{}},
                .round = choose(100),
                .manifest = std::make_shared<const Bytes>(some_bytes())};
    }

    decltype(replica::PeerMessage::body) body(const replica::ReplicaStatus& status) {
        const Term term = near(status.term);
        switch (choose(16)) {
            case 0:
                return raft::VoteRequest{term, near(status.last), near(status.term), choose(2) == 0,
                                         choose(2) == 0};
            case 1:
                return raft::VoteReply{term, choose(2) == 0, choose(2) == 0};
            case 2:
                return raft::AppendReply{term, near(choose(100)), choose(2) == 0, near(status.last),
                                         near(status.applied)};
            case 3:
                return snapshot(status, term);
            case 4:
                return raft::SnapshotReply{term, near(choose(100)), near(status.last),
                                           choose(2) == 0};
            case 5:
                return raft::TimeoutNow{term};
            case 6:
                return replica::ChunkRequest{near(status.last), static_cast<std::uint32_t>(near(0)),
                                             near(0), static_cast<std::uint32_t>(near(4096))};
            case 7:
                return replica::Chunk{near(status.last), static_cast<std::uint32_t>(near(0)),
                                      near(0), some_bytes(), near(status.last)};
            case 8:
                return replica::PageRequest{choose(2) == 0 ? "test.db" : "",
                                            static_cast<std::uint32_t>(near(1))};
            case 9:
                return replica::PageReply{"test.db", static_cast<std::uint32_t>(near(1)),
                                          near(status.applied),
                                          choose(2) == 0 ? Bytes(4096) : Bytes()};
            default:
                return append(status, term);
        }
    }

    void forge(std::size_t id) {
        const NodeId from = choose(4) == 0 ? sender() : NodeId(3 - id);
        replica::PeerMessage message{.cluster = cluster_.replica(1).cluster_id(),
                                     .from = choose(16) == 0 ? sender() : from,
                                     .to = NodeId(id),
                                     .from_address = Cluster::address(from.value() % 9),
                                     .body = body(cluster_.replica(id).status())};
        if (choose(24) == 0) message.cluster.low ^= choose(2) == 0 ? 1 : message.cluster.low;
        if (choose(24) == 0) message.to = sender();
        deliver(from, NodeId(id), encode(message));
    }

    ByteReader moves_;
    Cluster cluster_{kNodes};
    std::deque<Overheard> overheard_;
    std::array<Index, kNodes> committed_;
};

}  // namespace

void survive_forged_frames(ByteView moves) {
    Forger(moves).run();
}

}  // namespace quorlite::test
