#include "quorlite/node_options.h"

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>

#include "engine/base/address.h"
#include "engine/base/limits.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kHostPort = "HOST:PORT";
constexpr std::uint64_t kAnyNumber = ~std::uint64_t{0};
constexpr std::uint64_t kConnectionsMax = 1'000'000;
constexpr std::size_t kBytesMax = std::size_t{1} << 40;

constexpr Choice<NodeDisk> kDisks[] = {
    {"auto", NodeDisk::kAuto}, {"libaio", NodeDisk::kLibaio}, {"portable", NodeDisk::kPortable}};
constexpr Choice<NodeLogLevel> kLogLevels[] = {{"debug", NodeLogLevel::kDebug},
                                               {"info", NodeLogLevel::kInfo},
                                               {"warning", NodeLogLevel::kWarning},
                                               {"error", NodeLogLevel::kError},
                                               {"off", NodeLogLevel::kOff}};

constexpr TextOption text(std::string NodeOptions::* member, std::string_view form) {
    return {member, form};
}
constexpr MillisecondsOption time(std::chrono::milliseconds NodeOptions::* member) {
    return {member, 1ms, 24h};
}
constexpr BytesOption bytes(std::size_t NodeOptions::* member, std::size_t least) {
    return {member, least, kBytesMax};
}

// In the order of --help and of the README: what a node is, then how long things last, then how
// much they may take, then how it behaves.
constexpr auto kOptions = std::to_array<NodeOption>({
    {"dir", "directory", text(&NodeOptions::directory, "DIRECTORY"),
     "The node's directory; made if it is missing"},
    {"address", "address", text(&NodeOptions::address, kHostPort),
     "How clients and other nodes reach this node; a new node must have one"},
    {"listen", "listen", text(&NodeOptions::listen, kHostPort), "What to bind, if not the address"},
    {"join", "join", ListOption{&NodeOptions::join, "HOST:PORT,..."},
     "Members of the cluster that a new node is to join"},
    {"bootstrap", "bootstrap", FlagOption{&NodeOptions::bootstrap},
     "Found a new cluster, of which this new node is the first member; once is enough"},
    {"id", "id", NumberOption{&NodeOptions::id, 1, kAnyNumber},
     "The node's number, for a new node; chosen by itself if left out"},

    {"election-timeout", "election_timeout", time(&NodeOptions::election_timeout),
     "Silence of the leader that starts an election"},
    {"heartbeat", "heartbeat", time(&NodeOptions::heartbeat),
     "Pause between two signs of the leader's life; at most a quarter of the election timeout"},
    {"busy-timeout", "busy_timeout", time(&NodeOptions::busy_timeout),
     "How long a write waits for another client's transaction"},
    {"idle-transaction", "idle_transaction", time(&NodeOptions::idle_transaction),
     "How long a transaction may hold the write lock while its client rests; "
     "PRAGMA idle_transaction = MS sets it for one connection"},
    {"write-timeout", "write_timeout", time(&NodeOptions::write_timeout),
     "How long a write waits for a majority"},
    {"join-timeout", "join_timeout", time(&NodeOptions::join_timeout), "How long to try to join"},
    {"busy-poll", "busy_poll", MicrosecondsOption{&NodeOptions::busy_poll, 0us, 10ms},
     "The longest wait that is spent on the processor, not asleep; 0us saves power, and commits "
     "take half as long again",
     "awake-wait", "awake_wait"},

    {"connections-max", "connections_max",
     NumberOption{&NodeOptions::connections_max, 1, kConnectionsMax},
     "Clients at the same time; more are turned away", "connections"},
    {"cache-per-connection", "cache_per_connection_bytes",
     bytes(&NodeOptions::cache_per_connection_bytes, 32u << 10),
     "Memory for pages, of one client's database", "page-cache", "page_cache_bytes"},
    {"cache-total", "cache_total_bytes", bytes(&NodeOptions::cache_total_bytes, 1u << 20),
     "Memory for pages, of all clients together", "page-caches", "page_caches_bytes"},
    {"memory-max", "memory_bytes_max", bytes(&NodeOptions::memory_bytes_max, 16u << 20),
     "Memory of SQLite: pages, and the values that statements work on"},
    {"buffers-max", "buffers_bytes_max", bytes(&NodeOptions::buffers_bytes_max, 1u << 20),
     "Memory for requests and answers, of all clients; above it those that rest are disconnected"},
    {"temporary-max", "temporary_bytes_max", bytes(&NodeOptions::temporary_bytes_max, 1u << 20),
     "Size of all temporary files, in TMPDIR"},
    {"transaction-max", "transaction_bytes_max",
     bytes(&NodeOptions::transaction_bytes_max, 64u << 10), "Size of the largest transaction"},
    {"flush-size", "flush_bytes", bytes(&NodeOptions::flush_bytes, 64u << 10),
     "Changed pages that start a flush to the databases' files"},
    {"log-tail", "log_tail_bytes", bytes(&NodeOptions::log_tail_bytes, 64u << 10),
     "Log that is kept for nodes that fall behind"},

    {"failure-domain", "failure_domain", NumberOption{&NodeOptions::failure_domain, 0, kAnyNumber},
     "Nodes that fail together share one"},
    {"keep-roles", "manage_roles", FlagOption{&NodeOptions::manage_roles, false},
     "Do not let a standby take the place of a voter that is gone"},
    {"quorum-reads", "quorum_reads", FlagOption{&NodeOptions::quorum_reads},
     "Ask a majority for every read, instead of relying on the lease"},
    {"legacy-null-types", "legacy_null_types", FlagOption{&NodeOptions::legacy_null_types},
     "Let declared column types rename NULL, as old dqlite servers did"},
    {"disk", "disk", DiskOption{&NodeOptions::disk, kDisks},
     "How the disk is reached: by direct I/O, portably, or as the file system allows"},
    {"log-level", "log_level", LogLevelOption{&NodeOptions::log_level, kLogLevels},
     "What is written to standard error"},
});

