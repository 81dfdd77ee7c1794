#include "tests/replica/samples.h"

#include "tests/raft/values.h"

namespace quorlite::replica {

using raft::payload;

raft::SnapshotPoint sample_point() {
    return {Index(40),
            Term(6),
            {{{NodeId(1), "one:9000", raft::Role::kVoter},
              {NodeId(2), "two:9000", raft::Role::kStandby}}}};
}

std::vector<PeerMessage> samples() {
    std::vector<PeerMessage> messages;
    const auto add = [&](decltype(PeerMessage::body) body) {
        messages.push_back({.cluster = {5, 77},
                            .from = NodeId(3),
                            .to = NodeId(4),
                            .from_address = "three:9000",
                            .body = std::move(body)});
    };
    add(raft::VoteRequest{Term(5), Index(10), Term(4), true, false});
    add(raft::VoteReply{Term(5), false, true});
    add(raft::AppendRequest{Term(5), Index(9), Term(4), Index(8), 3, {}});
    add(raft::AppendRequest{Term(5),
                            Index(9),
                            Term(4),
                            Index(8),
                            3,
                            {{Term(4), Index(10), raft::EntryKind::kCommand, payload("x")},
                             {Term(5), Index(11), raft::EntryKind::kNoOp, payload("")}}});
    add(raft::AppendReply{Term(5), 3, true, Index(11), Index(7)});
    add(raft::SnapshotRequest{Term(7), sample_point(), 12, payload("manifest")});
    add(raft::SnapshotReply{Term(7), 12, Index(40), true});
    add(raft::TimeoutNow{Term(9)});
    add(raft::VoteReply{Term(5), false, true, raft::LogEnd{Term(4), Index(10)}});
    raft::AppendRequest heartbeat{Term(5), Index(9), Term(4), Index(8), 3, {}};
    heartbeat.last_index = Index(12);
    add(heartbeat);
    heartbeat.trusted = true;
    add(heartbeat);
    heartbeat.to_voter = true;
    heartbeat.receipts = {{NodeId(1), {Term(4), Index(8)}}, {NodeId(2), {Term(3), Index(6)}}};
    add(heartbeat);
    heartbeat.hash = raft::LogHash{Index(2), Index(8), 0xfedcba9876543210};
    heartbeat.agreed = Index(2);
    add(heartbeat);
    raft::AppendReply reply{Term(5), 3, true, Index(11), Index(7)};
    reply.promise = std::chrono::milliseconds(300);
    add(reply);
    reply.full = true;
    add(reply);
    reply.forgot = true;
    add(reply);
    reply.agrees = Index(7);
    add(reply);
    raft::SnapshotRequest offer{Term(7), sample_point(), 12, payload("manifest")};
    offer.last_index = Index(60);
    offer.to_voter = true;
    add(offer);
    offer.point.hash = raft::LogHash{Index(), Index(40), 1};
    add(offer);
    raft::SnapshotReply installed{Term(7), 12, Index(40), true};
    installed.promise = std::chrono::milliseconds(300);
    installed.forgot = true;
    add(installed);
    add(ChunkRequest{Index(40), 1, 4096, 1u << 20});
    add(Chunk{Index(40), 1, 4096, Bytes(5000, 0xab), Index(51)});
    add(PageRequest{"app.db", 7});
    add(PageReply{"app.db", 7, Index(44), Bytes(4096, 0xcd)});
    add(PageReply{"app.db", 7, Index(), {}});
    return messages;
}

}  // namespace quorlite::replica
