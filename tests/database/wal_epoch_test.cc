// Leadership gained and lost, and readers that live through what the WAL does.
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

Options small_options() {
    Options options;
    options.command_bytes_max = 7000;
    options.wal_frames_soft = 50;
    options.flush_bytes = 200u << 10;
    return options;
}

class LostLeadership : public testing::TestWithParam<int> {};

// A leader loses its uncommitted suffix at random points, also in the middle of a transaction; the
// rest of that transaction is committed by the next leader, or never.
TEST_P(LostLeadership, KeepsExactlyTheCommittedPrefix) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    sim::Seeded random(seed);
    Node leader(seed, small_options());
    Node follower(seed + 100, small_options());
    ASSERT_OK(leader.open());
    ASSERT_OK(follower.open());
    Log log;
    Writer writer(leader, log);
    SqlWorkload workload(seed);
    ASSERT_OK(writer.run(SqlWorkload::setup()));
    writer.commit();
    for (int round = 0; round < 12; ++round) {
        for (std::uint64_t i = 0, count = random.below(12); i < count; ++i) {
            writer.run(workload.next()).ok();
            if (random.below(4) == 0) writer.commit();
        }
        const std::uint64_t applied = leader.store->applied_index().value();
        const std::uint64_t kept = applied + random.below(log.size() - applied + 1);
        leader.store->committed(Index(kept));
        const bool more = random.below(2) == 0;  // the next leader has the whole log
        if (!more) log.resize(kept);
        Connection& old = writer.connection();
        leader.store->begin_epoch();
        EXPECT_FALSE(query(old, "SELECT * FROM a").ok());
        EXPECT_FALSE(execute(old, "INSERT INTO a(n) VALUES(1)").ok());
        const Capture nothing = old.take_capture();
        EXPECT_FALSE(nothing.current);
        EXPECT_TRUE(nothing.commands.empty());
        leader.catch_up(log, log.size());
        follower.catch_up(log, log.size());
        leader.executor.run();
        ASSERT_EQ(leader.checksum(), follower.checksum()) << "round " << round;
        writer.reconnect();
        if (random.below(3) == 0) leader.flush();
    }
    ASSERT_EQ(dump(writer.connection()), dump(*follower.connect()));
    EXPECT_EQ(writer.must_query("PRAGMA integrity_check"), "ok\n");
}

INSTANTIATE_TEST_SUITE_P(Seeds, LostLeadership, testing::Range(1, 41));

// A node, its log and who writes to it.
class WalEpochs : public testing::Test {
protected:
    explicit WalEpochs(Options options = {}) : node(1, options), opened(node.open()) {
        EXPECT_OK(opened);
    }

    // How many rows t has at the committed prefix, by a statement that is long in its first step:
    // what was posted before runs meanwhile.
    std::string count_long(Connection& reader) {
        constexpr std::string_view kLong =
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 10000) "
            "SELECT (SELECT count(*) FROM t) + 0 * count(*) FROM c";
        node.executor.yields = true;
        std::string seen;
        node.executor.step([&] { seen = *query_committed(reader, kLong); }, [] {});
        return seen;
    }

    Node node;
    const Status opened;
    Log log;
    Writer writer{node, log};
};

TEST_F(WalEpochs, UncommittedTransactionsAreVisibleAtOnceAndGoneAfterwards) {
    ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES(1)"));
    writer.commit();
    const std::uint64_t committed = node.checksum();
    ASSERT_OK(writer.run("INSERT INTO t VALUES(2)"));
    EXPECT_EQ(*query(*node.connect(), "SELECT count(*) FROM t"), "2\n");
    EXPECT_EQ(writer.database().newest_proposed(), Index(3));
    EXPECT_EQ(node.checksum(), committed);
    node.store->begin_epoch();
    EXPECT_EQ(*query(*node.connect(), "SELECT count(*) FROM t"), "1\n");
    EXPECT_EQ(node.checksum(), committed);
}

TEST_F(WalEpochs, AReadAtTheCommittedPrefixSeesNothingNewer) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    const auto reader = node.connect();
    // The first transaction of a WAL, one in its middle, and the first after it was restarted.
    for (int i = 0; i < 3; ++i) {
        SCOPED_TRACE(i);
        const std::string before = std::to_string(i) + "\n";
        const std::string after = std::to_string(i + 1) + "\n";
        ASSERT_OK(writer.run("INSERT INTO t VALUES(1)"));
        EXPECT_EQ(*query_committed(*reader, "SELECT count(*) FROM t"), before);
        EXPECT_TRUE(reader->take_capture().read_committed);
        EXPECT_EQ(*query(*reader, "SELECT count(*) FROM t"), after);
        EXPECT_FALSE(reader->take_capture().read_committed);
        writer.commit();
        EXPECT_EQ(*query_committed(*reader, "SELECT count(*) FROM t"), after);
        EXPECT_TRUE(reader->take_capture().read_committed);
        if (i == 1) node.flush();
    }
}

