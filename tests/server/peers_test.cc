// Peers over real sockets on this machine: order, two channels, a peer that goes and comes back.
#include "engine/server/peers.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

#include "engine/base/limits.h"
#include "engine/server/system.h"
#include "wire/peer.h"

namespace quorlite::server {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 5000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(1ms);
    }
    return false;
}

// A port that hands what arrives to `adopt`, as the listener of a node does.
class Port {
public:
    explicit Port(std::uint16_t number = 0) {
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        const int yes = 1;
        ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name.sin_port = htons(number);
        socklen_t size = sizeof name;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&name), size), 0);
        EXPECT_EQ(::listen(socket_, 128), 0);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&name), &size);
        number_ = ntohs(name.sin_port);
    }
    ~Port() { ::close(socket_); }

    std::uint16_t number() const { return number_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(number_); }
    int accept() const { return ::accept(socket_, nullptr, nullptr); }
    // Ends accept().
    void shut() { ::shutdown(socket_, SHUT_RDWR); }

private:
    int socket_ = -1;
    std::uint16_t number_ = 0;
};

int connect_to(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(port);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    return socket;
}

wire::Hello hello_of(std::uint64_t id, const std::string& address = "127.0.0.1:1") {
    wire::Hello hello;
    hello.id = NodeId(id);
    hello.address = address;
    return hello;
}

// A frame's payload, in the form of a Cap'n Proto message of one segment, and what is in it.
Bytes message(std::string_view text) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u64(0);
    out.u64(text.size());
    out.bytes(as_bytes(text));
    out.zeros(wire::frame_padding(bytes.size()));
    out.patch(4, static_cast<std::uint32_t>(bytes.size() / 8 - 1));
    return bytes;
}
std::string text_of(ByteView bytes) {
    return std::string(as_text(bytes.subspan(16, load_little<std::uint64_t>(bytes.data() + 8))));
}

Bytes frame_of(ByteView payload) {
    Bytes frame;
    ByteWriter out(frame);
    out.bytes(wire::frame_header(payload));
    out.bytes(payload);
    out.zeros(wire::frame_padding(payload.size()));
    return frame;
}

// The first bytes of a frame with a payload of `announced` bytes, so many of them.
Bytes unfinished_frame(std::size_t announced, std::size_t sent) {
    Bytes bytes = frame_of(message({}));
    store_little(bytes.data(), static_cast<std::uint32_t>(announced));
    store_little(bytes.data() + 12, static_cast<std::uint32_t>(announced / 8 - 1));
    bytes.resize(sent);
    return bytes;
}

