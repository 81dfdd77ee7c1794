// Joining: drives a cluster::Joiner over streams of the loop.
#pragma once

#include <functional>
#include <memory>

#include "engine/cluster/joiner.h"
#include "engine/server/dialer.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"

namespace quorlite::server {

class Joining {
public:
    // Runs on the loop, once, when the node has its role or cannot have it. It may destroy the
    // Joining.
    using Done = std::function<void(Result<wire::Role>)>;

    // Runs on the loop when the members have told their cluster's id, before they add the node.
    using Met = std::function<void(ClusterId)>;

    Joining(Loop& loop, Dialer& dialer, Clock& clock, Log& log, cluster::JoinerOptions options,
            Met met, Done done);
    ~Joining();
    Joining(const Joining&) = delete;
    Joining& operator=(const Joining&) = delete;

    void start();
    void stop();  // `done` does not run any more

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace quorlite::server
