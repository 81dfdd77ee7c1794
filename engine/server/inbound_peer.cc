#include "engine/server/inbound_peer.h"

#include <algorithm>
#include <asio/error.hpp>

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/server/outbound_peer.h"

namespace quorlite::server {
namespace {

constexpr Duration kHelloTimeout = std::chrono::seconds(5);
constexpr Duration kPaceCheckedEvery = std::chrono::seconds(1);

}  // namespace

void InboundPeer::start(ByteView received) {
    if (!reader_.feed(received)) {
        refuse("no memory for its frames");
        return;
    }
    hello_timer_ = peers_->loop.after(kHelloTimeout, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && !self->hello_) self->refuse("no hello");
    });
    stream_->set_keep_alive(kBulkKeepAlive);
    note();
}

void InboundPeer::note() {
    if (std::exchange(queued_, true)) return;
    peers_->loop.post([self = shared_from_this()] {
        self->queued_ = false;
        self->turn();
    });
}

// The reader's buffer belongs to the frame that is being worked on, so this does not run twice at a
// time.
void InboundPeer::turn() {
    if (closed_ || working_) return;
    take_turn();
    if (!closed_) watch_pace();
    if (!closed_ && !queued_) wait_readable();
}

void InboundPeer::take_turn() {
    working_ = true;
    if (deliver()) read();
    working_ = false;
    reader_.rest();
}

void InboundPeer::read() {
    for (std::size_t taken = 0; taken < limits::kReceivedPerTurnBytesMax;) {
        const std::span<std::uint8_t> room = reader_.prepare();
        if (room.empty()) {
            refuse("no memory for its frames");
            return;
        }
        const Moved moved = stream_->read_now(room);
        if (moved.state == Moved::State::kBlocked) return;
        if (moved.state != Moved::State::kSome) return close();
        heard();
        reader_.commit(moved.bytes);
        taken += moved.bytes;
        if (!deliver()) return;
        if (moved.bytes < room.size()) return;  // that was all there is
    }
    note();
}

void InboundPeer::heard() {
    heard_at_ = peers_->clock.now();
    if (!hello_) return;
    OutboundPeer* const outbound = peers_->find(hello_->id, static_cast<Channel>(hello_->channel));
    if (outbound != nullptr) outbound->peer_heard();
}

void InboundPeer::watch_pace() {
    peers_->unfinished_bytes -= unfinished_bytes_;
    unfinished_bytes_ = reader_.unread_bytes();
    peers_->unfinished_bytes += unfinished_bytes_;
    pace_.read(unfinished_bytes_, std::exchange(took_frame_, false), peers_->clock.now());
    peers_->limit_unfinished_frames();
    check_pace_later();
}

void InboundPeer::check_pace_later() {
    if (closed_ || !pace_.is_unfinished() || pace_timer_ != TimerId::kNone) return;
    pace_timer_ = peers_->loop.after(kPaceCheckedEvery, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->check_pace();
    });
}

void InboundPeer::check_pace() {
    pace_timer_ = TimerId::kNone;
    if (closed_) return;
    // What has arrived and waits for this node is not the peer's delay.
    const bool waits = working_ || queued_ || stream_->has_unread();
    if (!waits && pace_.is_too_slow(peers_->clock.now())) {
        refuse("a frame that does not come to its end");
        return;
    }
    check_pace_later();
}

// Hands over the whole frames that are there. False: the connection is closed.
bool InboundPeer::deliver() {
    for (;;) {
        const Result<std::optional<ByteView>> frame = reader_.next();
        if (!frame) return refuse(frame.error().message);
        if (!*frame) return true;
        took_frame_ = true;
        if (!hello_) {
            if (!greet(**frame)) return false;
        } else if (peers_->is_foreign(hello_->cluster)) {
            return refuse_foreign();
        } else if (!peers_->receive(hello_->id, static_cast<Channel>(hello_->channel), **frame)) {
            return refuse("a frame that this node does not accept");
        }
        if (closed_) return false;
    }
}

