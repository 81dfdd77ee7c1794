// The directory: what all connections of a client know together about the nodes of the cluster.
//
// Which nodes there are, who led last, and which nodes did not answer lately. A connection that
// finds a new leader tells the others through it, so that only one of them runs into the old one. A
// node that failed is asked last, and while any other node may know more, not at all for a time
// that doubles with every failure: a dead node costs nothing once it is known.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "drivers/core/time.h"
#include "quorlite/node_store.h"

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

    // The cluster's own list: true if it differs from the one that is known, which it replaces. An
    // empty list, or one without voters, is not believed.
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
    Health* health(const std::string& address);
    const Health* health(const std::string& address) const;

    mutable std::mutex mutex_;
    std::vector<node_info> nodes_;
    std::vector<Health> failing_;
    std::string leader_;
    Time refresh_at_ = Time::min();
};

}  // namespace quorlite::core
