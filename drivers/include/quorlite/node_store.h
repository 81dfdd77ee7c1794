// Where a client learns which nodes there are: a list, a file, or the DNS.
//
// What: a node_store is loaded when a cluster object is made, and saved whenever the cluster's own
// list, read from the leader, turns out to be different. open_yaml_store() reads and writes the
// file that go-dqlite's YamlNodeStore does.
//
// Errors: load() and save() return an error_info of kind store; a cluster goes on with the nodes it
// knows if saving fails.
//
// Exception safety: stores of your own must not throw.
//
// Lifetimes: a cluster shares the ownership of its store.
//
// Thread safety: load() and save() are never called at the same time by one cluster; they may run
// on any thread that uses it, and may block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quorlite/error.h"
#include "quorlite/export.h"

namespace quorlite {

enum class node_role { voter = 0, standby = 1, spare = 2 };

QUORLITE_EXPORT const char* to_string(node_role role) noexcept;

struct node_info {
    std::uint64_t id = 0;  // 0: not known
    std::string address;   // HOST:PORT
    node_role role = node_role::voter;

    friend bool operator==(const node_info&, const node_info&) = default;
};

// How far a node is, by its own account. Indices are those of the replicated log.
struct node_progress {
    bool leads = false;
    std::uint64_t term = 0;
    std::uint64_t leader = 0;     // id; 0: it knows none
    std::uint64_t first = 0;      // of what its log still holds
    std::uint64_t last = 0;       // of its log
    std::uint64_t durable = 0;    // on its disk
    std::uint64_t committed = 0;  // by a majority, as far as it knows
    std::uint64_t applied = 0;    // to its databases
    std::uint64_t flushed = 0;    // of that, in their files
    std::uint64_t log_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::vector<std::string> databases;  // that hold something
};

class QUORLITE_EXPORT node_store {
public:
    virtual ~node_store();
    virtual result<std::vector<node_info>> load() = 0;
    virtual result<void> save(const std::vector<node_info>& nodes) = 0;
};

// These addresses; what is saved is kept in memory.
QUORLITE_EXPORT std::shared_ptr<node_store> make_list_store(std::vector<std::string> addresses);

// A YAML list of Address, ID and Role. A missing file is an empty list; saving replaces the file as
// a whole.
QUORLITE_EXPORT std::shared_ptr<node_store> open_yaml_store(std::string path);

// Every address of `name` in the DNS, with this port. Nothing is saved.
QUORLITE_EXPORT std::shared_ptr<node_store> make_dns_store(std::string name, std::uint16_t port);

}  // namespace quorlite
