// The codes of errors, what they mean for the work, and the texts that go with them.
//
// Made by spec/generate.py from spec/errors.json: change it there.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorlite {

namespace code {
inline constexpr int kError = 1;
inline constexpr int kBusy = 5;
inline constexpr int kNoMemory = 7;
inline constexpr int kReadOnly = 8;
inline constexpr int kInterrupted = 9;
inline constexpr int kIo = 10;
inline constexpr int kCorrupt = 11;
inline constexpr int kNotFound = 12;
inline constexpr int kFull = 13;
inline constexpr int kCannotOpen = 14;
inline constexpr int kProtocol = 15;
inline constexpr int kTooBig = 18;
inline constexpr int kConstraint = 19;
inline constexpr int kMismatch = 20;
inline constexpr int kMisuse = 21;
inline constexpr int kRolledBack = 516;
inline constexpr int kBusySnapshot = 517;
inline constexpr int kForeignKey = 787;
inline constexpr int kNoDatabase = 1002;
inline constexpr int kParse = 1005;
inline constexpr int kNotNull = 1299;
inline constexpr int kPrimaryKey = 1555;
inline constexpr int kUnique = 2067;
inline constexpr int kNotLeaderOld = 8202;
inline constexpr int kLeadershipLostOld = 8458;
inline constexpr int kNotLeader = 10250;
inline constexpr int kLeadershipLost = 10506;
}  // namespace code

enum class ErrorMeaning : std::uint8_t {
    // The statement was refused and changed nothing.
    kRefused,
    // A constraint is broken. Only the server knows whether the transaction survived.
    kConflict,
    // The statement failed, and SQLite may have rolled its transaction back.
    kEndsTransaction,
    // It failed, and may succeed a little later.
    kPassing,
    // Another transaction is in the way.
    kBusy,
    // A transaction that has read wants to write, and others have written since.
    kStale,
    // The server has rolled the transaction back, and carries nothing of it out.
    kRolledBack,
    // This node does not lead, or no longer knows the client. Nothing was proposed.
    kNotProposed,
    // What dqlite says when it has no better word, a node that shuts down included.
    kUnexplained,
    // It was proposed, and nobody here knows what became of it.
    kUnknown,
};

// A code that means something else than its primary code, or does so with this text only.
struct ErrorRow {
    int code;
    std::string_view if_text;
    ErrorMeaning meaning;
};

inline constexpr ErrorRow kErrorRows[] = {
    {1, "leadership transfer failed", ErrorMeaning::kPassing},
    {5, "", ErrorMeaning::kBusy},
    {7, "", ErrorMeaning::kEndsTransaction},
    {9, "", ErrorMeaning::kEndsTransaction},
    {10, "", ErrorMeaning::kEndsTransaction},
    {10, "leader exec failed", ErrorMeaning::kUnexplained},
    {11, "", ErrorMeaning::kEndsTransaction},
    {12, "no database opened", ErrorMeaning::kNotProposed},
    {12, "no statement with the given id", ErrorMeaning::kNotProposed},
    {13, "", ErrorMeaning::kEndsTransaction},
    {19, "", ErrorMeaning::kConflict},
    {516, "", ErrorMeaning::kRolledBack},
    {517, "", ErrorMeaning::kStale},
    {8202, "", ErrorMeaning::kNotProposed},
    {8458, "", ErrorMeaning::kUnknown},
    {10250, "", ErrorMeaning::kNotProposed},
    {10506, "", ErrorMeaning::kUnknown},
};

// What Quorlite itself says with a code, if there is nothing better to say.
namespace text {
inline constexpr const char* kBusy = "database is locked";
inline constexpr const char* kInterrupted = "interrupted";
inline constexpr const char* kNotLeader = "not leader";
inline constexpr const char* kLeadershipLost = "leadership lost";
}  // namespace text

}  // namespace quorlite
