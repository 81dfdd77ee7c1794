// Transport: what the blocking front end needs of an operating system, and no more: a clock, random
// numbers, streams, and a way to wait for them. Tests put scripted servers in its place.
//
// Reading and writing never block; wait() does, up to a time. Channels are numbered by the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "drivers/core/search.h"
#include "drivers/core/time.h"

namespace quorlite::sync {

using core::ChannelId;
using core::Time;

struct Io {
    std::size_t bytes = 0;
    bool blocked = false;  // nothing can be moved at the moment
    std::string problem;   // not empty: the stream is over
};

struct Interest {
    ChannelId channel = 0;
    bool read = false;
    bool write = false;
};

struct Event {
    ChannelId channel = 0;
    bool connected = false;  // dialling has succeeded
    bool ready = false;      // to be read or written
    std::string problem;     // dialling has failed
};

class Transport {
public:
    virtual ~Transport() = default;

    virtual Time now() = 0;
    virtual std::uint64_t random() = 0;

    // Begins to connect; wait() tells how it ends.
    virtual void dial(ChannelId channel, const std::string& address) = 0;
    virtual void close(ChannelId channel) = 0;
    virtual Io write(ChannelId channel, std::span<const std::uint8_t> bytes) = 0;
    virtual Io read(ChannelId channel, std::span<std::uint8_t> room) = 0;

    // Waits until something happens, until the time comes, or until wake() is called. Channels that
    // are being dialled are watched in any case. A descriptor `also` (-1: none) that becomes
    // readable ends the wait, too. Events are appended. False: whatever is waited for is to be
    // interrupted.
    virtual bool wait(std::span<const Interest> interests, Time until, int also,
                      std::vector<Event>& events) = 0;
    // From any thread, or a signal handler.
    virtual void wake() noexcept = 0;
};

// Sockets: TCP (HOST:PORT, [V6]:PORT) and, for addresses that begin with '@', abstract Unix ones.
std::unique_ptr<Transport> make_sockets();

}  // namespace quorlite::sync
