// What a leader captures, applied elsewhere, gives the same bytes; and what SQLite itself would
// have.
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

TEST(Replication, OneInsertReachesAFollower) {
    Node leader(1);
    Node follower(2);
    ASSERT_OK(leader.open());
    ASSERT_OK(follower.open());
    Log log;
    Writer writer(leader, log);
    ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES('hello')"));
    ASSERT_EQ(log.size(), 2u);
    EXPECT_EQ(writer.must_query("SELECT x FROM t"), "hello\n");
    writer.commit();
    follower.catch_up(log, log.size());
    EXPECT_EQ(follower.checksum(), leader.checksum());
    EXPECT_EQ(*query(*follower.connect(), "SELECT x FROM t"), "hello\n");
    EXPECT_EQ(follower.store->names(), std::vector<std::string>{"test"});
}

TEST(Replication, ASingleRowCostsLittleMoreThanItself) {
    Leading leading(1);
    auto& [leader, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    for (int i = 0; i < 20; ++i)
        ASSERT_OK(writer.run("INSERT INTO t(x) VALUES('twenty characters xx')"));
    EXPECT_LT(log.back()->size(), 80u);
}

struct Workload {
    std::uint64_t seed;
    Options options;
};

// Small limits, so that everything happens often.
Options small_options(std::uint64_t seed) {
    sim::Seeded random(seed * 7919);
    Options options;
    options.command_bytes_max = random.one_of(std::array<std::size_t, 3>{6000, 20'000, 1u << 20});
    options.wal_frames_soft = random.one_of(std::array<std::size_t, 3>{10, 100, 2000});
    options.flush_bytes = random.one_of(std::array<std::size_t, 3>{1u << 14, 1u << 18, 16u << 20});
    options.page_cache_bytes = random.one_of(std::array<std::size_t, 2>{40u << 10, 2u << 20});
    return options;
}

class RandomSql : public testing::TestWithParam<int> {};

TEST_P(RandomSql, FollowerEqualsLeaderEqualsSqlite) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    const Options options = small_options(seed);
    Node leader(seed, options);
    Node follower(seed + 1000, options);
    ASSERT_OK(leader.open());
    ASSERT_OK(follower.open());
    Log log;
    Writer writer(leader, log);
    Reference reference;
    SqlWorkload workload(seed);
    sim::Seeded random(seed + 5);
    ASSERT_OK(writer.run(SqlWorkload::setup()));
    ASSERT_OK(reference.execute(SqlWorkload::setup()));
    for (int i = 0; i < 150; ++i) {
        const std::string sql = workload.next();
        const Status ours = writer.run(sql);
        const Status theirs = reference.execute(sql);
        ASSERT_EQ(ours.ok(), theirs.ok()) << sql << (ours ? "" : ours.error().message);
        if (!theirs) reference.execute("ROLLBACK").ok();
        if (random.below(3) == 0) {
            writer.commit();
            leader.store->log_durable(Index(log.size()));
            leader.executor.run();
            follower.catch_up(log, log.size());
            follower.executor.run();
            ASSERT_EQ(follower.checksum(), leader.checksum()) << i << ": " << sql;
        }
        if (i % 25 == 0) {
            leader.flush();
            follower.flush();
        }
    }
    writer.commit();
    follower.catch_up(log, log.size());
    ASSERT_EQ(follower.checksum(), leader.checksum());
    const std::string expected = reference.dump();
    EXPECT_EQ(dump(writer.connection()), expected);
    EXPECT_EQ(dump(*follower.connect()), expected);
    EXPECT_EQ(*query(*follower.connect(), "PRAGMA integrity_check"), "ok\n");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSql, testing::Range(1, 31));

}  // namespace
}  // namespace quorlite::database
