// Session: one client's conversation, sans-I/O. Bytes in, bytes out; what is between is protocol
// sections 5 to 12.
//
// The owner feeds what it read with receive() and sends what output() holds, calling consumed()
// with what the socket took. One request is worked on at a time; bytes that came meanwhile wait,
// and wants_input() says when the owner should stop reading. Rows are produced only while output()
// is below a limit, so a client that does not read holds bounded memory.
//
// A statement may overstay and run beside the loop (Executor::step). close() then interrupts it,
// and the session lives, by its shared_ptr, until it has ended.
//
// Nothing a client sends can do more than end its own session.
#pragma once

#include <functional>
#include <memory>

#include "engine/base/executor.h"
#include "engine/replica/replica.h"
#include "engine/session/principal.h"

namespace quorlite::session {

struct Options {
    Duration busy_timeout = std::chrono::seconds(5);
    std::uint64_t heartbeat_timeout_ms = 15000;  // what WELCOME says; never enforced
    std::uint64_t failure_domain = 0;
    bool legacy_null_types = false;
    // A transaction that holds the write lock while its client rests is rolled back after this
    // long.
    Duration idle_transaction = std::chrono::minutes(1);
    // A half-closed client may be waiting for its answer, or be gone: a statement that still runs
    // after this long is stopped.
    Duration half_closed_patience = std::chrono::seconds(1);
    // A DUMP whose client reads nothing for this long ends: its image must not be held for ever.
    Duration dump_patience = std::chrono::seconds(30);
};

class Session : public std::enable_shared_from_this<Session> {
public:
    // `changed` runs on the loop when output(), wants_input() or finished() may have changed
    // without a call of the owner's, or in the middle of one that may be long in coming back. It
    // must not call the session.
    static std::shared_ptr<Session> open(replica::Replica& replica, Executor& executor,
                                         Clock& clock, Options options, Principal principal,
                                         std::function<void()> changed);
    virtual ~Session() = default;

    virtual void receive(ByteView bytes) = 0;
    virtual void end_of_input() = 0;  // the client half-closed: what it asked for is still answered
    // The end of the input has been seen, behind bytes that have not been received yet.
    virtual void end_is_near() = 0;
    virtual bool wants_input() const = 0;

    // Stays where it is until consumed() took all of it, whatever is answered meanwhile.
    virtual ByteView output() const = 0;
    virtual void consumed(std::size_t bytes) = 0;

    // Held for requests that have come, in whole or in part, and for answers that have not left.
    virtual std::size_t buffer_bytes() const = 0;

    // A number for the statement that runs now, another one for each; 0: none does.
    virtual std::uint64_t statement_running() const = 0;

    // The session is over: send what output() still holds, then close the connection.
    virtual bool finished() const = 0;
    // To be called when the leader has changed: what ran under a lost leadership ends now. Without
    // this the session finds out at its next move.
    virtual void leadership_changed() = 0;
    // The connection is gone: running work is stopped, the transaction rolled back, locks freed.
    virtual void close() = 0;
};

}  // namespace quorlite::session
