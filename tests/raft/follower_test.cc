// What a follower does with a leader's entries.

#include "tests/raft/harness.h"

namespace quorlite::raft {
namespace {

AppendReply reply_of(const Ready& output) {
    const auto replies = sent<AppendReply>(output);
    EXPECT_EQ(replies.size(), 1u);
    return replies.empty() ? AppendReply{} : replies[0];
}

TEST(Follower, AcknowledgesOnlyWhatIsDurable) {
    Lone lone(restored_of(1, {}));
    const Ready output = lone.step(2, append_of(1, 0, 0, log_of({1, 1}), 0, 7));
    ASSERT_EQ(output.append.size(), 2u);
    EXPECT_TRUE(sent<AppendReply>(output).empty());
    lone.core().durable(Index(1), Term(1));
    AppendReply reply = reply_of(lone.take());
    EXPECT_TRUE(reply.success);
    EXPECT_EQ(reply.match, Index(1));
    EXPECT_EQ(reply.round, 7u);
    reply = reply_of(lone.written());
    EXPECT_EQ(reply.match, Index(2));
}

TEST(Follower, AnswersHeartbeatsAtOnceWithWhatIsDurable) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0, log_of({1, 1})));
    const AppendReply reply = reply_of(lone.step(2, append_of(1, 2, 1, {}, 0, 9)));
    EXPECT_TRUE(reply.success);
    EXPECT_EQ(reply.match, Index(0));
    EXPECT_EQ(reply.round, 9u);
}

TEST(Follower, AcknowledgesOnlyWhatThisLeaderIsKnownToHave) {
    Lone lone(restored_of(2, log_of({1, 1, 2, 2})));
    const AppendReply reply = reply_of(lone.step(2, append_of(3, 2, 1)));
    EXPECT_TRUE(reply.success);
    EXPECT_EQ(reply.match, Index(2)) << "entries 3 and 4 may not be the leader's";
}

TEST(Follower, DoesNotBelieveACompletionForEntriesThatWereCutSince) {
    Lone lone(restored_of(1, log_of({1})));
    lone.step(2, append_of(2, 1, 1, {command(2, 2), command(3, 2)}));
    const Ready output = lone.step(3, append_of(3, 1, 1, {command(2, 3), command(3, 3)}));
    EXPECT_EQ(output.truncate_from, Index(2));
    lone.core().durable(Index(3), Term(2));
    EXPECT_TRUE(lone.take().messages.empty());
    EXPECT_EQ(lone.core().durable_index(), Index(1));
    lone.core().durable(Index(3), Term(3));
    EXPECT_EQ(reply_of(lone.take()).match, Index(3));
}

