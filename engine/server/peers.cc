#include "engine/server/peers.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdio>
#include <deque>
#include <map>
#include <set>

#include "engine/base/address.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "wire/peer.h"

namespace quorlite::server {
namespace {

using asio::ip::tcp;

constexpr Duration kBackoffMin = std::chrono::milliseconds(50);
constexpr Duration kBackoffMax = std::chrono::seconds(1);
constexpr Duration kConnectTimeout = std::chrono::seconds(1);
constexpr Duration kHelloTimeout = std::chrono::seconds(10);
constexpr Duration kRefusalsSaidEvery = std::chrono::minutes(1);
constexpr int kConsensusTimeoutMs = 3'000;  // of bytes that nobody acknowledges
constexpr int kBulkTimeoutMs = 10'000;
constexpr std::size_t kFramesPerCall = 128;
constexpr std::size_t kTurnBytesMax = 4u << 20;  // received before others get their turn
constexpr std::size_t kIncomingMax = 4 * limits::kPeersMax;

void set_option(int descriptor, int level, int option, int value) {
    // A refused option costs speed or patience, never correctness.
    static_cast<void>(::setsockopt(descriptor, level, option, &value, sizeof value));
}

void tune(int descriptor, int user_timeout_ms) {
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 3);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

std::string in_words(const tcp::endpoint& endpoint) {
    const std::string host = endpoint.address().to_string();
    const std::string port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

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
        kind.next = now + kRefusalsSaidEvery;
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
    State(Loop& loop_, Clock& clock_, Random& random_, Log& log_)
        : loop(loop_), clock(clock_), random(random_), log(log_) {}

    Loop& loop;
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
    std::map<NodeId, std::string> addresses;  // as the peers' own Hellos say
    PeerCounters counters;
    Refusals refusals;

    // The peer belongs to another cluster than this node; false while one of them does not know.
    bool is_foreign(const ClusterId& cluster) const {
        const ClusterId mine = own.cluster();
        return mine && cluster && mine != cluster;
    }
    Link* find(NodeId node, Channel channel);
};

// ---- Outgoing ----

// The connection to one peer for one channel.
class Peers::Link : public std::enable_shared_from_this<Peers::Link> {
public:
    Link(std::shared_ptr<State> peers, NodeId node, Channel channel)
        : peers_(std::move(peers)),
          node_(node),
          channel_(channel),
          socket_(std::make_shared<tcp::socket>(peers_->loop.context())) {}

    void send(const std::string& address, Bytes frame);
    void flush_round();
    void close();
    // The peer's own connection came or broke: what this side knows may be out of date.
    void peer_came();
    void peer_left();

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
    void connect_to(const std::vector<tcp::endpoint>& endpoints);
    void connected();
    void failed(std::error_code error);
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
    std::shared_ptr<tcp::socket> socket_;  // one per attempt
    std::shared_ptr<tcp::resolver> resolver_;
    std::string address_;
    std::vector<tcp::endpoint>
        known_;  // where it was reached before, for when names cannot be resolved
    Phase phase_ = Phase::kIdle;
    std::uint64_t attempt_ =
        0;  // changes with every connection, so that late reports are recognised
    TimerId timer_ = TimerId::kNone;
    Duration backoff_ = kBackoffMin;
    TimePoint connected_at_{};
    bool probing_ =
        false;  // the connection has just broken: a refusal means that the process is gone

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
        known_.clear();
        if (phase_ != Phase::kIdle) {
            close();
            phase_ = Phase::kIdle;
        }
    }
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
    ++attempt_;
    const std::optional<HostPort> parts = parse_address(address_);
    if (!parts) {
        return on_loop([](Link& self, std::error_code error) { self.failed(error); })(
            std::make_error_code(std::errc::invalid_argument));
    }
    timer_ = peers_->loop.after(kConnectTimeout, [self = shared_from_this()] {
        self->failed(std::make_error_code(std::errc::timed_out));
    });
    asio::error_code error;
    const asio::ip::address numeric = asio::ip::make_address(parts->host, error);
    if (!error) {
        const auto port = static_cast<std::uint16_t>(std::stoul(parts->port));
        return connect_to({tcp::endpoint(numeric, port)});
    }
    resolver_ = std::make_shared<tcp::resolver>(peers_->loop.context());
    resolver_->async_resolve(
        parts->host, parts->port,
        on_loop([](Link& self, asio::error_code failure, const tcp::resolver::results_type& found) {
            if (!failure) self.known_.assign(found.begin(), found.end());
            if (self.known_.empty()) return self.failed(failure);
            self.connect_to(self.known_);
        }));
}

void Peers::Link::connect_to(const std::vector<tcp::endpoint>& endpoints) {
    // A socket that was closed while it tried several endpoints is still busy with them for a
    // moment.
    socket_ = std::make_shared<tcp::socket>(peers_->loop.context());
    asio::async_connect(
        *socket_, endpoints,
        on_loop([socket = socket_](Link& self, asio::error_code error, const auto&) {
            if (error) return self.failed(error);
            self.connected();
        }));
}

void Peers::Link::connected() {
    peers_->loop.cancel(timer_);
    phase_ = Phase::kConnected;
    probing_ = false;
    blocked_ = false;
    connected_at_ = peers_->clock.now();
    tune(socket_->native_handle(),
         channel_ == Channel::kConsensus ? kConsensusTimeoutMs : kBulkTimeoutMs);
    asio::error_code ignored;
    socket_->non_blocking(true, ignored);
    peers_->log.debug("peer connected", {{"peer", node_.value()}, {"address", address_}});
    greet();
    watch_for_end();
    flush();
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
    if (phase_ != Phase::kConnecting) return;
    peers_->loop.cancel(timer_);
    ++attempt_;
    asio::error_code ignored;
    socket_->close(ignored);
    resolver_.reset();
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
        // Snapshots are rare: their connection waits for the next one.
        if (self->channel_ == Channel::kConsensus) return self->connect();
        self->phase_ = Phase::kIdle;
    });
}