// A statement that is long in its first step may lose the loop while the prefix is still shown.
TEST_F(WalEpochs, OthersThatBeginMeanwhileSeeTheNewest) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    ASSERT_OK(writer.run("INSERT INTO t VALUES(1)"));
    const auto reader = node.connect();
    const auto other = node.connect();
    ASSERT_OK(query(*other, "SELECT * FROM t"));
    other->take_capture();
    std::string seen_by_other;
    node.executor.post([&] { seen_by_other = *query(*other, "SELECT count(*) FROM t"); });
    const std::string seen = count_long(*reader);
    EXPECT_EQ(seen_by_other, "1\n");
    EXPECT_EQ(seen, reader->take_capture().read_committed ? "0\n" : "1\n");
}

class EndsMeanwhile : public WalEpochs, public testing::WithParamInterface<const char*> {};

// As above, but who goes on meanwhile has its snapshot and its locks already.
TEST_P(EndsMeanwhile, AtTheNewest) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    ASSERT_OK(writer.run("INSERT INTO t VALUES(1)"));
    ASSERT_OK(writer.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(2)"));
    EXPECT_TRUE(writer.connection().take_capture().commands.empty());  // it is at rest
    const auto reader = node.connect();
    node.executor.post([&] { ASSERT_OK(writer.run(GetParam())); });
    EXPECT_EQ(count_long(*reader), "0\n");
    reader->take_capture();
    ASSERT_OK(writer.run("INSERT INTO t VALUES(3)"));
    const bool two = std::string_view(GetParam()) == "COMMIT";
    EXPECT_EQ(writer.must_query("SELECT group_concat(x) FROM t"), two ? "1,2,3\n" : "1,3\n");
    writer.commit();
    Node follower(2);
    ASSERT_OK(follower.open());
    follower.catch_up(log, log.size());
    EXPECT_EQ(follower.checksum(), node.checksum());
}

INSTANTIATE_TEST_SUITE_P(Ends, EndsMeanwhile, testing::Values("COMMIT", "ROLLBACK"));

TEST_F(WalEpochs, ATransactionIsNeverAtThePrefixThatItsWriteCouldNotFollow) {
    ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES(1)"));
    const auto reader = node.connect();
    ASSERT_OK(execute(*reader, "BEGIN"));
    EXPECT_EQ(*query_committed(*reader, "SELECT count(*) FROM t"), "1\n");
    EXPECT_FALSE(reader->take_capture().read_committed);
}

TEST_F(WalEpochs, AFailureAtThePrefixIsTriedAtTheNewest) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    ASSERT_OK(writer.run("CREATE TABLE later(x); INSERT INTO later VALUES(7)"));
    const auto reader = node.connect();
    EXPECT_EQ(*query_committed(*reader, "SELECT x FROM later"), "7\n");
    EXPECT_FALSE(reader->take_capture().read_committed);
}

Options options_with_wal(std::size_t frames_hard) {
    Options options = small_options();
    options.wal_frames_hard = frames_hard;
    return options;
}

