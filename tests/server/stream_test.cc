// Streams over real sockets, local ones and TCP, and the two ways to open one.
#include "engine/server/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "engine/server/dialer.h"
#include "engine/server/system.h"

namespace quorlite::server {
namespace {

using namespace std::chrono_literals;
using State = Moved::State;

struct Ends {
    int ours = -1;
    int theirs = -1;
};

Ends local_ends() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {ends[0], ends[1]};
}

// A port of this machine, as the kernel chose it.
class Port {
public:
    Port() {
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        name_.sin_family = AF_INET;
        name_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name_;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&name_), size), 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&name_), &size);
    }
    ~Port() { ::close(socket_); }
    std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(name_.sin_port)); }
    int connect() const {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&name_), sizeof name_), 0);
        return socket;
    }
    int accept() const { return ::accept(socket_, nullptr, nullptr); }

private:
    int socket_ = -1;
    sockaddr_in name_{};
};

bool is_open(int descriptor) {
    return ::fcntl(descriptor, F_GETFD) != -1;
}

Moved write(Stream& stream, std::string_view text) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    return stream.write_now({&part, 1});
}

class StreamTest : public testing::TestWithParam<bool> {
protected:
    StreamTest() {
        const bool local = GetParam();
        const Ends ends = local ? local_ends() : Ends{port_.connect(), port_.accept()};
        theirs_ = ends.theirs;
        stream_ = make_stream(context_, ends.ours);
    }
    ~StreamTest() override {
        if (theirs_ >= 0) ::close(theirs_);
    }
    void close_theirs() { ::close(std::exchange(theirs_, -1)); }
    Moved read() { return stream_->read_now(room_); }

