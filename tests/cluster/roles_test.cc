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

constexpr Duration kPatience = std::chrono::seconds(15);

raft::Progress silent(std::uint64_t id, Duration duration) {
    raft::Progress progress = peer(id, 5, false);
    progress.silent = duration;
    return progress;
}

raft::Configuration with_standbys(std::initializer_list<std::uint64_t> voting,
                                  std::initializer_list<std::uint64_t> standing_by) {
    raft::Configuration configuration = voters(voting);
    for (const std::uint64_t id : standing_by) {
        configuration.servers.push_back(
            {NodeId(id), "h:" + std::to_string(id), raft::Role::kStandby});
    }
    return configuration;
}

std::optional<RoleChange> change(const raft::Configuration& configuration,
                                 const std::vector<raft::Progress>& peers, bool vacancy = false) {
    return next_role_change(NodeId(1), configuration, peers, kPatience, vacancy);
}

TEST(RoleChanges, NothingIsChangedWhileAllVotersAreHeard) {
    EXPECT_EQ(change(with_standbys({1, 2, 3}, {4}), {peer(2, 9), peer(3, 9), peer(4, 9)}),
              std::nullopt);
    EXPECT_EQ(change(with_standbys({1, 2}, {4}), {peer(2, 9), peer(4, 9)}), std::nullopt)
        << "who made it a standby may have meant it";
}

TEST(RoleChanges, ThePlaceOfASilentVoterIsTakenByTheStandbyWithTheMostCompleteLog) {
    const auto members = with_standbys({1, 2, 3}, {4, 5});
    EXPECT_EQ(change(members, {peer(2, 9), silent(3, kPatience - Duration(1)), peer(4, 9)}),
              std::nullopt);
    EXPECT_EQ(change(members, {peer(2, 9), silent(3, kPatience), peer(4, 8), peer(5, 9)}),
              (RoleChange{NodeId(5), raft::Role::kVoter}));
    EXPECT_EQ(change(members, {peer(2, 9), silent(3, kPatience), peer(4, 8, false)}), std::nullopt);
}

TEST(RoleChanges, TheSilentOneIsAStandbyOnceThereAreVotersEnough) {
    EXPECT_EQ(change(voters({1, 2, 3, 4}), {peer(2, 9), silent(3, kPatience), peer(4, 9)}),
              (RoleChange{NodeId(3), raft::Role::kStandby}));
    EXPECT_EQ(change(voters({1, 2, 3}), {peer(2, 9), silent(3, kPatience)}), std::nullopt);
}

TEST(RoleChanges, ThePlaceOfARemovedVoterIsTaken) {
    EXPECT_EQ(change(with_standbys({1, 2}, {4}), {peer(2, 9), peer(4, 9)}, true),
              (RoleChange{NodeId(4), raft::Role::kVoter}));
}

}  // namespace
}  // namespace quorlite::cluster
