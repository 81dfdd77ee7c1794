// Link: one client connection to a node, for the load generator.
//
// The socket never blocks. The generator's event loop sends and receives through queue(), flush(),
// receive() and next(); setting up a cluster and looking for its leader go through call(), which
// waits for the answer up to a deadline. Nagle's algorithm is off. Requests and answers are those
// of wire/client.h; what next() returns is valid until the following call.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "wire/client.h"

namespace quorlite::benchmark {

using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;

// The code of errors that no server sent: a connection that was refused, lost or out of step.
inline constexpr int kLinkLost = -1;

class Link {
public:
    static Result<Link> dial(const std::string& address, Time deadline);
    Link(Link&& other) noexcept;
    Link& operator=(Link&& other) noexcept;
    ~Link();

    int fd() const { return fd_; }
    void queue(const wire::Request& request);
    // Sends what the socket takes now. unsent() tells whether something is left.
    Status flush();
    bool unsent() const { return sent_ < outbox_.size(); }
    // Reads once; false if the socket had nothing.
    Result<bool> receive();
    // The next whole answer that was received; nothing if there is none.
    Result<std::optional<wire::Response>> next();

    // Sends one request and waits for one answer. A FAILURE is returned as an error.
    Result<wire::Response> call(const wire::Request& request, Time deadline);

private:
    explicit Link(int fd);
    Status await(short events, Time deadline) const;

    int fd_ = -1;
    Bytes outbox_;
    std::size_t sent_ = 0;
    wire::MessageReader reader_;
};

// Dials the node that leads now, asking every node in turn until one does.
Result<Link> dial_leader(const std::vector<std::string>& addresses, Time deadline);

}  // namespace quorlite::benchmark
