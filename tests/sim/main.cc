// quorlite-sim: runs the simulator by seed. `quorlite-sim --help` explains its options.
//
//   quorlite-sim --layer core --seed N --trace       one run, told line by line
//   quorlite-sim --layer core --seeds FROM:COUNT     many
//   quorlite-sim --file tests/sim/seeds.txt          the regression seeds
//   quorlite-sim --hunt --layer core                 every deliberate fault of the layer, until it
//                                                    was found as often as --finds says, each time
//                                                    from the next seed on; with --mutant only one
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/mutants.h"
#include "tests/sim/layer.h"

namespace quorlite::sim {

std::span<const Layer> layers() {
    static constexpr Layer kLayers[] = {
        {"core", run_core, 2000}, {"node", run_node, 2000}, {"script", run_script, 100}};
    return kLayers;
}

namespace {

struct Task {
    const Layer* layer;
    std::uint64_t from;
    std::uint64_t count;
};

struct Arguments {
    std::string layer = "core";
    std::optional<std::uint64_t> seed;
    std::string seeds;  // FROM:COUNT, which are
    std::uint64_t from = 1;
    std::uint64_t count = 0;
    std::string file;
    std::string mutant;
    std::uint64_t finds = 1;
    bool trace = false;
    bool twice = false;
    bool go_on = false;
    bool hunt = false;
    bool list_mutants = false;
};

// For the case that a check ends the process: the line that reproduces it.
char reproduction[200];

void on_abort(int) {
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, reproduction, std::strlen(reproduction));
}

void prepare_reproduction(const Layer& layer, std::uint64_t seed, const Arguments& arguments) {
    std::snprintf(reproduction, sizeof reproduction,
                  "reproduce: quorlite-sim --layer %.*s --seed %llu%s%s\n",
                  static_cast<int>(layer.name.size()), layer.name.data(),
                  static_cast<unsigned long long>(seed),
                  arguments.mutant.empty() ? "" : " --mutant ", arguments.mutant.c_str());
}

const Layer* find_layer(std::string_view name) {
    for (const Layer& layer : layers()) {
        if (layer.name == name) return &layer;
    }
    return nullptr;
}

void print(const Outcome& outcome) {
    std::printf("options: %s\nsummary: %s\ntrace hash: %016llx\n", outcome.options.c_str(),
                outcome.summary.c_str(), static_cast<unsigned long long>(outcome.trace_hash));
}

// What many runs had in sum.
struct Sum {
    std::uint64_t runs = 0;
    std::uint64_t failures = 0;
    double hours = 0;
    std::vector<double> resumed_ms;
    std::map<std::string, std::uint64_t> pairs;

    void add(const Outcome& outcome) {
        ++runs;
        failures += !outcome.passed();
        hours += outcome.simulated_seconds / 3600;
        if (outcome.resumed_ms > 0) resumed_ms.push_back(outcome.resumed_ms);
        for (const auto& [pair, count] : outcome.pairs) pairs[pair] += count;
    }

    void print() {
        std::printf("%s: %llu runs, %.2f simulated cluster-hours",
                    failures == 0 ? "passed" : (std::to_string(failures) + " FAILED").c_str(),
                    static_cast<unsigned long long>(runs), hours);
        if (!resumed_ms.empty()) {
            std::sort(resumed_ms.begin(), resumed_ms.end());
            const auto at = [&](std::size_t percent) {
                const std::size_t place = resumed_ms.size() * percent / 100;
                return resumed_ms[std::min(resumed_ms.size() - 1, place)];
            };
            std::printf("; writes resumed after p50 %.0f ms, p99 %.0f ms, at most %.0f ms", at(50),
                        at(99), resumed_ms.back());
        }
        if (!pairs.empty()) print_pairs();
        std::printf("\n");
    }

