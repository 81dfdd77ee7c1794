#include "engine/server/client_connection.h"

#include <sys/uio.h>

#include <algorithm>
#include <asio/error.hpp>
#include <new>

#include "engine/base/memory_reserve.h"
#include "wire/peer.h"

namespace quorlite::server {
namespace {

// Of what is held behind a statement that takes long, in search of its client's end: each second
// more.
constexpr std::size_t kSearchedBytes = 4u << 20;
constexpr Duration kSilenceMax = std::chrono::seconds(30);
constexpr Duration kReadPatience = std::chrono::minutes(5);  // for one that lives and does not read

}  // namespace

void ClientConnection::note(unsigned event) {
    events_ |= event;
    if (queued_) return;
    queued_ = shared_from_this();
    listener_->loop.post([this] { turn(); });
}

void ClientConnection::turn() {
    const std::shared_ptr<ClientConnection> self = std::move(queued_);
    queued_ = nullptr;
    const unsigned events = std::exchange(events_, 0u);
    if (phase_ == Phase::kClosed) return;
    if ((events & kBroken) != 0) return close();
    if ((events & kWritable) != 0) blocked_ = false;
    if ((events & kReadable) != 0) read();
    if (phase_ == Phase::kClient) pump();
    if (phase_ == Phase::kClient) count_buffers();
    update_waits();
    if (memory_is_short()) listener_->relieve();
    // Last, for it may take long: see there.
    if (!listener_->answering.empty() &&
        listener_->clock.now() - listener_->answering_since >= ListenerState::kGatherMax) {
        listener_->send_answers();
    }
}

void ClientConnection::count_buffers() {
    const std::size_t before =
        std::exchange(buffer_bytes_, held_.capacity() + session_->buffer_bytes());
    listener_->buffer_bytes += buffer_bytes_ - before;
    if (listener_->buffer_bytes > listener_->options.buffers_bytes_max)
        listener_->make_room(listener_->options.buffers_bytes_max);
}

// Passes on what Asio has read, and what else has arrived if that filled all the room it had.
void ClientConnection::read() {
    waits_readable_ = false;
    std::size_t got = first_bytes_;
    if (input_ended_) return;
    if (read_error_ == asio::error::eof) return end_input();
    if (read_error_) return close();
    std::copy_n(first_.begin(), got, listener_->buffer.begin());
    if (got == kFirstBytes) got += read_more(got);
    active_ = listener_->clock.now();
    // A client's next words, and its end, are looked for while the session works on these. What
    // follows the first word of a stranger is for whoever it is handed to.
    if (phase_ == Phase::kClient) update_waits();
    take({listener_->buffer.data(), got});
}

// Reads on behind the first `got` bytes. The end of the stream, or an error, comes again.
std::size_t ClientConnection::read_more(std::size_t got) {
    const bool wanted = phase_ == Phase::kClient && held_.empty() && session_->wants_input();
    // What Asio reads may go beyond the limit by its room.
    const std::size_t left = held_bytes_max_ - std::min(held_.size(), held_bytes_max_);
    const std::size_t room =
        wanted ? ListenerState::kReadBytes : std::min(left, ListenerState::kReadBytes);
    if (room <= got) return 0;
    return stream_->read_now(std::span(listener_->buffer).subspan(got, room - got)).bytes;
}

void ClientConnection::take(ByteView bytes) {
    if (phase_ == Phase::kClient && held_.empty() && session_->wants_input()) {
        session_->receive(bytes);
        return;
    }
    try {
        held_.insert(held_.end(), bytes.begin(), bytes.end());
    } catch (const std::bad_alloc&) {
        return close();
    }
    if (phase_ == Phase::kUnidentified) identify();
}

void ClientConnection::identify() {
    if (held_.size() < sizeof(std::uint64_t)) return;
    if (load_little<std::uint64_t>(held_.data()) == wire::kPeerMagic) return hand_over_to_peers();
    const bool scarce = stream_->descriptor() >= listener_->options.descriptors.clients_below;
    if (scarce) listener_->warn_of_descriptors();
    if (scarce || listener_->clients.size() >= listener_->options.connections_max) {
        ++listener_->counters.refused;
        return close();
    }
    serve_client();
}

void ClientConnection::serve_client() {
    listener_->unidentified.erase(place);
    listener_->clients.insert(shared_from_this());
    phase_ = Phase::kClient;
    // The session never outlives its use of `changed`: close() is called first, and it holds no
    // one.
    session_ = session::Session::open(*listener_->replica, listener_->loop, listener_->clock,
                                      listener_->options.session, {.address = stream_->peer()},
                                      [weak = weak_from_this()] {
                                          if (const auto self = weak.lock()) self->note(kChanged);
                                      });
}

void ClientConnection::hand_over_to_peers() {
    listener_->unidentified.erase(place);
    phase_ = Phase::kClosed;
    listener_->adopt(std::move(stream_), ByteView(held_).subspan(sizeof(std::uint64_t)));
}

void ClientConnection::end_input() {
    if (phase_ == Phase::kUnidentified) return close();
    input_ended_ = true;
    if (!held_.empty()) session_->end_is_near();
}

void ClientConnection::deliver() {
    if (!held_.empty() && session_->wants_input()) {
        const Bytes bytes = std::move(held_);
        held_.clear();
        held_bytes_max_ = limits::kReceivedAheadBytesMax;
        session_->receive(bytes);
    }
    if (phase_ == Phase::kClient && input_ended_ && !end_told_ && held_.empty()) {
        end_told_ = true;
        session_->end_of_input();
    }
}

// Sends what there is. False: the socket takes no more now, or the connection was closed.
bool ClientConnection::send() {
    std::size_t sent_in_turn = 0;
    while (phase_ == Phase::kClient) {
        const ByteView output = session_->output();
        if (output.empty()) return true;
        if (sent_in_turn >= limits::kSentPerTurnBytesMax) {
            note(kChanged);
            return false;
        }
        const iovec part{const_cast<std::uint8_t*>(output.data()), output.size()};
        const Moved moved = stream_->write_now({&part, 1});
        if (moved.state != Moved::State::kSome) {
            blocked_ = moved.state == Moved::State::kBlocked;
            if (!blocked_) close();
            return false;
        }
        active_ = listener_->clock.now();
        sent_in_turn += moved.bytes;
        session_->consumed(moved.bytes);
    }
    return false;
}

void ClientConnection::pump() {
    // Before the session is called: it may be long in coming back, and its client may vanish
    // meanwhile.
    update_waits();
    deliver();
    if (phase_ != Phase::kClient || blocked_) return;
    if (session_->output().empty()) return all_sent();
    if (std::exchange(answering_, true)) return;
    if (listener_->answering.empty()) listener_->answering_since = listener_->clock.now();
    listener_->answering.push_back(shared_from_this());
}

void ClientConnection::answer() {
    answering_ = false;
    if (phase_ != Phase::kClient) return;
    if (!blocked_ && send()) all_sent();
    if (phase_ == Phase::kClient) count_buffers();
    update_waits();
}

// Nothing is left to be sent.
void ClientConnection::all_sent() {
    if (session_->finished()) return close();
    if (!held_.empty() && session_->wants_input()) note(kChanged);
}

void ClientConnection::finish() {
    input_ended_ = true;
    held_.clear();
    note(kChanged);
}

void ClientConnection::close() {
    if (phase_ == Phase::kClosed) return;
    const std::shared_ptr<ClientConnection> self = shared_from_this();
    if (phase_ == Phase::kUnidentified) listener_->unidentified.erase(place);
    listener_->clients.erase(self);
    listener_->buffer_bytes -= std::exchange(buffer_bytes_, 0u);
    phase_ = Phase::kClosed;
    stream_->close();
    if (session_) session_->close();
}

// A client that closes in good order is known to be gone only once all that it has sent is read. So
// behind a statement that takes long more and more is, until that is more than its sockets hold.
void ClientConnection::look_for_the_end() {
    if (phase_ != Phase::kClient) return;
    const std::uint64_t running = session_->statement_running();
    if (std::exchange(statement_seen_, running) != running || running == 0) return;
    if (waits_readable_ || input_ended_) return;
    held_bytes_max_ = std::min(held_bytes_max_ + kSearchedBytes, limits::kSearchedBytesMax);
    update_waits();
}

// Its host has vanished, or it has not read for long.
bool ClientConnection::is_gone(TimePoint now) {
    if (now - active_ < kSilenceMax) return false;
    if (blocked_ && now - active_ >= kReadPatience) return true;
    const Way way = stream_->way();
    return way.asked && way.silence >= kSilenceMax;
}

// Keeps the right waits pending: for input while there is room for it, else only for the end of the
// connection, so that a running statement never outlives its client unnoticed.
void ClientConnection::update_waits() {
    if (phase_ == Phase::kClosed) return;
    const bool room = held_.size() < held_bytes_max_ && !input_ended_;
    if (room && !waits_readable_) wait_readable();
    if (!room && !waits_broken_) wait_broken();
    if (blocked_ && !waits_writable_) wait_writable();
}

void ClientConnection::wait_readable() {
    waits_readable_ = true;
    // Waiting until it can be read would cost one more call of the system each time.
    stream_->read(first_, [self = shared_from_this()](std::error_code error, std::size_t size) {
        if (error == asio::error::operation_aborted) return;
        self->first_bytes_ = size;
        self->read_error_ = error;
        self->note(kReadable);
    });
}

void ClientConnection::wait_writable() {
    waits_writable_ = true;
    stream_->wait(Stream::Wait::kWritable, [self = shared_from_this()](std::error_code error) {
        self->waits_writable_ = false;
        if (error != asio::error::operation_aborted) self->note(kWritable);
    });
}

void ClientConnection::wait_broken() {
    waits_broken_ = true;
    stream_->wait(Stream::Wait::kBroken, [self = shared_from_this()](std::error_code error) {
        self->waits_broken_ = false;
        if (error != asio::error::operation_aborted) self->note(kBroken);
    });
}

}  // namespace quorlite::server