void Peers::Link::broken(std::string_view reason) {
    peers_->log.debug("peer connection broke", {{"peer", node_.value()}, {"reason", reason}});
    ++attempt_;
    asio::error_code ignored;
    socket_->close(ignored);
    drop_queue();
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
}

void Peers::Link::peer_left() {
    if (phase_ != Phase::kWaiting && phase_ != Phase::kIdle) return;
    if (address_.empty()) return;
    probing_ = true;
    connect();
}

void Peers::Link::close() {
    ++attempt_;
    peers_->loop.cancel(timer_);
    if (resolver_) resolver_->cancel();
    resolver_.reset();
    asio::error_code ignored;
    socket_->close(ignored);
    drop_queue();
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
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = gather(parts);
        const ssize_t count =
            ::sendmsg(socket_->native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            sent(static_cast<std::size_t>(count));
            continue;
        }
        if (errno == EINTR) continue;
        if (would_block(errno)) {
            blocked_ = true;
            return wait_writable();
        }
        return broken(std::generic_category().message(errno));
    }
}

void Peers::Link::wait_writable() {
    socket_->async_wait(tcp::socket::wait_write, on_loop([](Link& self, asio::error_code error) {
                            if (error) return self.broken(error.message());
                            self.blocked_ = false;
                            self.flush();
                        }));
}

void Peers::Link::watch_for_end() {
    socket_->async_wait(tcp::socket::wait_read,
                        on_loop([](Link& self, asio::error_code) { self.check_for_end(); }));
}

void Peers::Link::check_for_end() {
    std::uint8_t byte = 0;
    const ssize_t got = ::recv(socket_->native_handle(), &byte, 1, MSG_DONTWAIT);
    if (got < 0 && would_block(errno)) return watch_for_end();
    if (got < 0) return broken(std::generic_category().message(errno));
    broken(got == 0 ? "closed by the peer" : "the peer wrote on a one-way connection");
}

// ---- Incoming ----

// A connection that another node opened.
class Peers::Incoming : public std::enable_shared_from_this<Peers::Incoming> {
public:
    Incoming(std::shared_ptr<State> peers, int descriptor, ByteView received)
        : peers_(std::move(peers)), socket_(peers_->loop.context()), reader_(wire::kHelloBytesMax) {
        reader_.feed(received);
        asio::error_code error;
        sockaddr_storage name{};
        socklen_t size = sizeof name;
        const bool v6 = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
                        name.ss_family == AF_INET6;
        socket_.assign(v6 ? tcp::v6() : tcp::v4(), descriptor, error);
        const tcp::endpoint remote = socket_.remote_endpoint(error);
        if (!error) from_ = in_words(remote);
    }

    void start();
    void close();

private:
    void note();
    void turn();
    void read();
    bool deliver();
    bool greet(ByteView payload);
    // Closes the connection; returns false. The reason is one of few, what is particular about this
    // time is told by `details`.
    bool refuse(std::string_view reason, std::string_view details = {});
    bool refuse_foreign();
    void wait_readable();

