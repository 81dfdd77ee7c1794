// Two nodes of one cluster whose histories differ find out, and the one that is outvoted ends; and
// the hashes that tell them survive compaction, restarts and snapshots.
#include <gmock/gmock.h>

#include "engine/disk/log.h"
#include "engine/replica/peer_codec.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFlushBytes = 64u << 10;

const raft::AppendRequest* append_in(const std::optional<replica::PeerMessage>& message) {
    const auto* consensus = message ? std::get_if<raft::Message>(&message->body) : nullptr;
    return consensus != nullptr ? std::get_if<raft::AppendRequest>(consensus) : nullptr;
}

// Three voters, of which the third is fed by hand.
class Histories : public testing::Test {
protected:
    explicit Histories(Cluster::Configure configure = {}) : cluster(3, std::move(configure)) {
        cluster.join(2);
        cluster.join(3);
        cluster.replica(3).set_callbacks(
            {.diverged = [this](std::string reason) { diverged = reason; }});
        cluster.on_event = [this](NodeId node, const Event& event) {
            // Node 1 may find out as well, should node 3 try to lead.
            if (node == NodeId(3) && std::holds_alternative<event::HistoryDiffers>(event)) {
                warning = quorlite::describe(event).text;
            }
        };
    }

    // Commits a row, of which the third node gets this text.
    void insert(OpenClient& client, std::string_view text) {
        cluster.isolate(3);
        std::vector<Bytes> frames;
        cluster.on_frame = [&](NodeId from, NodeId to, const Bytes& frame) {
            if (from == NodeId(1) && to == NodeId(2)) frames.push_back(frame);
        };
        ASSERT_EQ(client.exec("INSERT INTO t VALUES('right')"), "RESULT 1 1");
        cluster.on_frame = nullptr;
        for (const Bytes& frame : frames) {
            auto message = replica::decode_peer_message(frame);
            if (append_in(message) == nullptr) continue;
            auto& append = std::get<raft::AppendRequest>(std::get<raft::Message>(message->body));
            for (raft::Entry& entry : append.entries) {
                std::string bytes(as_text(*entry.payload));
                const std::size_t at = bytes.find("right");
                if (at != std::string::npos) bytes.replace(at, 5, text);
                entry.payload = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
            }
            message->to = NodeId(3);
            ASSERT_TRUE(cluster.replica(3).receive(NodeId(1), replica::encode(*message)));
        }
        cluster.executor.advance(10ms);
        cluster.heal();
    }

    Cluster cluster;
    std::string diverged;
    std::string warning;
};

