// Every limit of the engine in one place: queues, buffers and maps never grow beyond these.
//
// Sizes are in bytes unless the name says otherwise. What an operator may change is an option whose
// default is here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quorlite::limits {

// Clients.
inline constexpr std::size_t kRequestBytesMax = 64u << 20;  // body of one request
inline constexpr std::size_t kConnectionsMax = 10'000;      // per node, clients
inline constexpr std::size_t kStatementsPerSessionMax = 4'096;
inline constexpr std::size_t kSessionOutputBytesMax = 256u << 10;   // rows wait above this
inline constexpr std::size_t kResultBatchBytes = 64u << 10;         // one ROWS message
inline constexpr std::size_t kSqlBytesMax = 1'000'000;              // SQLite's own default
inline constexpr std::size_t kPreparedSqlBytesMax = 16u << 20;      // of one session's statements
inline constexpr std::size_t kRowBytesMax = 128u << 20;             // one ROWS message
inline constexpr std::size_t kUncommittedRowsBytesMax = 16u << 20;  // RETURNING, before the commit
inline constexpr std::size_t kSessionReadAheadBytes = 64u
                                                      << 10;  // requests that wait for their turn
inline constexpr std::size_t kSessionIdleBufferBytes = 16u << 10;  // kept by a session at rest
inline constexpr std::size_t kAddressBytesMax = 512;               // of a node
inline constexpr int kSessionMovesPerTurn = 64;  // then other sessions have theirs

// Peers.
inline constexpr std::size_t kPeerFrameBytesMax = 160u << 20;
inline constexpr std::size_t kPeerQueueBytesMax = 32u << 20;
inline constexpr std::size_t kPeersMax = 256;
inline constexpr std::size_t kSnapshotChunkBytes = 1u << 20;

// The log on disk.
inline constexpr std::size_t kLogEntryBytesMax = 128u << 20;  // one entry's payload

// Execution.
inline constexpr std::size_t kHelperThreadsMax =
    16;  // statements that overstayed, at the same time

}  // namespace quorlite::limits