NodeError wrong(std::string message) {
    return NodeError{NodeError::Kind::kOptions, std::move(message)};
}

// --- each option by itself ---

struct Unit {
    std::uint64_t size;
    const char* name;
};
constexpr auto kTimes = std::to_array<Unit>(
    {{3'600'000'000, "h"}, {60'000'000, "min"}, {1'000'000, "s"}, {1'000, "ms"}, {1, "us"}});
constexpr auto kSizes = std::to_array<Unit>({{std::size_t{1} << 40, "TiB"},
                                             {1u << 30, "GiB"},
                                             {1u << 20, "MiB"},
                                             {1u << 10, "KiB"},
                                             {1, "B"}});

// In the largest unit of which it is a whole number.
std::string in_units(std::uint64_t value, std::span<const Unit> units) {
    const auto unit = std::ranges::find_if(
        units, [&](const Unit& each) { return value >= each.size && value % each.size == 0; });
    const Unit& chosen = unit == units.end() ? units.back() : *unit;
    return std::to_string(value / chosen.size) + chosen.name;
}

std::string text_of(const NumberOption&, std::uint64_t value) {
    return std::to_string(value);
}
std::string text_of(const BytesOption&, std::size_t value) {
    return in_units(value, kSizes);
}
template <class Time>
std::string text_of(const TimeOption<Time>&, Time value) {
    constexpr bool kMicroseconds = std::is_same_v<Time, std::chrono::microseconds>;
    constexpr std::uint64_t kTick = kMicroseconds ? 1 : 1'000;
    const auto count = static_cast<std::uint64_t>(value.count());
    // What is out of all bounds is shown as it is.
    if (value < Time::zero() || count > kAnyNumber / kTick) {
        return std::to_string(value.count()) + (kMicroseconds ? "us" : "ms");
    }
    return in_units(count * kTick, kTimes);
}
std::string text_of(const TextOption&, const std::string& value) {
    return value;
}
std::string text_of(const ListOption&, const std::vector<std::string>& values) {
    std::string joined;
    for (const std::string& each : values) joined += (joined.empty() ? "" : ",") + each;
    return joined;
}
std::string text_of(const FlagOption& flag, bool value) {
    return value == flag.when_given ? "given" : "";
}
template <class Value>
std::string text_of(const ChoiceOption<Value>& option, Value value) {
    const auto chosen = std::ranges::find(option.choices, value, &Choice<Value>::value);
    return chosen == option.choices.end() ? "" : std::string(chosen->name);
}

