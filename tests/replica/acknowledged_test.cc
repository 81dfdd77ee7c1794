// The last batch of the log is damaged: told apart from one that a crash tore by the record of what
// was committed.
#include "engine/disk/log.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

TEST(Acknowledged, DamageToTheLastBatchIsNoticed) {
    Cluster cluster;
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    cluster.executor.advance(15s);
    const Index committed = cluster.replica().status().committed;

    const auto copy = cluster.disk().clone();
    copy->crash({});
    TestExecutor executor;
    copy->attach(executor);
    const auto records = disk::Records::open(*copy);
    ASSERT_TRUE(records.ok());
    EXPECT_EQ((*records)->acknowledged(), committed);

    // The table's name is in the last batch, and only there.
    std::string segment;
    std::size_t at = std::string::npos;
    for (const std::string& name : copy->files()) {
        if (!name.starts_with("log/0")) continue;
        const Bytes content = copy->content(name);
        const std::size_t found = as_text(content).find("CREATE TABLE t");
        if (found == std::string::npos) continue;
        segment = name;
        at = found;
    }
    ASSERT_NE(at, std::string::npos);
    ASSERT_TRUE(copy->flip(segment, at, 1));
    disk::RecoveredLog recovered;
    const auto log = disk::Log::open(*copy, executor, {.segment_bytes = 1u << 20}, Index(),
                                     (*records)->acknowledged(), recovered);
    ASSERT_TRUE(log.ok());
    EXPECT_EQ(recovered.vote_barrier, committed);
    EXPECT_NE(recovered.damage, "");
}

}  // namespace
}  // namespace quorlite::test
