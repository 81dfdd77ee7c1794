#include "drivers/shell/bench/bench.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "drivers/shell/bench/admin.h"
#include "drivers/shell/bench/generator.h"

namespace quorlite::benchmark {
namespace {

struct Options {
    LoadPlan plan;
    std::string workload = "insert";
    std::vector<int> processes;
    std::uint64_t megabytes = 300;
    double deadline_seconds = 60;
    bool join = false;
    bool json = false;
};

std::string to_json(const LoadPlan& plan, const LoadReport& report) {
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

// For people.
std::string to_text(const LoadPlan& plan, const LoadReport& report) {
    const auto ms = [&](double quantile) {
        return static_cast<double>(report.latencies.at(quantile)) / 1e6;
    };
    std::ostringstream out;
    out << std::fixed << std::setprecision(2);
    out << plan.workload->name << ", " << plan.connections
        << " connections: " << static_cast<double>(report.completed) / plan.seconds
        << " operations/s";
    if (report.rows > 0)
        out << ", " << static_cast<double>(report.rows) / plan.seconds << " rows/s";
    out << "\nlatency in ms: median " << ms(0.5) << ", 90 % " << ms(0.9) << ", 99 % " << ms(0.99)
        << ", 99.9 % " << ms(0.999) << ", longest "
        << static_cast<double>(report.latencies.max()) / 1e6;
    if (report.busy_retries > 0) out << "\nfound the database busy: " << report.busy_retries;
    if (report.reconnects > 0) out << "\nreconnected: " << report.reconnects;
    if (report.wrong_answers > 0) out << "\nwrong answers: " << report.wrong_answers;
    if (report.unfinished > 0) out << "\nunfinished: " << report.unfinished;
    for (const auto& [error_code, count] : report.errors) {
        out << "\nerror " << error_code << ": " << count << " times";
    }
    return out.str();
}

std::string in_seconds(const Options& options, double seconds) {
    const std::string number = std::to_string(seconds);
    return options.json ? "{\"seconds\":" + number + "}" : number + " s";
}

Result<std::string> since(const Options& options, const Status& status, Time began) {
    if (!status) return status.error();
    return in_seconds(options, std::chrono::duration<double>(SteadyClock::now() - began).count());
}

Result<std::string> perform(const std::string& command, Options& options) {
    const Time began = SteadyClock::now();
    const Time deadline =
        began + std::chrono::milliseconds(static_cast<int>(options.deadline_seconds * 1000));
    const std::vector<std::string>& nodes = options.plan.nodes;
    if (command == "run") {
        options.plan.workload = find_workload(options.workload);
        options.plan.patience_seconds = options.deadline_seconds;
        const Result<LoadReport> report = generate_load(options.plan);
        if (!report) return report.error();
        return options.json ? to_json(options.plan, *report) : to_text(options.plan, *report);
    }
    if (command == "failover") {
        const Result<double> seconds = fail_over(nodes, options.processes, deadline);
        if (!seconds) return seconds.error();
        return in_seconds(options, *seconds);
    }
    if (command == "fill") return since(options, fill(nodes, options.megabytes, deadline), began);
    const Status formed = form_cluster(nodes, options.join, deadline);
    if (!formed || command == "wait") return since(options, formed, began);
    return since(options, make_tables(nodes, deadline), began);
}

std::vector<std::string> workload_names() {
    std::vector<std::string> names;
    for (const Workload& each : workloads()) names.emplace_back(each.name);
    return names;
}

void add_run(CLI::App& run, Options& options) {
    run.add_option("--workload", options.workload, "What the operations are")
        ->check(CLI::IsMember(workload_names()))
        ->capture_default_str();
    run.add_option("--connections", options.plan.connections, "Clients at the same time")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    run.add_option("--warmup", options.plan.warmup_seconds, "Seconds before the measurement")
        ->capture_default_str();
    run.add_option("--seconds", options.plan.seconds, "Seconds of measurement")
        ->check(CLI::Range(0.001, 1e6))
        ->capture_default_str();
    run.add_option("--rate", options.plan.rate, "Operations per second; 0: as fast as they go");
    run.add_option("--busy-pause", options.plan.busy_pause_us,
                   "Microseconds before a statement that met a busy database is sent again");
}

void add_commands(CLI::App& app, Options& options) {
    const auto command = [&](const char* name, const char* description) {
        CLI::App* const added = app.add_subcommand(name, description);
        added->add_option("-c,--cluster", options.plan.nodes, "Addresses, node 1 first")
            ->delimiter(',')
            ->type_name("HOST:PORT,... or $QUORLITE_CLUSTER");
        added->add_option("--deadline", options.deadline_seconds, "Seconds until giving up");
        added->add_flag("--json", options.json, "One line of JSON; latencies in microseconds");
        return added;
    };
    command("setup", "Wait for the cluster, and make the tables")
        ->add_flag("--join", options.join, "Add the nodes after the first, as dqlite needs it");
    command("wait", "Wait until all nodes are voters and know a leader");
    add_run(*command("run", "Measure one workload, after setup"), options);
    command("fill", "Insert a given volume")->add_option("--megabytes", options.megabytes);
    command("failover", "Kill the leader and time the first write through a new one")
        ->add_option("--processes", options.processes, "Process ids, in the order of the nodes")
        ->delimiter(',')
        ->required();
}

std::vector<std::string> nodes_of_environment() {
    const char* const set = std::getenv("QUORLITE_CLUSTER");
    return set == nullptr ? std::vector<std::string>() : CLI::detail::split(set, ',');
}

// A server's words, which must not move the terminal.
std::string printable(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return text;
}

}  // namespace

int bench_main(int count, const char* const* words) {
    constexpr int kUsage = 64;
    Options options;
    CLI::App app("Drives a cluster over the dqlite wire protocol, in a database of its own",
                 "quorlite bench");
    app.require_subcommand(1);
    add_commands(app, options);
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    // Not left to CLI11, where the variable would also fill the option of commands not given, which
    // is the same list.
    if (options.plan.nodes.empty()) options.plan.nodes = nodes_of_environment();
    if (options.plan.nodes.empty()) {
        std::cerr << "quorlite bench: no cluster is named: give -c or set QUORLITE_CLUSTER\n";
        return kUsage;
    }
    const Result<std::string> line = perform(app.get_subcommands().front()->get_name(), options);
    if (!line) {
        std::cerr << "quorlite bench: " << printable(line.error().message) << " ("
                  << line.error().code << ")\n";
        return 1;
    }
    std::cout << *line << '\n';
    return 0;
}

}  // namespace quorlite::benchmark
