// Every safety property of one node, as an executable line.
//
// A test or a simulation keeps one Invariants per core and calls check() after each step: it looks
// at the state by itself and at what changed since the last call. What must hold between nodes (one
// leader per term, equal logs, nothing lost) is checked by the simulation, which sees them all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/raft/raft.h"

namespace quorlite::raft {

class Invariants {
public:
    // The first property that does not hold, in words; nothing if all do.
    std::optional<std::string> check(const Core& core);

private:
    struct Before {
        HardState hard;
        RoleName role;
        Index last;
        Index commit;
        Index delivered;
        Index applied;
        Index durable;
        Index point;
        Index vote_barrier;
        std::optional<Term> last_term;
        std::optional<Term> durable_term;
        std::optional<Term> commit_term;
        NodeId leader;  // of this term, once known
    };

    void check_log(const Core::State& state);
    void check_role(const Core::State& state);
    void check_leader(const Core::State& state);
    void check_bounds(const Core::State& state);
    void check_change(const Core::State& state);
    void remember(const Core::State& state);
    void expect(bool holds, const char* property);

    std::optional<Before> before_;
    std::optional<std::string> broken_;
};

}  // namespace quorlite::raft
