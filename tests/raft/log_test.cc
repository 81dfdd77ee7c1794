#include "engine/raft/log.h"

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

Log filled(std::vector<std::uint64_t> terms) {
    Log log({Index(), Term(), members("v")});
    for (Entry& entry : log_of(std::move(terms))) log.append(std::move(entry));
    return log;
}

TEST(Log, KnowsTheTermOfEveryRetainedEntry) {
    const std::vector<std::uint64_t> terms{1, 1, 2, 5, 5, 5, 9};
    Log log = filled(terms);
    for (std::size_t i = 0; i < terms.size(); ++i) {
        EXPECT_EQ(log.term_at(Index(i + 1)), Term(terms[i]));
    }
    EXPECT_EQ(log.term_at(Index(0)), Term());
    EXPECT_EQ(log.term_at(Index(8)), std::nullopt);
    log.evict(Index(7), 0);
    EXPECT_EQ(log.cached_from(), Index(8));
    EXPECT_EQ(log.term_at(Index(3)), Term(2)) << "terms outlive the cache";
}

TEST(Log, FindsWhereATermBegins) {
    const Log log = filled({1, 1, 2, 5, 5, 5, 9});
    EXPECT_EQ(log.run_start(Index(6)), Index(4));
    EXPECT_EQ(log.run_start(Index(4)), Index(4));
    EXPECT_EQ(log.run_start(Index(2)), Index(1));
    EXPECT_EQ(log.run_start(Index(7)), Index(7));
}

TEST(Log, CuttingTheEndBringsBackTheConfigurationBefore) {
    Log log = filled({1, 1});
    log.append(configured(3, 2, members("vv")));
    log.append(command(4, 2));
    log.append(configured(5, 3, members("vvv")));
    EXPECT_EQ(log.configuration().voter_count(), 3u);
    EXPECT_EQ(log.configuration_index(), Index(5));
    EXPECT_EQ(log.configuration_at(Index(4)).voter_count(), 2u);
    log.truncate_from(Index(5));
    EXPECT_EQ(log.configuration().voter_count(), 2u);
    EXPECT_EQ(log.last_index(), Index(4));
    EXPECT_EQ(log.last_term(), Term(2));
    log.truncate_from(Index(2));
    EXPECT_EQ(log.configuration().voter_count(), 1u);
    EXPECT_EQ(log.last_term(), Term(1));
}

TEST(Log, CompactingKeepsTheConfigurationOfThePoint) {
    Log log = filled({1, 1});
    log.append(configured(3, 2, members("vv")));
    log.append(configured(4, 2, members("vvv")));
    log.append(command(5, 3));
    log.compact(Index(3));
    EXPECT_EQ(log.point().index, Index(3));
    EXPECT_EQ(log.point().term, Term(2));
    EXPECT_EQ(log.point().configuration, members("vv"));
    EXPECT_EQ(log.configuration(), members("vvv"));
    EXPECT_EQ(log.first_index(), Index(4));
    EXPECT_EQ(log.term_at(Index(2)), std::nullopt);
    EXPECT_EQ(log.term_at(Index(3)), Term(2));
    log.compact(Index(5));
    EXPECT_EQ(log.point().configuration, members("vvv"));
    EXPECT_EQ(log.last_index(), Index(5));
    EXPECT_EQ(log.last_term(), Term(3));
}

TEST(Log, ResetForgetsEverything) {
    Log log = filled({1, 1, 2});
    log.reset({Index(10), Term(4), members("vvv")});
    EXPECT_EQ(log.last_index(), Index(10));
    EXPECT_EQ(log.last_term(), Term(4));
    EXPECT_EQ(log.term_at(Index(3)), std::nullopt);
    EXPECT_EQ(log.configuration(), members("vvv"));
    log.append(command(11, 4));
    EXPECT_EQ(log.slice(Index(11), Index(11), 1).size(), 1u);
}

TEST(Log, EvictsAppliedEntriesOnly) {
    Log log = filled({1, 1, 1, 1});
    log.evict(Index(2), 0);
    EXPECT_EQ(log.cached_from(), Index(3));
    EXPECT_EQ(log.cached_bytes(), 2 * (1 + kEntryOverheadBytes));
    log.evict(Index(4), 1 + kEntryOverheadBytes);
    EXPECT_EQ(log.cached_from(), Index(4)) << "what fits stays";
}

TEST(Log, SlicesByBytesButAtLeastOneEntry) {
    const Log log = filled({1, 1, 1, 1});
    EXPECT_EQ(log.slice(Index(2), Index(4), 1).size(), 1u);
    EXPECT_EQ(log.slice(Index(2), Index(4), 2 * (1 + kEntryOverheadBytes)).size(), 2u);
    EXPECT_EQ(log.slice(Index(2), Index(4), 1'000'000).size(), 3u);
    EXPECT_EQ(log.slice(Index(2), Index(3), 1'000'000).back().index, Index(3));
}

TEST(Log, CountsBytesAcrossCuts) {
    Log log = filled({1, 1, 1});
    const std::size_t one = 1 + kEntryOverheadBytes;
    EXPECT_EQ(log.bytes_between(Index(0), Index(3)), 3 * one);
    EXPECT_EQ(log.bytes_between(Index(2), Index(3)), one);
    log.truncate_from(Index(3));
    log.append(command(3, 2, "longer"));
    EXPECT_EQ(log.bytes_between(Index(2), Index(3)), 6 + kEntryOverheadBytes);
    log.evict(Index(2), 0);
    EXPECT_EQ(log.bytes_between(Index(0), Index(3)), 6 + kEntryOverheadBytes);
    EXPECT_EQ(log.bytes_between(Index(3), Index(3)), 0u);
}

}  // namespace
}  // namespace quorlite::raft
