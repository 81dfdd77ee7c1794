#include "engine/raft/tracker.h"

#include "engine/base/mutants.h"
#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

TEST(Quorum, IsMoreThanHalf) {
    const std::vector<std::size_t> expected{1, 1, 2, 2, 3, 3, 4, 4};
    for (std::size_t voters = 0; voters < expected.size(); ++voters) {
        EXPECT_EQ(quorum_of(voters), expected[voters]) << voters;
    }
}

TEST(Quorum, WhatAMajorityHasReached) {
    struct Case {
        std::vector<int> values;
        int reached;
    };
    const std::vector<Case> cases{{{}, 0},        {{5}, 5},          {{5, 3}, 3},
                                  {{1, 9, 4}, 4}, {{1, 2, 3, 4}, 2}, {{5, 1, 5, 1, 5}, 5}};
    for (Case each : cases) EXPECT_EQ(majority_of(each.values), each.reached);
}

TEST(Peer, AcknowledgementsFreeTheWindow) {
    Peer peer(NodeId(2), Index(1), TimePoint());
    peer.sent_up_to(Index(3), 300);
    peer.sent_up_to(Index(5), 200);
    EXPECT_EQ(peer.in_flight_bytes, 500u);
    peer.acknowledged(Index(4));
    EXPECT_EQ(peer.in_flight_bytes, 200u) << "a message counts until its last entry is there";
    peer.acknowledged(Index(2));
    EXPECT_EQ(peer.match, Index(4)) << "a late acknowledgement takes nothing back";
    peer.acknowledged(Index(5));
    EXPECT_EQ(peer.in_flight_bytes, 0u);
    EXPECT_EQ(peer.next, Index(6));
}

TEST(Peer, BacktracksFasterWithEachRefusal) {
    Peer peer(NodeId(2), Index(1001), TimePoint());
    std::vector<std::uint64_t> asked;
    Index agreed(1000);
    for (int i = 0; i < 6; ++i) {
        agreed = peer.backtrack(agreed.previous());
        peer.become_probe(agreed.next());
        asked.push_back(agreed.value());
    }
    // The first step leaves the replicating state, where steps are not counted.
    EXPECT_EQ(asked, (std::vector<std::uint64_t>{999, 998, 996, 992, 984, 968}));
    EXPECT_EQ(peer.backtrack(Index(3)), Index(3)) << "a hint may lead further back";
}

TEST(Tracker, FollowsTheConfiguration) {
    Tracker tracker;
    tracker.configure(members("vvs-"), NodeId(1), Index(7), TimePoint());
    ASSERT_EQ(tracker.peers().size(), 2u);
    EXPECT_EQ(tracker.peers()[0].id, NodeId(2));
    EXPECT_EQ(tracker.peers()[1].id, NodeId(3));
    tracker.find(NodeId(3))->match = Index(6);

    tracker.configure(members("v-vv"), NodeId(1), Index(9), TimePoint());
    ASSERT_EQ(tracker.peers().size(), 3u);
    EXPECT_TRUE(tracker.find(NodeId(2))->leaving);
    EXPECT_EQ(tracker.find(NodeId(3))->match, Index(6)) << "what is known of a peer is kept";
    EXPECT_EQ(tracker.find(NodeId(4))->next, Index(9));
    tracker.drop_leaving();
    EXPECT_EQ(tracker.find(NodeId(2)), nullptr);
    EXPECT_EQ(tracker.find(NodeId(9)), nullptr);
}

}  // namespace
}  // namespace quorlite::raft
