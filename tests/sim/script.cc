// The layer `script`: seed N plays the N-th script of tests/raft/golden, which must happen as it
// says. With a deliberate fault alive only the scripts that are said to find it are played.

#include <algorithm>
#include <cstdio>

#include "engine/base/mutants.h"
#include "tests/raft/script.h"
#include "tests/sim/layer.h"
#include "tests/support/golden.h"

namespace quorlite::sim {
namespace {

// Without a fault, all are played.
bool is_to_be_played(std::string_view script) {
    const std::vector<std::string> faults = raft::faults_named_in(script);
    for (const MutantInfo& info : kMutants) {
        if (mutant(info.mutant)) return std::ranges::find(faults, info.name) != faults.end();
    }
    return true;
}

}  // namespace

Outcome run_script(std::uint64_t seed, bool trace) {
    Outcome outcome;
    const auto scripts = raft::scripts_in(QUORLITE_SOURCE_DIR "/tests/raft/golden");
    if (seed == 0 || seed > scripts.size()) return outcome;
    const auto& script = scripts[seed - 1];
    const std::string text = test::read_file(script);
    outcome.options = script.filename();
    if (!is_to_be_played(text)) return outcome;
    const raft::Played played = raft::play(text);
    if (trace) std::printf("%s", played.text.c_str());
    outcome.failure = played.error;
    if (played.error.empty()) outcome.failure = test::difference(text, played.text);
    return outcome;
}

}  // namespace quorlite::sim
