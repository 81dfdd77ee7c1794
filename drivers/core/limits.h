// The limits of the drivers' core that are not options: no queue and no buffer is without one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace quorlite::core::limits {

// A message from a server that claims to be longer than this is garbage. Dumps are read in parts.
inline constexpr std::uint64_t kMessageBytesMax = 1ull << 30;

// Hints that one search follows, so that nodes that point at each other cannot keep it busy.
inline constexpr int kHintsMax = 8;
// Of the list of nodes that a server tells: an address is a host's name and a port, and members
// are few.
inline constexpr std::size_t kAddressBytesMax = 262;
inline constexpr std::size_t kNodesMax = 1'024;
// How long the node that led last is waited for before others are asked as well.
inline constexpr std::chrono::milliseconds kHeadStart{100};

// How long a node that did not answer is left alone: doubling from the first to the second.
inline constexpr std::chrono::milliseconds kPenaltyMin{500};
inline constexpr std::chrono::milliseconds kPenaltyMax{15'000};

// How long a node of ours waits for a lock unless it is told otherwise.
inline constexpr std::chrono::milliseconds kNodeBusyTimeout{5'000};

// A statement during which the connection broke so often is not sent again: it may be what broke
// it.
inline constexpr int kLossesMax = 2;

// Operations that wait in one connection.
inline constexpr std::size_t kQueuedMax = 100'000;

// A text is prepared when it comes for the second time; so many are remembered.
inline constexpr std::size_t kTextsRemembered = 256;

// How long a blocking call waits awake for an answer that is expected soon, and how many threads of
// a process do so at a time.
inline constexpr std::chrono::microseconds kAwakeMax{50};
inline constexpr int kAwakeThreadsMax = 1;

// A request's body: nodes of ours read no longer one.
inline constexpr std::size_t kRequestBytesMax = 64u << 20;
// Of a statement that is longer than this the long literals are sent as values: nodes compile texts
// of up to a million bytes.
inline constexpr std::size_t kLongSqlBytes = 500'000;

// Many rows in few statements: one is sent when its values have grown to this, full or not.
inline constexpr std::size_t kBulkBytes = 256u << 10;

// A buffer for what is sent keeps no more than this once it is empty; one read takes up to so much.
inline constexpr std::size_t kOutputKeptBytes = 1u << 20;
inline constexpr std::size_t kReadBytes = 64u << 10;

// A write lock is held for single milliseconds as a rule: who waits for longer than this between
// two attempts mostly sleeps while it is free. The Go client has the same limit.
inline constexpr std::chrono::milliseconds kBusyPauseMax{20};

// Values in one statement: nodes' SQLITE_MAX_VARIABLE_NUMBER.
inline constexpr std::size_t kParametersMax = 250'000;

}  // namespace quorlite::core::limits
