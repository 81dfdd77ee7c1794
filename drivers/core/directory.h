// The directory: what all connections of a client know together about the nodes of the cluster.
//
// Which nodes there are, who led last, and which nodes did not answer lately. A connection that
// finds a new leader tells the others through it, so that only one of them runs into the old one. A
// node that failed is asked last, and while any other node may know more, not at all for a time
// that doubles with every failure: a dead node costs nothing once it is known.
//
// And which cluster it is: the first id that a node tells is remembered for the life of the client,
// so that an address that another cluster has taken leads nowhere. Nodes that tell no id are
// trusted if the client was given them, or if their own list names one that it trusts.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/core/address.h"
#include "drivers/core/time.h"
#include "quorlite/node_store.h"
#include "wire/base/ids.h"
#include "wire/base/mutex.h"

namespace quorlite::core {

class Directory {
public:
    explicit Directory(std::vector<node_info> nodes);

    struct Candidates {
        std::vector<std::string> promising;  // in the order to be asked, the last leader first
        std::vector<std::string> failing;    // only if none of the others helps
    };
    Candidates candidates(Time now, std::uint64_t random) const;

    // Empty while none is known.
    std::string leader() const;
    void found_leader(const std::string& address);
    // `address` turned out not to lead.
    void lost_leader(const std::string& address);

    void failed(const std::string& address, Time now);
    void answered(const std::string& address);

    // Why a node of this cluster is none of ours, if so; both ids are named.
    std::optional<std::string> refusal(const std::string& address, ClusterId cluster) const;
    // Whether it is known, and known to be ours.
    bool is_ours(ClusterId cluster) const;
    // A node of ours answered. Remembers its cluster if it is the first to tell.
    void admit(const std::string& address, ClusterId cluster);
    // Whether the client was given this address, or has admitted its node.
    bool trusts(const std::string& address) const;
    // Whether a server may lead this client to that address.
    bool may_dial(std::string_view address) const { return is_address(address, local_); }

    // The cluster's own list: true if it differs from the one that is known, which it replaces. An
    // empty list, or one without voters, is not believed, nor is an address that is none.
    bool update(std::vector<node_info> nodes);
    std::vector<node_info> nodes() const;
    // Whether the list should be read again; if so nobody else is told so for another `interval`.
    bool refresh_due(Time now, std::chrono::milliseconds interval);

private:
    struct Health {
        std::string address;
        unsigned failures = 0;
        Time again = {};
    };
    Health* health(const std::string& address) QUORLITE_REQUIRES(mutex_);
    const Health* health(const std::string& address) const QUORLITE_REQUIRES(mutex_);

    const bool local_;  // the client was given a Unix socket
    mutable Mutex mutex_;
    ClusterId cluster_ QUORLITE_GUARDED_BY(mutex_);
    std::vector<std::string> trusted_ QUORLITE_GUARDED_BY(mutex_);
    std::vector<node_info> nodes_ QUORLITE_GUARDED_BY(mutex_);
    std::vector<Health> failing_ QUORLITE_GUARDED_BY(mutex_);
    std::string leader_ QUORLITE_GUARDED_BY(mutex_);
    Time refresh_at_ QUORLITE_GUARDED_BY(mutex_) = Time::min();
};

}  // namespace quorlite::core
