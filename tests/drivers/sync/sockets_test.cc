// The blocking front end's sockets, where an operating system answers at once.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "drivers/sync/transport.h"
#include "quorlite/quorlite.h"
#include "quorlite/stop_signal.h"

namespace quorlite {
namespace {

using std::chrono::milliseconds;

// A transport with one channel to a server that sends every byte back, but for '-'.
class Echo {
public:
    Echo() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof here;
        auto* const address = reinterpret_cast<sockaddr*>(&here);
        EXPECT_EQ(::bind(listener_, address, size), 0);
        EXPECT_EQ(::listen(listener_, 1), 0);
        EXPECT_EQ(::getsockname(listener_, address, &size), 0);
        transport->dial(kChannel, "127.0.0.1:" + std::to_string(ntohs(here.sin_port)));
        const int accepted = ::accept(listener_, nullptr, nullptr);
        server_ = std::thread([accepted] {
            char byte = 0;
            while (::read(accepted, &byte, 1) == 1) {
                if (byte != '-' && ::write(accepted, &byte, 1) != 1) break;
            }
            ::close(accepted);
        });
        const std::vector<sync::Event> events = wait(milliseconds(10'000));
        EXPECT_TRUE(events.size() == 1 && events[0].connected);
    }
    ~Echo() {
        transport->close(kChannel);
        server_.join();
        ::close(listener_);
    }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;

    std::vector<sync::Event> wait(core::Duration patience) {
        const sync::Interest readable{kChannel, true, false};
        std::vector<sync::Event> events;
        transport->wait({&readable, 1}, transport->now() + patience, -1, events);
        return events;
    }

    void send(char byte) {
        EXPECT_EQ(transport->write(kChannel, std::span(as_byte(byte), 1)).bytes, 1u);
    }

    char receive() {
        char byte = 0;
        EXPECT_EQ(transport->read(kChannel, std::span(as_byte(byte), 1)).bytes, 1u);
        return byte;
    }

    const std::unique_ptr<sync::Transport> transport = sync::make_sockets();

private:
    static constexpr sync::ChannelId kChannel{1};
    static std::uint8_t* as_byte(char& byte) { return reinterpret_cast<std::uint8_t*>(&byte); }

    const int listener_;
    std::thread server_;
};

// After short waits the next one is spent awake for a while. Whatever may end a wait ends it then,
// too.
TEST(Sockets, WaitAwakeAndAsleep) {
    Echo echo;
    for (int i = 0; i < 1000; ++i) {
        const char byte = static_cast<char>('a' + i % 26);
        echo.send(byte);
        ASSERT_EQ(echo.wait(milliseconds(10'000)).size(), 1u);
        ASSERT_EQ(echo.receive(), byte);
    }
    for (const core::Duration patience :
         {std::chrono::microseconds(0), std::chrono::microseconds(20),
          std::chrono::microseconds(2000)}) {
        echo.send('-');
        const core::Time since = echo.transport->now();
        EXPECT_TRUE(echo.wait(patience).empty());
        EXPECT_GE(echo.transport->now() - since, patience);
        echo.send('x');
        EXPECT_EQ(echo.wait(milliseconds(10'000)).size(), 1u);
        EXPECT_EQ(echo.receive(), 'x');
    }
}

// Raised before or during the wait; lowered, it ends none.
TEST(Sockets, AStopSignalEndsAWait) {
    stop_signal stop;
    const auto transport = sync::make_sockets();
    std::vector<sync::Event> events;
    const auto waited = [&](milliseconds patience) {
        const core::Time since = transport->now();
        transport->wait({}, since + patience, stop.descriptor(), events);
        return transport->now() - since;
    };
    EXPECT_GE(waited(milliseconds(1)), milliseconds(1));
    for (int i = 0; i < 3; ++i) {
        std::thread raiser([&] {
            std::this_thread::sleep_for(milliseconds(20));
            stop.raise();
        });
        EXPECT_LT(waited(milliseconds(60'000)), milliseconds(60'000));
        raiser.join();
        EXPECT_TRUE(stop.raised());
        EXPECT_LT(waited(milliseconds(60'000)), milliseconds(60'000));
        stop.lower();
        EXPECT_FALSE(stop.raised());
        EXPECT_GE(waited(milliseconds(1)), milliseconds(1));
    }
    EXPECT_TRUE(events.empty());
}

TEST(Sockets, WakeEndsAWaitAwakeAndAsleep) {
    Echo echo;
    for (const milliseconds later : {milliseconds(0), milliseconds(5)}) {
        for (int i = 0; i < 10; ++i) {
            echo.send('x');
            ASSERT_EQ(echo.wait(milliseconds(10'000)).size(), 1u);
            echo.receive();
        }
        std::thread other([&] {
            std::this_thread::sleep_for(later);
            echo.transport->wake();
        });
        EXPECT_TRUE(echo.wait(std::chrono::hours(1)).empty());
        other.join();
    }
}

// An abstract Unix socket that nobody listens on is refused within connect(): nothing is left to
// wait for, and the deadline must hold nevertheless.
TEST(Sockets, DiallingThatFailsAtOnceDoesNotWait) {
    options impatient;
    impatient.timeout = milliseconds(300);
    cluster nobody({"@no-such-node-of-quorlite"}, impatient);
    const result<connection> none = nobody.try_connect("db");
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().kind, error_kind::unavailable);
    EXPECT_EQ(none.error().verdict, verdict::not_committed);
}

}  // namespace
}  // namespace quorlite
