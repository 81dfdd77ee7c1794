// Peers over real sockets on this machine: order, two channels, a peer that goes and comes back.
#include "engine/server/peers.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

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

// A port that hands what arrives to `adopt`, as the front of a node does.
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
        EXPECT_EQ(::listen(socket_, 16), 0);
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

wire::Hello hello_of(std::uint64_t id, const std::string& address = "127.0.0.1:1") {
    wire::Hello hello;
    hello.id = NodeId(id);
    hello.address = address;
    return hello;
}

// A connection by hand, which begins with this Hello.
class Stranger {
public:
    Stranger(std::uint16_t port, const wire::Hello& hello) {
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name.sin_port = htons(port);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
        Bytes opening;
        wire::encode(hello, opening);
        send(opening);
    }
    ~Stranger() { ::close(socket_); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    void send(ByteView bytes) const {
        EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    void send_frame(std::string_view text) const {
        Bytes frame;
        ByteWriter stream(frame);
        stream.bytes(wire::frame_header(as_bytes(text)));
        stream.bytes(as_bytes(text));
        stream.zeros(wire::frame_padding(text.size()));
        send(frame);
    }
    bool is_closed() const {
        std::uint8_t byte = 0;
        const ssize_t got = ::recv(socket_, &byte, 1, MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN);
    }

private:
    int socket_ = -1;
};

// One node's Peers with a loop and a port of its own.
class Side {
public:
    explicit Side(std::uint64_t id, std::uint16_t port = 0)
        : port_(port), log_(LogLevel::kOff), loop_(clock_), peers_(loop_, clock_, random_, log_) {
        loop_.round_ended = [this] { peers_.flush(); };
        loop_.start();
        loop_.run([&] {
            peers_.start(
                {.self = NodeId(id),
                 .address = port_.address(),
                 .cluster = [this] { return cluster_; },
                 .election_timeout = 1s},
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

    void send(std::uint64_t to, const std::string& address, Channel channel, std::string text) {
        loop_.run(
            [&] { peers_.send(NodeId(to), address, channel, Bytes(text.begin(), text.end())); });
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
    std::uint64_t gone() const { return gone_; }
    std::uint64_t sender() const { return sender_; }
    void belong_to(ClusterId cluster) {
        loop_.run([&] { cluster_ = cluster; });
    }
    std::string address() const { return port_.address(); }
    std::uint16_t port() const { return port_.number(); }
    Loop& loop() { return loop_; }
    Peers& peers() { return peers_; }

private:
    void accept() {
        for (int socket = port_.accept(); socket >= 0; socket = port_.accept()) {
            std::uint64_t magic = 0;
            EXPECT_EQ(::recv(socket, &magic, sizeof magic, MSG_WAITALL), 8);
            EXPECT_EQ(magic, wire::kPeerMagic);
            loop_.run([&] { peers_.adopt(socket, {}); });
        }
    }
    bool receive(Channel channel, ByteView frame) {
        const std::lock_guard lock(mutex_);
        received_[static_cast<std::size_t>(channel)].emplace_back(as_text(frame));
        return as_text(frame) != "refuse this";
    }

    Port port_;
    SystemClock clock_;
    SystemRandom random_;
    Log log_;
    Loop loop_;
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
                one.peers().send(NodeId(2), two.address(), channel,
                                 Bytes(text.begin(), text.end()));
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

TEST(PeersTest, NamesAreResolved) {
    Side one(1);
    Side two(2);
    one.send(2, "localhost:" + std::to_string(two.port()), Channel::kConsensus, "by name");
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
}

TEST(PeersTest, ForgottenPeersAreLeftAlone) {
    Side one(1);
    Side two(2);
    one.send(2, two.address(), Channel::kConsensus, "hello");
    ASSERT_TRUE(eventually([&] { return !two.received(Channel::kConsensus).empty(); }));
    one.loop().run([&] { one.peers().forget(NodeId(2)); });
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(one.gone(), 0u);
}

}  // namespace
}  // namespace quorlite::server
