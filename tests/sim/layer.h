// The layers of the simulator: each runs a whole cluster in one thread, decided by a seed alone.
//
// A layer draws everything from the seed: which faults exist, how large the cluster is, how long
// things take. The same seed gives the same run, and so the same trace hash.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace quorlite::sim {

struct Outcome {
    std::string failure;  // empty: every check held
    std::string options;  // what was drawn
    std::string summary;  // what happened: counts
    std::uint64_t trace_hash = 0;
    double simulated_seconds = 0;
    std::size_t nodes = 0;
    double resumed_ms = 0;  // until writes were taken again, at the worst
    // How often two faults met, for each pair that could.
    std::map<std::string, std::uint64_t> pairs = {};

    bool passed() const { return failure.empty(); }
};

struct Layer {
    std::string_view name;
    // `trace`: print each event.
    Outcome (*run)(std::uint64_t seed, bool trace);
    std::uint64_t hunt_seeds_max;  // within which it must find each of its mutants
};

std::span<const Layer> layers();

Outcome run_core(std::uint64_t seed,
                 bool trace);  // consensus alone, with invariants after each step
Outcome run_node(std::uint64_t seed, bool trace);    // whole nodes, see node/run.cc
Outcome run_script(std::uint64_t seed, bool trace);  // nothing is drawn, see script.cc

}  // namespace quorlite::sim
