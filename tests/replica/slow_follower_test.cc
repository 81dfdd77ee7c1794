// A follower whose disk cannot keep up, or that is silent for long: its memory stays bounded,
// nobody else waits for it, and it catches up.
#include <gmock/gmock.h>

#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFlushBytes = 64u << 10;
constexpr std::size_t kRowBytes = 10'000;
constexpr int kRows = 400;

TEST(SlowFollower, HoldsBoundedMemoryAndCatchesUp) {
    Cluster cluster(3,
                    [](replica::Options& options) { options.database.flush_bytes = kFlushBytes; });
    cluster.join(2);
    cluster.join(3);
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), "RESULT 0 0");
    cluster.executor.advance(1s);

    cluster.slow_down(3, 30s);
    const std::string insert =
        "INSERT INTO t(b) VALUES(randomblob(" + std::to_string(kRowBytes) + "))";
    std::size_t memory_max = 0;
    for (int i = 0; i < kRows; ++i) {
        ASSERT_THAT(client.exec(insert), testing::StartsWith("RESULT"));
        cluster.executor.advance(10ms);
        memory_max = std::max(memory_max, cluster.replica(3).status().memory_bytes);
    }
    EXPECT_LT(memory_max, 12 * kFlushBytes);
    EXPECT_GT(memory_max, 4 * kFlushBytes);  // it was really slow
    EXPECT_LT(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
    EXPECT_EQ(cluster.replica(3).status().role, raft::RoleName::kFollower);
    EXPECT_TRUE(cluster.replica(1).check_leader().ok());

    cluster.slow_down(3, 0s);
    cluster.executor.advance(60s);
    EXPECT_EQ(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
    const auto checksum = [&](std::size_t id) {
        return *cluster.replica(id).store().find("test.db")->checksum();
    };
    EXPECT_EQ(checksum(3), checksum(1));
}

// Longer than its snapshot is held for it.
TEST(SlowFollower, ThatFallsSilentWhileItFetchesASnapshotIsOfferedAnother) {
    Cluster cluster(3, [](replica::Options& options) {
        options.database.flush_bytes = kFlushBytes;
        options.log_tail_bytes = kFlushBytes;
        options.log.segment_bytes = 4 * kFlushBytes;
    });
    cluster.join(2);
    cluster.join(3);
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), "RESULT 0 0");
    cluster.executor.advance(1s);
    cluster.isolate(3);
    const std::string insert =
        "INSERT INTO t(b) VALUES(randomblob(" + std::to_string(kRowBytes) + "))";
    for (int i = 0; i < kRows; ++i) {
        ASSERT_THAT(client.exec(insert), testing::StartsWith("RESULT"));
        cluster.executor.advance(10ms);
    }
    cluster.executor.advance(10s);
    ASSERT_GT(cluster.replica(1).status().first, cluster.replica(3).status().last.next());

    cluster.slow_down(3, 500ms);
    cluster.heal();
    cluster.executor.advance(2s);
    ASSERT_LT(cluster.replica(3).status().applied, cluster.replica(1).status().first);
    cluster.isolate(3);
    cluster.executor.advance(60s);
    cluster.slow_down(3, 0s);
    cluster.heal();
    cluster.executor.advance(60s);
    EXPECT_EQ(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
}

}  // namespace
}  // namespace quorlite::test
