#include "engine/cluster/roles.h"

#include <gtest/gtest.h>

namespace quorlite::cluster {
namespace {

raft::Progress peer(std::uint64_t id, std::uint64_t match, bool active = true) {
    raft::Progress progress;
    progress.id = NodeId(id);
    progress.match = Index(match);
    progress.active = active;
    return progress;
}

raft::Configuration voters(std::initializer_list<std::uint64_t> ids) {
    raft::Configuration configuration;
    for (const std::uint64_t id : ids) {
        configuration.servers.push_back(
            {NodeId(id), "h:" + std::to_string(id), raft::Role::kVoter});
    }
    return configuration;
}

TEST(BestSuccessor, HasTheMostCompleteLog) {
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2, 3}), {peer(2, 8), peer(3, 9)}), NodeId(3));
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2, 3}), {peer(2, 9), peer(3, 9)}), NodeId(2));
}

TEST(BestSuccessor, HasAppliedTheMostAmongEquals) {
    raft::Progress two = peer(2, 9);
    raft::Progress three = peer(3, 9);
    two.applied = Index(7);
    three.applied = Index(8);
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2, 3}), {two, three}), NodeId(3));
}

TEST(BestSuccessor, IsAliveAndVotes) {
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2, 3}), {peer(2, 8), peer(3, 9, false)}),
              NodeId(2));
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2}), {peer(2, 8), peer(3, 9)}), NodeId(2));
    raft::Progress catching_up = peer(2, 8);
    catching_up.snapshotting = true;
    EXPECT_EQ(best_successor(NodeId(1), voters({1, 2}), {catching_up}), NodeId());
    EXPECT_EQ(best_successor(NodeId(1), voters({1}), {}), NodeId());
}

}  // namespace
}  // namespace quorlite::cluster
