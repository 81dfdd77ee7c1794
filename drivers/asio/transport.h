// AsyncTransport: what the Asio front end needs of an operating system: streams and a timer, each
// answering by a callback on the session's strand. Tests put scripted servers in its place.
#pragma once

#include <asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "drivers/core/search.h"
#include "drivers/core/time.h"

namespace quorlite::async {

using core::ChannelId;
using core::Time;

// An empty problem means that it went well.
using Dialled = std::function<void(const std::string& problem)>;
using Moved = std::function<void(std::size_t bytes, const std::string& problem)>;

// Callbacks are never called from within the call that they are given to, and not at all after
// close() or when the transport is gone.
class AsyncTransport {
public:
    virtual ~AsyncTransport() = default;

    virtual Time now() = 0;
    virtual std::uint64_t random() = 0;

    virtual void dial(ChannelId channel, const std::string& address, Dialled done) = 0;
    virtual void close(ChannelId channel) = 0;
    // Writes all of it. The bytes stay where they are until then.
    virtual void write(ChannelId channel, std::span<const std::uint8_t> bytes, Moved done) = 0;
    // Reads some.
    virtual void read(ChannelId channel, std::span<std::uint8_t> room, Moved done) = 0;
    // Replaces the alarm that was set before; kNever: none.
    virtual void alarm(Time at, std::function<void()> ring) = 0;
};

using MakeAsyncTransport =
    std::function<std::shared_ptr<AsyncTransport>(const asio::any_io_executor& strand)>;

std::shared_ptr<AsyncTransport> make_asio_transport(const asio::any_io_executor& strand);

}  // namespace quorlite::async
