// RoleKeeper: carries out, while this node leads, what cluster::next_role_change() finds: a standby
// takes the place of a voter that is silent, or was removed.
//
// On the loop, like everything it uses; what it uses outlives it.
#pragma once

#include <vector>

#include "engine/replica/replica.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"

namespace quorlite::cluster {
struct RoleChange;
}

namespace quorlite::server {

class RoleKeeper {
public:
    RoleKeeper(Loop& loop, Log& log, replica::Replica& replica, Duration election_timeout)
        : loop_(loop), log_(log), replica_(replica), election_timeout_(election_timeout) {}

    void watch();  // from now on

private:
    void change_role(const cluster::RoleChange& change);

    Loop& loop_;
    Log& log_;
    replica::Replica& replica_;
    const Duration election_timeout_;
    std::vector<NodeId> voters_before_;  // while this node leads
    bool voter_removed_ = false;         // and its place is not taken yet
    bool changing_ = false;              // takes the time that catching up takes
};

}  // namespace quorlite::server
