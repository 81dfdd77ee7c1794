// Limits of the engine: queues, buffers and maps never grow beyond these. What one file alone knows
// may have its limit there.
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
inline constexpr std::size_t kStatementsPerSessionMax = 4'096;
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
inline constexpr std::size_t kConfigurationBytesMax = 120u << 10;  // of a membership, encoded
inline constexpr std::size_t kServersMax = 1024;  // in a membership that another version made
inline constexpr std::size_t kPeerConnectionsMax = 4 * kPeersMax;  // incoming
// Of them, those that are no members', or have not said who they are.
inline constexpr std::size_t kStrangersMax = 64;
inline constexpr std::size_t kUnfinishedFramesBytesMax = 192u << 20;  // of all peers
inline constexpr std::size_t kDialThreads = 8;  // that may block in a program's own function
inline constexpr std::size_t kSeedsMax = 64;    // addresses of members to join
inline constexpr std::size_t kHeldAppendBytesMax = 32u << 20;  // entries that wait for a flush
inline constexpr std::size_t kSnapshotChunkBytes = 1u << 20;
inline constexpr std::size_t kDamagedPagesMax = 256;  // asked for at one time

// The log on disk.
inline constexpr std::size_t kLogEntryBytesMax = 128u << 20;  // one entry's payload

// Descriptors: of the limit on open files, what clients leave to the others. A small limit is
// shared.
inline constexpr std::size_t kDescriptorsMin = 64;  // with fewer a node does not start
inline constexpr std::size_t kLogDescriptors = 24;  // segments, records, events, folders
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
inline constexpr int kParametersMax = 250'000;
inline constexpr int kTriggerDepthMax = 1'000;
inline constexpr int kTemporaryDatabasesMax = 10;
inline constexpr std::size_t kMemoryBytesMax = 1u << 30;     // of SQLite
inline constexpr std::size_t kTemporaryBytesMax = 1u << 30;  // of all temporary files

// Execution.
inline constexpr std::size_t kHelperThreadsMax = 64;  // statements that overstayed, at one time
inline constexpr std::size_t kStackBytes =
    32u << 20;  // of a thread that runs SQLite; it takes what it uses

}  // namespace quorlite::limits
