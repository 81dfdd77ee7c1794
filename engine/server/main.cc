// quorlited: one node of a cluster as a server process. A thin layer over quorlite::Node.
//
// Exit status:
//   0   stopped as asked                     64  an option makes no sense
//   70  broken: a disk write failed          71  the directory cannot be used
//   72  the port cannot be had               73  the cluster does not take the node in
//   74  the node is no member: the cluster has removed it, or --join names another cluster
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>

#include "engine/base/line.h"
#include "engine/base/memory_reserve.h"
#include "quorlite/node.h"

namespace {

using quorlite::Node;
using quorlite::NodeDisk;
using quorlite::NodeError;
using quorlite::NodeLogLevel;
using quorlite::NodeOptions;
using namespace std::chrono_literals;

constexpr int kUsage = 64;
constexpr std::size_t kMemoryReserveBytes = 16u << 20;

int exit_status(NodeError::Kind kind) {
    switch (kind) {
        case NodeError::Kind::kOptions:
            return kUsage;
        case NodeError::Kind::kDirectory:
            return 71;
        case NodeError::Kind::kListen:
            return 72;
        case NodeError::Kind::kJoin:
            return 73;
        case NodeError::Kind::kRemoved:
            return 74;
        case NodeError::Kind::kTimeout:
        case NodeError::Kind::kOther:
            return 70;
    }
    return 70;
}

int complain(const NodeError& error) {
    quorlite::print_line("quorlited: " + error.message);
    return exit_status(error.kind);
}

using Units = std::map<std::string, std::int64_t>;

// `units` says how many ticks of `value` each of them is.
template <class Time>
void add_time(CLI::App& app, const char* name, Time& value, Time least, Time most,
              const Units& units, const char* help) {
    const auto tick = std::ranges::find(units, 1, &Units::value_type::second);
    app.add_option_function<std::int64_t>(
           name, [&value](std::int64_t ticks) { value = Time(ticks); }, help)
        ->transform(CLI::AsNumberWithUnit(units))
        ->check(CLI::Range(std::int64_t{least.count()}, std::int64_t{most.count()}))
        ->default_str(std::to_string(value.count()) + tick->first)
        ->type_name("TIME");
}

void add_time(CLI::App& app, const char* name, std::chrono::milliseconds& value, const char* help) {
    add_time<std::chrono::milliseconds>(app, name, value, 1ms, 24h,
                                        {{"ms", 1}, {"s", 1000}, {"min", 60000}}, help);
}

// A whole number from `least` on; CLI11 itself takes negative ones and, for the largest, those that
// are too large. `unit`: letters may follow.
CLI::Validator whole_number(std::uint64_t least, bool unit) {
    return {[least, unit](std::string& text) {
                std::uint64_t number = 0;
                const char* const end = text.data() + text.size();
                const auto [parsed, error] = std::from_chars(text.data(), end, number);
                const bool all = unit || parsed == end;
                if (error == std::errc() && all && number >= least) return std::string();
                return "'" + text + "' is not a whole number from " + std::to_string(least) +
                       " to 18446744073709551615" + (unit ? ", and a unit such as MB" : "");
            },
            unit ? "SIZE" : "COUNT"};
}

void add_size(CLI::App& app, const char* name, std::size_t& value, const char* help) {
    // The last one that is added is the first that looks.
    app.add_option(name, value, help)
        ->transform(CLI::AsSizeValue(false))
        ->transform(whole_number(0, true))
        ->capture_default_str();
}

template <class Value>
void add_choice(CLI::App& app, const char* name, Value& value,
                const std::map<std::string, Value>& choices, const char* help) {
    std::vector<std::string> names;
    for (const auto& [each, meant] : choices) names.push_back(each);
    app.add_option(name, value, help)
        ->transform(CLI::Transformer(choices))
        ->transform(CLI::IsMember(names))
        ->type_name("KIND");
}

void add_identity(CLI::App& app, NodeOptions& options) {
    app.add_option("--dir", options.directory, "The node's directory; made if it is missing")
        ->required();
    app.add_option("--address", options.address,
                   "How clients and other nodes reach this node; a new node must have one")
        ->type_name("HOST:PORT");
    app.add_option("--listen", options.listen, "What to bind, if not the address")
        ->type_name("HOST:PORT");
    app.add_option("--join", options.join, "Members of the cluster that a new node is to join")
        ->delimiter(',')
        ->type_name("HOST:PORT,...");
    app.add_flag("--bootstrap", options.bootstrap,
                 "Found a new cluster, of which this new node is the first member; once is enough");
    app.add_option("--id", options.id,
                   "The node's number, for a new node; chosen by itself if left out")
        ->check(whole_number(1, false));
}

void add_tuning(CLI::App& app, NodeOptions& options) {
    add_time(app, "--election-timeout", options.election_timeout,
             "Silence of the leader that starts an election");
    add_time(app, "--heartbeat", options.heartbeat, "Pause between two signs of the leader's life");
    add_time(app, "--busy-timeout", options.busy_timeout, "How long a writer waits for another");
    add_time(app, "--idle-transaction", options.idle_transaction,
             "How long a transaction may hold the write lock while its client rests");
    add_time(app, "--write-timeout", options.write_timeout, "How long a write waits for a quorum");
    add_time(app, "--join-timeout", options.join_timeout, "How long to try to join");
    add_time<std::chrono::microseconds>(app, "--awake-wait", options.awake_wait, 0us,
                                        quorlite::kAwakeWaitMax, {{"us", 1}, {"ms", 1000}},
                                        "The longest wait spent on the processor, not asleep");
    app.add_option("--connections", options.connections_max, "Clients at the same time")
        ->capture_default_str()
        ->check(whole_number(1, false));
    add_size(app, "--page-cache", options.page_cache_bytes, "Memory for pages, per client");
    add_size(app, "--page-caches", options.page_caches_bytes,
             "Memory for pages, of all clients together");
    add_size(app, "--memory-max", options.memory_bytes_max,
             "Memory of SQLite: pages, and values at work");
    add_size(app, "--buffers-max", options.buffers_bytes_max,
             "Memory for requests and answers, of all clients together");
    add_size(app, "--temporary-max", options.temporary_bytes_max,
             "Size of all temporary files, in TMPDIR");
    add_size(app, "--transaction-max", options.transaction_bytes_max, "Size of one transaction");
    add_size(app, "--flush-size", options.flush_bytes, "Changed pages that start a flush");
    add_size(app, "--log-tail", options.log_tail_bytes, "Log kept for nodes that fall behind");
    app.add_option("--failure-domain", options.failure_domain, "Nodes that fail together share one")
        ->check(whole_number(0, false));
    app.add_flag("--keep-roles{false}", options.manage_roles,
                 "Do not let a standby take the place of a voter that is gone");
    app.add_flag("--quorum-reads", options.quorum_reads, "Ask a quorum for every read");
    app.add_flag("--legacy-null-types", options.legacy_null_types,
                 "Let declared column types rename NULL, as old dqlite servers did");
    static const std::map<std::string, NodeDisk> kDisks = {{"auto", NodeDisk::kAuto},
                                                           {"libaio", NodeDisk::kLibaio},
                                                           {"portable", NodeDisk::kPortable}};
    add_choice(app, "--disk", options.disk, kDisks,
               "How the disk is reached: auto, libaio or portable");
    static const std::map<std::string, NodeLogLevel> kLevels = {{"debug", NodeLogLevel::kDebug},
                                                                {"info", NodeLogLevel::kInfo},
                                                                {"warning", NodeLogLevel::kWarning},
                                                                {"error", NodeLogLevel::kError},
                                                                {"off", NodeLogLevel::kOff}};
    add_choice(app, "--log-level", options.log_level, kLevels,
               "debug, info, warning, error or off");
}

// Each client is a descriptor.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

sigset_t ending_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    return signals;
}

