// What a replica tells of itself, in the order in which it happens.
#include "engine/base/events.h"

#include <gmock/gmock.h>

#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

std::string line(const Event& event) {
    const Description described = quorlite::describe(event);
    std::string text = described.text;
    for (const auto& [name, value] : described.fields) {
        if (name != "term" && name != "index") text += " " + std::string(name) + "=" + value;
    }
    return text;
}

class ReplicaEvents : public testing::Test {
protected:
    ReplicaEvents() {
        cluster.on_event = [this](NodeId node, const Event& event) {
            if (node == NodeId(1)) lines.push_back(line(event));
        };
    }

    std::vector<std::string> lines;
    Cluster cluster{3};
};

TEST_F(ReplicaEvents, MembersComeAndTheLeaderIsLostAndComesBack) {
    cluster.join(2);
    cluster.join(3);
    EXPECT_THAT(lines, testing::ElementsAre("membership voters=1 standbys=0 spares=1",
                                            "membership voters=1 standbys=1 spares=0",
                                            "membership voters=2 standbys=0 spares=0",
                                            "membership voters=2 standbys=0 spares=1",
                                            "membership voters=2 standbys=1 spares=0",
                                            "membership voters=3 standbys=0 spares=0"));
    lines.clear();
    cluster.depose();
    EXPECT_THAT(lines, testing::Contains("no leader"));
    lines.clear();
    cluster.restore();
    EXPECT_EQ(lines.back(), "leader node=1");
}

TEST_F(ReplicaEvents, ADiskThatFillsIsSaidOnceAndThatItHasSpaceAgain) {
    cluster.join(2);
    cluster.join(3);
    lines.clear();
    OpenClient client(cluster);
    client.exec("CREATE TABLE t(a)");
    cluster.disk(1).set_full(true);
    for (int i = 0; i < 20; ++i) client.exec("INSERT INTO t VALUES(randomblob(1000000))");
    cluster.executor.advance(3s);
    EXPECT_EQ(std::ranges::count(lines, line(event::DiskFilled{})), 1);
    EXPECT_THAT(lines, testing::Contains(testing::HasSubstr("leadership is handed to node")));
    cluster.disk(1).set_full(false);
    cluster.executor.advance(10s);
    EXPECT_EQ(std::ranges::count(lines, line(event::DiskHasSpace{})), 1);
}

}  // namespace
}  // namespace quorlite::test
