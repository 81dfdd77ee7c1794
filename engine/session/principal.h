// Principal: on whose behalf a session acts.
//
// Whoever accepts the connection finds out and says so; the session takes its word for it.
#pragma once

#include <string>

namespace quorlite::session {

struct Principal {
    std::string identity{};  // a name; empty: everyone, for nobody was asked who they are
    std::string address{};   // where they call from

    // What other clients are told: "10.0.0.1:77", or "ada at 10.0.0.1:77".
    std::string description() const {
        return identity.empty() ? address : identity + " at " + address;
    }
};

}  // namespace quorlite::session
