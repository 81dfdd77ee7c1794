// The limits of the shell: no buffer is without one.
#pragma once

#include <chrono>
#include <cstddef>

namespace quorlite::shell::limits {

// Rows that are looked at before a table is drawn: wider cells that come later stick out.
inline constexpr std::size_t kRowsMeasured = 2'000;
inline constexpr std::size_t kBytesMeasured = 8u << 20;

// One statement, or one record of a file that is imported: as long as the largest row that a node
// takes (64 MiB) may be when it is written with two digits a byte.
inline constexpr std::size_t kStatementBytesMax = 129u << 20;
inline constexpr std::size_t kRecordBytesMax = kStatementBytesMax;

// Rows of an import that are one transaction, and one message each way.
inline constexpr std::size_t kBatchRows = 5'000;
inline constexpr std::size_t kBatchBytes = 4u << 20;

// Files that read each other.
inline constexpr int kReadDepthMax = 16;

inline constexpr int kHistoryEntries = 2'000;
inline constexpr std::size_t kCompletionsShown = 200;

// A call about the schema, made in passing for completion.
inline constexpr std::chrono::milliseconds kSchemaPatience{1'000};

// A leader is waited for so long before it is said why.
inline constexpr std::chrono::milliseconds kWaitingSilently{1'000};

inline constexpr std::chrono::milliseconds kProgressInterval{200};
inline constexpr std::chrono::milliseconds kWatchInterval{1'000};

}  // namespace quorlite::shell::limits
