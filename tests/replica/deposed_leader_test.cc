// A leader that learns in one message that it is deposed and that its last write is committed.
#include <gtest/gtest.h>

#include "engine/replica/peer_codec.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using namespace std::chrono_literals;

TEST(DeposedLeader, KeepsWhatTheNextOneCommitsWithItsFirstEntry) {
    Cluster cluster(2);
    cluster.join(2);
    OpenClient client(cluster);
    ASSERT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    cluster.executor.advance(1s);
    replica::Replica& leader = cluster.replica(1);
    const auto checksum = [&] { return *leader.store().find("test.db")->checksum(); };
    const std::uint64_t before = checksum();

    cluster.isolate(2);
    client.send(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES(1)"});
    cluster.executor.advance(20ms);
    const replica::ReplicaStatus status = leader.status();
    ASSERT_EQ(status.last, status.durable);
    ASSERT_EQ(status.last, status.committed.next());
    ASSERT_EQ(checksum(), before);

    const Term next(status.term.value() + 1);
    const Index no_op = status.last.next();
    const raft::AppendRequest append{
        .term = next,
        .previous_index = status.last,
        .previous_term = status.term,
        .commit = no_op,
        .entries = {{next, no_op, raft::EntryKind::kNoOp, std::make_shared<const Bytes>()}}};
    const Bytes frame = replica::encode({.cluster = leader.cluster_id(),
                                         .from = NodeId(2),
                                         .to = NodeId(1),
                                         .from_address = Cluster::address(2),
                                         .body = raft::Message(append)});
    EXPECT_FALSE(leader.receive(NodeId(3), frame));
    EXPECT_TRUE(leader.receive(NodeId(2), frame));
    cluster.executor.advance(20ms);
    EXPECT_EQ(leader.status().applied, no_op);
    EXPECT_NE(checksum(), before);
    EXPECT_NE(client.next_answer(), "");
}

}  // namespace
}  // namespace quorlite::test