// A connection by hand, which begins with this Hello.
class Stranger {
public:
    Stranger(std::uint16_t port, const wire::Hello& hello) {
        socket_ = connect_to(port);
        Bytes opening;
        wire::encode(hello, opening);
        send(opening);
    }
    ~Stranger() { ::close(socket_); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    void send(ByteView bytes) const {
        ASSERT_EQ(try_to_send(bytes), static_cast<ssize_t>(bytes.size()));
    }
    ssize_t try_to_send(ByteView bytes) const {
        return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    bool is_closed() const {
        std::uint8_t byte = 0;
        const ssize_t got = ::recv(socket_, &byte, 1, MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN);
    }

private:
    int socket_ = -1;
};

// A clock that can be put forward.
class LeapingClock final : public Clock {
public:
    TimePoint now() const override {
        return (stands_ ? TimePoint() : system_.now()) + leap_.load();
    }
    std::int64_t wall_ms() const override { return system_.wall_ms(); }
    void leap(Duration time) { leap_ = leap_.load() + time; }
    void stand() { stands_ = true; }

private:
    SystemClock system_;
    std::atomic<Duration> leap_ = Duration();
    std::atomic<bool> stands_ = false;
};

constexpr std::uint64_t kStrangersFrom = 1000;  // nodes with these ids are no members

// Passes on what comes to a port of its own, until the network forgets the connections of this
// time: they stay open, and what is sent on them leads nowhere.
class Relay {
public:
    explicit Relay(std::uint16_t to, std::uint16_t at = 0)
        : port_(at), to_(to), acceptor_([this] { accept(); }) {}
    ~Relay() {
        stopping_ = true;
        port_.shut();
        acceptor_.join();
        for (std::thread& one : threads_) one.join();
    }

    const std::string address() const { return port_.address(); }
    int connections() const { return connections_; }
    void forget_all() { forgotten_ = connections_.load(); }
    // Waits before it takes more than so many bytes of its first connection.
    void take(std::size_t bytes) { limit_ = bytes; }
    std::size_t taken() const { return taken_; }

private:
    void accept() {
        for (int socket = port_.accept(); socket >= 0; socket = port_.accept()) {
            const int number = connections_++;
            threads_.emplace_back([this, socket, number] { pass_on(socket, number); });
        }
    }
    void pass_on(int from, int number) {
        const int to = connect_to(to_);
        std::array<std::uint8_t, 4096> bytes;
        while (!stopping_) {
            std::array<pollfd, 2> ends{pollfd{from, POLLIN, 0}, pollfd{to, POLLIN, 0}};
            if (::poll(ends.data(), ends.size(), 10) <= 0) continue;
            const bool passes = number >= forgotten_;
            if (number == 0 && taken_ >= limit_) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            if (ends[1].revents != 0 && passes) break;  // the node has closed it: it never writes
            if (ends[0].revents == 0) continue;
            const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
            if (got <= 0) break;
            taken_ += static_cast<std::size_t>(got);
            if (passes) ::send(to, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
        }
        ::close(from);
        ::close(to);
    }

    Port port_;
    const std::uint16_t to_;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> connections_ = 0;
    std::atomic<int> forgotten_ = 0;
    std::atomic<std::size_t> limit_ = std::numeric_limits<std::size_t>::max();
    std::atomic<std::size_t> taken_ = 0;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

// One node's Peers with a loop and a port of its own.
class Side {
public:
    // The election timeout is longer than any test, unless it is meant to pass.
    explicit Side(std::uint64_t id, std::uint16_t port = 0, Duration election_timeout = 1h)
        : port_(port),
          log_(LogLevel::kOff),
          loop_(system_),
          dialer_(loop_, nullptr),
          peers_(loop_, dialer_, clock_, random_, log_) {
        loop_.round_ended = [this] { peers_.flush(); };
        loop_.start();
        loop_.run([&] {
            peers_.start(
                {.self = NodeId(id),
                 .address = port_.address(),
                 .cluster = [this] { return cluster_; },
                 .is_member = [](NodeId node) { return node.value() < kStrangersFrom; },
                 .election_timeout = election_timeout},
                [this](NodeId sender, Channel channel, ByteView frame) {
                    sender_ = sender.value();
                    return receive(channel, frame);
                },
                [this](NodeId node) { gone_ = node.value(); });
        });
        acceptor_ = std::thread([this] { accept(); });
    }
    ~Side() {
        port_.shut();
        acceptor_.join();
        loop_.run([this] { peers_.stop(); });
        loop_.stop();
    }

    void send(std::uint64_t to, const std::string& address, Channel channel,
              std::string_view text) {
        loop_.run([&] { peers_.send(NodeId(to), address, channel, message(text)); });
    }
    std::vector<std::string> received(Channel channel) {
        const std::lock_guard lock(mutex_);
        return received_[static_cast<std::size_t>(channel)];
    }
    std::uint64_t dropped() {
        std::uint64_t count = 0;
        loop_.run([&] { count = peers_.counters().frames_dropped; });
        return count;
    }
    std::uint64_t refused() {
        std::uint64_t count = 0;
        loop_.run([&] { count = peers_.counters().connections_refused; });
        return count;
    }
    std::uint64_t replaced() {
        std::uint64_t count = 0;
        loop_.run([&] { count = peers_.counters().connections_replaced; });
        return count;
    }
    std::uint64_t gone() const { return gone_; }
    std::uint64_t sender() const { return sender_; }
    void belong_to(ClusterId cluster) {
        loop_.run([&] { cluster_ = cluster; });
    }
    std::string address() const { return port_.address(); }
    std::uint16_t port() const { return port_.number(); }
    LeapingClock& clock() { return clock_; }
    Loop& loop() { return loop_; }
    Peers& peers() { return peers_; }

private:
    void accept() {
        for (int socket = port_.accept(); socket >= 0; socket = port_.accept()) {
            std::uint64_t magic = 0;
            EXPECT_EQ(::recv(socket, &magic, sizeof magic, MSG_WAITALL), 8);
            EXPECT_EQ(magic, wire::kPeerMagic);
            loop_.run([&] { peers_.adopt(make_stream(loop_.context(), socket), {}); });
        }
    }
    bool receive(Channel channel, ByteView frame) {
        const std::lock_guard lock(mutex_);
        received_[static_cast<std::size_t>(channel)].push_back(text_of(frame));
        return text_of(frame) != "refuse this";
    }

    Port port_;
    SystemClock system_;
    LeapingClock clock_;
    SystemRandom random_;
    Log log_;
    Loop loop_;
    Dialer dialer_;
    Peers peers_;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::string> received_[2];
    std::atomic<std::uint64_t> gone_ = 0;
    std::atomic<std::uint64_t> sender_ = 0;  // of the newest frame
    ClusterId cluster_;
};

TEST(PeersTest, FramesArriveInOrderOnBothChannels) {
    Side one(1);
    Side two(2);
    constexpr int kFrames = 500;
    one.loop().run([&] {
        for (int i = 0; i < kFrames; ++i) {
            const std::string text =
                std::to_string(i) + std::string(static_cast<std::size_t>(i), 'x');
            for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
                one.peers().send(NodeId(2), two.address(), channel, message(text));
            }
        }
    });
    for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
        ASSERT_TRUE(eventually([&] { return two.received(channel).size() == kFrames; }));
        const auto frames = two.received(channel);
        for (int i = 0; i < kFrames; ++i) {
            const std::string text =
                std::to_string(i) + std::string(static_cast<std::size_t>(i), 'x');
            ASSERT_EQ(frames[static_cast<std::size_t>(i)], text);
        }
    }
}

TEST(PeersTest, ALargeFrameIsNotInTheWayOfTheOtherChannel) {
    Side one(1);
    Side two(2);
    one.send(2, two.address(), Channel::kBulk, std::string(24u << 20, 'b'));
    one.send(2, two.address(), Channel::kConsensus, "quick");
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kBulk).empty(); }));
    EXPECT_EQ(two.received(Channel::kBulk).front().size(), 24u << 20);
}

