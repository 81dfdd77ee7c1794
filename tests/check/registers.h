// Linearizability of registers, each by itself, after Wing & Gong: is there an order of the
// operations that respects real time and in which each read saw the last write?
//
// The search goes depth first through such orders and remembers where it has been (a set of
// operations done, and a value); histories of a few clients are decided in milliseconds. An
// operation in doubt may take effect at any time after it began, or never.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/check/outcome.h"

namespace quorlite::check {

struct RegisterOperation {
    enum class Kind { kRead, kWrite, kCompareAndSet };

    Kind kind = Kind::kRead;
    std::int64_t value = 0;     // seen by a read; else to be written
    std::int64_t expected = 0;  // kCompareAndSet: it writes if the register holds this
    bool swapped = false;       // kCompareAndSet: what the client was told
    std::int64_t began = 0;
    std::int64_t ended = 0;
    Outcome outcome = Outcome::kInDoubt;
};

class Registers {
public:
    // Of a register that held `initial` at first.
    explicit Registers(std::int64_t initial) : initial_(initial) {}

    void add(std::int64_t key, RegisterOperation operation);
    // Nothing if each register is linearizable, else one that is not.
    std::optional<std::string> contradiction() const;

private:
    const std::int64_t initial_;
    std::map<std::int64_t, std::vector<RegisterOperation>> operations_;
};

}  // namespace quorlite::check