class UnboundedWal : public WalEpochs {
protected:
    UnboundedWal() : WalEpochs(options_with_wal(100'000)) {}
};

class CommittedPrefix : public UnboundedWal, public testing::WithParamInterface<int> {};

// Commits lag behind at random, readers of old snapshots take all of SQLite's read marks, the WAL
// is checkpointed, flushed and restarted: a read at the prefix is exactly what is committed, or
// else it says that it is not.
TEST_P(CommittedPrefix, IsWhatIsCommitted) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    SqlWorkload workload(seed);
    sim::Seeded random(seed + 1000);
    ASSERT_OK(writer.run(SqlWorkload::setup()));
    writer.commit();
    Node follower(2);  // holds what is committed
    ASSERT_OK(follower.open());
    std::vector<std::unique_ptr<Connection>> pinning;
    const auto reader = node.connect();
    int at_the_prefix = 0;
    for (int i = 0; i < 200; ++i) {
        writer.run(workload.next()).ok();
        if (random.below(3) == 0) writer.commit(log.size() - random.below(3));
        if (random.below(10) == 0) node.flush();
        if (random.below(4) == 0 && pinning.size() < 6) {
            pinning.push_back(node.connect());
            ASSERT_OK(execute(*pinning.back(), "BEGIN; SELECT * FROM sqlite_schema"));
            EXPECT_TRUE(pinning.back()->take_capture().commands.empty());  // it is at rest
        }
        if (random.below(12) == 0) pinning.clear();
        bool prefix = true;
        const std::string seen = dump([&](std::string_view sql) {
            auto rows = query_committed(*reader, sql);
            prefix = prefix && (!rows.ok() || reader->take_capture().read_committed);
            return rows;
        });
        if (!prefix) continue;
        follower.catch_up(log, writer.committed());
        ASSERT_EQ(seen, dump(*follower.connect())) << i;
        ++at_the_prefix;
    }
    EXPECT_GT(at_the_prefix, 100);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CommittedPrefix, testing::Range(1, 21));

TEST_F(UnboundedWal, AReaderKeepsItsSnapshotWhileTheWalGrowsAndIsCheckpointed) {
    SqlWorkload workload(3);
    ASSERT_OK(writer.run(SqlWorkload::setup()));
    sim::Seeded random(4);
    struct Reader {
        std::unique_ptr<Connection> connection;
        std::string expected;
    };
    std::vector<Reader> readers;
    for (int i = 0; i < 300; ++i) {
        writer.run(workload.next()).ok();
        if (random.below(2) == 0) writer.commit();
        if (random.below(10) == 0) node.flush();
        if (random.below(6) == 0 && readers.size() < 4) {
            Reader reader{node.connect(), {}};
            ASSERT_OK(execute(*reader.connection, "BEGIN"));
            reader.expected = dump(*reader.connection);
            EXPECT_EQ(reader.expected, dump(writer.connection()));
            readers.push_back(std::move(reader));
        }
        for (const Reader& reader : readers)
            ASSERT_EQ(dump(*reader.connection), reader.expected) << i;
        if (random.below(12) == 0) readers.clear();
    }
}

TEST_F(WalEpochs, TheWalIsCheckpointedAndFlushedWhenNothingPins) {
    ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES(1)"));
    writer.commit();
    const auto reader = node.connect();
    ASSERT_OK(execute(*reader, "BEGIN; SELECT * FROM t"));
    ASSERT_OK(writer.run("INSERT INTO t VALUES(2)"));
    writer.commit();
    node.flush();
    EXPECT_EQ(node.store->flushed_index(), Index(0));
    ASSERT_OK(execute(*reader, "COMMIT"));
    node.flush();
    EXPECT_EQ(node.store->flushed_index(), Index(3));
    EXPECT_EQ(writer.must_query("SELECT sum(x) FROM t"), "3\n");
}

class BoundedWal : public WalEpochs {
protected:
    BoundedWal() : WalEpochs(options_with_wal(200)) {}
};

TEST_F(BoundedWal, AReaderThatPinsTooMuchIsEnded) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    ASSERT_OK(writer.run("INSERT INTO t VALUES(1)"));
    const auto idle = node.connect();
    ASSERT_OK(execute(*idle, "BEGIN; SELECT * FROM t"));
    const auto between_rows = node.connect();
    auto prepared = between_rows->prepare("SELECT * FROM t, t AS u");
    ASSERT_OK(prepared);
    ASSERT_TRUE(*prepared->statement->step());
    EXPECT_TRUE(between_rows->take_capture().commands.empty());
    for (int i = 0; i < 400; ++i) {
        ASSERT_OK(writer.run("INSERT INTO t VALUES(hex(zeroblob(3000)))"));
        writer.commit();
    }
    EXPECT_LT(node.store->memory_bytes(), 500 * kPageSize + (4u << 20));
    const auto ended = query(*idle, "SELECT * FROM t");
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().code, 517);
    EXPECT_FALSE(idle->in_transaction());
    EXPECT_OK(query(*idle, "SELECT count(*) FROM t"));
    const auto row = prepared->statement->step();
    ASSERT_FALSE(row.ok());
    EXPECT_EQ(row.error().code, 517);
}

// What a writer has committed beside the loop is visible before it comes back; whoever sees it
// proposes it.
TEST_F(WalEpochs, ACaptureIsTakenByWhoeverSeesIt) {
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    auto insert = writer.connection().prepare("INSERT INTO t VALUES(1)");
    ASSERT_FALSE(*insert->statement->step());
    const auto reader = node.connect();
    EXPECT_EQ(*query(*reader, "SELECT count(*) FROM t"), "1\n");
    const Capture taken = reader->take_capture();
    EXPECT_EQ(taken.own, Capture::Own::kNone);
    ASSERT_EQ(taken.commands.size(), 1u);
    log.push_back(taken.commands[0]);
    writer.database().proposed(Index(log.size()));
    const Capture rest = writer.connection().take_capture();
    EXPECT_EQ(rest.own, Capture::Own::kTakenByOther);
    EXPECT_TRUE(rest.commands.empty());
    EXPECT_EQ(writer.connection().take_capture().own, Capture::Own::kNone);
    EXPECT_EQ(writer.database().newest_proposed(), Index(2));
    writer.commit();
    Node follower(2);
    ASSERT_OK(follower.open());
    follower.catch_up(log, log.size());
    EXPECT_EQ(follower.checksum(), node.checksum());
}

}  // namespace
}  // namespace quorlite::database
