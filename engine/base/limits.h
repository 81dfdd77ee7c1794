// Limits of the engine: queues, buffers and maps never grow beyond these. Not here are times, what
// follows from a format, and the bounds of options.
//
// Sizes are in bytes unless the name says otherwise. What an operator may change is an option whose
// default is here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quorlite::limits {

// Clients.
inline constexpr std::size_t kRequestBytesMax = 64u << 20;    // body of one request
inline constexpr std::size_t kConnectionsMax = 10'000;        // per node, clients
inline constexpr std::size_t kBuffersBytesMax = 512u << 20;   // requests and answers, all clients
inline constexpr std::size_t kLargeBuffersBytes = 64u << 10;  // who holds more may have to give way
inline constexpr std::size_t kUnidentifiedMax = 256;  // accepted above the limit: one may be a peer
// Received beyond what the session wants, so that it need not be asked for each piece.
inline constexpr std::size_t kReceivedAheadBytesMax = 16u << 10;
// Read behind a statement that takes long, in search of its client's end.
inline constexpr std::size_t kSearchedBytesMax = 16u << 20;
inline constexpr std::size_t kSentPerTurnBytesMax = 1u << 20;  // then other clients have theirs
inline constexpr std::size_t kStatementsPerSessionMax = 4'096;
// Compiled and kept by their text; most drivers send the same few short texts all the time.
inline constexpr std::size_t kCachedStatementsMax = 16;
inline constexpr std::size_t kCachedSqlBytesMax = 1'024;
inline constexpr std::size_t kSessionOutputBytesMax = 256u << 10;  // rows wait above this
inline constexpr std::size_t kResultBatchBytes = 64u << 10;        // one ROWS message
inline constexpr std::size_t kRowsPerNamesBytesMax = 1u << 20;     // as much, if its names are long
inline constexpr std::size_t kSqlBytesMax = 1'000'000;             // SQLite's own default
inline constexpr std::size_t kPreparedSqlBytesMax = 16u << 20;     // of one session's statements
inline constexpr std::size_t kRowBytesMax = 128u << 20;            // one ROWS message
inline constexpr std::size_t kUncommittedRowsBytesMax = 16u << 20;  // RETURNING, before the commit
inline constexpr std::size_t kSessionReadAheadBytes = 64u
                                                      << 10;  // requests that wait for their turn
inline constexpr std::size_t kSessionIdleBufferBytes = 16u << 10;  // kept by a session at rest
inline constexpr std::size_t kAddressBytesMax = 512;               // of a node
inline constexpr int kSessionMovesPerTurn = 64;  // then other sessions have theirs

// Peers.
inline constexpr std::size_t kPeerFrameBytesMax = 160u << 20;
inline constexpr std::size_t kPeerQueueBytesMax = 32u << 20;
inline constexpr std::size_t kPeersMax = 256;                      // members of a cluster
inline constexpr std::size_t kChangesWaitingMax = 64;              // of the membership
inline constexpr std::size_t kConfigurationBytesMax = 120u << 10;  // of a membership, encoded
inline constexpr std::size_t kServersMax = 1024;  // in a membership that another version made
inline constexpr std::size_t kPeerConnectionsMax = 4 * kPeersMax;  // incoming
// Of them, those that are no members', or have not said who they are.
inline constexpr std::size_t kStrangersMax = 64;
inline constexpr std::size_t kReceivedPerTurnBytesMax = 4u << 20;  // then other peers have theirs
inline constexpr std::size_t kUnfinishedFramesBytesMax = 192u << 20;  // of all peers
inline constexpr std::size_t kDialThreads = 8;  // that may block in a program's own function
inline constexpr std::size_t kSeedsMax = 64;    // addresses of members to join
inline constexpr std::size_t kJoinAnswerBytesMax = 1u << 20;   // a list of members is far smaller
inline constexpr std::size_t kJoinRedirectsMax = 4;            // from one member to the next
inline constexpr std::size_t kForeignAddressBytesMax = 1'024;  // in such a membership
// Heartbeat rounds whose start is remembered while no majority answers. Beyond it the oldest are
// forgotten, which can only make the lease start later.
inline constexpr std::size_t kReadRoundsMax = 1'024;
inline constexpr std::size_t kHeldAppendBytesMax = 32u << 20;  // entries that wait for a flush
inline constexpr std::size_t kSnapshotChunkBytes = 1u << 20;
inline constexpr std::size_t kDamagedPagesMax = 256;  // asked for at one time

