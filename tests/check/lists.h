// Transactions over lists that only grow: what isolation they had, by cycles, after Adya and Elle.
//
// Each value is appended once, so a list tells in which order its transactions came; from that
// follow the dependencies between transactions:
//
//   ww  b appended right after a          wr  b saw what a appended last
//   rw  b appended what a did not see     rt  a ended before b began
//
// A cycle of them contradicts strict serialisability. By its edges it has a name:
//   G0 only ww; G1c ww and wr; G-single one rw; G2 several rw; "-realtime" if it needs rt.
//
// And without a graph: what was acknowledged is there, what was refused is not (G1a), nobody saw
// the middle of a transaction (G1b), nothing is there twice, a transaction sees its own appends,
// and all reads of a list agree on its order.
//
// The last transactions should read every list: what no read shows is not known to exist.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/check/outcome.h"

namespace quorlite::check {

struct ListAction {
    std::int64_t key = 0;
    bool append = false;
    std::int64_t value = 0;          // append: unique in the whole history
    std::vector<std::int64_t> read;  // otherwise: the whole list
};

struct ListTransaction {
    std::vector<ListAction> actions;
    std::int64_t began = 0;
    std::int64_t ended = 0;
    Outcome outcome = Outcome::kInDoubt;  // in doubt: its reads do not count
};

class Lists {
public:
    void add(ListTransaction transaction) { transactions_.push_back(std::move(transaction)); }
    std::size_t size() const { return transactions_.size(); }
    // Nothing if all is well, else the first contradiction found, in words.
    std::optional<std::string> contradiction() const;

private:
    std::vector<ListTransaction> transactions_;
};

}  // namespace quorlite::check
