#include "engine/server/outbound_peer.h"

#include <algorithm>
#include <asio/error.hpp>

#include "engine/base/limits.h"

namespace quorlite::server {
namespace {

constexpr Duration kBackoffMax = std::chrono::seconds(1);
constexpr Duration kConnectTimeout = std::chrono::seconds(1);
constexpr std::size_t kLargeBacklogBytes = 256u
                                           << 10;  // sent and not acknowledged, or not even sent

}  // namespace

void OutboundPeer::send(const std::string& address, Bytes frame) {
    if (!address.empty() && address != address_) {
        address_ = address;
        known_ = std::make_shared<Dialer::Known>();
        if (phase_ != Phase::kIdle) {
            close();
            phase_ = Phase::kIdle;
        }
    }
    wanted_ = true;
    if (phase_ == Phase::kConnected) judge_silence();
    const std::size_t size = frame.size() + wire::kFrameHeaderBytes;
    if (phase_ == Phase::kWaiting || queued_bytes_ + size > limits::kPeerQueueBytesMax) {
        ++peers_->counters.frames_dropped;
        return;
    }
    const auto header = wire::frame_header(frame);
    queue_.push_back({header, std::move(frame)});
    queued_bytes_ += queue_.back().size();
    if (phase_ == Phase::kIdle) return connect();
    if (phase_ != Phase::kConnected || blocked_) return;
    if (std::exchange(sent_this_round_, true)) return;
    peers_->touched.push_back(this);
    flush();
}

void OutboundPeer::flush_round() {
    sent_this_round_ = false;
    if (phase_ == Phase::kConnected && !blocked_ && !queue_.empty()) flush();
}

void OutboundPeer::connect() {
    peers_->loop.cancel(timer_);
    phase_ = Phase::kConnecting;
    wanted_ = false;
    dial_ = dial(&OutboundPeer::dialled);
}

std::shared_ptr<Dial> OutboundPeer::dial(void (OutboundPeer::*done)(std::error_code,
                                                                    std::unique_ptr<Stream>)) {
    return peers_->dialer.dial(
        address_, kConnectTimeout, known_,
        [self = shared_from_this(), done](std::error_code error, std::unique_ptr<Stream> stream) {
            ((*self).*done)(error, std::move(stream));
        });
}

void OutboundPeer::dialled(std::error_code error, std::unique_ptr<Stream> stream) {
    dial_ = nullptr;
    if (error) return failed(error);
    use(std::move(stream));
}

void OutboundPeer::use(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    ++attempt_;
    phase_ = Phase::kConnected;
    probing_ = false;
    blocked_ = false;
    connected_at_ = peers_->clock.now();
    silence_.connected(connected_at_);
    written_bytes_ = arrived_bytes_ = 0;
    stream_->set_keep_alive(channel_ == Channel::kConsensus ? kConsensusKeepAlive : kBulkKeepAlive);
    peers_->log.debug("peer connected", {{"peer", node_.value()}, {"address", address_}});
    greet();
    watch_for_end();
    flush();
}

// A connection that is open, as far as the system knows, and that nothing answers.
void OutboundPeer::judge_silence() {
    const TimePoint now = peers_->clock.now();
    if (is_moving()) silence_.moving(now);
    if (silence_.sent(now)) replace("nothing comes back from the peer");
}

// Much is on its way, and the peer's system takes it. That a little is taken says nothing about the
// process behind it.
bool OutboundPeer::is_moving() {
    const std::size_t unacknowledged = stream_->way().unacknowledged_bytes;
    const std::uint64_t arrived =
        written_bytes_ - std::min<std::uint64_t>(written_bytes_, unacknowledged);
    const bool moved = arrived > std::exchange(arrived_bytes_, arrived);
    return moved && unacknowledged + queued_bytes_ > kLargeBacklogBytes;
}

// The old connection is used until there is a new one.
void OutboundPeer::replace(std::string_view reason) {
    if (replacement_) return;
    const TimePoint now = peers_->clock.now();
    if (!replacing_said_at_ || now - *replacing_said_at_ >= kSaidEvery) {
        replacing_said_at_ = now;
        peers_->log.info("peer connection is being replaced",
                         {{"peer", node_.value()}, {"address", address_}, {"reason", reason}});
    }
    replacement_ = dial(&OutboundPeer::replacement_dialled);
}

void OutboundPeer::replacement_dialled(std::error_code error, std::unique_ptr<Stream> stream) {
    replacement_ = nullptr;
    if (error) {
        return peers_->log.debug(
            "peer not reached",
            {{"peer", node_.value()}, {"address", address_}, {"reason", error.message()}});
    }
    ++peers_->counters.connections_replaced;
    stream_->close();
    front_sent_ = 0;  // a frame that was half sent begins again
    use(std::move(stream));
}

void OutboundPeer::greet() {
    wire::Hello hello;
    hello.channel = static_cast<std::uint8_t>(channel_);
    hello.id = peers_->own.self;
    hello.address = peers_->own.address;
    hello.cluster = peers_->own.cluster();
    hello.incarnation = peers_->incarnation;
    greeting_.clear();
    wire::encode(hello, greeting_);
}

void OutboundPeer::failed(std::error_code error) {
    const bool gone = std::exchange(probing_, false) && error == asio::error::connection_refused;
    peers_->log.debug(
        "peer not reached",
        {{"peer", node_.value()}, {"address", address_}, {"reason", error.message()}});
    drop_queue();
    wait_before_retry();
    if (gone && !peers_->stopped) {
        peers_->log.info("peer gone", {{"peer", node_.value()}, {"address", address_}});
        peers_->gone(node_);
    }
}

void OutboundPeer::wait_before_retry() {
    phase_ = Phase::kWaiting;
    const auto half = static_cast<std::uint64_t>((backoff_ / 2).count());
    const Duration delay =
        backoff_ - Duration(static_cast<Duration::rep>(peers_->random.below(half)));
    backoff_ = std::min(backoff_ * 2, kBackoffMax);
    timer_ = peers_->loop.after(delay, [self = shared_from_this()] {
        if (self->phase_ != Phase::kWaiting) return;
        // Snapshots are rare: their connection waits for the next one. Nor is a peer called that
        // nobody has anything to say to.
        const bool wanted = self->wanted_ || self->probing_;
        if (self->channel_ == Channel::kConsensus && wanted) return self->connect();
        self->phase_ = Phase::kIdle;
    });
}

void OutboundPeer::broken(std::string_view reason) {
    peers_->log.debug("peer connection broke", {{"peer", node_.value()}, {"reason", reason}});
    disconnect();
    probing_ = channel_ == Channel::kConsensus;
    // A peer that accepts connections and closes them at once is not to be flooded with them.
    if (peers_->clock.now() - connected_at_ < kBackoffMax) return wait_before_retry();
    backoff_ = kBackoffMin;
    phase_ = Phase::kIdle;
    if (probing_) connect();
}

void OutboundPeer::peer_came() {
    backoff_ = kBackoffMin;
    if (phase_ == Phase::kWaiting) connect();
    if (phase_ == Phase::kConnected && silence_.peer_called(peers_->clock.now())) {
        replace("the peer has opened a new one");
    }
}

void OutboundPeer::peer_left() {
    if (phase_ != Phase::kWaiting && phase_ != Phase::kIdle) return;
    if (address_.empty()) return;
    probing_ = true;
    connect();
}

void OutboundPeer::disconnect() {
    ++attempt_;
    for (std::shared_ptr<Dial>* any : {&dial_, &replacement_}) {
        if (*any) (*any)->cancel();
        *any = nullptr;
    }
    if (stream_) stream_->close();
    drop_queue();
}

void OutboundPeer::close() {
    peers_->loop.cancel(timer_);
    disconnect();
    probing_ = false;
    phase_ = Phase::kClosed;
}

void OutboundPeer::drop_queue() {
    peers_->counters.frames_dropped += queue_.size();
    queue_.clear();
    greeting_.clear();
    queued_bytes_ = 0;
    front_sent_ = 0;
    blocked_ = false;
}

// Fills `parts` with what is to be sent next; returns how many of them there are.
std::size_t OutboundPeer::gather(std::array<iovec, 3 * kFramesPerCall>& parts) {
    static std::array<std::uint8_t, wire::kPeerWordBytes> padding{};  // only ever read
    std::size_t count = 0;
    std::size_t skip = front_sent_;
    const auto add = [&](const std::uint8_t* bytes, std::size_t size) {
        const std::size_t skipped = std::min(skip, size);
        skip -= skipped;
        if (skipped == size) return;
        parts[count++] = {const_cast<std::uint8_t*>(bytes) + skipped, size - skipped};
    };
    if (!greeting_.empty()) add(greeting_.data(), greeting_.size());
    for (std::size_t i = 0; i < queue_.size() && i + 1 < kFramesPerCall; ++i) {
        const Frame& frame = queue_[i];
        add(frame.header.data(), frame.header.size());
        add(frame.payload.data(), frame.payload.size());
        add(padding.data(), wire::frame_padding(frame.payload.size()));
    }
    return count;
}

void OutboundPeer::sent(std::size_t bytes) {
    front_sent_ += bytes;
    if (!greeting_.empty()) {
        if (front_sent_ < greeting_.size()) return;
        front_sent_ -= greeting_.size();
        greeting_.clear();
    }
    while (!queue_.empty() && front_sent_ >= queue_.front().size()) {
        front_sent_ -= queue_.front().size();
        queued_bytes_ -= queue_.front().size();
        queue_.pop_front();
    }
}

void OutboundPeer::flush() {
    std::array<iovec, 3 * kFramesPerCall> parts;
    while (!greeting_.empty() || !queue_.empty()) {
        const Moved moved = stream_->write_now({parts.data(), gather(parts)});
        if (moved.state == Moved::State::kBlocked) {
            blocked_ = true;
            return wait_writable();
        }
        if (moved.state != Moved::State::kSome) return broken(moved.error.message());
        written_bytes_ += moved.bytes;
        sent(moved.bytes);
    }
}

void OutboundPeer::wait_writable() {
    stream_->wait(Stream::Wait::kWritable, on_loop([](OutboundPeer& self, std::error_code error) {
                      if (error) return self.broken(error.message());
                      self.blocked_ = false;
                      self.flush();
                  }));
}

void OutboundPeer::watch_for_end() {
    stream_->wait(Stream::Wait::kReadable,
                  on_loop([](OutboundPeer& self, std::error_code) { self.check_for_end(); }));
}

void OutboundPeer::check_for_end() {
    std::uint8_t byte = 0;
    const Moved moved = stream_->read_now({&byte, 1});
    switch (moved.state) {
        case Moved::State::kBlocked:
            return watch_for_end();
        case Moved::State::kFailed:
            return broken(moved.error.message());
        case Moved::State::kEnded:
            return broken("closed by the peer");
        case Moved::State::kSome:
            return broken("the peer wrote on a one-way connection");
    }
}

}  // namespace quorlite::server
