// The parts of a session that need no node.
#include <gtest/gtest.h>

#include "engine/session/output.h"
#include "engine/session/statements.h"

namespace quorlite::session {
namespace {

Bytes bytes(std::size_t count, std::uint8_t value) {
    return Bytes(count, value);
}

TEST(Output, KeepsWhatItShowedInPlaceWhileMoreIsAppended) {
    Output output;
    output.tail().resize(10, 1);
    const ByteView shown = output.view();
    ASSERT_EQ(shown.size(), 10u);
    for (int i = 0; i < 1000; ++i) output.tail().resize(output.tail().size() + 100, 2);
    EXPECT_EQ(output.view().data(), shown.data());
    EXPECT_EQ(output.view().size(), 10u);
    EXPECT_EQ(output.size(), 100'010u);
    output.consumed(4);
    EXPECT_EQ(output.view().data(), shown.data() + 4);
    output.consumed(6);
    EXPECT_EQ(output.view().size(), 100'000u);
    EXPECT_EQ(output.view()[0], 2);
}

TEST(Output, JoinsAnswersThatNobodyLookedAtYet) {
    Output output;
    output.answer(wire::EmptyResponse{});
    output.answer(wire::EmptyResponse{});
    EXPECT_EQ(output.view().size(), 32u);
}

TEST(Output, TakesABatchWithoutCopyingIt) {
    Output output;
    Bytes batch = bytes(1000, 7);
    const std::uint8_t* const place = batch.data();
    output.take(batch);
    EXPECT_TRUE(batch.empty());
    EXPECT_EQ(output.view().data(), place);

    batch = bytes(10, 8);
    output.take(batch);
    output.consumed(1000);
    EXPECT_EQ(output.view().size(), 10u);
    EXPECT_EQ(output.view()[0], 8);
}

TEST(Output, HasRoomBelowItsLimit) {
    Output output;
    output.tail().resize(limits::kSessionOutputBytesMax - 1);
    EXPECT_TRUE(output.has_room());
    output.tail().resize(limits::kSessionOutputBytesMax);
    EXPECT_FALSE(output.has_room());
    (void)output.view();
    output.consumed(1);
    EXPECT_TRUE(output.has_room());
}

TEST(Output, GivesMemoryBackAtRest) {
    Output output;
    output.tail().resize(1 << 20);
    output.shrink_idle();
    EXPECT_EQ(output.size(), std::size_t{1} << 20);
    (void)output.view();
    output.consumed(1 << 20);
    output.shrink_idle();
    EXPECT_LE(output.tail().capacity(), limits::kSessionIdleBufferBytes);
}

TEST(SkipBlanks, LeavesWhatSqliteWouldPrepare) {
    EXPECT_EQ(skip_blanks(""), "");
    EXPECT_EQ(skip_blanks(" \t\r\n\f;;"), "");
    EXPECT_EQ(skip_blanks("-- comment"), "");
    EXPECT_EQ(skip_blanks("-- comment\nSELECT 1"), "SELECT 1");
    EXPECT_EQ(skip_blanks("/* a ; b */ ; /**/ x"), "x");
    EXPECT_EQ(skip_blanks("/* never ends"), "");
    EXPECT_EQ(skip_blanks("/*/ x"), "");
    EXPECT_EQ(skip_blanks("- - x"), "- - x");
    EXPECT_EQ(skip_blanks("/ x"), "/ x");
    EXPECT_EQ(skip_blanks("garbage"), "garbage");
    EXPECT_EQ(skip_blanks("\xef\xbb\xbf ;\xef\xbb\xbfx"), "x");  // a byte order mark is a blank
    EXPECT_EQ(skip_blanks("\xef\xbbx"), "\xef\xbbx");
}

TEST(StartsWithRowChange, KnowsWhatMayChangeRows) {
    for (const char* sql : {"INSERT INTO t VALUES(1)", "replace into t values(1)", "/**/UPDATE t",
                            "-- c\nDelete from t", "WITH a AS (SELECT 1) DELETE FROM t"}) {
        EXPECT_TRUE(starts_with_row_change(sql)) << sql;
    }
    for (const char* sql : {"", "SELECT 1", "EXPLAIN DELETE FROM t", "INSERTS", "VALUES(1)",
                            "CREATE TABLE t AS SELECT 1", "'DELETE'"}) {
        EXPECT_FALSE(starts_with_row_change(sql)) << sql;
    }
}

TEST(BoundaryOf, KnowsWhereTransactionsBeginAndEnd) {
    for (const char* sql : {"BEGIN", " begin immediate;", "/**/BEGIN EXCLUSIVE; SELECT 1"}) {
        EXPECT_EQ(boundary_of(sql), Boundary::kBegin) << sql;
    }
    for (const char* sql : {"COMMIT", "-- so\nend transaction", "Commit;"}) {
        EXPECT_EQ(boundary_of(sql), Boundary::kCommit) << sql;
    }
    for (const char* sql : {"ROLLBACK", "rollback;", "ROLLBACK TRANSACTION", "ROLLBACK -- to x"}) {
        EXPECT_EQ(boundary_of(sql), Boundary::kRollback) << sql;
    }
    for (const char* sql : {"", "SELECT 1", "BEGINS", "ROLLBACK TO x", "COMMITTED", "SAVEPOINT s",
                            "ROLLBACK TRANSACTION TO SAVEPOINT x", "RELEASE s", "'COMMIT'"}) {
        EXPECT_EQ(boundary_of(sql), Boundary::kNone) << sql;
    }
}

}  // namespace
}  // namespace quorlite::session