TEST(PeersTest, AProcessThatIsGoneIsReportedAndFoundAgain) {
    Side one(1);
    std::uint16_t port = 0;
    {
        Side two(2);
        port = two.port();
        one.send(2, two.address(), Channel::kConsensus, "hello");
        ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
        EXPECT_EQ(one.gone(), 0u);
    }
    ASSERT_TRUE(eventually([&] { return one.gone() == 2; }));
    Side again(2, port);
    ASSERT_TRUE(eventually([&] {
        one.send(2, again.address(), Channel::kConsensus, "again");
        return !again.received(Channel::kConsensus).empty();
    }));
}

TEST(PeersTest, AnUnreachablePeerCostsNothingButItsFrames) {
    Side one(1);
    for (int i = 0; i < 100; ++i) {
        one.send(2, "127.0.0.1:1", Channel::kConsensus, std::string(1u << 20, 'x'));
    }
    ASSERT_TRUE(eventually([&] { return one.dropped() == 100; }));
    EXPECT_EQ(one.gone(), 0u);  // it was never there
}

TEST(PeersTest, AQueueIsBounded) {
    Side one(1);
    const Port deaf;  // accepts by itself, and never reads
    one.loop().run([&] {
        for (int i = 0; i < 100; ++i) {
            one.peers().send(NodeId(2), deaf.address(), Channel::kConsensus, Bytes(1u << 20));
        }
    });
    EXPECT_GE(one.dropped(), 60u);
}

TEST(PeersTest, AFrameThatIsNotAcceptableClosesTheConnection) {
    Side one(1);
    Side two(2);
    one.send(2, two.address(), Channel::kConsensus, "refuse this");
    ASSERT_TRUE(eventually([&] { return two.refused() == 1; }));
    ASSERT_TRUE(eventually([&] {
        one.send(2, two.address(), Channel::kConsensus, "fine");
        return two.received(Channel::kConsensus).back() == "fine";
    }));
}

TEST(PeersTest, AFrameIsHandedOverWithItsSender) {
    Side one(1);
    Side two(2);
    one.send(2, two.address(), Channel::kConsensus, "hello");
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
    EXPECT_EQ(two.sender(), 1u);
}

