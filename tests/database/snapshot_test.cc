// Images for clients, and snapshots for other nodes, while the databases go on changing.
#include "engine/database/base_file.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

Options flushing_options() {
    Options options;
    options.flush_bytes = 64u << 10;
    options.flush_interval = std::chrono::seconds(5);
    options.wal_frames_soft = 60;
    return options;
}

std::string image_bytes(Store& store, std::string_view name = "test") {
    auto image = store.image(name);
    EXPECT_OK(image);
    std::string bytes((*image)->size(), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const std::size_t piece = std::min<std::size_t>(bytes.size() - done, 10'007);
        const auto got =
            (*image)->read(done, {reinterpret_cast<std::uint8_t*>(bytes.data()) + done, piece});
        EXPECT_OK(got);
        if (!got || *got != piece) break;
        done += piece;
    }
    return bytes;
}

TEST(Image, OfADatabaseThatWasOpenedAndNeverWrittenIsOnePage) {
    Node node(1);
    ASSERT_OK(node.open());
    EXPECT_EQ(node.store->image("test").error().code, code::kNoDatabase);
    ASSERT_OK(node.store->open_database("test"));
    const std::string bytes = image_bytes(*node.store);
    EXPECT_EQ(bytes.size(), kPageSize);
    EXPECT_EQ(bytes.substr(0, 15), "SQLite format 3");
    EXPECT_TRUE(node.store->names().empty());
}

// Nothing of what follows the moment of the image is in it, however it is read.
TEST(Image, StaysAsItWasUnderLoad) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        Node leader(seed, flushing_options());
        Node follower(seed + 50, flushing_options());
        ASSERT_OK(leader.open());
        ASSERT_OK(follower.open());
        Log log;
        Writer writer(leader, log);
        SqlWorkload workload(seed);
        sim::Seeded random(seed);
        ASSERT_OK(writer.run(SqlWorkload::setup()));
        struct Held {
            std::unique_ptr<Image> image;
            std::string expected;
        };
        std::vector<Held> held;
        for (int i = 0; i < 120; ++i) {
            writer.run(workload.next()).ok();
            if (random.below(2) == 0) writer.commit();
            follower.catch_up(log, leader.store->applied_index().value());
            leader.store->log_durable(leader.store->applied_index());
            leader.executor.run();
            follower.executor.run();
            if (random.below(5) == 0) leader.flush();
            if (random.below(5) == 0) follower.flush();
            if (random.below(6) == 0) {
                const bool of_follower = follower.store->find("test") && random.below(2) == 0;
                Node& node = of_follower ? follower : leader;
                held.push_back({*node.store->image("test"), image_bytes(*node.store)});
            }
            if (random.below(3) != 0 || held.empty()) continue;
            const Held one = std::move(held.front());
            held.erase(held.begin());
            std::string bytes(one.image->size(), '\0');
            ASSERT_EQ(
                *one.image->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}),
                bytes.size());
            ASSERT_EQ(bytes, one.expected) << "seed " << seed << " step " << i;
        }
        held.clear();
        ASSERT_EQ(image_bytes(*leader.store), image_bytes(*follower.store));
    }
}