TEST_F(Histories, ThatAreTheSameRaiseNoAlarm) {
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    insert(client, "right");
    cluster.executor.advance(30s);
    EXPECT_EQ(warning, "");
    EXPECT_EQ(diverged, "");
    EXPECT_EQ(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
}

TEST_F(Histories, ThatDifferEndTheNodeThatIsOutvoted) {
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    insert(client, "wrong");
    cluster.executor.advance(300ms);
    EXPECT_THAT(warning, testing::HasSubstr("node 1, which leads, and this one, node 3"));
    EXPECT_EQ(diverged, "");
    cluster.executor.advance(4s);
    EXPECT_THAT(diverged, testing::HasSubstr("this node, node 3, holds another history than the "
                                             "cluster led by node 1"));
    EXPECT_THAT(diverged, testing::HasSubstr("join again with an empty directory"));
    EXPECT_TRUE(cluster.replica(1).check_leader().ok());
    ASSERT_EQ(client.exec("INSERT INTO t VALUES('more')"), "RESULT 2 1");
    EXPECT_LT(cluster.replica(3).status().last, cluster.replica(1).status().last);
}

TEST_F(Histories, ThatDifferEndNobodyWhoseLeaderHasNoMajority) {
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    insert(client, "wrong");
    cluster.isolate(2);
    cluster.executor.advance(60s);
    EXPECT_THAT(warning, testing::HasSubstr("hold different histories"));
    EXPECT_EQ(diverged, "");
    EXPECT_FALSE(cluster.replica(1).check_leader().ok());
    EXPECT_FALSE(cluster.replica(3).check_leader().ok());
}

class CompactedHistories : public Histories {
protected:
    CompactedHistories()
        : Histories([](replica::Options& options) {
              options.database.flush_bytes = kFlushBytes;
              options.log_tail_bytes = kFlushBytes;
              options.log.segment_bytes = 4 * kFlushBytes;
          }) {}

    void write_until_compacted(OpenClient& client) {
        const std::string insert = "INSERT INTO b VALUES(randomblob(10000))";
        for (int i = 0; i < 200; ++i) {
            ASSERT_THAT(client.exec(insert), testing::StartsWith("RESULT"));
            cluster.executor.advance(10ms);
        }
        cluster.executor.advance(10s);
        ASSERT_GT(cluster.replica(1).status().first, Index(1));
    }

    // The hash that node `id` has recorded for where its log is compacted.
    std::optional<raft::LogHash> recorded(std::size_t id) {
        const auto records = disk::Records::open(cluster.disk(id));
        EXPECT_TRUE(records.ok());
        for (const raft::LogHash& hash : (*records)->log_hashes()) {
            if (hash.index.next() == cluster.replica(id).status().first) return hash;
        }
        return std::nullopt;
    }

    // What node 1 says of its history within a second.
    std::optional<raft::LogHash> told() {
        std::optional<raft::LogHash> hash;
        cluster.on_frame = [&](NodeId from, NodeId, const Bytes& frame) {
            const auto message = replica::decode_peer_message(frame);
            const raft::AppendRequest* append = append_in(message);
            if (append != nullptr && from == NodeId(1)) hash = append->hash;
        };
        cluster.executor.advance(1s);
        cluster.on_frame = nullptr;
        return hash;
    }
};

TEST_F(CompactedHistories, AreKnownFromTheirBeginningAfterARestart) {
    {
        OpenClient client(cluster);
        ASSERT_EQ(client.exec("CREATE TABLE b(a)"), "RESULT 0 0");
        write_until_compacted(client);
    }
    for (const std::size_t id : {1u, 2u, 3u}) {
        const auto hash = recorded(id);
        ASSERT_TRUE(hash) << id;
        EXPECT_EQ(hash->origin, Index(0));
        cluster.restart(id);
    }
    cluster.executor.advance(5s);
    cluster.restore();
    const auto hash = told();
    ASSERT_TRUE(hash);
    EXPECT_EQ(hash->origin, Index(0));
    EXPECT_EQ(hash->index, cluster.replica(1).status().committed);
}

TEST_F(CompactedHistories, ComeWithASnapshot) {
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE b(a)"), "RESULT 0 0");
    cluster.executor.advance(1s);
    cluster.isolate(3);
    write_until_compacted(client);
    ASSERT_GT(cluster.replica(1).status().first, cluster.replica(3).status().last.next());
    cluster.heal();
    cluster.executor.advance(10s);
    ASSERT_EQ(cluster.replica(3).status().applied, cluster.replica(1).status().applied);
    const auto hash = recorded(3);
    ASSERT_TRUE(hash);
    EXPECT_EQ(hash->origin, Index(0));
    EXPECT_EQ(warning, "");
}

// A directory of a version without hashes.
TEST_F(CompactedHistories, ThatNobodyKnowsFromTheirBeginningRaiseNoAlarm) {
    {
        OpenClient client(cluster);
        ASSERT_EQ(client.exec("CREATE TABLE b(a)"), "RESULT 0 0");
        ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
        write_until_compacted(client);
    }
    for (const std::size_t id : {1u, 2u, 3u}) {
        ASSERT_TRUE(cluster.disk(id).remove("hashes").ok());
        cluster.restart(id);
    }
    cluster.replica(3).set_callbacks(
        {.diverged = [this](std::string reason) { diverged = reason; }});
    cluster.executor.advance(5s);
    cluster.restore();
    EXPECT_GT(told()->origin, Index(0));
    EXPECT_EQ(warning, "");
    OpenClient client(cluster);
    insert(client, "wrong");
    cluster.executor.advance(5s);
    EXPECT_NE(diverged, "") << "but they are compared from now on";
}

}  // namespace
}  // namespace quorlite::test
