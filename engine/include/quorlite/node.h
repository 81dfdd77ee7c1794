// What: quorlite::Node is one node of a cluster inside your own process.
//
//     quorlite::NodeOptions options;
//     options.directory = "/var/lib/app";
//     options.address = "10.0.0.1:9001";
//     options.bootstrap = true;            // the first node; the others: options.join = {...}
//     auto started = quorlite::Node::start(options);
//     if (!started) { std::cerr << started.error().message << '\n'; return 1; }
//     quorlite::Node node = std::move(started.node());
//     node.wait_ready(std::chrono::seconds(10));
//     ...                                  // clients speak the dqlite protocol to the address
//     node.stop();                         // hands leadership over first
//
// start() does at once what may be done step by step:
//
//     auto created = quorlite::Node::create("/var/lib/app");  // opened, locked; who is it?
//     quorlite::Node& node = created.node();
//     quorlite::NodeOptions options = node.options();
//     options.address = "10.0.0.1:9001";
//     if (auto error = node.configure(options)) ...           // as often as is needed
//     if (auto error = node.start()) ...                      // the port, threads, clients
//
// A node is new when its directory is: then it needs an address, and either the addresses of
// members to join or `bootstrap`, which makes it the first node of a new cluster. What it is gets
// recorded in the directory, so a restart needs nothing but the directory. Several nodes may live
// in one process.
//
// Errors: what fails returns a NodeError, whose message is one line that ends with what to do. A
// node whose configure() or start() has failed is as it was before: both may be tried again. A
// failed disk write ends the process (exit status 70), because going on could lose what was
// acknowledged.
//
// Exception safety: nothing throws but std::bad_alloc, and Expected's accessors when they are
// asked for what is not there.
//
// Lifetimes: a node owns its directory from create() on, and threads, files and port from start()
// on, until stop() or its destructor returns; what the functions in NodeOptions refer to must live
// as long. A stopped node does not start again: create another.
//
// Thread safety: every member function may be called from any thread, except move, destruction,
// configure(), start() and stop(), which need the object for themselves. The functions of
// NodeOptions are called from the node's threads and must not call back into the node, nor block,
// except where that is said.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace quorlite {

enum class NodeDisk {
    kAuto,  // libaio where the directory's file system has direct I/O, else portable
    kLibaio,
    kPortable,
};

enum class NodeLogLevel { kDebug, kInfo, kWarning, kError, kOff };

struct NodeError {
    enum class Kind {
        kOptions,    // what was asked for makes no sense
        kDirectory,  // in use, of another node, unwritable, full, damaged
        kListen,     // the port cannot be had
        kJoin,       // the cluster does not take the node in
        kRemoved,    // the cluster has removed the node, or `join` names another cluster
        kTimeout,
        kOther,
    };
    Kind kind = Kind::kOther;
    std::string message;
};

// What each means is said by its row in the README's table, by `quorlited --help`, and to programs
// by node_options.h, which has the bounds too.
struct NodeOptions {
    std::string directory;
    std::string address;
    std::string listen;
    std::vector<std::string> join;
    // Where there is a cluster already this founds a second one, so it must not be a lasting part
    // of a configuration.
    bool bootstrap = false;
    // 0: as the directory says; of a new node, 1 in a new cluster, else drawn at random.
    std::uint64_t id = 0;

