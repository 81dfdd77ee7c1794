#include "engine/raft/types.h"

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

TEST(Configuration, SurvivesEncoding) {
    for (const char* roles : {"", "v", "vs-", "vvvss--"}) {
        const Configuration configuration = members(roles);
        EXPECT_EQ(decode_configuration(encode(configuration)), configuration) << roles;
    }
}

TEST(Configuration, AnyTruncationIsMalformed) {
    const Bytes whole = encode(members("vs-"));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_FALSE(decode_configuration(ByteView(whole).first(length))) << length;
    }
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(decode_configuration(longer));
}

TEST(Configuration, RefusesWhatBreaksItsRules) {
    const auto malformed = [](auto&& change) {
        Configuration configuration = members("vv");
        change(configuration);
        return !decode_configuration(encode(configuration)).has_value();
    };
    EXPECT_TRUE(malformed([](Configuration& c) { c.servers[0].id = NodeId(); }));
    EXPECT_TRUE(malformed([](Configuration& c) { std::swap(c.servers[0], c.servers[1]); }));
    EXPECT_TRUE(malformed([](Configuration& c) { c.servers[1].id = c.servers[0].id; }));
    EXPECT_TRUE(malformed([](Configuration& c) { c.servers[1].address = c.servers[0].address; }));
    EXPECT_TRUE(malformed([](Configuration& c) { c.servers[0].role = static_cast<Role>(3); }));
    EXPECT_FALSE(malformed([](Configuration&) {}));
}

TEST(Configuration, AnyFlippedByteIsHarmless) {
    const Bytes whole = encode(members("vs-"));
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            Bytes damaged = whole;
            damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (1 << bit));
            const auto decoded = decode_configuration(damaged);
            EXPECT_TRUE(!decoded || encode(*decoded) == damaged) << at;
        }
    }
}

TEST(Configuration, KnowsItsMembers) {
    const Configuration configuration = members("vs-v");
    EXPECT_EQ(configuration.voter_count(), 2u);
    EXPECT_TRUE(configuration.is_voter(NodeId(4)));
    EXPECT_FALSE(configuration.is_voter(NodeId(2)));
    EXPECT_FALSE(configuration.is_voter(NodeId(9)));
    EXPECT_EQ(configuration.find(NodeId(3))->role, Role::kSpare);
    EXPECT_EQ(configuration.find(NodeId(5)), nullptr);
}

}  // namespace
}  // namespace quorlite::raft
