// Mutants: deliberate faults that the simulator, or a script, must find; the proof that the tests
// can fail.
//
// Each names one wrong product. The site reads `if (mutant(Mutant::kX)) ...`, next to the right
// code. Without QUORLITE_MUTANTS mutant() is constant false and the compiler removes the site; with
// it, one mutant, chosen by `quorlite-sim --mutant`, is alive in the whole process.
#pragma once

#include <array>
#include <string_view>

namespace quorlite {

// clang-format off
#define QUORLITE_FOR_EACH_MUTANT(X)                                                             \
    /* consensus: found by the layer `core` */                                                  \
    X(VoteNotDurable, "core", "a vote leaves before it is on disk")                             \
    X(VoteTwice, "core", "a voter forgets that it voted in this term")                          \
    X(VoteWithoutLogCheck, "core", "a vote for a candidate whose log is behind")                \
    X(VoterIgnoresStickiness, "core", "a vote against a leader that was just heard")            \
    X(RestartForgetsPromise, "core", "a restarted voter votes inside a lease it granted")       \
    X(VoteBarrierIgnored, "core", "a node with a damaged log votes")                            \
    X(MajorityOffByOne, "core", "half the voters count as a majority")                          \
    X(StandbyCounted, "core", "a standby's acknowledgement counts towards a commit")            \
    X(CommitOlderTerm, "core", "an entry of an older term is committed by counting")            \
    X(CommitBeyondMatch, "core", "a follower commits entries it did not compare")               \
    X(LeaderCountsItselfEarly, "core", "a leader counts its own log before it is durable")      \
    X(AckBeforeDurable, "core", "a follower acknowledges what is not durable")                  \
    X(StaleDurableBelieved, "core", "a completion for entries that were cut is believed")       \
    X(ApplyBeforeCommit, "core", "entries are applied when they are appended")                  \
    X(TruncateWithoutConflict, "core", "a late message cuts the log behind its last entry")     \
    X(AppendWithoutCheck, "core", "the entry before the new ones is not compared")              \
    X(LeaseTooLong, "core", "a lease of three election timeouts")                               \
    X(LeaseSurvivesTransfer, "core", "reads by lease after the order to take over was sent")    \
    X(LeaseTrustsItself, "core", "a lease by the leader's own timeout, not by the promises")    \
    X(ReceiptsIgnored, "core", "a voter that lacks what it acknowledged votes")                 \
    X(EmptyDiskVotes, "core", "a voter with an empty disk votes at once")                       \
    X(HashesIgnored, "core", "a leader with another history is followed")                       \
    X(LeaseNeverEnds, "core", "a leader reads without a lease")                                 \
    X(RoundConfirmedEarly, "core", "a read round counts when it is started")                    \
    X(ServeBeforeBarrier, "core", "reads before the first entry of the term is committed")      \
    X(SnapshotForgetsConfiguration, "core", "the configuration in a snapshot is dropped")       \
    X(SnapshotGoesBack, "core", "an older snapshot replaces a newer log")                       \
    X(ConfigurationNotRolledBack, "core", "a cut log keeps the configuration it lost")          \
    X(ChangesOverlap, "core", "a membership change before the last one is committed")           \
    X(DemotedVoterGivesUp, "core", "the one log that can win belongs to a demoted voter")       \
    X(FullWindowHidesCompaction, "core", "a peer with a full window gets no snapshot")          \
    X(TermUnbounded, "core", "a term that no cluster reaches is believed")                      \
    X(StrangersVote, "core", "a vote counts, whoever it is from")                               \
    X(AcknowledgedBeyondLog, "core", "an acknowledgement of what was never sent is believed")   \
    X(OrderUnchecked, "core", "entries are taken in the order that they say")                   \
    X(MembershipUnchecked, "core", "a membership is logged before it is looked at")             \
    X(SilentLinkKept, "core", "a connection that nothing answers is never replaced")            \
    X(CloneHeard, "core", "of a node that runs twice both processes are heard")                 \
    /* consensus, as others published them: found by the scripts of tests/raft/golden */        \
    X(SnapshotKeepsConflict, "script", "a snapshot leaves the entry at its point that differs") \
    X(MembershipOutlivesSnapshot, "script", "a snapshot leaves a membership that it overtook")  \
    X(OfferTakenForInstalled, "script", "an offered snapshot counts as installed")              \
    X(ReadRoundReused, "script", "a later read joins a round that has left")                    \
    X(InstallBegunTwice, "script", "a snapshot that is under way is begun again")               \
    X(SnapshotConflictIgnored, "script", "a snapshot may contradict what is committed")         \
    X(UnreadableSkipped, "script", "entries that cannot be read are left out")                  \
    X(MatchFrozen, "script", "each acknowledgement repeats the first")                          \
    X(RefusalIsNoContact, "script", "a leader whose entries do not fit was not heard")          \
    X(CompactionKeepsMembership, "script", "a compacted log goes back to its first membership") \
    X(UnknownCandidateRefused, "script", "no vote for whom this node does not know yet")        \
    /* whole nodes: found by the layer `node` */                                                \
    X(AnswerBeforeCommit, "node", "a write is acknowledged before the quorum has it")           \
    X(ReadBeforeCommit, "node", "a read of what is not committed yet is answered")              \
    X(SpeculationSurvives, "node", "a deposed leader keeps what was never committed")           \
    X(DoubtReportedAsRefusal, "node", "a write in doubt is reported as not committed")          \
    X(TrimBeyondFlush, "node", "the log is trimmed beyond what the base files hold")            \
    X(ReadWithoutLease, "node", "reads are answered without a lease")                           \
    X(PrefixFallsBehind, "node", "reads at the committed prefix get an older one")              \
    X(PrefixRunsAhead, "node", "reads of the newest pass for reads of the committed prefix")    \
    X(DeposedAnswersSuccess, "node", "a deposed leader acknowledges what waits")                \
    X(RefusalAfterProposal, "node", "a text is refused after its first statement was proposed") \
    X(TimeOverAfterProposal, "node", "RUN says it did nothing, though it is proposed")          \
    X(TransactionReadsUnconfirmed, "node", "reads inside a transaction wait for nothing")       \
    X(FollowerAcksEarly, "node", "the log counts as durable when it is handed to the disk")     \
    X(TermNotSaved, "node", "term and vote are not saved")                                      \
    X(BarrierForgotten, "node", "a node whose log is damaged votes")                            \
    X(FailedWriteIgnored, "node", "a failed write of the log counts as done")                   \
    X(FlushUnsynced, "node", "a flush is recorded before its pages are synced")                 \
    X(FailedSyncRetried, "node", "a failed sync of a flush is tried again")                     \
    X(FlushNotAnnounced, "node", "pages are overwritten without a record that they will be")    \
    X(SnapshotUnsynced, "node", "the files of a snapshot are switched to unsynced")             \
    X(MarkForgetsConfiguration, "node", "a restart believes the first configuration")           \
    X(CommitSkipsPage, "node", "a transaction of many pages loses one")                         \
    X(PageImageStale, "node", "of a page written twice by a transaction, the first is taken")   \
    X(PartsApplyAtOnce, "node", "the parts of a transaction take effect one by one")            \
    X(UnfinishedPartsApplied, "node", "the parts of a transaction that never ended are kept")   \
    X(PartsForgottenAtStepDown, "node", "a deposed leader forgets the parts it committed")      \
    X(UncommittedMoved, "node", "uncommitted frames are moved to the pages")                    \
    X(DamageNotNoticed, "node", "pages are read without a look at their checksums")             \
    X(OtherClustersHeard, "node", "a frame of another cluster is believed")                     \
    X(SenderUnchecked, "node", "a frame is believed to be from whom it says")                   \
    X(CommandUnchecked, "node", "what cannot be read as a command is logged")                   \
    X(FullLeaderLeads, "node", "a leader whose disk is full leads on")
// clang-format on

enum class Mutant {
    kNone,
#define QUORLITE_MUTANT(name, layer, text) k##name,
    QUORLITE_FOR_EACH_MUTANT(QUORLITE_MUTANT)
#undef QUORLITE_MUTANT
};

struct MutantInfo {
    Mutant mutant;
    std::string_view name;
    std::string_view layer;  // of quorlite-sim that finds it
    std::string_view text;
};

inline constexpr auto kMutants = std::to_array<MutantInfo>({
#define QUORLITE_MUTANT(name, layer, text) {Mutant::k##name, #name, layer, text},
    QUORLITE_FOR_EACH_MUTANT(QUORLITE_MUTANT)
#undef QUORLITE_MUTANT
});

#ifdef QUORLITE_MUTANTS
inline Mutant active_mutant = Mutant::kNone;  // set once, before anything runs
inline bool mutant(Mutant which) {
    return active_mutant == which;
}
#else
constexpr bool mutant(Mutant) {
    return false;
}
#endif

}  // namespace quorlite