    std::shared_ptr<State> peers_;
    tcp::socket socket_;
    std::string from_;  // the other end of the socket
    wire::FrameReader reader_;
    std::optional<wire::Hello> hello_;
    TimerId hello_timer_ = TimerId::kNone;
    bool closed_ = false;
    bool queued_ = false;
    bool working_ = false;  // turn() is under way: another thread may hold the loop meanwhile
};

void Peers::Incoming::start() {
    hello_timer_ = peers_->loop.after(kHelloTimeout, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && !self->hello_) self->refuse("no hello");
    });
    tune(socket_.native_handle(), kBulkTimeoutMs);
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
    working_ = true;
    if (deliver()) read();
    working_ = false;
    if (!closed_ && !queued_) wait_readable();
}

void Peers::Incoming::read() {
    for (std::size_t taken = 0; taken < kTurnBytesMax;) {
        const std::span<std::uint8_t> room = reader_.prepare();
        const ssize_t got = ::recv(socket_.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
        if (got < 0 && would_block(errno)) return;
        if (got <= 0) return close();
        reader_.commit(static_cast<std::size_t>(got));
        taken += static_cast<std::size_t>(got);
        if (!deliver()) return;
        if (static_cast<std::size_t>(got) < room.size()) return;  // that was all there is
    }
    note();
}

// Hands over the whole frames that are there. False: the connection is closed.
bool Peers::Incoming::deliver() {
    for (;;) {
        const Result<std::optional<ByteView>> frame = reader_.next();
        if (!frame) {
            return refuse(frame.error().message);
        }
        if (!*frame) return true;
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
    hello_ = std::move(*hello);
    if (peers_->is_foreign(hello_->cluster)) return refuse_foreign();
    peers_->loop.cancel(hello_timer_);
    reader_.set_payload_bytes_max(limits::kPeerFrameBytesMax);
    const LinkKey key(hello_->id, static_cast<Channel>(hello_->channel));
    const auto previous = peers_->identified.find(key);
    if (previous != peers_->identified.end()) previous->second->close();
    peers_->identified[key] = this;
    if (peers_->addresses.size() < limits::kPeersMax || peers_->addresses.contains(hello_->id)) {
        peers_->addresses[hello_->id] = hello_->address;
    }
    if (Link* link = peers_->find(key.first, key.second)) link->peer_came();
    return true;
}

bool Peers::Incoming::refuse(std::string_view reason, std::string_view details) {
    ++peers_->counters.connections_refused;
    if (const std::uint64_t times = peers_->refusals.to_say(reason, peers_->clock.now())) {
        peers_->log.warning("peer connection refused",
                            {{"peer", hello_ ? hello_->id.value() : 0},
                             {"from", from_},
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

void Peers::Incoming::close() {
    if (std::exchange(closed_, true)) return;
    const std::shared_ptr<Incoming> self = shared_from_this();
    peers_->loop.cancel(hello_timer_);
    asio::error_code ignored;
    socket_.close(ignored);
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
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](asio::error_code error) {
        if (error != asio::error::operation_aborted) self->note();
    });
}

// ---- All of them ----

Peers::Peers(Loop& loop, Clock& clock, Random& random, Log& log)
    : state_(std::make_shared<State>(loop, clock, random, log)) {}

Peers::~Peers() {
    stop();
}

Peers::Link* Peers::State::find(NodeId node, Channel channel) {
    const auto found = links.find({node, channel});
    return found == links.end() ? nullptr : found->second.get();
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
            ++state_->counters.frames_dropped;
            return;
        }
        const auto made = std::make_shared<Link>(state_, to, channel);
        state_->links[{to, channel}] = made;
        link = made.get();
    }
    const auto known = state_->addresses.find(to);
    const bool learnt = address.empty() && known != state_->addresses.end();
    link->send(learnt ? known->second : address, std::move(frame));
}

void Peers::forget(NodeId node) {
    for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
        const auto found = state_->links.find({node, channel});
        if (found == state_->links.end()) continue;
        std::erase(state_->touched, found->second.get());
        found->second->close();
        state_->links.erase(found);
    }
    state_->addresses.erase(node);
}

void Peers::adopt(int descriptor, ByteView received) {
    const auto connection = std::make_shared<Incoming>(state_, descriptor, received);
    if (state_->stopped || state_->incoming.size() >= kIncomingMax) return;
    state_->incoming.insert(connection);
    connection->start();
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