    asio::io_context context_;
    Port port_;
    int theirs_ = -1;
    std::unique_ptr<Stream> stream_;
    std::array<std::uint8_t, 16> room_{};
};
INSTANTIATE_TEST_SUITE_P(Sockets, StreamTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Local" : "Tcp"; });

TEST_P(StreamTest, BytesGoBothWaysAndNothingBlocks) {
    EXPECT_EQ(read().state, State::kBlocked);
    EXPECT_FALSE(stream_->has_unread());
    ASSERT_EQ(::send(theirs_, "hello", 5, 0), 5);
    while (!stream_->has_unread()) std::this_thread::yield();
    EXPECT_EQ(read().bytes, 5u);
    EXPECT_EQ(room_[4], 'o');
    EXPECT_EQ(write(*stream_, "answer").bytes, 6u);
    std::array<char, 8> got{};
    EXPECT_EQ(::recv(theirs_, got.data(), got.size(), 0), 6);
    const std::string much(64u << 10, 'x');
    Moved moved;
    while ((moved = write(*stream_, much)).state == State::kSome) EXPECT_GT(moved.bytes, 0u);
    EXPECT_EQ(moved.state, State::kBlocked);
}

TEST_P(StreamTest, TheEndComesAfterWhatWasSent) {
    ASSERT_EQ(::send(theirs_, "last", 4, 0), 4);
    EXPECT_FALSE(stream_->is_over() && !stream_->has_unread());
    close_theirs();
    while (!stream_->is_over()) std::this_thread::yield();
    EXPECT_EQ(read().bytes, 4u);
    EXPECT_EQ(read().state, State::kEnded);
    Moved moved;
    while ((moved = write(*stream_, "more")).state == State::kSome) std::this_thread::yield();
    EXPECT_EQ(moved.state, State::kFailed);
    EXPECT_TRUE(moved.error);
}

TEST_P(StreamTest, WaitsEndWhenSomethingHappensOrItIsClosed) {
    std::string said;
    stream_->read(room_, [&](std::error_code error, std::size_t size) {
        said += "read " + std::to_string(size) + (error ? " failed;" : ";");
    });
    stream_->wait(Stream::Wait::kWritable,
                  [&](std::error_code error) { said += error ? "failed;" : "writable;"; });
    ASSERT_EQ(::send(theirs_, "hello", 5, 0), 5);
    context_.run();
    EXPECT_NE(said.find("read 5;"), std::string::npos) << said;
    EXPECT_NE(said.find("writable;"), std::string::npos) << said;
    context_.restart();
    std::error_code ended;
    stream_->wait(Stream::Wait::kReadable, [&](std::error_code error) { ended = error; });
    stream_->close();
    context_.run();
    EXPECT_EQ(ended, asio::error::operation_aborted);
}

TEST_P(StreamTest, ItsPeerIsNamed) {
    EXPECT_EQ(stream_->peer().starts_with(GetParam() ? "a local socket" : "127.0.0.1:"), true)
        << stream_->peer();
}

TEST(StreamOf, WhatIsNoSocketIsClosed) {
    asio::io_context context;
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    EXPECT_EQ(make_stream(context, ends[0]), nullptr);
    EXPECT_FALSE(is_open(ends[0]));
    ::close(ends[1]);
}

// --- dialling ---

class DialerTest : public testing::Test {
protected:
    DialerTest() { loop_.start(); }
    ~DialerTest() override { loop_.stop(); }

    struct Outcome {
        std::error_code error;
        std::unique_ptr<Stream> stream;
    };
    Outcome dial(Dialer& dialer, const std::string& address, Duration timeout = 5s) {
        std::mutex mutex;
        std::condition_variable known;
        std::optional<Outcome> outcome;
        loop_.run([&] {
            dialer.dial(address, timeout, std::make_shared<Dialer::Known>(),
                        [&](std::error_code error, std::unique_ptr<Stream> stream) {
                            const std::lock_guard lock(mutex);
                            outcome = Outcome{error, std::move(stream)};
                            known.notify_one();
                        });
        });
        std::unique_lock lock(mutex);
        known.wait(lock, [&] { return outcome.has_value(); });
        return std::move(*outcome);
    }

    SystemClock clock_;
    Loop loop_{clock_};
    Port port_;
};

TEST_F(DialerTest, ByTcp) {
    Dialer dialer(loop_, nullptr);
    EXPECT_TRUE(dial(dialer, port_.address()).stream);
    EXPECT_EQ(dial(dialer, "127.0.0.1:1").error, asio::error::connection_refused);
    EXPECT_EQ(dial(dialer, "nowhere").error, std::errc::invalid_argument);
    EXPECT_TRUE(dial(dialer, "nohost.invalid:1").error);
}

TEST_F(DialerTest, ByAFunctionOfTheProgram) {
    std::string asked;
    Dialer dialer(loop_, [&](const std::string& address) {
        asked = address;
        if (address == "gone") {
            errno = EHOSTUNREACH;
            return -1;
        }
        return address == "tcp" ? port_.connect() : ::dup(local_ends().ours);
    });
    for (const char* label : {"any label", "tcp"}) {
        const Outcome outcome = dial(dialer, label);
        EXPECT_FALSE(outcome.error);
        EXPECT_TRUE(outcome.stream);
        EXPECT_EQ(asked, label);
    }
    EXPECT_EQ(dial(dialer, "gone").error, asio::error::host_unreachable);
}

TEST_F(DialerTest, AFunctionThatComesTooLateLeavesNothingOpen) {
    std::mutex held;
    std::unique_lock hold(held);
    std::atomic<int> late = -1;
    Dialer dialer(loop_, [&](const std::string&) {
        const std::lock_guard wait(held);
        late = local_ends().ours;
        return late.load();
    });
    EXPECT_EQ(dial(dialer, "slow", 20ms).error, std::errc::timed_out);
    hold.unlock();
    dialer.stop();
    loop_.run([] {});
    ASSERT_GE(late, 0);
    EXPECT_FALSE(is_open(late));
}

}  // namespace
}  // namespace quorlite::server