// What is no number has no bounds, and a default may stand for something else: an id of 0 is none.
std::optional<NodeError> check_bounds(const NodeOption& option, const NodeOptions& values) {
    const auto within = [&](const auto& kind) -> std::optional<NodeError> {
        if constexpr (requires { kind.least; }) {
            const auto value = values.*kind.member;
            const bool untouched = value == NodeOptions{}.*kind.member;
            if (untouched || (value >= kind.least && value <= kind.most)) return std::nullopt;
            return wrong("--" + std::string(option.name) + " is " + text_of(kind, value) +
                         ": it must be from " + text_of(kind, kind.least) + " to " +
                         text_of(kind, kind.most));
        }
        return std::nullopt;
    };
    return std::visit(within, option.kind);
}

// --- options that must suit each other ---

std::optional<NodeError> check_address(const std::string& address) {
    if (parse_address(address)) return std::nullopt;
    return wrong("'" + address + "' is not of the form HOST:PORT; IPv6: [ADDRESS]:PORT");
}

std::optional<NodeError> check_addresses(const NodeOptions& options) {
    std::vector<std::string> given = options.join;
    if (!options.address.empty()) given.push_back(options.address);
    if (!options.listen.empty()) given.push_back(options.listen);
    for (const std::string& address : given) {
        if (auto error = check_address(address)) return error;
    }
    if (options.address.size() > limits::kAddressBytesMax) {
        return wrong("the address is longer than " + std::to_string(limits::kAddressBytesMax) +
                     " bytes: use a shorter name");
    }
    if (is_any_host(options.address)) {
        return wrong("nobody can reach a node at " + options.address +
                     ": give --address the name of this machine, and --listen this");
    }
    return std::nullopt;
}

std::optional<NodeError> check_join(const NodeOptions& options) {
    if (options.bootstrap && !options.join.empty()) {
        return wrong("--bootstrap founds a cluster, --join joins one: give one of them");
    }
    if (options.join.size() > limits::kSeedsMax) {
        return wrong("--join takes at most " + std::to_string(limits::kSeedsMax) +
                     " addresses: a few members are enough, they know the others");
    }
    const bool only_itself = std::ranges::all_of(
        options.join, [&](const auto& seed) { return seed == options.address; });
    if (!options.join.empty() && only_itself) {
        return wrong("--join names only the node itself: name another, or leave it out");
    }
    return std::nullopt;
}

std::optional<NodeError> check_times(const NodeOptions& options) {
    if (options.heartbeat * 4 <= options.election_timeout) return std::nullopt;
    return wrong(
        "the election timeout must be at least four times the heartbeat: raise "
        "--election-timeout, or lower --heartbeat");
}

}  // namespace

std::span<const NodeOption> node_options() {
    return kOptions;
}

std::string to_text(const NodeOption& option, const NodeOptions& values) {
    return std::visit([&](const auto& kind) { return text_of(kind, values.*kind.member); },
                      option.kind);
}

std::optional<NodeError> check(const NodeOptions& options) {
    if (options.directory.empty()) return wrong("a node needs a directory: give one with --dir");
    if (auto error = check_join(options)) return error;
    if (auto error = check_addresses(options)) return error;
    for (const NodeOption& option : kOptions) {
        if (auto error = check_bounds(option, options)) return error;
    }
    return check_times(options);
}

}  // namespace quorlite
