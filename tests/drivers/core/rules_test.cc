// The retry rules, line by line.
#include "drivers/core/rules.h"

#include <gtest/gtest.h>

namespace quorlite::core {
namespace {

constexpr Situation kRead{Effect::kRead, false, false, false};
constexpr Situation kWrite{Effect::kWrite, false, false, false};
constexpr Situation kIdempotent{Effect::kWrite, false, true, false};
constexpr Situation kBegin{Effect::kBegin, false, false, false};
constexpr Situation kInside{Effect::kWrite, true, false, false};
constexpr Situation kCommit{Effect::kCommit, true, false, false};
constexpr Situation kReadOn{Effect::kRead, false, false, true};

struct Expectation {
    const char* what;
    Situation situation;
    Remedy remedy;
    verdict told;
    bool may_retry;
};

void check(const Judgement& judgement, const Expectation& expected) {
    SCOPED_TRACE(expected.what);
    EXPECT_EQ(judgement.remedy, expected.remedy);
    EXPECT_EQ(judgement.error.verdict, expected.told);
    EXPECT_EQ(judgement.error.may_retry, expected.may_retry);
}

TEST(Rules, NotLeaderMeansThatNothingWasProposed) {
    for (const Expectation& each : std::initializer_list<Expectation>{
             {"read", kRead, Remedy::kElsewhere, verdict::not_committed, true},
             {"write", kWrite, Remedy::kElsewhere, verdict::not_committed, true},
             {"begin", kBegin, Remedy::kElsewhere, verdict::not_committed, true},
             {"inside", kInside, Remedy::kNone, verdict::not_committed, true},
             {"commit", kCommit, Remedy::kNone, verdict::not_committed, true},
             {"after the first row", kReadOn, Remedy::kNone, verdict::not_committed, true}}) {
        check(judge_failure(10250, "not leader", each.situation), each);
        check(judge_failure(8202, "not leader", each.situation), each);
        check(judge_failure(12, "no database opened", each.situation), each);
        check(judge_loss(false, "reset", error_kind::connection, each.situation), each);
    }
}

TEST(Rules, AnUnknownOutcomeIsInDoubtOnlyWhereItMatters) {
    for (const Expectation& each : std::initializer_list<Expectation>{
             {"read", kRead, Remedy::kElsewhere, verdict::not_committed, true},
             {"write", kWrite, Remedy::kNone, verdict::in_doubt, true},
             {"idempotent", kIdempotent, Remedy::kElsewhere, verdict::not_committed, true},
             {"begin", kBegin, Remedy::kElsewhere, verdict::not_committed, true},
             {"inside", kInside, Remedy::kNone, verdict::not_committed, true},
             {"commit", kCommit, Remedy::kNone, verdict::in_doubt, true},
             {"after the first row", kReadOn, Remedy::kNone, verdict::not_committed, true}}) {
        check(judge_failure(10506, "leadership lost", each.situation), each);
        check(judge_failure(8458, "leadership lost", each.situation), each);
        check(judge_failure(10, "leader exec failed", each.situation), each);
        check(judge_loss(true, "reset", error_kind::connection, each.situation), each);
    }
}

TEST(Rules, BusyIsWaitedFor) {
    check(judge_failure(5, "database is locked", kWrite),
          {"write", kWrite, Remedy::kPause, verdict::not_committed, true});
    check(judge_failure(5, "database is locked", kCommit),
          {"commit", kCommit, Remedy::kPause, verdict::not_committed, true});
    check(judge_failure(517, "database is locked", kWrite),
          {"stale outside", kWrite, Remedy::kPause, verdict::not_committed, true});
    const Judgement stale = judge_failure(517, "database is locked", kInside);
    check(stale, {"stale", kInside, Remedy::kNone, verdict::not_committed, true});
    EXPECT_TRUE(stale.transaction_gone);
    EXPECT_EQ(stale.error.kind, error_kind::busy);
}

TEST(Rules, WhatTheServerSaysIsReported) {
    const Judgement constraint = judge_failure(2067, "UNIQUE constraint failed: t.a", kInside);
    check(constraint, {"unique", kInside, Remedy::kNone, verdict::not_committed, false});
    EXPECT_EQ(constraint.error.code(), 19);
    EXPECT_EQ(constraint.error.extended_code, 2067);
    EXPECT_FALSE(constraint.transaction_gone);
    EXPECT_FALSE(constraint.leave);
    // Another 12 is SQLite's own, and full disks roll back by themselves.
    EXPECT_EQ(judge_failure(12, "something else", kWrite).remedy, Remedy::kNone);
    EXPECT_TRUE(judge_failure(13, "full", kInside).transaction_gone);
    EXPECT_FALSE(judge_failure(13, "full", kWrite).transaction_gone);
    EXPECT_EQ(judge_failure(1002, "no such database", kRead).error.code(), 1002);
    EXPECT_GT(judge_failure(~0ull, "absurd", kRead).error.extended_code, 0);
}

TEST(Rules, WhatNobodyWaitsForAnyMore) {
    const auto late = [](bool sent, const Situation& situation) {
        return judge_abandoned(sent, error_kind::deadline, "late", situation).verdict;
    };
    EXPECT_EQ(late(false, kWrite), verdict::not_committed);
    EXPECT_EQ(late(true, kWrite), verdict::in_doubt);
    EXPECT_EQ(late(true, kIdempotent), verdict::in_doubt);
    EXPECT_EQ(late(true, kRead), verdict::not_committed);
    EXPECT_EQ(late(true, kBegin), verdict::not_committed);
    EXPECT_EQ(late(true, kInside), verdict::not_committed);
    EXPECT_EQ(late(true, kCommit), verdict::in_doubt);
}

TEST(Rules, TransactionsAreRunAgainOnlyWhereThatIsSafe) {
    error_info error;
    error.may_retry = true;
    EXPECT_TRUE(may_rerun(error, false));
    error.verdict = verdict::in_doubt;
    EXPECT_FALSE(may_rerun(error, false));
    EXPECT_TRUE(may_rerun(error, true));
    error.verdict = verdict::committed;
    EXPECT_FALSE(may_rerun(error, true));
    error.verdict = verdict::not_committed;
    error.kind = error_kind::deadline;
    EXPECT_FALSE(may_rerun(error, false));
    error.kind = error_kind::sql;
    error.may_retry = false;
    EXPECT_FALSE(may_rerun(error, false));
}

TEST(Backoff, DoublesUpToItsLimitAndIsJittered) {
    using std::chrono::milliseconds;
    Backoff backoff(milliseconds(10), milliseconds(100));
    for (const int longest : {10, 20, 40, 80, 100, 100}) {
        const Duration pause = backoff.next(static_cast<std::uint64_t>(longest) * 7919);
        EXPECT_GE(pause, milliseconds(longest) / 2);
        EXPECT_LT(pause, milliseconds(longest));
    }
    backoff.reset();
    EXPECT_LT(backoff.next(1), milliseconds(10));
    Backoff never_zero(milliseconds(0), milliseconds(0));
    EXPECT_GT(never_zero.next(0), Duration::zero());
}

}  // namespace
}  // namespace quorlite::core
