// Workloads: what the load generator sends, as data.
//
// An operation is what is counted and timed: one or more statements, sent one after the other, each
// when the previous one was answered, as a client's driver does. Every statement is prepared once
// per connection. The tables are made and filled by `quorlite bench setup`.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/client.h"

namespace quorlite::benchmark {

inline constexpr std::int64_t kItemCount = 10'000;  // rows of the table that is read and updated
inline constexpr std::size_t kItemBytes = 100;      // of text in each, and in each inserted row
inline constexpr std::int64_t kBlobSlots = 64;      // blobs are replaced in turn: bounded size
inline constexpr std::string_view kDatabaseName = "benchmark";

// What the parameters of a statement are.
enum class Takes : std::uint8_t { kNothing, kValue, kValueAndKey, kKey, kSlotAndBlob };
// What its answer must be; anything else is counted as a wrong answer.
enum class Gives : std::uint8_t { kResult, kOneChange, kOneRow, kAllItems };

struct Statement {
    std::string_view sql;
    Takes takes;
    Gives gives;

    bool is_query() const { return gives == Gives::kOneRow || gives == Gives::kAllItems; }
};

enum StatementId : std::uint8_t {
    kBegin,
    kCommit,
    kRollback,
    kInsert,
    kUpdate,
    kRead,
    kScan,
    kBlob,
};

const Statement& statement(StatementId id);
inline constexpr std::size_t kStatementCount = kBlob + 1;

struct Workload {
    std::string_view name;
    std::vector<StatementId> steps;
    // This share of the operations takes the other steps, drawn at random.
    std::vector<StatementId> other_steps = {};
    unsigned other_percent = 0;
    std::size_t blob_bytes = 0;
};

std::span<const Workload> workloads();
const Workload* find_workload(std::string_view name);

// Draws operations and the values of their statements. The values given are valid until the next
// call. The same seed gives the same sequence.
class Drawer {
public:
    Drawer(const Workload& workload, std::uint64_t seed);

    std::span<const StatementId> operation();
    wire::Parameters parameters(StatementId id);

private:
    const Workload& workload_;
    std::minstd_rand random_;
    std::int64_t slot_;
    std::string text_;
    Bytes blob_;
    std::array<wire::Value, 2> values_;
};

}  // namespace quorlite::benchmark
