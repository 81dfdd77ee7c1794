// load: the load generator of `make bench`.
//
//     load setup    --nodes A,B,C [--join]                     make a cluster and its tables
//     load wait     --nodes A,B,C                              wait until all are voters again
//     load run      --nodes A,B,C --workload W --connections N --seconds S [--rate R]
//     load fill     --nodes A,B,C --megabytes M
//     load failover --nodes A,B,C --processes P,Q,R            kill the leader by its process id
//
// It drives every server that speaks the dqlite protocol. Each command prints one line of JSON, or
// one line on standard error and exit status 1. Latencies are in microseconds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "tests/benchmark/admin.h"
#include "tests/benchmark/generator.h"

namespace quorlite::benchmark {
namespace {

struct Options {
    LoadPlan plan;
    std::string workload = "insert";
    std::vector<int> processes;
    std::uint64_t megabytes = 300;
    double deadline_seconds = 60;
    bool join = false;
};

std::string to_json(const Options& options, const LoadReport& report) {
    const LoadPlan& plan = options.plan;
    const auto us = [&](double quantile) {
        return static_cast<double>(report.latencies.at(quantile)) / 1000;
    };
    std::ostringstream out;
    out << "{\"workload\":\"" << plan.workload->name << "\",\"connections\":" << plan.connections
        << ",\"seconds\":" << plan.seconds << ",\"requests\":" << report.completed
        << ",\"rate\":" << static_cast<double>(report.completed) / plan.seconds
        << ",\"rows_rate\":" << static_cast<double>(report.rows) / plan.seconds
        << ",\"p50_us\":" << us(0.5) << ",\"p90_us\":" << us(0.9) << ",\"p99_us\":" << us(0.99)
        << ",\"p999_us\":" << us(0.999)
        << ",\"max_us\":" << static_cast<double>(report.latencies.max()) / 1000
        << ",\"busy_retries\":" << report.busy_retries << ",\"reconnects\":" << report.reconnects
        << ",\"unfinished\":" << report.unfinished << ",\"wrong_answers\":" << report.wrong_answers
        << ",\"errors\":{";
    const char* separator = "";
    for (const auto& [error_code, count] : report.errors) {
        out << separator << '"' << error_code << "\":" << count;
        separator = ",";
    }
    out << "}}";
    return out.str();
}

Result<std::string> in_seconds(const Status& status, Time began) {
    if (!status) return status.error();
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - began).count();
    return "{\"seconds\":" + std::to_string(seconds) + "}";
}

Result<std::string> perform(const std::string& command, Options& options) {
    const Time began = SteadyClock::now();
    const Time deadline =
        began + std::chrono::milliseconds(static_cast<int>(options.deadline_seconds * 1000));
    const std::vector<std::string>& nodes = options.plan.nodes;
    if (command == "run") {
        options.plan.workload = find_workload(options.workload);
        if (options.plan.workload == nullptr) return Error{code::kError, "unknown workload"};
        const Result<LoadReport> report = generate_load(options.plan);
        if (!report) return report.error();
        return to_json(options, *report);
    }
    if (command == "failover") {
        const Result<double> seconds = fail_over(nodes, options.processes, deadline);
        if (!seconds) return seconds.error();
        return "{\"seconds\":" + std::to_string(*seconds) + "}";
    }
    if (command == "fill") return in_seconds(fill(nodes, options.megabytes, deadline), began);
    const Status formed = form_cluster(nodes, options.join, deadline);
    if (!formed || command == "wait") return in_seconds(formed, began);
    return in_seconds(make_tables(nodes, deadline), began);
}

int main(int count, char** arguments) {
    Options options;
    CLI::App app("Drives a cluster over the dqlite wire protocol");
    app.require_subcommand(1);
    const auto command = [&](const char* name, const char* description) {
        CLI::App* const added = app.add_subcommand(name, description);
        added->add_option("--nodes", options.plan.nodes, "addresses, node 1 first")
            ->delimiter(',')
            ->required();
        added->add_option("--deadline", options.deadline_seconds, "seconds until giving up");
        return added;
    };
    command("setup", "Make a cluster and its tables")
        ->add_flag("--join", options.join, "add the nodes after the first, as dqlite needs it");
    command("wait", "Wait until all nodes are voters and know a leader");
    CLI::App* const run = command("run", "Measure one workload");
    run->add_option("--workload", options.workload, "its name");
    run->add_option("--connections", options.plan.connections)->check(CLI::Range(1, 10'000));
    run->add_option("--warmup", options.plan.warmup_seconds, "seconds before the measurement");
    run->add_option("--seconds", options.plan.seconds, "seconds of measurement");
    run->add_option("--rate", options.plan.rate, "operations per second; 0: as fast as they go");
    run->add_option("--busy-pause", options.plan.busy_pause_us,
                    "microseconds before a statement that met a busy database is sent again");
    command("fill", "Insert a given volume")->add_option("--megabytes", options.megabytes);
    command("failover", "Kill the leader and time the first write through a new one")
        ->add_option("--processes", options.processes, "process ids, in the order of the nodes")
        ->delimiter(',')
        ->required();
    CLI11_PARSE(app, count, arguments);

    const Result<std::string> line = perform(app.get_subcommands().front()->get_name(), options);
    if (!line) {
        std::cerr << "load: " << line.error().message << " (" << line.error().code << ")\n";
        return 1;
    }
    std::cout << *line << '\n';
    return 0;
}

}  // namespace
}  // namespace quorlite::benchmark

int main(int count, char** arguments) {
    return quorlite::benchmark::main(count, arguments);
}