bool InboundPeer::greet(ByteView payload) {
    Result<wire::Hello> hello = wire::decode_hello(payload);
    if (!hello) return refuse(hello.error().message);
    if (hello->channel > static_cast<std::uint8_t>(Channel::kBulk)) {
        return refuse("a channel that this node does not know");
    }
    if (!parse_address(hello->address)) return refuse("an address that is not HOST:PORT");
    if (hello->id == peers_->own.self) {
        return refuse("it has this node's own id",
                      ": give each node a directory and an id of its own");
    }
    hello_ = std::move(*hello);
    if (peers_->is_foreign(hello_->cluster)) return refuse_foreign();
    peers_->loop.cancel(hello_timer_);
    reader_.expect_messages(limits::kPeerFrameBytesMax);
    if (const InboundPeer* other = peers_->other_process(*this)) return refuse_clone(*other);
    replace_previous();
    return !closed_;
}

void InboundPeer::replace_previous() {
    const PeersState::Key key(hello_->id, static_cast<Channel>(hello_->channel));
    const auto found = peers_->identified.find(key);
    const std::shared_ptr<InboundPeer> previous =
        found == peers_->identified.end() ? nullptr : found->second->shared_from_this();
    if (previous) {
        // What it brought before it was replaced comes first.
        if (!previous->working_) previous->take_turn();
        previous->close();
    }
    if (closed_) return;
    peers_->identified[key] = this;
    // Not yet heard(): that a connection can be made says little about those that are open.
    OutboundPeer* const outbound = peers_->find(key.first, key.second);
    if (outbound != nullptr) outbound->peer_came();
}

bool InboundPeer::is_of_other_process(const InboundPeer& other) const {
    return hello_ && hello_->id == other.hello_->id &&
           hello_->incarnation != other.hello_->incarnation;
}

bool InboundPeer::is_alive() {
    if (stream_->is_over()) return false;
    const Duration silence = peers_->clock.now() - heard_at_;
    return stream_->has_unread() || keeps_its_place(silence, peers_->own.election_timeout);
}

bool InboundPeer::refuse(std::string_view reason, std::string_view details) {
    ++peers_->counters.connections_refused;
    if (const std::uint64_t times = peers_->refusals.to_say(reason, peers_->clock.now())) {
        peers_->log.warning("peer connection refused",
                            {{"peer", hello_ ? hello_->id.value() : 0},
                             {"from", stream_->peer()},
                             {"reason", std::string(reason).append(details)},
                             {"times", times}});
    }
    close();
    return false;
}

bool InboundPeer::refuse_foreign() {
    return refuse("it belongs to another cluster",
                  ", " + to_text(hello_->cluster) + "; this node belongs to " +
                      to_text(peers_->own.cluster()) +
                      ": one of the two was founded or copied by mistake, or has an address that "
                      "was the other's");
}

bool InboundPeer::refuse_clone(const InboundPeer& other) {
    return refuse("another process of the same node is connected",
                  ", from " + other.stream_->peer() +
                      ": the node's directory seems to run twice; stop one of the two and remove "
                      "its directory");
}

void InboundPeer::close() {
    if (std::exchange(closed_, true)) return;
    const std::shared_ptr<InboundPeer> self = shared_from_this();
    peers_->loop.cancel(hello_timer_);
    peers_->loop.cancel(pace_timer_);
    peers_->unfinished_bytes -= std::exchange(unfinished_bytes_, 0);
    stream_->close();
    peers_->inbound.erase(self);
    if (!hello_) return;
    const PeersState::Key key(hello_->id, static_cast<Channel>(hello_->channel));
    const auto found = peers_->identified.find(key);
    if (found == peers_->identified.end() || found->second != this) return;
    peers_->identified.erase(found);
    if (peers_->stopped || key.second != Channel::kConsensus) return;
    OutboundPeer* const outbound = peers_->find(key.first, key.second);
    if (outbound != nullptr) outbound->peer_left();
}

void InboundPeer::wait_readable() {
    stream_->wait(Stream::Wait::kReadable, [self = shared_from_this()](std::error_code error) {
        if (error != asio::error::operation_aborted) self->note();
    });
}

}  // namespace quorlite::server