TEST(PeersTest, AnotherClusterIsRefused) {
    constexpr ClusterId kOurs{.high = 1, .low = 2};
    constexpr ClusterId kTheirs{.high = 1, .low = 3};
    Side one(1);
    Side two(2);
    one.belong_to(kTheirs);
    one.send(2, two.address(), Channel::kConsensus, "to one that knows no cluster yet");
    ASSERT_TRUE(eventually([&] { return two.received(Channel::kConsensus).size() == 1; }));

    two.belong_to(kOurs);  // learnt while the connection stands
    one.send(2, two.address(), Channel::kConsensus, "on the old connection");
    ASSERT_TRUE(eventually([&] { return two.refused() >= 1; }));
    ASSERT_TRUE(eventually([&] {
        one.send(2, two.address(), Channel::kConsensus, "on a new connection");
        return two.refused() >= 3;
    }));
    EXPECT_EQ(two.received(Channel::kConsensus).size(), 1u);

    one.belong_to(kOurs);
    ASSERT_TRUE(eventually([&] {
        one.send(2, two.address(), Channel::kConsensus, "of the same cluster");
        return two.received(Channel::kConsensus).back() == "of the same cluster";
    }));
}

TEST(PeersTest, ABadAddressIsRefused) {
    Side side(1);
    std::uint64_t refused = 0;
    for (const std::string& address : {""s, "nowhere"s, "a b:9001"s, "a\n:9001"s, "h\xc3\xa9:9001"s,
                                       "h:0"s, "h:65536"s, std::string(511, 'h') + ":1"}) {
        const Stranger stranger(side.port(), hello_of(7, address));
        ++refused;
        ASSERT_TRUE(eventually([&] { return side.refused() == refused; })) << address;
    }
}

TEST(PeersTest, AFrameWhoseLengthIsNotThatOfItsMessageIsRefused) {
    Side side(1);
    const Stranger stranger(side.port(), hello_of(2));
    stranger.send(frame_of(message("sound")));
    ASSERT_TRUE(eventually([&] { return side.received(Channel::kConsensus).size() == 1; }));
    Bytes flipped = frame_of(message("flipped"));
    flipped[3] ^= 1;  // 16 MiB more
    stranger.send(flipped);
    EXPECT_TRUE(eventually([&] { return stranger.is_closed(); }));
    EXPECT_EQ(side.refused(), 1u);
}

TEST(PeersTest, AFrameThatDoesNotComeToItsEndIsRefused) {
    Side side(1);
    side.clock().stand();
    const Stranger stranger(side.port(), hello_of(2));
    stranger.send(unfinished_frame(1u << 20, 4096));
    std::this_thread::sleep_for(1100ms);  // it has been looked at
    EXPECT_FALSE(stranger.is_closed());
    side.clock().leap(5s);
    EXPECT_TRUE(eventually([&] { return stranger.is_closed(); }));
    EXPECT_EQ(side.refused(), 1u);
}

TEST(PeersTest, UnfinishedFramesHaveALimitAndStrangersGiveWay) {
    constexpr std::size_t kPart = 64u << 20;
    Side side(1);
    const Stranger member(side.port(), hello_of(2));
    member.send(unfinished_frame(2 * kPart, kPart));
    std::deque<Stranger> strangers;
    for (std::uint64_t i = 0; i < 4; ++i) {
        strangers.emplace_back(side.port(), hello_of(kStrangersFrom + i));
        strangers.back().try_to_send(unfinished_frame(2 * kPart, kPart));
    }
    EXPECT_TRUE(eventually([&] { return side.refused() >= 2; }));
    EXPECT_FALSE(member.is_closed());
}

TEST(PeersTest, StrangersConnectionsHaveALimit) {
    Side side(1);
    const Stranger member(side.port(), hello_of(2));
    std::deque<Stranger> strangers;
    for (std::uint64_t i = 0; i < limits::kStrangersMax + 5; ++i) {
        strangers.emplace_back(side.port(), hello_of(kStrangersFrom + i));
    }
    EXPECT_TRUE(eventually([&] { return side.refused() == 5; }));
    EXPECT_TRUE(eventually([&] { return strangers.front().is_closed(); }));
    EXPECT_FALSE(strangers.back().is_closed());
    member.send(frame_of(message("still here")));
    EXPECT_TRUE(eventually([&] { return !side.received(Channel::kConsensus).empty(); }));
}

