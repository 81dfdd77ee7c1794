// Flushing: whatever becomes of the disk, the log brings back exactly what was there.
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

// A log of random transactions, and what every replica must hold at each of its indexes.
struct History {
    Log log;
    std::vector<std::uint64_t> checksums{0};  // by index
};

History make_history(std::uint64_t seed, int transactions, std::size_t command_bytes_max) {
    Options options;
    options.command_bytes_max = command_bytes_max;
    Node leader(seed, options);
    EXPECT_OK(leader.open());
    History history;
    Writer writer(leader, history.log);
    EXPECT_OK(writer.run(SqlWorkload::setup()));
    SqlWorkload workload(seed);
    for (int i = 0; i < transactions; ++i) writer.run(workload.next()).ok();
    // The database shrinks, and grows again over what it gave up.
    EXPECT_OK(writer.run("DELETE FROM b; DELETE FROM f; VACUUM;"));
    EXPECT_OK(writer.run("INSERT INTO w VALUES('big', zeroblob(30000));"));
    Node model(seed + 1);
    EXPECT_OK(model.open());
    for (std::size_t i = 1; i <= history.log.size(); ++i) {
        EXPECT_OK(model.store->apply(Index(i), Term(1), *history.log[i - 1]));
        history.checksums.push_back(model.checksum());
    }
    return history;
}

Options flushing_options() {
    Options options;
    options.flush_bytes = 48u << 10;
    options.flush_interval = std::chrono::seconds(5);
    return options;
}

// One life of a follower: it applies what the log has, flushes as it goes, and moves the snapshot
// point behind it.
void live(Node& node, const History& history) {
    for (std::uint64_t i = node.store->applied_index().value() + 1; i <= history.log.size(); ++i) {
        ASSERT_OK(node.store->apply(Index(i), Term(1), *history.log[i - 1]));
        node.store->log_durable(Index(i > 2 ? i - 2 : 0));  // the log is a little behind
        node.executor.run();
        if (i % 7 == 0) node.executor.advance(std::chrono::seconds(5));
        const Index flushed = node.store->flushed_index();
        if (i % 5 == 0 && flushed > node.store->snapshot_point().index) {
            node.store->save_snapshot_point({flushed, Term(1), nullptr}, [](Status) {});
            node.executor.run();
        }
    }
    node.store->log_durable(Index(history.log.size()));
    node.executor.advance(std::chrono::seconds(20));
}

void expect_recovery(Node& node, const History& history, const std::string& what) {
    SCOPED_TRACE(what);
    ASSERT_OK(node.open());
    const std::uint64_t point = node.store->snapshot_point().index.value();
    ASSERT_LE(point, node.store->known_committed().value());
    const std::uint64_t exact_from = node.store->known_committed().value();
    for (std::uint64_t i = point + 1; i <= history.log.size(); ++i) {
        ASSERT_OK(node.store->apply(Index(i), Term(1), *history.log[i - 1]));
        // What is of several moments is given to nobody. (A file may be ahead of the log.)
        const bool given = node.store->image("test").ok();
        ASSERT_TRUE(given || i < exact_from) << "at " << i;
        if (given) {
            const bool ahead = node.checksum() == history.checksums[std::max(i, exact_from)];
            ASSERT_TRUE(ahead || node.checksum() == history.checksums[i]) << "at " << i;
        }
    }
}

TEST(Flush, CrashAtEveryOperation) {
    const History history = make_history(3, 40, 9000);
    std::uint64_t operations = 0;
    {
        Node node(9, flushing_options());
        ASSERT_OK(node.open());
        live(node, history);
        operations = node.disk->operations();
        ASSERT_EQ(node.checksum(), history.checksums.back());
        ASSERT_EQ(node.store->flushed_index(), Index(history.log.size()));
    }
    ASSERT_GT(operations, 60u);
    int states = 0;
    for (std::uint64_t operation = 1; operation <= operations; ++operation) {
        Node node(9, flushing_options());
        node.disk->cut_after(operation);
        bool cut = false;
        try {
            ASSERT_OK(node.open());
            live(node, history);
        } catch (const sim::PowerCut&) {
            cut = true;
        }
        if (!cut) continue;
        node.store.reset();
        node.executor.clear();
        const auto at_the_cut = node.disk->clone();
        const std::uint64_t blocks = std::min<std::uint64_t>(node.disk->last_write_blocks(), 3);
        sim::Seeded random(operation);
        std::vector<sim::Tail> tails{{.kind = sim::Tail::Kind::kNone},
                                     {.kind = sim::Tail::Kind::kAll}};
        for (std::uint64_t i = 0; i < blocks; ++i) {
            tails.push_back({.kind = sim::Tail::Kind::kPrefix, .blocks = i});
        }
        for (int i = 0; i < 4; ++i)
            tails.push_back({.kind = sim::Tail::Kind::kRandom, .random = &random});
        for (const sim::Tail& tail : tails) {
            node.disk = at_the_cut->clone();
            node.crash(tail);
            expect_recovery(node, history,
                            "operation " + std::to_string(operation) + ", tail " +
                                std::to_string(static_cast<int>(tail.kind)));
            if (HasFatalFailure()) return;
            node.kill();
            ++states;
        }
    }
    RecordProperty("crash_states", states);
    EXPECT_GT(states, 400);
}