// Figure 3.6 of the thesis: the leader of term 8, and what its followers' logs may look like.
TEST(Follower, TheLeaderForcesTheFollowersLogsToDuplicateItsOwn) {
    const std::vector<std::uint64_t> leader{1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
    const std::vector<std::vector<std::uint64_t>> followers{
        {1, 1, 1, 4, 4, 5, 5, 6, 6},
        {1, 1, 1, 4},
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
        {1, 1, 1, 4, 4, 4, 4},
        {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
    };
    for (const auto& terms : followers) {
        Lone lone(restored_of(7, log_of(terms)));
        std::uint64_t previous = leader.size();
        for (int tries = 0; tries < 10; ++tries) {
            const auto before = previous == 0 ? 0 : leader[previous - 1];
            const AppendReply reply = reply_of(lone.step(2, append_of(8, previous, before)));
            if (reply.success) break;
            ASSERT_LT(reply.match.value(), previous) << "the hint leads back";
            previous = reply.match.value();
        }
        std::vector<Entry> missing = log_of(leader);
        missing.erase(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(previous));
        missing.push_back(command(leader.size() + 1, 8));
        const auto before = previous == 0 ? 0 : leader[previous - 1];
        lone.step(2, append_of(8, previous, before, std::move(missing)));
        EXPECT_EQ(lone.core().last_index(), Index(leader.size() + 1));
        for (std::size_t i = 0; i < leader.size(); ++i) {
            EXPECT_EQ(lone.core().term_at(Index(i + 1)), Term(leader[i]));
        }
    }
}

TEST(Follower, HintsSkipWholeTermsThatTheLeaderCannotHave) {
    Lone lone(restored_of(3, log_of({1, 2, 2, 2, 3, 3, 3})));
    EXPECT_EQ(reply_of(lone.step(2, append_of(4, 7, 1))).match, Index(1));
    EXPECT_EQ(reply_of(lone.step(2, append_of(4, 7, 2))).match, Index(4));
    EXPECT_EQ(reply_of(lone.step(2, append_of(4, 90, 4))).match, Index(7));
}

TEST(Follower, RepeatedAndReorderedMessagesChangeNothing) {
    Lone lone(restored_of(1, {}));
    const AppendRequest first = append_of(1, 0, 0, log_of({1, 1}), 1);
    const AppendRequest second = append_of(1, 2, 1, {command(3, 1)}, 3);
    EXPECT_FALSE(reply_of(lone.step(2, second)).success);
    lone.step(2, first);
    lone.step(2, second);
    lone.written();
    const Ready repeated = lone.step(2, first);
    EXPECT_FALSE(repeated.truncate_from) << "a late message does not cut what came after";
    EXPECT_EQ(lone.core().last_index(), Index(3));
    EXPECT_EQ(reply_of(repeated).match, Index(3));
}

TEST(Follower, TheCommitIndexDoesNotPassWhatWasCompared) {
    Lone lone(restored_of(2, log_of({1, 2, 2, 2})));
    lone.step(2, append_of(3, 1, 1, {}, 4));
    EXPECT_EQ(lone.core().commit_index(), Index(1)) << "2 to 4 may differ from the leader's";
    const Ready output = lone.step(2, append_of(3, 1, 1, {command(2, 3)}, 4));
    EXPECT_EQ(lone.core().commit_index(), Index(2));
    ASSERT_EQ(output.committed.size(), 1u);
    EXPECT_EQ(output.committed[0].term, Term(3));
}

TEST(Follower, DeliversEachEntryOnceAndInOrder) {
    Lone lone(restored_of(1, {}));
    std::vector<std::uint64_t> delivered;
    const auto note = [&](const Ready& output) {
        for (const Entry& entry : output.committed) delivered.push_back(entry.index.value());
    };
    note(lone.step(2, append_of(1, 0, 0, log_of({1, 1, 1}), 2)));
    note(lone.step(2, append_of(1, 0, 0, log_of({1, 1, 1}), 2)));
    note(lone.step(2, append_of(1, 3, 1, {}, 3)));
    EXPECT_EQ(delivered, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(Follower, RefusesToContradictWhatIsCommitted) {
    Lone lone(restored_of(1, {}));
    lone.step(2, append_of(1, 0, 0, log_of({1, 1}), 2));
    lone.step(3, append_of(2, 0, 0, {command(1, 2)}));
    EXPECT_EQ(lone.core().term_at(Index(1)), Term(1));
    EXPECT_EQ(lone.core().last_index(), Index(2));
}

TEST(Follower, NonsenseFromAPeerIsIgnored) {
    Lone lone(restored_of(5, log_of({1})));
    const auto harmless = [&](AppendRequest request) {
        const Ready output = lone.step(2, std::move(request));
        EXPECT_TRUE(output.append.empty());
        EXPECT_EQ(lone.core().last_index(), Index(1));
    };
    harmless(append_of(5, 1, 1, {command(3, 5)}));                 // a gap
    harmless(append_of(5, 1, 1, {command(2, 6)}));                 // from a later term
    harmless(append_of(5, 1, 1, {command(2, 5), command(3, 4)}));  // terms go back
    harmless(append_of(5, 1, 1, {{Term(5), Index(2), EntryKind::kCommand, nullptr}}));
    harmless(append_of(5, 1, 1, {{Term(5), Index(2), EntryKind::kConfiguration, payload("?")}}));
    harmless(append_of(5, 1, 9));  // the previous entry of a later term
    lone.step(1, append_of(9, 0, 0));
    EXPECT_EQ(lone.core().term(), Term(5)) << "a message from itself";
    lone.step(2, append_of(5, 1, 1));
    lone.step(3, append_of(5, 1, 1, {command(2, 5)}));
    EXPECT_EQ(lone.core().leader(), NodeId(2)) << "a second leader in one term is none";
    EXPECT_EQ(lone.core().last_index(), Index(1));
}

TEST(Follower, ANewNodeAcceptsTheLeaderThatAddedIt) {
    Lone lone(Restored{});
    std::vector<Entry> log = log_of({1, 1});
    log.push_back(configured(3, 2, members("vvs")));
    lone.step(2, append_of(2, 0, 0, log, 3));
    EXPECT_EQ(lone.core().configuration(), members("vvs"));
    EXPECT_EQ(lone.written().messages.size(), 1u);
    EXPECT_EQ(lone.core().leader(), NodeId(2));
}

TEST(Follower, AConfigurationIsInForceAsSoonAsItIsInTheLogAndLeavesWithIt) {
    Lone lone(restored_of(1, log_of({1}), "vv"));
    lone.step(2, append_of(1, 1, 1, {configured(2, 1, members("vvv"))}));
    EXPECT_EQ(lone.core().configuration(), members("vvv"));
    lone.step(3, append_of(2, 1, 1, {command(2, 2)}));
    EXPECT_EQ(lone.core().configuration(), members("vv"));
}

TEST(Follower, TakesNoMoreThanItsOwnerCanApply) {
    Options options = options_of(1);
    options.unapplied_bytes_max = 200;
    Lone lone(restored_of(1, {}), options);
    lone.step(2, append_of(1, 0, 0, log_of({1, 1, 1, 1, 1}), 5));
    EXPECT_EQ(lone.core().last_index(), Index(5));
    lone.step(2, append_of(1, 5, 1, {command(6, 1)}, 5));
    EXPECT_EQ(lone.core().last_index(), Index(5)) << "five are committed and not applied";
    EXPECT_FALSE(reply_of(lone.step(2, append_of(1, 6, 1, {}, 5))).success);
    lone.core().applied(Index(5));
    lone.step(2, append_of(1, 5, 1, {command(6, 1)}, 5));
    EXPECT_EQ(lone.core().last_index(), Index(6));
}

}  // namespace
}  // namespace quorlite::raft
