// OutboundPeer: the connection to one peer for one channel. Frames wait here until they are sent.
//
//   idle ── a frame ──▶ connecting ──▶ connected ── broken ──▶ waiting ──▶ idle
//                            └────── not reached ──────────────▲
//
// While it waits frames are dropped: consensus sends again what matters. A connection that nothing
// answers is used until a new one is made beside it (link_rules.h).
//
// Large: each of these states takes what the peer, a timer or the queue brings in its own way.
#pragma once

#include <sys/uio.h>

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/server/link_rules.h"
#include "engine/server/peers_state.h"
#include "wire/peer.h"

namespace quorlite::server {

class OutboundPeer : public std::enable_shared_from_this<OutboundPeer> {
public:
    OutboundPeer(std::shared_ptr<PeersState> peers, NodeId node, Channel channel)
        : peers_(std::move(peers)),
          node_(node),
          channel_(channel),
          silence_(peers_->patience(channel)) {}

    void send(const std::string& address, Bytes frame);
    void flush_round();
    void close();
    // The peer's own connection came or broke: what this side knows may be out of date.
    void peer_came();
    void peer_left();
    void peer_heard() { silence_.heard(peers_->clock.now()); }

private:
    static constexpr std::size_t kFramesPerCall = 128;
    static constexpr Duration kBackoffMin = std::chrono::milliseconds(50);

    enum class Phase { kIdle, kConnecting, kConnected, kWaiting, kClosed };

    struct Frame {
        std::array<std::uint8_t, wire::kFrameHeaderBytes> header;
        Bytes payload;
        std::size_t size() const {
            return header.size() + payload.size() + wire::frame_padding(payload.size());
        }
    };

    void connect();
    std::shared_ptr<Dial> dial(void (OutboundPeer::*done)(std::error_code,
                                                          std::unique_ptr<Stream>));
    void dialled(std::error_code error, std::unique_ptr<Stream> stream);
    void failed(std::error_code error);
    void use(std::unique_ptr<Stream> stream);
    void disconnect();
    void judge_silence();
    bool is_moving();
    void replace(std::string_view reason);
    void replacement_dialled(std::error_code error, std::unique_ptr<Stream> stream);
    void broken(std::string_view reason);
    void wait_before_retry();
    void greet();
    void flush();
    std::size_t gather(std::array<iovec, 3 * kFramesPerCall>& parts);
    void sent(std::size_t bytes);
    void drop_queue();
    void watch_for_end();
    void check_for_end();
    void wait_writable();

    // Runs `task` on the loop if the connection is then still the one it is about.
    template <class Function>
    auto on_loop(Function function) {
        return [self = shared_from_this(), attempt = attempt_, function](auto error, auto... rest) {
            self->peers_->loop.post([=] {
                if (self->attempt_ == attempt) function(*self, error, rest...);
            });
        };
    }

    const std::shared_ptr<PeersState> peers_;
    const NodeId node_;
    const Channel channel_;
    std::unique_ptr<Stream> stream_;     // while connected
    std::shared_ptr<Dial> dial_;         // while connecting
    std::shared_ptr<Dial> replacement_;  // while connected
    std::string address_;
    std::shared_ptr<Dialer::Known> known_ = std::make_shared<Dialer::Known>();
    Phase phase_ = Phase::kIdle;
    std::uint64_t attempt_ = 0;  // counts connections, so that late reports are recognised
    TimerId timer_ = TimerId::kNone;
    Duration backoff_ = kBackoffMin;
    TimePoint connected_at_{};
    LinkSilence silence_;
    std::optional<TimePoint> replacing_said_at_;
    std::uint64_t written_bytes_ = 0;  // on this connection
    std::uint64_t arrived_bytes_ = 0;  // of them, as far as the system had heard
    // Somebody had a frame for the peer since it was called last.
    bool wanted_ = false;
    // The connection has just broken: a refusal means that the process is gone.
    bool probing_ = false;

    Bytes greeting_;  // the Hello, still to be sent
    std::deque<Frame> queue_;
    std::size_t queued_bytes_ = 0;
    std::size_t front_sent_ = 0;  // bytes of the first frame that are out
    bool blocked_ = false;        // the socket takes no more now
    bool sent_this_round_ = false;
};

}  // namespace quorlite::server
