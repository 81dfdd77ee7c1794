// Membership: a node's own place in its cluster. It joins where the node is no member yet, and asks
// whether the node still is one where nobody tells: after a restart, or when no leader is heard of.
//
// On the loop, like everything it uses; what it uses outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/replica/replica.h"
#include "engine/server/dialer.h"
#include "engine/server/joining.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"
#include "quorlite/node.h"

namespace quorlite::server {

// What came from below names files; an operator with several nodes needs the directory as well.
NodeError directory_error(const std::string& directory, const Error& error);

struct MembershipParts {
    Loop& loop;
    Dialer& dialer;
    Clock& clock;
    Log& log;
    Disk& disk;
    replica::Replica& replica;
};

class Membership {
public:
    // `failed` runs when the node cannot become a member, or is none any more.
    Membership(MembershipParts parts, const NodeOptions& options,
               std::function<void(NodeError)> failed);

    std::optional<NodeError> start();
    void stop();

    // Whether the node is a member, in the role that it is to have, and knows a leader.
    bool is_ready() const;
    // It is, for the first time: the addresses to join are of no more use.
    void became_ready();

private:
    void join(std::vector<std::string> seeds);
    void verify(std::vector<std::string> seeds);
    void watch_leaderless();
    void forget_seeds_beyond(Index known);
    void forget_seeds();

    const MembershipParts parts_;
    const NodeOptions& options_;
    const std::function<void(NodeError)> failed_;
    std::unique_ptr<Joining> joining_;
    std::unique_ptr<Joining> verification_;
    TimePoint last_led_{};  // when a leader was last known, or the members last answered
    bool has_role_ = true;  // false while the node joins: a voter begins as a spare and a standby
};

}  // namespace quorlite::server
