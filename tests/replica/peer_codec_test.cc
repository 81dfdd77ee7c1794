#include "engine/replica/peer_codec.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/raft/values.h"
#include "tests/replica/samples.h"

namespace quorlite::replica {
namespace {

using raft::payload;

TEST(PeerCodec, EveryMessageComesBackAsItWas) {
    for (const PeerMessage& message : samples()) {
        const Bytes frame = encode(message);
        const auto decoded = decode_peer_message(frame);
        ASSERT_TRUE(decoded.has_value());
        EXPECT_EQ(decoded->cluster, (ClusterId{5, 77}));
        EXPECT_EQ(decoded->from, NodeId(3));
        EXPECT_EQ(decoded->to, NodeId(4));
        EXPECT_EQ(decoded->from_address, "three:9000");
        EXPECT_EQ(decoded->body.index(), message.body.index());
        EXPECT_EQ(encode(*decoded), frame);  // every field, since no two messages are encoded alike
    }
}

TEST(PeerCodec, EntriesGetTheIndicesAfterThePreviousOne) {
    const auto decoded = decode_peer_message(encode(samples()[3]));
    const auto& request =
        std::get<raft::AppendRequest>(std::get<raft::Message>(decoded.value().body));
    ASSERT_EQ(request.entries.size(), 2u);
    EXPECT_EQ(request.entries[0].index, Index(10));
    EXPECT_EQ(request.entries[1].index, Index(11));
    EXPECT_EQ(request.entries[1].kind, raft::EntryKind::kNoOp);
    EXPECT_EQ(*request.entries[0].payload, *payload("x"));
}

TEST(PeerCodec, ALogWhoseTermsGoBackIsRefused) {
    PeerMessage message = samples()[3];
    auto& request = std::get<raft::AppendRequest>(std::get<raft::Message>(message.body));
    request.entries[0].term = Term(3);
    EXPECT_FALSE(decode_peer_message(encode(message)).has_value());
    request.entries[0].term = Term(6);  // later than the leader's own term
    request.entries[1].term = Term(6);
    EXPECT_FALSE(decode_peer_message(encode(message)).has_value());
}

TEST(PeerCodec, HalfAPageIsRefused) {
    PeerMessage message = samples()[0];
    message.body = PageReply{"app.db", 7, Index(44), Bytes(2048)};
    EXPECT_FALSE(decode_peer_message(encode(message)).has_value());
}

TEST(PeerCodec, NumbersThatNoLogReachesAreRefused) {
    raft::AppendRequest request{Term(5), Index(9), Term(4), Index(8), 3, {}};
    request.receipts = {{NodeId(1), {Term(4), Index(8)}}};
    PeerMessage message = samples()[0];
    const auto accepted = [&](const raft::AppendRequest& changed) {
        message.body = raft::Message(changed);
        return decode_peer_message(encode(message)).has_value();
    };
    EXPECT_TRUE(accepted(request));
    const auto with = [&](auto change) {
        raft::AppendRequest changed = request;
        change(changed);
        return changed;
    };
    const Index beyond(raft::kIndexMax + 1);
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.previous_index = beyond; })));
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.commit = beyond; })));
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.last_index = beyond; })));
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.receipts[0].upto.index = beyond; })));
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.hash = {Index(0), beyond, 1}; })));
    EXPECT_FALSE(accepted(with([&](auto& changed) { changed.hash = {Index(9), Index(8), 1}; })));
    EXPECT_TRUE(accepted(with([&](auto& changed) { changed.hash = {Index(8), Index(8), 1}; })));
    raft::SnapshotRequest offer{Term(7), sample_point(), 12, payload("manifest")};
    const auto offered = [&] {
        message.body = raft::Message(offer);
        return decode_peer_message(encode(message)).has_value();
    };
    offer.point.hash = raft::LogHash{Index(0), Index(39), 1};
    EXPECT_FALSE(offered()) << "of another index";
    offer.point.hash.reset();
    EXPECT_TRUE(offered());
    offer.point.index = beyond;
    EXPECT_FALSE(offered());
}

TEST(PeerCodec, AddressesWithoutEndAreRefused) {
    PeerMessage message = samples()[0];
    message.from_address.assign(513, 'a');
    EXPECT_FALSE(decode_peer_message(encode(message)).has_value());
}

TEST(PeerCodec, AMessageFromNobodyIsRefused) {
    PeerMessage message = samples()[0];
    message.from = NodeId(0);
    EXPECT_FALSE(decode_peer_message(encode(message)).has_value());
}

TEST(PeerCodec, NoInputDoesHarm) {
    EXPECT_FALSE(decode_peer_message({}).has_value());
    std::mt19937_64 random(20260101);
    for (int round = 0; round < 20000; ++round) {
        const auto messages = samples();
        Bytes frame = encode(messages[random() % messages.size()]);
        for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
            frame[random() % frame.size()] = static_cast<std::uint8_t>(random());
        }
        if (random() % 3 == 0) frame.resize(random() % frame.size());
        (void)decode_peer_message(frame);  // anything but a crash
    }
}

}  // namespace
}  // namespace quorlite::replica
