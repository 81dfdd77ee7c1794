#include "engine/server/peers.h"

#include <inttypes.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <asio/error.hpp>
#include <cstdio>
#include <deque>
#include <map>
#include <set>

#include "engine/base/address.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/server/link_rules.h"
#include "wire/peer.h"

namespace quorlite::server {
namespace {

constexpr Duration kBackoffMin = std::chrono::milliseconds(50);
constexpr Duration kBackoffMax = std::chrono::seconds(1);
constexpr Duration kConnectTimeout = std::chrono::seconds(1);
constexpr Duration kHelloTimeout = std::chrono::seconds(5);
constexpr Duration kSaidEvery = std::chrono::minutes(1);
constexpr KeepAlive kConsensusKeepAlive{
    .idle_seconds = 3, .interval_seconds = 1, .probes = 3, .unacknowledged_ms = 3'000};
constexpr KeepAlive kBulkKeepAlive{
    .idle_seconds = 3, .interval_seconds = 1, .probes = 3, .unacknowledged_ms = 10'000};
constexpr std::size_t kFramesPerCall = 128;
constexpr std::size_t kTurnBytesMax = 4u << 20;  // received before others get their turn
constexpr Duration kPaceCheckedEvery = std::chrono::seconds(1);
constexpr Duration kBulkPatience = std::chrono::seconds(3);
constexpr std::size_t kLargeBacklogBytes = 256u
                                           << 10;  // sent and not acknowledged, or not even sent

std::string in_hex(const ClusterId& id) {
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016" PRIx64 "%016" PRIx64, id.high, id.low);
    return text.data();
}

// Strangers may be refused as often as they like: the log says each reason once in a while.
class Refusals {
public:
    // How many there were for this reason since it was said last, this one included; 0: not now.
    std::uint64_t to_say(std::string_view reason, TimePoint now) {
        auto found = kinds_.find(reason);
        if (found == kinds_.end()) found = kinds_.emplace(reason, Kind{now, 0}).first;
        Kind& kind = found->second;
        ++kind.unsaid;
        if (now < kind.next) return 0;
        kind.next = now + kSaidEvery;
        return std::exchange(kind.unsaid, 0);
    }

private:
    struct Kind {
        TimePoint next;
        std::uint64_t unsaid;
    };
    std::map<std::string, Kind, std::less<>> kinds_;  // reasons are texts of this program: few
};

using LinkKey = std::pair<NodeId, Channel>;

}  // namespace

struct Peers::State {
    State(Loop& loop_, Dialer& dialer_, Clock& clock_, Random& random_, Log& log_)
        : loop(loop_), dialer(dialer_), clock(clock_), random(random_), log(log_) {}

    Loop& loop;
    Dialer& dialer;
    Clock& clock;
    Random& random;
    Log& log;
    PeersOptions own;
    std::uint64_t incarnation = 0;
    Receive receive;
    Gone gone;
    bool stopped = true;

    std::map<LinkKey, std::shared_ptr<Link>> links;
    std::vector<Link*> touched;  // sent in this round; only links that are in `links`
    std::set<std::shared_ptr<Incoming>> incoming;
    std::map<LinkKey, Incoming*> identified;  // that have said Hello
    std::size_t unfinished_bytes = 0;         // of incoming frames
    PeerCounters counters;
    Refusals refusals;

    // The peer belongs to another cluster than this node; false while one of them does not know.
    bool is_foreign(const ClusterId& cluster) const {
        const ClusterId mine = own.cluster();
        return mine && cluster && mine != cluster;
    }
    Link* find(NodeId node, Channel channel);
    Duration patience(Channel channel) const {
        return channel == Channel::kBulk ? kBulkPatience : patience_of(own.election_timeout);
    }
    // Closes a connection if there is no room for one more stranger.
    void make_room_for_stranger();
    // Closes connections until unfinished frames take less than their limit.
    void limit_unfinished_frames();
    // A connection that another process of the same node uses at this time, if there is one.
    // Connections of processes that have fallen silent are closed.
    const Incoming* other_process(const Incoming& newcomer);
};

// ---- Outgoing ----

// The connection to one peer for one channel.
class Peers::Link : public std::enable_shared_from_this<Peers::Link> {
public:
    Link(std::shared_ptr<State> peers, NodeId node, Channel channel)
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
    enum class Phase { kIdle, kConnecting, kConnected, kWaiting, kClosed };

    struct Frame {
        std::array<std::uint8_t, wire::kFrameHeaderBytes> header;
        Bytes payload;
        std::size_t size() const {
            return header.size() + payload.size() + wire::frame_padding(payload.size());
        }
    };

    void connect();
    std::shared_ptr<Dial> dial(void (Link::*done)(std::error_code, std::unique_ptr<Stream>));
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

    const std::shared_ptr<State> peers_;
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

void Peers::Link::send(const std::string& address, Bytes frame) {
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

void Peers::Link::flush_round() {
    sent_this_round_ = false;
    if (phase_ == Phase::kConnected && !blocked_ && !queue_.empty()) flush();
}

void Peers::Link::connect() {
    peers_->loop.cancel(timer_);
    phase_ = Phase::kConnecting;
    wanted_ = false;
    dial_ = dial(&Link::dialled);
}

std::shared_ptr<Dial> Peers::Link::dial(void (Link::*done)(std::error_code,
                                                           std::unique_ptr<Stream>)) {
    return peers_->dialer.dial(
        address_, kConnectTimeout, known_,
        [self = shared_from_this(), done](std::error_code error, std::unique_ptr<Stream> stream) {
            ((*self).*done)(error, std::move(stream));
        });
}

void Peers::Link::dialled(std::error_code error, std::unique_ptr<Stream> stream) {
    dial_ = nullptr;
    if (error) return failed(error);
    use(std::move(stream));
}

void Peers::Link::use(std::unique_ptr<Stream> stream) {
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
void Peers::Link::judge_silence() {
    const TimePoint now = peers_->clock.now();
    if (is_moving()) silence_.moving(now);
    if (silence_.sent(now)) replace("nothing comes back from the peer");
}

// Much is on its way, and the peer's system takes it. That a little is taken says nothing about the
// process behind it.
bool Peers::Link::is_moving() {
    const std::size_t unacknowledged = stream_->way().unacknowledged_bytes;
    const std::uint64_t arrived =
        written_bytes_ - std::min<std::uint64_t>(written_bytes_, unacknowledged);
    const bool moved = arrived > std::exchange(arrived_bytes_, arrived);
    return moved && unacknowledged + queued_bytes_ > kLargeBacklogBytes;
}

// The old connection is used until there is a new one.
void Peers::Link::replace(std::string_view reason) {
    if (replacement_) return;
    const TimePoint now = peers_->clock.now();
    if (!replacing_said_at_ || now - *replacing_said_at_ >= kSaidEvery) {
        replacing_said_at_ = now;
        peers_->log.info("peer connection is being replaced",
                         {{"peer", node_.value()}, {"address", address_}, {"reason", reason}});
    }
    replacement_ = dial(&Link::replacement_dialled);
}

void Peers::Link::replacement_dialled(std::error_code error, std::unique_ptr<Stream> stream) {
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

void Peers::Link::greet() {
    wire::Hello hello;
    hello.channel = static_cast<std::uint8_t>(channel_);
    hello.id = peers_->own.self;
    hello.address = peers_->own.address;
    hello.cluster = peers_->own.cluster();
    hello.incarnation = peers_->incarnation;
    greeting_.clear();
    wire::encode(hello, greeting_);
}

void Peers::Link::failed(std::error_code error) {
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

void Peers::Link::wait_before_retry() {
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

void Peers::Link::broken(std::string_view reason) {
    peers_->log.debug("peer connection broke", {{"peer", node_.value()}, {"reason", reason}});
    disconnect();
    probing_ = channel_ == Channel::kConsensus;
    // A peer that accepts connections and closes them at once is not to be flooded with them.
    if (peers_->clock.now() - connected_at_ < kBackoffMax) return wait_before_retry();
    backoff_ = kBackoffMin;
    phase_ = Phase::kIdle;
    if (probing_) connect();
}

void Peers::Link::peer_came() {
    backoff_ = kBackoffMin;
    if (phase_ == Phase::kWaiting) connect();
    if (phase_ == Phase::kConnected && silence_.peer_called(peers_->clock.now())) {
        replace("the peer has opened a new one");
    }
}

void Peers::Link::peer_left() {
    if (phase_ != Phase::kWaiting && phase_ != Phase::kIdle) return;
    if (address_.empty()) return;
    probing_ = true;
    connect();
}

void Peers::Link::disconnect() {
    ++attempt_;
    for (std::shared_ptr<Dial>* any : {&dial_, &replacement_}) {
        if (*any) (*any)->cancel();
        *any = nullptr;
    }
    if (stream_) stream_->close();
    drop_queue();
}

void Peers::Link::close() {
    peers_->loop.cancel(timer_);
    disconnect();
    probing_ = false;
    phase_ = Phase::kClosed;
}

void Peers::Link::drop_queue() {
    peers_->counters.frames_dropped += queue_.size();
    queue_.clear();
    greeting_.clear();
    queued_bytes_ = 0;
    front_sent_ = 0;
    blocked_ = false;
}

// Fills `parts` with what is to be sent next; returns how many of them there are.
std::size_t Peers::Link::gather(std::array<iovec, 3 * kFramesPerCall>& parts) {
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

void Peers::Link::sent(std::size_t bytes) {
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

void Peers::Link::flush() {
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

void Peers::Link::wait_writable() {
    stream_->wait(Stream::Wait::kWritable, on_loop([](Link& self, std::error_code error) {
                      if (error) return self.broken(error.message());
                      self.blocked_ = false;
                      self.flush();
                  }));
}

void Peers::Link::watch_for_end() {
    stream_->wait(Stream::Wait::kReadable,
                  on_loop([](Link& self, std::error_code) { self.check_for_end(); }));
}

void Peers::Link::check_for_end() {
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

// ---- Incoming ----

// A connection that another node opened.
class Peers::Incoming : public std::enable_shared_from_this<Peers::Incoming> {
public:
    Incoming(std::shared_ptr<State> peers, std::unique_ptr<Stream> stream)
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
    bool is_of_other_process(const Incoming& other) const;
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
    bool refuse_clone(const Incoming& other);
    void replace_previous();
    void heard();
    void wait_readable();

    std::shared_ptr<State> peers_;
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

void Peers::Incoming::start(ByteView received) {
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

void Peers::Incoming::note() {
    if (std::exchange(queued_, true)) return;
    peers_->loop.post([self = shared_from_this()] {
        self->queued_ = false;
        self->turn();
    });
}

// The reader's buffer belongs to the frame that is being worked on, so this does not run twice at a
// time.
void Peers::Incoming::turn() {
    if (closed_ || working_) return;
    take_turn();
    if (!closed_) watch_pace();
    if (!closed_ && !queued_) wait_readable();
}

void Peers::Incoming::take_turn() {
    working_ = true;
    if (deliver()) read();
    working_ = false;
    reader_.rest();
}

void Peers::Incoming::read() {
    for (std::size_t taken = 0; taken < kTurnBytesMax;) {
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

void Peers::Incoming::heard() {
    heard_at_ = peers_->clock.now();
    if (!hello_) return;
    Link* const link = peers_->find(hello_->id, static_cast<Channel>(hello_->channel));
    if (link != nullptr) link->peer_heard();
}

void Peers::Incoming::watch_pace() {
    peers_->unfinished_bytes -= unfinished_bytes_;
    unfinished_bytes_ = reader_.unread_bytes();
    peers_->unfinished_bytes += unfinished_bytes_;
    pace_.read(unfinished_bytes_, std::exchange(took_frame_, false), peers_->clock.now());
    peers_->limit_unfinished_frames();
    check_pace_later();
}

void Peers::Incoming::check_pace_later() {
    if (closed_ || !pace_.is_unfinished() || pace_timer_ != TimerId::kNone) return;
    pace_timer_ = peers_->loop.after(kPaceCheckedEvery, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->check_pace();
    });
}

void Peers::Incoming::check_pace() {
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
bool Peers::Incoming::deliver() {
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

bool Peers::Incoming::greet(ByteView payload) {
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
    if (const Incoming* other = peers_->other_process(*this)) return refuse_clone(*other);
    replace_previous();
    return !closed_;
}

void Peers::Incoming::replace_previous() {
    const LinkKey key(hello_->id, static_cast<Channel>(hello_->channel));
    const auto found = peers_->identified.find(key);
    const std::shared_ptr<Incoming> previous =
        found == peers_->identified.end() ? nullptr : found->second->shared_from_this();
    if (previous) {
        // What it brought before it was replaced comes first.
        if (!previous->working_) previous->take_turn();
        previous->close();
    }
    if (closed_) return;
    peers_->identified[key] = this;
    // Not yet heard(): that a connection can be made says little about those that are open.
    if (Link* const link = peers_->find(key.first, key.second)) link->peer_came();
}

bool Peers::Incoming::is_of_other_process(const Incoming& other) const {
    return hello_ && hello_->id == other.hello_->id &&
           hello_->incarnation != other.hello_->incarnation;
}

bool Peers::Incoming::is_alive() {
    if (stream_->is_over()) return false;
    const Duration silence = peers_->clock.now() - heard_at_;
    return stream_->has_unread() || keeps_its_place(silence, peers_->own.election_timeout);
}

bool Peers::Incoming::refuse(std::string_view reason, std::string_view details) {
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

bool Peers::Incoming::refuse_foreign() {
    return refuse("it belongs to another cluster",
                  ", " + in_hex(hello_->cluster) + "; this node belongs to " +
                      in_hex(peers_->own.cluster()) +
                      ": one of the two was founded or copied by mistake, or has an address that "
                      "was the other's");
}

bool Peers::Incoming::refuse_clone(const Incoming& other) {
    return refuse("another process of the same node is connected",
                  ", from " + other.stream_->peer() +
                      ": the node's directory seems to run twice; stop one of the two and remove "
                      "its directory");
}

void Peers::Incoming::close() {
    if (std::exchange(closed_, true)) return;
    const std::shared_ptr<Incoming> self = shared_from_this();
    peers_->loop.cancel(hello_timer_);
    peers_->loop.cancel(pace_timer_);
    peers_->unfinished_bytes -= std::exchange(unfinished_bytes_, 0);
    stream_->close();
    peers_->incoming.erase(self);
    if (!hello_) return;
    const LinkKey key(hello_->id, static_cast<Channel>(hello_->channel));
    const auto found = peers_->identified.find(key);
    if (found == peers_->identified.end() || found->second != this) return;
    peers_->identified.erase(found);
    if (peers_->stopped || key.second != Channel::kConsensus) return;
    if (Link* link = peers_->find(key.first, key.second)) link->peer_left();
}

void Peers::Incoming::wait_readable() {
    stream_->wait(Stream::Wait::kReadable, [self = shared_from_this()](std::error_code error) {
        if (error != asio::error::operation_aborted) self->note();
    });
}

// ---- All of them ----

Peers::Peers(Loop& loop, Dialer& dialer, Clock& clock, Random& random, Log& log)
    : state_(std::make_shared<State>(loop, dialer, clock, random, log)) {}

Peers::~Peers() {
    stop();
}

Peers::Link* Peers::State::find(NodeId node, Channel channel) {
    const auto found = links.find({node, channel});
    return found == links.end() ? nullptr : found->second.get();
}

void Peers::State::make_room_for_stranger() {
    std::size_t strangers = 0;
    std::shared_ptr<Incoming> silent;  // for the longest time
    for (const auto& connection : incoming) {
        if (!connection->is_stranger()) continue;
        ++strangers;
        if (!silent || connection->heard_at() < silent->heard_at()) silent = connection;
    }
    if (strangers >= limits::kStrangersMax) silent->refuse("too many connections of strangers");
}

void Peers::State::limit_unfinished_frames() {
    while (unfinished_bytes > limits::kUnfinishedFramesBytesMax) {
        // Strangers' before members', then the largest.
        const auto weight = [](const std::shared_ptr<Incoming>& connection) {
            return std::pair(connection->unfinished_bytes() > 0 && connection->is_stranger(),
                             connection->unfinished_bytes());
        };
        const auto largest = *std::ranges::max_element(incoming, {}, weight);
        largest->refuse("too much memory in unfinished frames");
    }
}

const Peers::Incoming* Peers::State::other_process(const Incoming& newcomer) {
    std::vector<std::shared_ptr<Incoming>> silent;
    for (const auto& connection : incoming) {
        if (!connection->is_of_other_process(newcomer)) continue;
        if (connection->is_alive()) return connection.get();
        silent.push_back(connection);
    }
    for (const auto& connection : silent) connection->close();
    return nullptr;
}

void Peers::start(PeersOptions options, Receive receive, Gone gone) {
    state_->own = std::move(options);
    state_->incarnation = std::max<std::uint64_t>(state_->random.next(), 1);
    state_->receive = std::move(receive);
    state_->gone = std::move(gone);
    state_->stopped = false;
}

void Peers::stop() {
    if (std::exchange(state_->stopped, true)) return;
    for (auto& [key, link] : state_->links) link->close();
    state_->links.clear();
    state_->touched.clear();
    while (!state_->incoming.empty()) {
        const std::shared_ptr<Incoming> connection = *state_->incoming.begin();
        connection->close();
    }
}

void Peers::send(NodeId to, const std::string& address, Channel channel, Bytes frame) {
    if (state_->stopped || to == state_->own.self) return;
    Link* link = state_->find(to, channel);
    if (link == nullptr) {
        if (state_->links.size() >= 2 * limits::kPeersMax) {
            const auto stranger = std::ranges::find_if(state_->links, [this](const auto& any) {
                return !state_->own.is_member(any.first.first);
            });
            if (stranger == state_->links.end()) {
                ++state_->counters.frames_dropped;
                return;
            }
            forget(NodeId(stranger->first.first));
        }
        const auto made = std::make_shared<Link>(state_, to, channel);
        state_->links[{to, channel}] = made;
        link = made.get();
    }
    link->send(address, std::move(frame));
}

void Peers::forget(NodeId node) {
    for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
        const auto found = state_->links.find({node, channel});
        if (found == state_->links.end()) continue;
        std::erase(state_->touched, found->second.get());
        found->second->close();
        state_->links.erase(found);
    }
}

void Peers::adopt(std::unique_ptr<Stream> stream, ByteView received) {
    const auto connection = std::make_shared<Incoming>(state_, std::move(stream));
    if (state_->stopped) return;
    if (state_->incoming.size() >= limits::kPeerConnectionsMax) {
        connection->refuse("too many connections of peers");
        return;
    }
    state_->make_room_for_stranger();
    state_->incoming.insert(connection);
    connection->start(received);
}

void Peers::flush() {
    if (state_->touched.empty()) return;
    std::vector<Link*> touched;
    touched.swap(state_->touched);
    for (Link* link : touched) link->flush_round();
}

const PeerCounters& Peers::counters() const {
    return state_->counters;
}

}  // namespace quorlite::server
