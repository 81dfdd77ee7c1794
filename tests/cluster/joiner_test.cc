// The joiner against a scripted cluster: each answer is one the protocol allows.
#include "engine/cluster/joiner.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace quorlite::cluster {
namespace {

using namespace std::chrono_literals;
using wire::Role;

constexpr auto kSelf = NodeId(7);
const std::string kSelfAddress = "self:1";

// Members of a cluster that answer as servers do. Members that are down refuse connections.
class World {
public:
    std::vector<wire::Server> members{{NodeId(1), "a:1", Role::kVoter}};
    std::string leader = "a:1";
    std::vector<std::string> down;
    // Asked before each answer: a failure to give instead, or an end of the connection.
    std::function<std::optional<wire::Response>(const wire::Request&)> disturb;
    bool cut = false;
    int connections = 0;

    // Runs the joiner to its end, or for so many actions.
    Joiner::Action run(Joiner& joiner, int actions_max = 1000) {
        Joiner::Action action = joiner.start();
        for (int i = 0; i < actions_max; ++i) {
            if (std::holds_alternative<Joiner::Joined>(action)) return action;
            if (std::holds_alternative<Joiner::Refused>(action)) return action;
            action = perform(joiner, std::move(action));
        }
        return action;
    }

    TimePoint now{};

private:
    Joiner::Action perform(Joiner& joiner, Joiner::Action action) {
        if (const auto* connect = std::get_if<Joiner::Connect>(&action)) {
            ++connections;
            here_ = connect->address;
            greeted_ = false;
            if (std::find(down.begin(), down.end(), here_) != down.end()) {
                return joiner.failed(now, "refused");
            }
            return joiner.connected();
        }
        if (const auto* wait = std::get_if<Joiner::Wait>(&action)) {
            now += wait->time;
            return joiner.resumed();
        }
        const auto& bytes = std::get<Joiner::Send>(action).bytes;
        const Bytes reply = answer(bytes);
        if (std::exchange(cut, false)) return joiner.failed(now, "closed");
        // In two pieces, as a network may do it.
        const std::size_t half = reply.size() / 2;
        EXPECT_TRUE(std::holds_alternative<Joiner::Read>(
            joiner.received(now, ByteView(reply).first(half))));
        return joiner.received(now, ByteView(reply).subspan(half));
    }

    Bytes answer(ByteView bytes) {
        wire::MessageReader reader(1u << 20);
        reader.feed(bytes);
        if (!std::exchange(greeted_, true)) {
            EXPECT_EQ(reader.take_word(), wire::kProtocolVersion);
        }
        const auto message = reader.next();
        const auto decoded = wire::decode_request((*message)->header, (*message)->body);
        const auto& request = std::get<wire::Request>(decoded);
        Bytes reply;
        std::optional<wire::Response> other;
        if (disturb) other = disturb(request);
        wire::encode(
            other ? *other : std::visit([this](const auto& any) { return on(any); }, request),
            reply);
        return reply;
    }

    wire::Response on(const wire::LeaderRequest&) {
        return wire::ServerResponse{leader.empty() ? NodeId() : NodeId(1), leader};
    }
    wire::Response on(const wire::ClusterRequest&) {
        return wire::ServersResponse{wire::ServersFormat::kRoles, members};
    }
    wire::Response on(const wire::AddRequest& add) {
        EXPECT_EQ(here_, leader);
        EXPECT_EQ(add.id, kSelf);
        EXPECT_EQ(add.address, kSelfAddress);
        members.push_back({kSelf, kSelfAddress, Role::kSpare});
        return wire::EmptyResponse{};
    }
    wire::Response on(const wire::AssignRequest& assign) {
        EXPECT_EQ(here_, leader);
        for (wire::Server& member : members) {
            if (member.id == assign.id) member.role = *assign.role;
        }
        return wire::EmptyResponse{};
    }
    template <class Other>
    wire::Response on(const Other&) {
        ADD_FAILURE() << "not a request of a joiner";
        return wire::FailureResponse{1, "?"};
    }