// Both directions stand still, as when a firewall has forgotten all connections.
TEST(PeersTest, ConnectionsThatTheNetworkForgotAreReplaced) {
    Side one(1, 0, 400ms);
    Side two(2, 0, 400ms);
    Relay to_one(one.port());
    Relay to_two(two.port());
    const auto talk = [&](const std::string& text) {
        one.send(2, to_two.address(), Channel::kConsensus, text);
        const auto heard = two.received(Channel::kConsensus);
        if (!heard.empty() && heard.back() == text) {
            two.send(1, to_one.address(), Channel::kConsensus, text);
        }
        const auto answered = one.received(Channel::kConsensus);
        return !answered.empty() && answered.back() == text;
    };
    ASSERT_TRUE(eventually([&] { return talk("before"); }));
    to_one.forget_all();
    to_two.forget_all();
    EXPECT_TRUE(eventually([&] { return talk("after"); }));
    EXPECT_EQ(one.gone(), 0u);
    EXPECT_EQ(two.gone(), 0u);
}

// Nothing of what was on its way is lost, nor comes twice, when the peer was only slow.
TEST(PeersTest, AReplacedConnectionLosesNothing) {
    Side one(1, 0, 200ms);
    Side two(2);
    constexpr int kFrames = 2000;
    for (int i = 0; i < kFrames; ++i) {
        one.send(2, two.address(), Channel::kConsensus, std::to_string(i));
        std::this_thread::sleep_for(500us);
    }
    ASSERT_TRUE(eventually([&] { return two.received(Channel::kConsensus).size() == kFrames; }));
    const auto frames = two.received(Channel::kConsensus);
    for (int i = 0; i < kFrames; ++i) {
        ASSERT_EQ(frames[static_cast<std::size_t>(i)], std::to_string(i));
    }
    EXPECT_GT(one.replaced(), 0u);
}

// Frames reach the other side through a relay that takes only so much, on a clock that stands.
struct SlowRelay {
    static constexpr Duration kPatience = 500ms;

    explicit SlowRelay(std::size_t taken) {
        one.clock().stand();
        relay.take(taken);
    }
    void send(std::string frame) {
        one.send(2, relay.address(), Channel::kConsensus, std::move(frame));
    }
    // Its connection is replaced, sooner or later, by one that takes as much.
    bool replaced_after(const std::string& frame) {
        return eventually([&] {
            one.clock().leap(kPatience);
            send(frame);
            return one.replaced() > 0;
        });
    }
    std::vector<std::string> received() { return two.received(Channel::kConsensus); }

    Side one{1, 0, 2 * kPatience};
    Side two{2};
    Relay relay{two.port()};
};

// Its end takes longer than patience lasts; to begin it anew each time would be no help.
TEST(PeersTest, ALargeFrameThatIsTakenSlowlyIsNotSilence) {
    constexpr std::size_t kPiece = 1u << 20;
    SlowRelay slow(0);
    slow.send(std::string(24 * kPiece, 'b'));
    for (std::size_t piece = 1; piece <= 16; ++piece) {
        slow.relay.take(piece * kPiece);
        ASSERT_TRUE(eventually([&] { return slow.relay.taken() >= piece * kPiece; }));
        slow.one.clock().leap(SlowRelay::kPatience / 4);
        slow.send("small");
    }
    slow.relay.take(64 * kPiece);
    EXPECT_TRUE(eventually([&] { return slow.received().size() == 17; }));
    EXPECT_EQ(slow.one.replaced(), 0u);
}

TEST(PeersTest, AFrameThatWasHalfSentIsSentWholeOnTheNewConnection) {
    SlowRelay slow(1u << 20);
    const std::string large(24u << 20, 'b');
    slow.send(large);
    ASSERT_TRUE(eventually([&] { return slow.relay.taken() >= 1u << 20; }));
    ASSERT_TRUE(slow.replaced_after("small"));
    ASSERT_TRUE(eventually([&] { return !slow.received().empty(); }));
    EXPECT_EQ(slow.received().front(), large);
    EXPECT_EQ(slow.two.refused(), 0u);
}

TEST(PeersTest, AFullQueueIsSilenceToo) {
    SlowRelay slow(1u << 20);
    while (slow.one.dropped() == 0) slow.send(std::string(4u << 20, 'x'));
    ASSERT_TRUE(slow.replaced_after(std::string(32u << 20, 'x')));
    EXPECT_TRUE(eventually([&] { return !slow.received().empty(); }));
}