// The log on disk.
inline constexpr std::size_t kLogEntryBytesMax = 128u << 20;  // one entry's payload
inline constexpr std::size_t kReadySegmentsMax = 8;           // recycled; more are removed
inline constexpr int kDamagedSegmentsKeptMax = 9;             // of one number; the last is replaced
inline constexpr int kDiskWritesInFlightMax = 128;            // more are done on helper threads

// Databases on disk.
inline constexpr std::size_t kManifestBytesMax = 256u << 20;
inline constexpr std::size_t kPartialTransactionBytesMax = 1u << 30;  // far above what a node sends
inline constexpr std::size_t kFlushesBehindMax = 4;  // worth of active pages; then writers wait
inline constexpr std::size_t kFlushWriteBytesMax = 1u << 20;  // one write

// Descriptors: of the limit on open files, what clients leave to the others. A small limit is
// shared.
inline constexpr std::size_t kDescriptorsMin = 64;        // with fewer a node does not start
inline constexpr std::size_t kDescriptorsMax = 1u << 20;  // what no limit counts as
inline constexpr std::size_t kLogDescriptors = 24;        // segments, records, events, folders
inline constexpr std::size_t kPeerDescriptorsMax = 64;
inline constexpr std::size_t kBaseFilesOpenMax = 512;  // of databases; the others are closed
inline constexpr std::size_t kTemporaryFilesMax = 256;

// Pages as they were, for images that are still read: a quarter of the memory for SQLite, at least
// this.
inline constexpr std::size_t kHeldPagesBytesMin = 32u << 20;

// However little is left for all page caches together, a connection gets this.
inline constexpr std::size_t kPageCacheBytesMin = 64u << 10;

// What bounds the work and the memory of one operation of a statement.
inline constexpr int kValueBytesMax = 64
                                      << 20;  // a value, a row: no request can bring a larger one
inline constexpr int kExpressionDepthMax = 1'000;
inline constexpr int kColumnsMax = 2'000;
inline constexpr int kCompoundSelectsMax = 500;
inline constexpr int kStatementOperationsMax = 16'000'000;  // of SQLite's machine, in its program
inline constexpr int kFunctionArgumentsMax = 127;
inline constexpr int kLikePatternBytesMax = 1'000;
inline constexpr std::size_t kRegexpPatternBytesMax = 2'000;
// Of one pattern, compiled, and what it learns of texts; this also bounds its steps.
inline constexpr std::size_t kRegexpMemoryBytesMax = 512u << 10;
inline constexpr std::size_t kRegexpPatternsMax = 4;  // that a thread keeps
// Steps of a pattern times bytes of a text: two seconds at worst, which nothing can interrupt.
inline constexpr std::size_t kRegexpWorkMax = 512u << 20;
inline constexpr int kParametersMax = 250'000;
inline constexpr int kNamedParametersMax = 1'000;  // that are bound, or described, by name
inline constexpr std::size_t kTrimmedCharactersMax = 100'000;  // different ones, of trim()
inline constexpr int kTriggerDepthMax = 1'000;
inline constexpr int kTemporaryDatabasesMax = 10;
inline constexpr std::size_t kMemoryBytesMax = 1u << 30;     // of SQLite
inline constexpr std::size_t kTemporaryBytesMax = 1u << 30;  // of all temporary files
// Of what a thread took and gave back, before it is counted: the count is one for all threads.
inline constexpr std::int64_t kUncountedBytesMax = 64 << 10;

// Execution.
inline constexpr int kEventsPerRoundMax = 64;  // of sockets and timers; then their tasks run
inline constexpr std::size_t kLogLinesQueuedMax = 1'024;  // above it the oldest go
inline constexpr std::size_t kHelperThreadsMax = 64;      // statements that overstayed, at one time
inline constexpr std::size_t kStackBytes =
    32u << 20;  // of a thread that runs SQLite; it takes what it uses

}  // namespace quorlite::limits
