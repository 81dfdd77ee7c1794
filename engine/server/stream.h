// Stream: one open connection of this node, to a client, a peer, or a member that it asks to join.
//
// What it is made of is known here only: a socket of any kind, or what is put above one. Whoever
// uses it moves bytes and waits; who is at its other end is data.
//
// read_now() and write_now() never block. Waits end once, by a handler that Asio runs: it may only
// note what happened, as the loop demands (loop.h). A wait whose stream is closed ends with
// operation_aborted.
#pragma once

#include <asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "engine/base/clock.h"
#include "wire/base/bytes.h"

struct iovec;

namespace quorlite::server {

// The outcome of moving bytes now.
struct Moved {
    enum class State {
        kSome,     // `bytes` of them
        kBlocked,  // none for now: wait
        kEnded,    // the other end has closed
        kFailed,   // `error`
    };
    State state = State::kSome;
    std::size_t bytes = 0;
    std::error_code error{};
};

// How long an other end that does not answer is waited for.
struct KeepAlive {
    int idle_seconds;      // nothing is on its way: a probe is sent then
    int interval_seconds;  // between probes
    int probes;
    // Bytes that nobody acknowledges; 0: as the system does. It also ends the connection of one
    // that lives and reads slowly.
    int unacknowledged_ms = 0;
};

// What the system knows of the way to the other end.
struct Way {
    std::size_t unacknowledged_bytes = 0;
    bool asked = false;  // something is on its way that the other end must acknowledge
    Duration silence{};  // since it acknowledged anything
};

class Stream {
public:
    enum class Wait { kReadable, kWritable, kBroken };
    using Handler = std::function<void(std::error_code)>;
    using ReadHandler = std::function<void(std::error_code, std::size_t)>;

    virtual ~Stream() = default;

    virtual Moved read_now(std::span<std::uint8_t> room) = 0;
    virtual Moved write_now(std::span<const iovec> parts) = 0;
    // Waits for bytes and reads them, one call of the system less than to wait and to read. The
    // error `asio::error::eof` is the end.
    virtual void read(std::span<std::uint8_t> room, ReadHandler done) = 0;
    virtual void wait(Wait event, Handler done) = 0;
    virtual void close() = 0;

    virtual bool has_unread() = 0;
    virtual bool is_over() = 0;  // the other end has closed it, whether or not all is read
    virtual Way way() const = 0;
    virtual void set_keep_alive(const KeepAlive& wanted) = 0;
    // By which the system counts it. The lowest free number is given, so a high one says that few
    // are left.
    virtual int descriptor() const = 0;
    // The other end, for lines that people read: HOST:PORT, or what kind of socket it is.
    virtual const std::string& peer() const = 0;
};

// Of a connected socket of any stream protocol.
std::unique_ptr<Stream> make_stream(asio::generic::stream_protocol::socket socket);
// As above; owns the descriptor. Null if it is no stream socket; it is closed then.
std::unique_ptr<Stream> make_stream(asio::io_context& context, int descriptor);

}  // namespace quorlite::server