    std::string here_;
    bool greeted_ = false;
};

Joiner joiner_with(std::vector<std::string> seeds = {"a:1"}) {
    return Joiner({.id = kSelf, .address = kSelfAddress, .seeds = std::move(seeds)}, TimePoint{});
}

void expect_joined(const Joiner::Action& action, Role role) {
    const auto* joined = std::get_if<Joiner::Joined>(&action);
    ASSERT_NE(joined, nullptr);
    EXPECT_EQ(joined->role, role);
}

void expect_refused(const Joiner::Action& action, const std::string& text) {
    const auto* refused = std::get_if<Joiner::Refused>(&action);
    ASSERT_NE(refused, nullptr);
    EXPECT_NE(refused->error.message.find(text), std::string::npos) << refused->error.message;
}

TEST(Joiner, BecomesAVoterOfASmallCluster) {
    World world;
    Joiner joiner = joiner_with();
    expect_joined(world.run(joiner), Role::kVoter);
    EXPECT_EQ(world.members.back().role, Role::kVoter);
    EXPECT_EQ(world.now, TimePoint{});  // nothing had to be waited for
}

TEST(Joiner, BecomesAStandbyOfAFullCluster) {
    World world;
    world.members.push_back({NodeId(2), "b:1", Role::kVoter});
    world.members.push_back({NodeId(3), "c:1", Role::kVoter});
    Joiner joiner = joiner_with();
    expect_joined(world.run(joiner), Role::kStandby);
}

TEST(Joiner, FollowsToTheLeader) {
    World world;
    world.members.push_back({NodeId(2), "b:1", Role::kVoter});
    world.leader = "b:1";
    Joiner joiner = joiner_with();
    expect_joined(world.run(joiner), Role::kVoter);
    EXPECT_EQ(world.connections, 2);
}

TEST(Joiner, AsksTheNextSeed) {
    World world;
    world.down = {"x:1", "y:1"};
    Joiner joiner = joiner_with({"x:1", "y:1", "a:1"});
    expect_joined(world.run(joiner), Role::kVoter);
}

TEST(Joiner, JoiningAgainIsHarmless) {
    World world;
    world.members.push_back({kSelf, kSelfAddress, Role::kVoter});
    Joiner joiner = joiner_with();
    expect_joined(world.run(joiner), Role::kVoter);
    EXPECT_EQ(world.members.size(), 2u);
}

TEST(Joiner, FinishesAPromotionThatWasInterrupted) {
    for (const Role left : {Role::kSpare, Role::kStandby}) {
        World world;
        world.members.push_back({kSelf, kSelfAddress, left});
        Joiner joiner = joiner_with();
        expect_joined(world.run(joiner), Role::kVoter);
    }
}

TEST(Joiner, SurvivesAnyInterruption) {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        std::mt19937_64 random(seed);
        World world;
        world.disturb = [&](const wire::Request&) -> std::optional<wire::Response> {
            switch (random() % 8) {
                case 0:
                    world.cut = true;
                    return std::nullopt;  // carried out, and never answered
                case 1:
                    return wire::FailureResponse{10250, "not leader"};
                case 2:
                    return wire::FailureResponse{5, "a configuration change is in progress"};
                case 3:
                    return wire::ServerResponse{};
                default:
                    return std::nullopt;
            }
        };
        Joiner joiner = joiner_with();
        expect_joined(world.run(joiner), Role::kVoter);
        EXPECT_EQ(world.members.size(), 2u);
    }
}

TEST(Joiner, GivesUpWhenNobodyAnswers) {
    World world;
    world.down = {"a:1"};
    Joiner joiner = joiner_with();
    expect_refused(world.run(joiner), "nobody answers at a:1 (last: a:1: refused): check --join");
    EXPECT_GE(world.now, TimePoint(60s));
}

TEST(Joiner, GivesUpWhenThereIsNoLeader) {
    World world;
    world.leader.clear();
    Joiner joiner = joiner_with();
    expect_refused(world.run(joiner), "a:1 knows no leader");
}

TEST(Joiner, NeverGivesUpItsRoleOnceAdded) {
    World world;
    world.disturb = [&](const wire::Request& request) -> std::optional<wire::Response> {
        const bool assign = std::holds_alternative<wire::AssignRequest>(request);
        if (!assign || world.now > TimePoint(600s)) return std::nullopt;
        return wire::FailureResponse{1, "no connection to remote server available"};
    };
    Joiner joiner = joiner_with();
    expect_joined(world.run(joiner, 100'000), Role::kVoter);
}

Joiner member_that_asks() {
    return Joiner({.id = kSelf, .address = kSelfAddress, .seeds = {"a:1"}, .doubt = 3s},
                  TimePoint{});
}

TEST(Joiner, AMemberIsToldThatItIsOneAndChangesNothing) {
    World world;
    world.members.push_back({kSelf, kSelfAddress, Role::kStandby});
    Joiner joiner = member_that_asks();
    expect_joined(world.run(joiner), Role::kStandby);
    EXPECT_EQ(world.members.back().role, Role::kStandby);
    EXPECT_EQ(world.connections, 1);
}

TEST(Joiner, AMemberBelievesOnlyTheSecondNo) {
    World world;
    Joiner joiner = member_that_asks();
    expect_refused(world.run(joiner), "is not a member of the cluster led by a:1");
    EXPECT_EQ(world.now, TimePoint(3s));
    EXPECT_EQ(world.members.size(), 1u);
}

TEST(Joiner, AMemberIsNotTakenForItsNamesake) {
    World world;
    world.members.push_back({kSelf, "elsewhere:1", Role::kVoter});
    Joiner joiner = member_that_asks();
    expect_refused(world.run(joiner), "another cluster");
}

TEST(Joiner, AMemberAsksUntilSomebodyKnows) {
    World world;
    world.leader = "";
    Joiner joiner = member_that_asks();
    world.run(joiner, 500);
    EXPECT_GT(world.now, TimePoint(60s));
}

TEST(Joiner, RefusesTheIdOrAddressOfAnother) {
    World world;
    world.members.push_back({kSelf, "b:1", Role::kVoter});
    Joiner joiner = joiner_with();
    expect_refused(world.run(joiner), "id 7 belongs to the node at b:1");
    World other;
    other.members.push_back({NodeId(9), kSelfAddress, Role::kVoter});
    Joiner again = joiner_with();
    expect_refused(other.run(again), "address self:1 belongs to node 9");
}

}  // namespace
}  // namespace quorlite::cluster