// Copies a snapshot in pieces, at most `pieces` of them; `between` runs after each. True once it is
// complete.
bool transfer(SnapshotSource& source, SnapshotInstaller& installer, int pieces,
              const std::function<void()>& between) {
    for (std::size_t file = 0; file < installer.file_count(); ++file) {
        while (installer.received(file) < installer.file_size(file)) {
            if (pieces-- == 0) return false;
            Bytes piece(24'576);
            const auto got = source.read(file, installer.received(file), piece);
            EXPECT_OK(got);
            EXPECT_GT(*got, 0u);
            EXPECT_OK(installer.write(file, installer.received(file), ByteView(piece).first(*got)));
            between();
        }
    }
    installer.set_consistent_from(source.consistent_from());
    return true;
}

// A table of so many rows with a blob each, flushed.
void fill(Leading& leading, int rows, int blob_bytes) {
    EXPECT_OK(leading.writer.run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)"));
    EXPECT_OK(
        leading.writer.run("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT " +
                           std::to_string(rows) + ") INSERT INTO t SELECT n, zeroblob(" +
                           std::to_string(blob_bytes) + ") FROM c"));
    leading.writer.commit();
    leading.node.flush();
}

// A client that reads its image slowly, or never, holds neither flushes nor memory.
TEST(Image, DoesNotStopFlushes) {
    Leading leading(1, flushing_options());
    auto& [node, log, writer] = leading;
    fill(leading, 300, 2000);
    const auto image = *node.store->image("test");
    const std::string expected = image_bytes(*node.store);
    for (int round = 0; round < 5; ++round) {
        ASSERT_OK(writer.run("UPDATE t SET x = randomblob(2000)"));
        if (round == 2) {
            ASSERT_OK(writer.run("DELETE FROM t WHERE id > 100; VACUUM"));
        }
        writer.commit();
        node.flush();
        ASSERT_EQ(node.store->flushed_index(), Index(log.size()));
    }
    EXPECT_LT(node.store->memory_bytes(), 1u << 20);
    std::string bytes(image->size(), '\0');
    ASSERT_OK(image->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
    EXPECT_EQ(bytes, expected);
}

TEST(Image, GivesUpWhenItWouldHoldTooMuch) {
    Node node(1);
    ASSERT_OK(node.disk->make_directory(std::string(kDatabasesDirectory)));
    auto file = create_base_file(*node.disk, 99);
    ASSERT_OK(file);
    ASSERT_OK((*file)->write(0, Bytes(10 * kPageSize, 7)));
    PageSet pages;
    pages.base = Base{std::move(*file), 10};
    pages.page_count = 10;
    const auto budget = std::make_shared<PageBudget>(3);
    const auto held = HeldPages::hold(pages, budget);
    ASSERT_NE(held, nullptr);
    const auto keep = [&](PageNumber number) {
        std::shared_ptr<const KeptPage> copy;
        held->keep(number, copy);
    };
    std::array<std::uint8_t, kPageSize> page;
    for (const PageNumber number : {1u, 2u, 2u, 3u, 11u}) keep(number);
    EXPECT_EQ(budget->taken(), 3u);
    ASSERT_OK(pages.base.file->write(0, Bytes(3 * kPageSize, 8)));
    for (const PageNumber number : {1u, 3u, 10u}) {
        ASSERT_OK(held->read(number, page));
        EXPECT_EQ(page[0], 7);
    }
    keep(4);
    EXPECT_FALSE(held->read(10, page).ok());
    EXPECT_EQ(budget->taken(), 0u);
}

// Many clients read an image slowly while everything changes.
TEST(Image, ManyHoldTheirPagesTogether) {
    Options options = flushing_options();
    options.memory_bytes_max = 64u << 20;
    Leading leading(1, options);
    auto& [node, log, writer] = leading;
    fill(leading, 5000, 3000);
    // Twelve with pages of their own would hold 240 MB, and give up.
    std::vector<std::unique_ptr<Image>> images;
    for (int i = 0; i < 12; ++i) images.push_back(*node.store->image("test"));
    const std::string expected = image_bytes(*node.store);
    ASSERT_OK(writer.run("UPDATE t SET x = randomblob(3000)"));
    writer.commit();
    node.flush();
    for (const auto& image : images) {
        std::string bytes(image->size(), '\0');
        ASSERT_OK(image->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
        EXPECT_TRUE(bytes == expected);
    }
}

TEST(Image, OfEachMomentIsItsOwn) {
    Leading leading(1, flushing_options());
    auto& [node, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    std::vector<std::unique_ptr<Image>> images;
    std::vector<std::string> expected;
    for (int i = 0; i < 5; ++i) {
        ASSERT_OK(writer.run("INSERT INTO t VALUES(randomblob(10000))"));
        writer.commit();
        if (i % 2 == 0) node.flush();
        images.push_back(*node.store->image("test"));
        expected.push_back(image_bytes(*node.store));
    }
    for (std::size_t i = 0; i < images.size(); ++i) {
        std::string bytes(images[i]->size(), '\0');
        ASSERT_OK(
            images[i]->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
        EXPECT_TRUE(bytes == expected[i]) << i;
    }
}

// Databases that were only opened, and those that rest.
TEST(StoreMemory, NamesThatWereOnlyOpenedAreForgotten) {
    Leading leading(1);
    auto& [node, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(x)"));
    writer.commit();
    for (int i = 0; i < 100; ++i) {
        const std::string name = "only opened " + std::to_string(i);
        auto connection = node.connect(name);
        ASSERT_OK(query(*connection, "SELECT 1"));
        EXPECT_NE(node.store->find(name), nullptr);
        connection.reset();
        node.executor.run();
        EXPECT_EQ(node.store->find(name), nullptr);
    }
    EXPECT_NE(node.store->find("test"), nullptr);
}

TEST(StoreMemory, ANameIsKeptWhileSomebodyIsThereOrHasWritten) {
    Node node(1);
    ASSERT_OK(node.open());
    Log log;
    auto first = node.connect("other");
    auto second = node.connect("other");
    first.reset();
    node.executor.run();
    ASSERT_NE(node.store->find("other"), nullptr);
    second.reset();
    auto third = node.connect("other");  // before it is forgotten
    node.executor.run();
    ASSERT_NE(node.store->find("other"), nullptr);
    third.reset();
    {
        Writer writer(node, log, "other");
        ASSERT_OK(writer.run("CREATE TABLE t(x)"));  // in the log, and not committed
        writer.connection();
    }
    node.executor.run();
    ASSERT_NE(node.store->find("other"), nullptr);
    node.store->committed(Index(log.size()));
    node.executor.run();
    EXPECT_EQ(*query(*node.connect("other"), "SELECT count(*) FROM t"), "0\n");
}

TEST(StoreMemory, ADatabaseThatRestsIsTheSameWhenItIsUsedAgain) {
    Node node(1, flushing_options());
    ASSERT_OK(node.open());
    Log log;
    for (int i = 0; i < 5; ++i) {
        {
            Writer writer(node, log);
            ASSERT_OK(writer.run(i == 0 ? "CREATE TABLE t(x)" : "INSERT INTO t VALUES(1)"));
            writer.commit();
        }
        node.executor.advance(std::chrono::minutes(2));
        node.store->log_durable(Index(log.size()));
        node.executor.advance(std::chrono::minutes(2));
        EXPECT_EQ(*query(*node.connect(), "SELECT count(*) FROM t"), std::to_string(i) + "\n");
    }
}

class Snapshot : public testing::TestWithParam<int> {};

// The receiver has old databases of its own; the sender goes on writing, flushing and trimming
// meanwhile.
TEST_P(Snapshot, MakesAReceiverEqual) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    Node leader(seed, flushing_options());
    Node receiver(seed + 70, flushing_options());
    ASSERT_OK(leader.open());
    ASSERT_OK(receiver.open());
    Log log;
    Writer writer(leader, log);
    Writer other(leader, log, "another");
    SqlWorkload workload(seed);
    sim::Seeded random(seed);
    const auto write = [&](int count) {
        for (int i = 0; i < count; ++i) {
            (random.below(4) == 0 ? other : writer).run(workload.next()).ok();
        }
        writer.commit();
        leader.store->log_durable(Index(log.size()));
        leader.executor.advance(std::chrono::seconds(3));
    };
    ASSERT_OK(writer.run(SqlWorkload::setup()));
    ASSERT_OK(other.run(SqlWorkload::setup()));
    write(10);
    receiver.catch_up(log, log.size());
    ASSERT_OK(receiver.store->open_database("never written"));
    receiver.flush();
    write(60);
    leader.flush();
    leader.store->save_snapshot_point({leader.store->flushed_index(), Term(1), nullptr},
                                      [](Status) {});
    leader.executor.run();
    ASSERT_GT(leader.store->snapshot_point().index, receiver.store->applied_index());
    write(static_cast<int>(random.below(15)));

    const auto source = leader.store->snapshot_source();
    auto installer = receiver.store->start_install(source->manifest());
    ASSERT_OK(installer);
    const auto between = [&] { write(static_cast<int>(random.below(4))); };
    while (!transfer(*source, **installer, 3,
                     between)) {  // interrupted after three pieces, and resumed
        EXPECT_FALSE((*installer)->sync().ok());
        EXPECT_FALSE(receiver.store->finish_install(**installer).ok());
        (*installer).reset();
        installer = receiver.store->start_install(source->manifest());
        ASSERT_OK(installer);
    }
    ASSERT_OK((*installer)->sync());
    auto old_reader = receiver.connect();
    ASSERT_OK(receiver.store->finish_install(**installer));
    EXPECT_FALSE(old_reader->take_capture().current);
    old_reader.reset();
    EXPECT_EQ(receiver.store->applied_index(), source->point().index);
    EXPECT_EQ(receiver.store->snapshot_point().index, source->point().index);
    EXPECT_GE(receiver.store->known_committed(), source->point().index);
    write(10);
    if (random.below(2) == 0) {
        sim::Seeded tail(seed);
        receiver.crash({.kind = sim::Tail::Kind::kRandom, .random = &tail});
        ASSERT_OK(receiver.open());
    }
    receiver.catch_up(log, log.size());
    EXPECT_EQ(receiver.checksum(), leader.checksum());
    EXPECT_EQ(receiver.checksum("another"), leader.checksum("another"));
    EXPECT_EQ(*query(*receiver.connect(), "PRAGMA integrity_check"), "ok\n");
    receiver.flush();
    receiver.kill();
    ASSERT_OK(receiver.open());
    receiver.catch_up(log, log.size());
    EXPECT_EQ(receiver.checksum(), leader.checksum());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Snapshot, testing::Range(1, 25));

// A crash at any operation of a transfer leaves the old state or the new one, and no litter.
TEST(Install, CrashAtEveryOperation) {
    Leading leading(1, flushing_options());
    auto& [leader, log, writer] = leading;
    ASSERT_OK(writer.run("CREATE TABLE t(x); INSERT INTO t VALUES('old')"));
    const std::uint64_t old_end = log.size();
    ASSERT_OK(writer.run("UPDATE t SET x = 'new'; INSERT INTO t VALUES(zeroblob(50000))"));
    writer.commit();
    leader.flush();
    leader.store->save_snapshot_point({Index(log.size()), Term(1), nullptr}, [](Status) {});
    leader.executor.run();
    const auto source = leader.store->snapshot_source();
    int old_states = 0;
    int new_states = 0;
    for (std::uint64_t operation = 1;; ++operation) {
        Node node(2, flushing_options());
        ASSERT_OK(node.open());
        node.catch_up(log, old_end);
        node.flush();
        node.store->save_snapshot_point({Index(old_end), Term(1), nullptr}, [](Status) {});
        node.executor.run();
        node.disk->cut_after(node.disk->operations() + operation);
        bool cut = false;
        try {
            auto installer = node.store->start_install(source->manifest());
            ASSERT_OK(installer);
            ASSERT_TRUE(transfer(*source, **installer, 1000, [] {}));
            ASSERT_OK((*installer)->sync());
            ASSERT_OK(node.store->finish_install(**installer));
            node.executor.run();
        } catch (const sim::PowerCut&) {
            cut = true;
        }
        if (!cut) break;
        sim::Seeded random(operation);
        node.crash({.kind = sim::Tail::Kind::kRandom, .random = &random});
        ASSERT_OK(node.open());
        const std::string rows = *query(*node.connect(), "SELECT x FROM t LIMIT 1");
        if (node.store->snapshot_point().index == Index(old_end)) {
            ++old_states;
            EXPECT_EQ(rows, "old\n");
        } else {
            ++new_states;
            EXPECT_EQ(node.store->snapshot_point().index, Index(log.size()));
            EXPECT_EQ(rows, "new\n");
            EXPECT_EQ(node.checksum(), leader.checksum());
        }
        EXPECT_LE(node.disk->files().size(), 4u);
    }
    EXPECT_GT(old_states, 4);
    EXPECT_GT(new_states, 1);
}

TEST(Install, RefusesWhatIsNotASnapshot) {
    Node node(1);
    ASSERT_OK(node.open());
    EXPECT_FALSE(node.store->start_install(std::make_shared<const Bytes>(Bytes{1, 2, 3})).ok());
}

}  // namespace
}  // namespace quorlite::database
