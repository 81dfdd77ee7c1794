// Strict serialisability, checked in linear time.
//
// Every write transaction of the workload adds one row to a table `history`, whose row ids are the
// serial order that the database claims; every read says how long that table was. At the end the
// table is read once. Then all that strict serialisability demands can be checked directly:
//
//   - an acknowledged write is in the table, once; one answered "not committed" is not; one in
//     doubt may be;
//   - a write that ended before another began comes before it in the table;
//   - a read saw at least every write that ended before it began and everything that an earlier
//     read saw, and nothing that began after it ended.
//
// Times are of one global clock, in nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/check/outcome.h"

namespace quorlite::check {

struct Write {
    std::uint64_t id = 0;  // unique
    std::int64_t began = 0;
    std::int64_t ended = 0;  // when the client knew the outcome
    Outcome outcome = Outcome::kInDoubt;
};

struct Read {
    std::uint64_t length = 0;  // of the history the reader saw
    std::int64_t began = 0;
    std::int64_t ended = 0;
};

class History {
public:
    void add(Write write) { writes_.push_back(write); }
    void add(Read read) { reads_.push_back(read); }
    std::size_t acknowledged() const;
    std::size_t size() const { return writes_.size() + reads_.size(); }

    // `serial`: the ids in the table, in the order of their rows. Nothing if all is well, else the
    // first contradiction found, in words.
    std::optional<std::string> contradiction(const std::vector<std::uint64_t>& serial) const;

private:
    std::vector<Write> writes_;
    std::vector<Read> reads_;
};

}  // namespace quorlite::check
