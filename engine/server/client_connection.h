// ClientConnection: an accepted connection. Its first word tells whether it is a client's, which is
// served by a Session here, or a peer's, which is handed on.
//
// What Asio reports is noted, and worked on in turn(), a task of the loop. Bytes go from the stream
// to the session while that wants them, else they are held up to a limit, and then the stream is
// not read any more; answers go the other way.
//
// Large, for both directions, the limits and the end of a connection depend on each other.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <system_error>

#include "engine/base/limits.h"
#include "engine/server/listener_state.h"

namespace quorlite::server {

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
public:
    ClientConnection(std::shared_ptr<ListenerState> listener, std::unique_ptr<Stream> stream)
        : listener_(std::move(listener)),
          stream_(std::move(stream)),
          since_(listener_->clock.now()) {}

    void start() { update_waits(); }
    TimePoint since() const { return since_; }
    bool is_unidentified() const { return phase_ == Phase::kUnidentified; }
    TimePoint active() const { return active_; }
    bool is_large() const { return buffer_bytes_ > limits::kLargeBuffersBytes; }
    session::Session* session() { return session_.get(); }
    void finish();
    void answer();
    void look_for_the_end();
    bool is_gone(TimePoint now);
    void close();

    std::list<std::shared_ptr<ClientConnection>>::iterator place;  // among the unidentified

private:
    static constexpr std::size_t kFirstBytes = 512;  // of what arrives: most requests are shorter

    enum class Phase {
        kUnidentified,  // its first word is awaited
        kClient,
        kClosed,
    };
    enum Event : unsigned { kReadable = 1, kWritable = 2, kBroken = 4, kChanged = 8 };

    void note(unsigned event);
    void turn();
    void read();
    std::size_t read_more(std::size_t got);
    void take(ByteView bytes);
    void identify();
    void serve_client();
    void hand_over_to_peers();
    void deliver();
    bool send();
    void pump();
    void all_sent();
    void end_input();
    void count_buffers();
    void update_waits();
    void wait_readable();
    void wait_writable();
    void wait_broken();

    std::shared_ptr<ListenerState> listener_;
    std::unique_ptr<Stream> stream_;  // until it is handed over
    const TimePoint since_;
    TimePoint active_ = since_;     // when bytes last moved
    std::size_t buffer_bytes_ = 0;  // its share of the front's
    Phase phase_ = Phase::kUnidentified;
    std::shared_ptr<session::Session> session_;
    std::array<std::uint8_t, kFirstBytes> first_{};  // where Asio puts what arrives
    std::size_t first_bytes_ = 0;
    std::error_code read_error_;
    Bytes held_;  // received and not wanted yet
    std::size_t held_bytes_max_ = limits::kReceivedAheadBytesMax;
    std::uint64_t statement_seen_ = 0;  // that ran when the end was looked for last
    bool input_ended_ = false;
    bool end_told_ = false;        // to the session
    bool blocked_ = false;         // the socket takes no more output
    bool answering_ = false;       // it is among those of the front
    bool waits_readable_ = false;  // or read() is to come
    bool waits_writable_ = false;
    bool waits_broken_ = false;
    unsigned events_ = 0;
    std::shared_ptr<ClientConnection> queued_;  // itself, while turn() is queued
};

}  // namespace quorlite::server
