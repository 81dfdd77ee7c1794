// Dialer: opens streams to the addresses of other nodes.
#pragma once

#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "engine/server/loop.h"
#include "engine/server/stream.h"

namespace quorlite::server {

// One attempt. It is over when `done` has run, once, on the loop, or when it was cancelled.
class Dial {
public:
    virtual ~Dial() = default;
    virtual void cancel() = 0;
};

class Dialer {
public:
    using Done = std::function<void(std::error_code, std::unique_ptr<Stream>)>;
    // How nodes are reached where TCP does not lead to them: a tunnel, a local socket. It may
    // block, and runs beside the loop, several at a time. A connected stream socket, which is then
    // the dialer's, or -1 and errno.
    using Connect = std::function<int(const std::string& address)>;
    // Where an address led to before, for when names cannot be resolved. Kept by who dials again.
    using Known = std::vector<asio::ip::tcp::endpoint>;

    Dialer(Loop& loop, Connect connect);
    ~Dialer();
    Dialer(const Dialer&) = delete;
    Dialer& operator=(const Dialer&) = delete;

    // `known` may change until the attempt is over.
    std::shared_ptr<Dial> dial(const std::string& address, Duration timeout,
                               std::shared_ptr<Known> known, Done done);
    // Waits for what `Connect` has begun. Attempts that go on end with an error.
    void stop();

private:
    struct Threads;
    Loop& loop_;
    const Connect connect_;
    std::unique_ptr<Threads> threads_;  // only where there is a Connect
};

}  // namespace quorlite::server