TEST(PeersTest, ASecondProcessOfANodeIsRefusedWhileTheFirstIsHeard) {
    Side side(1);
    side.clock().stand();
    wire::Hello hello = hello_of(2);
    hello.incarnation = 7;
    const Stranger first(side.port(), hello);
    first.send(frame_of(message("first")));
    ASSERT_TRUE(eventually([&] { return side.received(Channel::kConsensus).size() == 1; }));

    hello.incarnation = 8;
    for (const Channel channel : {Channel::kConsensus, Channel::kBulk}) {
        hello.channel = static_cast<std::uint8_t>(channel);
        const Stranger second(side.port(), hello);
        EXPECT_TRUE(eventually([&] { return second.is_closed(); }));
    }
    EXPECT_EQ(side.refused(), 2u);
    EXPECT_FALSE(first.is_closed());

    side.clock().leap(2h);
    hello.channel = 0;
    const Stranger third(side.port(), hello);
    third.send(frame_of(message("third")));
    EXPECT_TRUE(eventually([&] { return side.received(Channel::kConsensus).size() == 2; }));
    EXPECT_TRUE(eventually([&] { return first.is_closed(); }));
}

TEST(PeersTest, ANodeThatWasStartedAgainIsTakenAtOnce) {
    Side side(1);
    wire::Hello hello = hello_of(2);
    for (hello.incarnation = 1; hello.incarnation <= 50; ++hello.incarnation) {
        const Stranger process(side.port(), hello);
        process.send(frame_of(message(std::to_string(hello.incarnation))));
        ASSERT_TRUE(eventually(
            [&] { return side.received(Channel::kConsensus).size() == hello.incarnation; }));
    }
    EXPECT_EQ(side.refused(), 0u);
}

// Version 0.1 does not say it.
TEST(PeersTest, ProcessesThatDoNotSayWhichTheyAreAreTakenForOne) {
    Side side(1);
    side.clock().stand();
    wire::Hello hello = hello_of(2);
    std::deque<Stranger> processes;
    for (int i = 0; i < 3; ++i) {
        processes.emplace_back(side.port(), hello);
        const std::size_t count = processes.size();
        processes.back().send(frame_of(message("hello")));
        ASSERT_TRUE(eventually([&] { return side.received(Channel::kConsensus).size() == count; }));
    }
    EXPECT_EQ(side.refused(), 0u);

    hello.incarnation = 7;
    const Stranger another(side.port(), hello);
    EXPECT_TRUE(eventually([&] { return another.is_closed(); }));
}

TEST(PeersTest, ItsOwnIdIsRefused) {
    Side side(1);
    const Stranger clone(side.port(), hello_of(1));
    EXPECT_TRUE(eventually([&] { return clone.is_closed(); }));
    EXPECT_EQ(side.refused(), 1u);
}

TEST(PeersTest, StrangersTakeNoMembersPlace) {
    Side one(1);
    for (std::uint64_t i = 0; i <= 2 * limits::kPeersMax; ++i) {
        one.send(kStrangersFrom + i, "127.0.0.1:1", Channel::kConsensus, "hello");
    }
    Side two(2);
    one.send(2, two.address(), Channel::kConsensus, "hello");
    EXPECT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
}

TEST(PeersTest, NamesAreResolved) {
    Side one(1);
    Side two(2);
    one.send(2, "localhost:" + std::to_string(two.port()), Channel::kConsensus, "by name");
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
}

TEST(PeersTest, ForgottenPeersAreLeftAlone) {
    Side one(1);
    std::uint16_t port = 0;
    {
        Side two(2);
        port = two.port();
        one.send(2, two.address(), Channel::kConsensus, "hello");
        one.send(2, two.address(), Channel::kBulk, "hello");
        ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
        one.loop().run([&] { one.peers().forget(NodeId(2)); });
    }
    Relay at_its_place(one.port(), port);
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(at_its_place.connections(), 0);
    EXPECT_EQ(one.gone(), 0u);
}

TEST(PeersTest, APeerIsNotCalledForEverIfNobodyHasAnythingToSay) {
    Side one(1);
    std::uint16_t port = 0;
    {
        const Port reserved;
        port = reserved.number();
    }
    one.send(2, "127.0.0.1:" + std::to_string(port), Channel::kConsensus, "hello");
    ASSERT_TRUE(eventually([&] { return one.dropped() == 1; }));
    Side two(2);
    Relay at_its_place(two.port(), port);
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(at_its_place.connections(), 0);
    one.send(2, at_its_place.address(), Channel::kConsensus, "hello");
    EXPECT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
}

}  // namespace
}  // namespace quorlite::server
