// Listener: the port of a node, and the connections of its clients.
//
// One port serves clients and peers: the first word tells them apart, and a peer's connection is
// handed on. A client's connection moves bytes between its socket and its Session, in both
// directions with as few system calls as there are. What the requests of one round of the loop
// produced is gathered and sent at its end, or after the request that has made the first wait for
// 200 microseconds: a client that serves many connections is woken once then, not with each answer.
//
// Bounds: at most `connections_max` clients; a connection that has not said its first word within
// `handshake_timeout` is closed; what a client sent and its session does not want yet is kept up to
// a limit, then the socket is not read any more. Above the limit new connections are still
// accepted, because a peer or an administrator may be behind them; those that turn out to be
// ordinary clients are closed.
//
// Descriptors: clients are refused first, so that peers, the log and the databases always have
// some.
//
// Requests and answers that all clients together have in memory are limited to `buffers_bytes_max`:
// when there are more, clients that hold much lose their connections, first the one that has
// neither sent nor read anything for the longest time.
//
// A client that is gone stops its running statement: the end of the connection is looked for at all
// times, whether or not the session wants input.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "engine/base/limits.h"
#include "engine/replica/replica.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"
#include "engine/server/stream.h"
#include "engine/session/session.h"

namespace quorlite::server {

// Who may have a descriptor, for there is a limit on open files. The system gives the lowest that
// is free, so a high number says that few are left, whoever in the process has the others.
struct Descriptors {
    std::size_t limit = 0;
    int clients_below = std::numeric_limits<int>::max();  // what is left then is for peers,
    int peers_below = std::numeric_limits<int>::max();    // the log, databases, temporary files
};

struct ListenerOptions {
    Descriptors descriptors;
    std::size_t connections_max = 0;  // 0: limits::kConnectionsMax
    std::size_t buffers_bytes_max = limits::kBuffersBytesMax;
    Duration handshake_timeout = std::chrono::seconds(10);
    session::Options session;
};

struct ListenerCounters {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;             // above the limit
    std::uint64_t timed_out = 0;           // no first word
    std::uint64_t gave_way = 0;            // closed because all together held too much
    std::uint64_t out_of_descriptors = 0;  // that were refused by the system
};

struct ListenerState;

class Listener {
public:
    // Takes over a peer's connection, and the bytes after its magic word.
    using Adopt = std::function<void(std::unique_ptr<Stream> stream, ByteView received)>;

    Listener(Loop& loop, Clock& clock, Log& log, ListenerOptions options, Adopt adopt);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Takes the port. An error is one line with the remedy. Blocking: resolves the host.
    Status bind(const std::string& address);
    // Begins to accept; `replica` outlives every connection.
    Status listen(replica::Replica& replica);
    void stop_listening();

    // To be called at the end of each round of the loop.
    void send_answers();

    // Tells every session.
    void leadership_changed();

    std::size_t client_count() const;
    const ListenerCounters& counters() const;

    // To be asked, on the loop, whether any of the statements that run now still does.
    std::function<bool()> statements_running() const;

    // No more requests are taken: what was asked for is answered, then the connection is closed. A
    // statement that runs on for long is stopped (session::Options::half_closed_patience).
    void finish();
    // Closes every connection.
    void close();

private:
    std::shared_ptr<ListenerState> state_;
};

}  // namespace quorlite::server
