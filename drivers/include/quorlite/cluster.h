// The cluster: where connections come from, and how the nodes are administered.
//
// What: a cluster object knows a list of nodes, from a list, a file or the DNS, keeps it up to date
// with the cluster's own, and remembers which node leads. Administration goes to the leader, or to
// the node that it names.
//
// Errors: as in connection.h. A list of nodes that cannot be loaded is reported by the first call
// that needs it.
//
// Exception safety: strong, except for calls that end in doubt.
//
// Lifetimes: connections and pools may outlive the cluster object; they share what it knows.
//
// Thread safety: every function may be called from any thread at any time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorlite/connection.h"
#include "quorlite/node_store.h"
#include "quorlite/options.h"

namespace quorlite {

struct node_description {
    std::uint64_t failure_domain = 0;
    std::uint64_t weight = 0;
};

struct node_status {
    node_info node;
    bool reachable = false;
    bool leader = false;
    std::chrono::microseconds latency{0};  // of one round trip, if it is reachable
    node_description description;
    std::optional<node_progress> progress;  // dqlite's servers cannot tell
    std::string trouble;                    // why it is not reachable
};

// A part of a file of a dump. Every file begins with an empty part.
struct dump_part {
    std::string_view file;
    std::uint64_t file_bytes = 0;  // of the whole file
    std::span<const std::byte> bytes;
};

class cluster;

namespace detail {
struct cluster_state;
QUORLITE_EXPORT const std::shared_ptr<cluster_state>& state_of(const cluster& owner);
}  // namespace detail

class QUORLITE_EXPORT cluster {
public:
    explicit cluster(std::vector<std::string> addresses, const options& chosen = {});
    explicit cluster(std::shared_ptr<node_store> store, const options& chosen = {});
    cluster(const cluster& other);
    cluster& operator=(const cluster& other);
    ~cluster();

    // A connection to a database, which is created if it is missing. Connects at once; see lazy.
    quorlite::connection connect(std::string_view database) {
        return try_connect(database).value();
    }
    result<quorlite::connection> try_connect(std::string_view database);
    // The same without connecting before the first call: cannot fail.
    quorlite::connection connect_lazily(std::string_view database);

    // The cluster's own list, from the leader.
    std::vector<node_info> nodes() { return try_nodes().value(); }
    result<std::vector<node_info>> try_nodes();
    node_info leader() { return try_leader().value(); }
    result<node_info> try_leader();

    // Makes a node, which must be running, a member of the given role. In doubt also if it became
    // a member but did not get its role.
    void add(const node_info& node) { try_add(node).value(); }
    result<void> try_add(const node_info& node);
    void assign(std::uint64_t id, node_role role) { try_assign(id, role).value(); }
    result<void> try_assign(std::uint64_t id, node_role role);
    void remove(std::uint64_t id) { try_remove(id).value(); }
    result<void> try_remove(std::uint64_t id);
    // Makes another node the leader; 0 lets the cluster choose.
    void transfer(std::uint64_t id = 0) { try_transfer(id).value(); }
    result<void> try_transfer(std::uint64_t id = 0);

    // Of the node at this address.
    node_description describe(std::string_view node) { return try_describe(node).value(); }
    result<node_description> try_describe(std::string_view node);
    void set_weight(std::string_view node, std::uint64_t weight) {
        try_set_weight(node, weight).value();
    }
    result<void> try_set_weight(std::string_view node, std::uint64_t weight);

    // All nodes that are known, each asked; nodes that do not answer are part of the result.
    std::vector<node_status> status() { return try_status().value(); }
    result<std::vector<node_status>> try_status();

    // A database as files that SQLite can open, in parts as they come: from the leader, or from the
    // given node. `sink` returns false to stop.
    using dump_sink = std::function<bool(const dump_part& part)>;
    void dump(std::string_view database, const dump_sink& sink, std::string_view node = {}) {
        try_dump(database, sink, node).value();
    }
    result<void> try_dump(std::string_view database, const dump_sink& sink,
                          std::string_view node = {});

private:
    friend class pool;
    friend const std::shared_ptr<detail::cluster_state>& detail::state_of(const cluster& owner);
    std::shared_ptr<detail::cluster_state> state_;
};

}  // namespace quorlite
