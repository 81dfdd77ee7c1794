// InboundPeer: a connection that another node opened. First comes its Hello, which says who it is;
// then frames, each whole and checked before it is handed on.
//
// Nothing of a peer is waited for without an end: not for its Hello, not for the rest of a frame.
// Whatever does not fit costs the connection, and is said in the log once a minute.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "engine/server/link_rules.h"
#include "engine/server/peers_state.h"
#include "wire/peer.h"

namespace quorlite::server {

class InboundPeer : public std::enable_shared_from_this<InboundPeer> {
public:
    InboundPeer(std::shared_ptr<PeersState> peers, std::unique_ptr<Stream> stream)
        : peers_(std::move(peers)),
          stream_(std::move(stream)),
          reader_(wire::kHelloBytesMax),
          heard_at_(peers_->clock.now()) {}

    void start(ByteView received);
    // Closes the connection; returns false. The reason is one of few, what is particular about this
    // time is told by `details`.
    bool refuse(std::string_view reason, std::string_view details = {});
    void close();

    // Of the same node, as far as they say.
    bool is_of_other_process(const InboundPeer& other) const;
    // The peer has not closed it, and was heard on it not long ago.
    bool is_alive();
    bool is_stranger() const { return !hello_ || !peers_->own.is_member(hello_->id); }
    TimePoint heard_at() const { return heard_at_; }
    std::size_t unfinished_bytes() const { return unfinished_bytes_; }

private:
    void note();
    void turn();
    void take_turn();
    void read();
    void watch_pace();
    void check_pace_later();
    void check_pace();
    bool deliver();
    bool greet(ByteView payload);
    bool refuse_foreign();
    bool refuse_clone(const InboundPeer& other);
    void replace_previous();
    void heard();
    void wait_readable();

    std::shared_ptr<PeersState> peers_;
    const std::unique_ptr<Stream> stream_;
    wire::FrameReader reader_;
    std::optional<wire::Hello> hello_;
    TimerId hello_timer_ = TimerId::kNone;
    TimerId pace_timer_ = TimerId::kNone;
    FramePace pace_;
    TimePoint heard_at_;
    std::size_t unfinished_bytes_ = 0;  // as they are counted among all peers'
    bool took_frame_ = false;           // in this turn
    bool closed_ = false;
    bool queued_ = false;
    bool working_ = false;  // turn() is under way: another thread may hold the loop meanwhile
};

}  // namespace quorlite::server