    std::chrono::milliseconds election_timeout{600};
    std::chrono::milliseconds heartbeat{60};
    std::chrono::milliseconds busy_timeout{5'000};
    std::chrono::milliseconds idle_transaction{60'000};
    std::chrono::milliseconds write_timeout{10'000};
    std::chrono::milliseconds join_timeout{60'000};
    std::chrono::microseconds busy_poll{150};

    std::uint64_t connections_max = 10'000;
    std::size_t cache_per_connection_bytes = 2u << 20;
    std::size_t cache_total_bytes = 256u << 20;
    std::size_t memory_bytes_max = 1u << 30;
    std::size_t buffers_bytes_max = 512u << 20;
    std::size_t temporary_bytes_max = 1u << 30;
    std::size_t transaction_bytes_max = 256u << 20;
    std::size_t flush_bytes = 16u << 20;
    std::size_t log_tail_bytes = 64u << 20;

    std::uint64_t failure_domain = 0;
    bool manage_roles = true;
    bool quorum_reads = false;
    bool legacy_null_types = false;
    NodeDisk disk = NodeDisk::kAuto;
    NodeLogLevel log_level = NodeLogLevel::kInfo;

    // How this node reaches others, instead of by TCP: through a tunnel, a local socket. A
    // connected stream socket, which is then the node's, or -1 and errno. It may block, and is
    // called from several threads.
    std::function<int(const std::string& address)> connect;

    std::function<void()> on_ready;  // the node is a member and knows a leader; once
    // The node cannot join, or was removed from the cluster: stop() is all that is left. At most
    // once.
    std::function<void(const NodeError&)> on_failed;
};

struct NodeStatus {
    std::uint64_t id = 0;
    std::string address;
    std::string role;             // "leader", "follower" or "candidate"
    std::uint64_t leader_id = 0;  // 0: unknown
    std::string leader_address;
    std::uint64_t term = 0;
    std::uint64_t last_index = 0;
    std::uint64_t committed_index = 0;
    std::uint64_t applied_index = 0;
    std::size_t clients = 0;
    std::size_t memory_bytes = 0;           // pages and frames
    std::uint64_t log_bytes = 0;            // on disk
    std::uint64_t connections_refused = 0;  // above the limit
    std::uint64_t peer_frames_dropped = 0;
    std::uint64_t statements_overstayed = 0;  // went on beside the loop
};

// Who a directory says that its node is.
struct NodeIdentity {
    std::uint64_t id = 0;
    std::string address;
};

// Of the SQLite inside: its version, and whose build it is: "built in", or "the system's".
struct SqliteBuild {
    std::string version;
    std::string origin;
};

// All that the shared library shows.
class [[gnu::visibility("default")]] Node {
public:
    class Expected;

    // Opens the directory, making it if it is missing, and locks it. An error if another process
    // has it, it is damaged, or the cluster has removed its node.
    static Expected create(std::string directory);
    // create(), configure() and start() in one. Returns before the node has joined or found a
    // leader: see wait_ready().
    static Expected start(NodeOptions options);
    static SqliteBuild sqlite();

    Node(Node&&) noexcept;
    Node& operator=(Node&&) noexcept;
    ~Node();  // as stop()

    // Replaces all options, if they make sense and the node has not started; their directory may be
    // left out.
    std::optional<NodeError> configure(NodeOptions options);
    // Takes the port and begins to serve.
    std::optional<NodeError> start();

    const NodeOptions& options() const;
    // As the directory had it when the node was created; nothing if it was new.
    const std::optional<NodeIdentity>& identity() const;

    // Waits until the node is a member and knows a leader. An error if it cannot join (kJoin), or
    // not in time (kTimeout; the node goes on).
    std::optional<NodeError> wait_ready(std::chrono::milliseconds timeout);

    // Of a stopped node: as it was at its end. Of one that has not started: its identity.
    NodeStatus status() const;

    // Makes the best other voter leader, if this node is leader. True if it is not leader, or is
    // no longer.
    bool handover();

    // Hands leadership over, lets running requests end, and stops. Idempotent.
    void stop();

private:
    struct [[gnu::visibility("hidden")]] Impl;
    explicit Node(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// A node, or why there is none.
class Node::Expected {
public:
    Expected(Node node) : content_(std::move(node)) {}
    Expected(NodeError error) : content_(std::move(error)) {}

    explicit operator bool() const { return content_.index() == 0; }
    // Both throw if there is none.
    Node& node() { return std::get<Node>(content_); }
    const NodeError& error() const { return std::get<NodeError>(content_); }

private:
    std::variant<Node, NodeError> content_;
};

}  // namespace quorlite