// Signals that would end the process and ask for nothing that it does: the end of a terminal or of
// an ssh session, "reload" of a service manager, timers, a limit on the size of files.
void ignore_other_signals() {
    for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
                             SIGPWR, SIGSTKFLT, SIGXFSZ}) {
        ::signal(signal, SIG_IGN);
    }
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) ::signal(signal, SIG_IGN);
}

// The next one ends the process at once, as if nobody had ever blocked it.
void let_second_signal_through() {
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    const sigset_t signals = ending_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// Runs the node until a signal; the last line of its log is written when this returns.
void run(NodeOptions options, const sigset_t& signals, std::optional<NodeError>& failure) {
    Node::Started started = Node::start(std::move(options));
    if (!started) {
        failure = started.error();
        return;
    }
    int signal = 0;
    ::sigwait(&signals, &signal);
    let_second_signal_through();
    started.node().stop();
}

int serve(NodeOptions options) {
    const sigset_t signals = ending_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ignore_other_signals();
    std::optional<NodeError> failure;  // written by the node at most once, before it is stopped
    options.on_failed = [&](const NodeError& error) {
        failure = error;
        ::kill(::getpid(), SIGTERM);
    };
    run(std::move(options), signals, failure);
    return failure ? complain(*failure) : 0;
}

}  // namespace

int main(int argc, char** argv) {
    NodeOptions options;
    CLI::App app("quorlited: a node of a replicated SQLite database server");
    app.set_version_flag("--version", [] {
        const quorlite::SqliteBuild sqlite = quorlite::Node::sqlite();
        return QUORLITE_VERSION "\nSQLite " + sqlite.version + " (" + sqlite.origin + ")";
    });
    app.footer(
        "Exit status: 0 stopped as asked; 64 an option makes no sense; 70 broken (a disk write\n"
        "failed); 71 the directory cannot be used; 72 the port cannot be had; 73 the cluster does\n"
        "not take the node in; 74 the node is no member: the cluster has removed it, or --join\n"
        "names another cluster.");
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.set_config("--config", "", "A file with the same options, one `name = value` per line");
    // A value is the rest of its line, as in `page-cache = 2 MB`, and no list.
    app.get_config_formatter_base()->arrayDelimiter('\n');
    add_identity(app, options);
    add_tuning(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ConfigError& error) {
        const std::string text = error.what();
        const std::string name = text.substr(text.rfind(' ') + 1);
        quorlite::print_line("quorlited: the file given by --config: no option is called '" + name +
                             "': see --help");
        return kUsage;
    } catch (const CLI::RequiredError& missing) {
        // A slip of the pen is said before what is missing because of it.
        const std::vector<std::string> unknown = app.remaining();
        const std::string text = unknown.empty() ? missing.what() : "unknown option " + unknown[0];
        quorlite::print_line("quorlited: " + text + ": see --help");
        return kUsage;
    } catch (const CLI::ParseError& error) {
        quorlite::print_line("quorlited: " + std::string(error.what()) + ": see --help");
        return kUsage;
    }
    raise_descriptor_limit();
    quorlite::keep_memory_reserve(kMemoryReserveBytes);
    return serve(std::move(options));
}
