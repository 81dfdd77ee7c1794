// A page of a base file is damaged on one node's disk: it comes back from the others, and what it
// held is nowhere lost, nor wrong, meanwhile.
#include "engine/replica/page_repair.h"

#include <gmock/gmock.h>

#include "engine/database/base_file.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kPage = database::kPageSize;

class PageRepair : public testing::Test {
protected:
    PageRepair() {
        cluster.join(2);
        cluster.join(3);
        cluster.on_event = [this](NodeId, const Event& event) {
            const Description described = quorlite::describe(event);
            if (described.severity == Severity::kWarning) lines.push_back(described.text);
        };
        EXPECT_EQ(client.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), "RESULT 0 0");
        for (int i = 0; i < 40; ++i) insert();
        flush();
    }

    void insert() {
        ASSERT_THAT(client.exec("INSERT INTO t(b) VALUES(randomblob(3000))"), StartsWith("RESULT"));
    }
    // By the interval.
    void flush() {
        cluster.executor.advance(70s);
        for (std::size_t id = 1; id <= 3; ++id) {
            EXPECT_EQ(cluster.replica(id).status().flushed, cluster.replica(id).status().applied);
        }
    }

    // Every page but the first, which every statement needs.
    void damage_pages(std::size_t id) {
        const std::string name = database::base_file_name(1);
        const std::size_t pages = cluster.disk(id).content(name).size() / kPage;
        ASSERT_GT(pages, 20u);
        for (std::size_t page = 1; page < pages; ++page) {
            ASSERT_TRUE(cluster.disk(id).flip(name, page * kPage + 100, 0x10));
        }
    }

    Result<std::uint64_t> checksum(std::size_t id) {
        return cluster.replica(id).store().find("test.db")->checksum();
    }

    // Reading it finds what is damaged; some moments later it is repaired.
    std::uint64_t mended_checksum(std::size_t id) {
        for (int attempt = 0; attempt < 100 && !checksum(id).ok(); ++attempt) {
            cluster.executor.advance(10ms);
        }
        return *checksum(id);
    }

    std::vector<std::string> lines;  // until the cluster has ended
    Cluster cluster{3};
    OpenClient client{cluster};
};

TEST_F(PageRepair, OfALeaderWhoseReadersGetAnErrorUntilItIsDone) {
    OpenClient fresh(cluster);  // with nothing in its page cache
    damage_pages(1);
    EXPECT_THAT(fresh.query("SELECT sum(length(b)) FROM t"),
                HasSubstr("fetched from the other nodes"));
    EXPECT_EQ(mended_checksum(1), *checksum(2));
    EXPECT_THAT(fresh.query("SELECT sum(length(b)) FROM t"), HasSubstr("120000"));
    ASSERT_FALSE(lines.empty());
    EXPECT_THAT(lines.front(), HasSubstr("of the database test.db is damaged on this node's disk"));
    EXPECT_THAT(lines.back(), HasSubstr("is repaired, by node"));
}

// A reader meets the first of them, and nobody any other.
TEST_F(PageRepair, OfPagesThatNobodyReadsOnceOneIsFoundToBeDamaged) {
    OpenClient fresh(cluster);
    damage_pages(1);
    EXPECT_THAT(fresh.query("SELECT length(b) FROM t WHERE a = 20"),
                HasSubstr("fetched from the other nodes"));
    cluster.executor.advance(1s);
    EXPECT_EQ(*checksum(1), *checksum(2));
}

TEST_F(PageRepair, OfMorePagesThanAreAskedForAtOneTime) {
    while (cluster.disk(1).content(database::base_file_name(1)).size() / kPage <
           3 * limits::kDamagedPagesMax) {
        for (std::size_t i = 0; i < limits::kDamagedPagesMax; ++i) insert();
        flush();
    }
    damage_pages(1);
    cluster.isolate(1);
    EXPECT_FALSE(checksum(1).ok());
    cluster.executor.advance(2s);
    EXPECT_LE(lines.size(), limits::kDamagedPagesMax);
    cluster.heal();
    cluster.executor.advance(5s);
    EXPECT_EQ(*checksum(1), *checksum(2));
    EXPECT_GT(lines.size(), 6 * limits::kDamagedPagesMax - 10);
}

// What it has to apply changes pages that the others have as of later only.
TEST_F(PageRepair, OfAFollowerThatNeedsThePagesForWhatItApplies) {
    cluster.isolate(3);
    damage_pages(3);
    ASSERT_THAT(client.exec("UPDATE t SET b = randomblob(3001)"), StartsWith("RESULT"));
    ASSERT_THAT(client.exec("UPDATE t SET b = randomblob(3002)"), StartsWith("RESULT"));
    cluster.executor.advance(70s);
    cluster.heal();
    cluster.executor.advance(10s);
    EXPECT_EQ(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
    EXPECT_FALSE(lines.empty());
    EXPECT_EQ(mended_checksum(3), *checksum(1));
    flush();
    EXPECT_EQ(*checksum(3), *checksum(1));
}

// Nobody has the page: the reader is told, again and again, and everything else goes on.
TEST_F(PageRepair, WaitsForANodeThatHasThePage) {
    cluster.isolate(2);
    cluster.isolate(3);
    damage_pages(1);
    EXPECT_FALSE(checksum(1).ok());
    cluster.executor.advance(100ms);
    EXPECT_FALSE(checksum(1).ok());
    cluster.heal();
    cluster.executor.advance(5s);
    EXPECT_FALSE(lines.empty());
    EXPECT_EQ(mended_checksum(1), *checksum(2));
}

TEST_F(PageRepair, TakesNothingThatIsNotThePage) {
    damage_pages(1);
    database::Store& store = cluster.replica(1).store();
    auto page = store.find("test.db");
    ASSERT_NE(page, nullptr);
    const auto copy = cluster.replica(2).store().copy_page("test.db", 5);
    ASSERT_TRUE(copy.has_value());
    EXPECT_FALSE(cluster.replica(1).store().copy_page("test.db", 5).has_value());
    database::PageCopy wrong = *copy;
    wrong.bytes[17] ^= 1;
    EXPECT_FALSE(store.repair("test.db", 5, wrong, false));
    EXPECT_FALSE(store.repair("test.db", 5, wrong, true));
    EXPECT_FALSE(store.repair("test.db", 5, {Bytes(100), copy->as_of}, true));
    EXPECT_FALSE(store.repair("other.db", 5, *copy, true));
    EXPECT_FALSE(store.copy_page("test.db", 0).has_value());
    EXPECT_TRUE(store.repair("test.db", 5, *copy, false));
    EXPECT_EQ(cluster.replica(1).store().copy_page("test.db", 5)->bytes, copy->bytes);
}

}  // namespace
}  // namespace quorlite::test