TEST(Flush, CrashAfterCrashAfterCrash) {
    for (std::uint64_t seed = 1; seed <= 15; ++seed) {
        const History history = make_history(seed + 20, 60, 20'000);
        Node node(seed, flushing_options());
        sim::Seeded random(seed);
        for (int life = 0; life < 12; ++life) {
            node.disk->cut_after(node.disk->operations() + 1 + random.below(40));
            try {
                ASSERT_OK(node.open());
                live(node, history);
            } catch (const sim::PowerCut&) {
            }
            node.store.reset();
            node.executor.clear();
            node.crash({.kind = sim::Tail::Kind::kRandom, .random = &random});
        }
        expect_recovery(node, history, "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

// What the flush did not touch is checked as soon as it is known what it did touch.
TEST(Flush, DamageBesideAnInterruptedFlushIsNoticed) {
    Leading leading;
    auto& [leader, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"));
    for (int i = 0; i < 30; ++i) {
        ASSERT_OK(writer.run("INSERT INTO t(b) VALUES(randomblob(3000))"));
    }
    const std::uint64_t before = log.size();
    ASSERT_OK(writer.run("UPDATE t SET b = randomblob(3000) WHERE a = 10"));
    writer.commit();
    const std::uint64_t untouched = 25 * kPageSize;
    int interrupted = 0;
    for (std::uint64_t change = 1; change < 20; ++change) {
        Node node;
        ASSERT_OK(node.open());
        node.catch_up(log, before);
        node.flush();
        node.catch_up(log, log.size());
        node.disk->cut_after_changes(change);
        try {
            node.flush();
        } catch (const sim::PowerCut&) {
        }
        node.store.reset();
        node.executor.clear();
        node.crash({.kind = sim::Tail::Kind::kAll});
        ASSERT_TRUE(node.disk->flip("databases/000001.db", untouched + 100, 1));
        ASSERT_OK(node.open());
        interrupted += node.store->find("test")->checksum().ok() ? 1 : 0;
        node.catch_up(log, log.size());
        EXPECT_FALSE(node.store->find("test")->checksum().ok()) << change;
        ASSERT_TRUE(node.disk->flip("databases/000001.db", untouched + 100, 1));
        EXPECT_EQ(node.checksum(), leader.checksum());
    }
    EXPECT_GT(interrupted, 1);
}

TEST(Flush, NothingBeyondTheDurableLogReachesABaseFile) {
    const History history = make_history(5, 20, 1u << 20);
    Node node(1, flushing_options());
    ASSERT_OK(node.open());
    for (std::uint64_t i = 1; i <= history.log.size(); ++i) {
        ASSERT_OK(node.store->apply(Index(i), Term(1), *history.log[i - 1]));
    }
    node.store->log_durable(Index(3));
    node.executor.advance(std::chrono::minutes(5));
    EXPECT_EQ(node.store->known_committed(), Index(0));
    EXPECT_LE(node.store->flushed_index(), Index(0));
    node.store->log_durable(Index(history.log.size()));
    node.executor.advance(std::chrono::minutes(5));
    EXPECT_EQ(node.store->flushed_index(), Index(history.log.size()));
}

TEST(Flush, AFullDiskStopsFlushingUntilThereIsSpace) {
    const History history = make_history(6, 30, 1u << 20);
    for (std::uint64_t operation = 4; operation < 60; operation += 3) {
        for (const bool overwrites : {false, true}) {
            SCOPED_TRACE(operation);
            Node node(1, flushing_options());
            ASSERT_OK(node.open());
            std::vector<bool> space;
            node.store->on_space = [&](bool available) { space.push_back(available); };
            node.disk->fill_after(operation, overwrites);
            live(node, history);
            ASSERT_EQ(node.checksum(), history.checksums.back());
            if (!space.empty()) {
                EXPECT_EQ(space, std::vector<bool>{false});
                std::optional<int> refused;
                node.store->find("test")->writers().acquire(
                    "x", Duration::zero(), [&](Status status) { refused = status.error().code; });
                EXPECT_EQ(refused, code::kFull);
                EXPECT_EQ(*query(*node.connect(), "PRAGMA quick_check"), "ok\n");
            }
            node.disk->set_full(false);
            node.executor.advance(std::chrono::minutes(1));
            if (!space.empty()) {
                EXPECT_EQ(space, (std::vector<bool>{false, true}));
            }
            EXPECT_EQ(node.store->flushed_index(), Index(history.log.size()));
            node.crash({.kind = sim::Tail::Kind::kNone});
            expect_recovery(node, history, "reopened");
        }
    }
}

TEST(Flush, AFailedSyncIsFatal) {
    const History history = make_history(7, 20, 1u << 20);
    const FatalGuard guard;
    Node probe(1, flushing_options());
    probe.disk->tracing = true;
    ASSERT_OK(probe.open());
    live(probe, history);
    int fatal = 0;
    for (std::size_t i = 3; i < probe.disk->trace().size(); ++i) {
        const auto kind = probe.disk->trace()[i].kind;
        if (kind != sim::DiskOperation::Kind::kSync &&
            kind != sim::DiskOperation::Kind::kSyncDirectory) {
            continue;
        }
        Node node(1, flushing_options());
        ASSERT_OK(node.open());
        node.disk->fail(i + 1, code::kIo);
        EXPECT_THROW(live(node, history), Died) << probe.disk->trace()[i].text();
        ++fatal;
        node.store.reset();
        node.executor.clear();
    }
    EXPECT_GT(fatal, 5);
}

// A leader that has proposed a transaction of several commands, and a follower that has the first.
class FlushOfParts : public testing::Test {
protected:
    static Options options() {
        Options made = flushing_options();
        made.command_bytes_max = 6000;
        return made;
    }
    void SetUp() override {
        ASSERT_OK(leader.open());
        writer.emplace(leader, log);
        ASSERT_OK(writer->run("CREATE TABLE t(x)"));
        ASSERT_OK(writer->run("INSERT INTO t VALUES(hex(zeroblob(20000)))"));
        ASSERT_GT(log.size(), 5u);
        ASSERT_OK(follower.open());
        follower.catch_up(log, 4);
    }

    Node leader{1, options()};
    Log log;
    std::optional<Writer> writer;
    Node follower{2, options()};
};

// As long as the last one is missing, the first ones must stay in the log.
TEST_F(FlushOfParts, ABegunTransactionHoldsTheMarkBack) {
    const std::uint64_t before = leader.checksum();  // nothing is committed yet
    follower.flush();
    EXPECT_EQ(follower.store->flushed_index(), Index(1));
    // The same on the leader: entry 4 is committed, the transaction is not.
    leader.store->committed(Index(4));
    leader.store->log_durable(Index(4));
    leader.flush();
    EXPECT_LE(leader.store->flushed_index(), Index(1));
    EXPECT_NE(leader.checksum(), before);
    EXPECT_EQ(leader.checksum(), follower.checksum());

    follower.kill();
    ASSERT_OK(follower.open());
    follower.catch_up(log, log.size());
    writer->commit();
    EXPECT_EQ(leader.checksum(), follower.checksum());
    EXPECT_EQ(*query(*follower.connect(), "SELECT length(x) FROM t"), "40000\n");
}

// Its leader is gone, and another entry came instead of the rest: nothing holds that point back any
// more, or the log would grow until somebody else wrote to this database.
TEST_F(FlushOfParts, ATransactionThatNeverEndsDoesNotHoldTheMarkBack) {
    EXPECT_EQ(follower.store->flushed_index(), Index(0));
    follower.store->committed(Index(5));
    follower.store->log_durable(Index(5));
    follower.flush();
    EXPECT_EQ(follower.store->flushed_index(), Index(5));
    // The same on the deposed leader, which has captured it.
    leader.store->committed(Index(4));
    leader.store->begin_epoch();
    leader.store->committed(Index(5));
    leader.store->log_durable(Index(5));
    leader.flush();
    EXPECT_EQ(leader.store->flushed_index(), Index(5));
    EXPECT_EQ(leader.checksum(), follower.checksum());
}

TEST(Flush, MemoryStaysBounded) {
    Options options;
    options.flush_bytes = 2u << 20;
    Leading leading(1, options);
    auto& [leader, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    std::size_t peak = 0;
    for (int i = 0; i < 2500; ++i) {
        ASSERT_OK(writer.run("INSERT INTO t(x) VALUES(randomblob(40000))"));
        if (i % 8 != 0) continue;
        writer.commit();
        leader.store->log_durable(Index(log.size()));
        leader.executor.run();
        peak = std::max(peak, leader.store->memory_bytes());
        for (auto& command : log) command.reset();
    }
    const std::size_t wal_bytes = 2 * options.wal_frames_soft * kPageSize;
    EXPECT_LT(peak, wal_bytes + 6 * options.flush_bytes);
    writer.commit();
    leader.flush();
    leader.flush();
    EXPECT_LT(leader.store->memory_bytes(), 1u << 20);
    EXPECT_EQ(writer.must_query("SELECT count(*), sum(length(x)) FROM t"), "2500|100000000\n");
    EXPECT_EQ(leader.store->flushed_index(), Index(log.size()));
}

TEST(Flush, ADamagedManifestIsReportedAndTheOtherOneServes) {
    const History history = make_history(8, 10, 1u << 20);
    Node node(1, flushing_options());
    ASSERT_OK(node.open());
    live(node, history);
    node.kill();
    ASSERT_TRUE(node.disk->flip("databases/manifest.0", 30, 1));
    expect_recovery(node, history, "one copy");
    node.kill();
    ASSERT_TRUE(node.disk->flip("databases/manifest.1", 30, 1));
    const Status opened = node.open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, code::kCorrupt);
    EXPECT_NE(opened.error().message.find("manifest"), std::string::npos);
}

}  // namespace
}  // namespace quorlite::database