    void print_pairs() const {
        std::size_t met = 0;
        std::string missing;
        for (const auto& [pair, count] : pairs) {
            met += count > 0;
            if (count == 0) missing += " " + pair;
        }
        std::printf("; %zu of %zu pairs of faults met", met, pairs.size());
        // After a few runs most are missing, which says nothing.
        constexpr std::size_t kTelling = 20;
        if (met < pairs.size() && pairs.size() - met <= kTelling) {
            std::printf(", but not%s", missing.c_str());
        }
    }
};

bool run_one(const Layer& layer, std::uint64_t seed, const Arguments& arguments, Sum& sum) {
    prepare_reproduction(layer, seed, arguments);
    Outcome outcome = layer.run(seed, arguments.trace);
    if (arguments.twice && outcome.passed()) {
        const Outcome again = layer.run(seed, false);
        if (again.trace_hash != outcome.trace_hash)
            outcome.failure = "the same seed ran differently";
    }
    sum.add(outcome);
    if (!outcome.passed()) {
        std::printf("FAILED: %s\n%s", outcome.failure.c_str(), reproduction);
    }
    if (!outcome.passed() || arguments.seed) print(outcome);
    std::fflush(stdout);
    return outcome.passed();
}

int run(const std::vector<Task>& tasks, const Arguments& arguments) {
    Sum sum;
    for (const Task& task : tasks) {
        for (std::uint64_t seed = task.from; seed < task.from + task.count; ++seed) {
            if (!run_one(*task.layer, seed, arguments, sum) && !arguments.go_on) return 1;
        }
    }
    sum.print();
    return sum.failures == 0 ? 0 : 1;
}

std::optional<std::vector<Task>> tasks_from(const std::string& file) {
    std::ifstream input(file);
    if (!input) return std::nullopt;
    std::vector<Task> tasks;
    for (std::string line; std::getline(input, line);) {
        line = line.substr(0, line.find('#'));
        const std::size_t space = line.find(' ');
        if (space == std::string::npos) continue;
        const Layer* layer = find_layer(line.substr(0, space));
        if (layer == nullptr) return std::nullopt;
        tasks.push_back({layer, std::strtoull(line.c_str() + space, nullptr, 0), 1});
    }
    return tasks;
}

#ifdef QUORLITE_MUTANTS

bool select(const std::string& name) {
    for (const MutantInfo& info : kMutants) {
        if (info.name == name) active_mutant = info.mutant;
    }
    return active_mutant != Mutant::kNone;
}

// The first seed from `from` to `last` that fails with this mutant alive. In a child process,
// because a mutant may also be found by a check that ends it, or by never coming to an end.
std::optional<std::uint64_t> first_failure(Mutant mutant, const Layer& layer, std::uint64_t from,
                                           std::uint64_t last) {
    constexpr unsigned kSecondsPerSeedMax = 300;
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) std::abort();
    const pid_t child = ::fork();
    if (child == 0) {
        active_mutant = mutant;
        if (std::freopen("/dev/null", "w", stderr) == nullptr) std::abort();
        for (std::uint64_t seed = from; seed <= last; ++seed) {
            ::alarm(kSecondsPerSeedMax);
            [[maybe_unused]] const auto told = ::write(pipe_ends[1], &seed, sizeof seed);
            if (!layer.run(seed, false).passed()) std::_Exit(1);
        }
        std::_Exit(0);
    }
    ::close(pipe_ends[1]);
    std::uint64_t reached = from;
    while (::read(pipe_ends[0], &reached, sizeof reached) == sizeof reached) continue;
    ::close(pipe_ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
    return reached;
}

// The first seed from `from` on that finds the mutant. One that fails without it as well has found
// something else.
std::optional<std::uint64_t> hunt_one(const MutantInfo& info, const Layer& layer,
                                      std::uint64_t from) {
    const std::uint64_t last = from + layer.hunt_seeds_max - 1;
    for (; from <= last; ++from) {
        const auto found = first_failure(info.mutant, layer, from, last);
        if (!found || !first_failure(Mutant::kNone, layer, *found, *found)) return found;
        std::fprintf(stderr, "seed %llu fails without a mutant\n",
                     static_cast<unsigned long long>(*found));
        from = *found;
    }
    return std::nullopt;
}

// How many seeds each of so many finds took, in ascending order; none that was not found.
std::vector<std::uint64_t> seeds_needed(const MutantInfo& info, const Layer& layer,
                                        std::uint64_t finds) {
    std::vector<std::uint64_t> needed;
    std::uint64_t from = 1;
    while (needed.size() < finds) {
        const auto found = hunt_one(info, layer, from);
        if (!found) return {};
        needed.push_back(*found - from + 1);
        from = *found + 1;
    }
    std::sort(needed.begin(), needed.end());
    return needed;
}

int hunt(const Arguments& arguments) {
    bool all = true;
    std::printf(
        "| mutant | layer | median of seeds to find | fault |\n| --- | --- | --- | --- |\n");
    for (const MutantInfo& info : kMutants) {
        const Layer* layer = find_layer(info.layer);
        if (layer == nullptr || info.layer != arguments.layer) continue;
        if (!arguments.mutant.empty() && info.name != arguments.mutant) continue;
        const auto needed = seeds_needed(info, *layer, std::max<std::uint64_t>(1, arguments.finds));
        all = all && !needed.empty();
        const std::string median =
            needed.empty() ? "not found" : std::to_string(needed[needed.size() / 2]);
        std::printf("| %.*s | %.*s | %s | %.*s |\n", static_cast<int>(info.name.size()),
                    info.name.data(), static_cast<int>(info.layer.size()), info.layer.data(),
                    median.c_str(), static_cast<int>(info.text.size()), info.text.data());
        std::fflush(stdout);
    }
    return all ? 0 : 1;
}

#else

bool select(const std::string&) {
    return false;
}

int hunt(const Arguments&) {
    std::fprintf(stderr, "built without QUORLITE_MUTANTS\n");
    return 2;
}

#endif

int list_mutants() {
    for (const MutantInfo& info : kMutants) {
        std::printf("%-30.*s %-6.*s %.*s\n", static_cast<int>(info.name.size()), info.name.data(),
                    static_cast<int>(info.layer.size()), info.layer.data(),
                    static_cast<int>(info.text.size()), info.text.data());
    }
    return 0;
}

// FROM:COUNT
CLI::Validator seed_range(Arguments& arguments) {
    return {[&arguments](std::string& text) {
                const std::size_t colon = text.find(':');
                const std::string count = colon == text.npos ? "" : text.substr(colon + 1);
                if (CLI::detail::lexical_cast(text.substr(0, colon), arguments.from) &&
                    CLI::detail::lexical_cast(count, arguments.count)) {
                    return std::string();
                }
                return "'" + text + "' is not of the form FROM:COUNT";
            },
            ""};
}

void describe(CLI::App& app, Arguments& arguments) {
    std::vector<std::string> names;
    for (const Layer& layer : layers()) names.emplace_back(layer.name);
    app.add_option("--layer", arguments.layer, "What is simulated")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    app.add_option("--seed", arguments.seed, "One run: what was drawn, its trace hash");
    app.add_option("--seeds", arguments.seeds, "Many; stops at the first that fails")
        ->check(seed_range(arguments))
        ->type_name("FROM:COUNT");
    app.add_option("--file", arguments.file, "Seeds from a file, lines \"LAYER SEED\"");
    app.add_option("--mutant", arguments.mutant, "With a deliberate fault (mutants build only)");
    app.add_option("--finds", arguments.finds, "How often a hunt looks for each fault")
        ->capture_default_str();
    app.add_flag("--trace", arguments.trace, "Tells what happens, line by line");
    app.add_flag("--twice", arguments.twice, "Each seed twice: the trace hashes must agree");
    app.add_flag("--go-on", arguments.go_on, "Does not stop at a seed that fails");
    app.add_flag("--hunt", arguments.hunt, "Looks for every deliberate fault of the layer");
    app.add_flag("--list-mutants", arguments.list_mutants, "The deliberate faults");
}

int run_chosen(const Arguments& arguments) {
    const Layer& layer = *find_layer(arguments.layer);
    if (arguments.list_mutants) return list_mutants();
    if (arguments.hunt) return hunt(arguments);
    if (!arguments.mutant.empty() && !select(arguments.mutant)) {
        std::fprintf(stderr, "no such mutant, or built without QUORLITE_MUTANTS\n");
        return 2;
    }
    std::signal(SIGABRT, on_abort);
    if (!arguments.file.empty()) {
        const auto tasks = tasks_from(arguments.file);
        if (!tasks) std::fprintf(stderr, "cannot read %s\n", arguments.file.c_str());
        return tasks ? run(*tasks, arguments) : 2;
    }
    if (arguments.seed) return run({{&layer, *arguments.seed, 1}}, arguments);
    return run({{&layer, arguments.from, arguments.count}}, arguments);
}

}  // namespace
}  // namespace quorlite::sim

int main(int count, char** values) {
    quorlite::sim::Arguments arguments;
    CLI::App app("quorlite-sim: runs the simulator by seed");
    quorlite::sim::describe(app, arguments);
    CLI11_PARSE(app, count, values);
    return quorlite::sim::run_chosen(arguments);
}
