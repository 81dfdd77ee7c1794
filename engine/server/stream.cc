#include "engine/server/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <utility>

namespace quorlite::server {
namespace {

using Socket = asio::generic::stream_protocol::socket;

// A refused option costs speed or patience, never correctness: a Unix socket has none of them.
void set_option(int descriptor, int level, int option, int value) {
    static_cast<void>(::setsockopt(descriptor, level, option, &value, sizeof value));
}

Moved failed(int error) {
    if (error == EAGAIN || error == EWOULDBLOCK) return {.state = Moved::State::kBlocked};
    return {.state = Moved::State::kFailed,
            .error = std::error_code(error, std::generic_category())};
}

std::string peer_of(const Socket& socket) {
    asio::error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error) return "a connection that is over";
    const int family = endpoint.protocol().family();
    if (family != AF_INET && family != AF_INET6) return "a local socket";
    asio::ip::tcp::endpoint ip;
    ip.resize(endpoint.size());
    std::copy_n(reinterpret_cast<const std::uint8_t*>(endpoint.data()), endpoint.size(),
                reinterpret_cast<std::uint8_t*>(ip.data()));
    const std::string host = ip.address().to_string();
    const std::string port = std::to_string(ip.port());
    return family == AF_INET6 ? "[" + host + "]:" + port : host + ":" + port;
}

class SocketStream final : public Stream {
public:
    explicit SocketStream(Socket socket) : socket_(std::move(socket)), peer_(peer_of(socket_)) {
        set_option(descriptor(), IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(descriptor(), SOL_SOCKET, SO_KEEPALIVE, 1);
    }

    Moved read_now(std::span<std::uint8_t> room) override {
        for (;;) {
            const ssize_t got = ::recv(descriptor(), room.data(), room.size(), MSG_DONTWAIT);
            if (got > 0) return {.bytes = static_cast<std::size_t>(got)};
            if (got == 0) return {.state = Moved::State::kEnded};
            if (errno != EINTR) return failed(errno);
        }
    }

    Moved write_now(std::span<const iovec> parts) override {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts.data());  // only ever read
        message.msg_iovlen = parts.size();
        for (;;) {
            const ssize_t sent = ::sendmsg(descriptor(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent >= 0) return {.bytes = static_cast<std::size_t>(sent)};
            if (errno != EINTR) return failed(errno);
        }
    }

    void read(std::span<std::uint8_t> room, ReadHandler done) override {
        socket_.async_receive(asio::buffer(room.data(), room.size()), std::move(done));
    }

    void wait(Wait event, Handler done) override {
        socket_.async_wait(translate(event), std::move(done));
    }

    void close() override {
        asio::error_code ignored;
        socket_.close(ignored);
    }

    bool has_unread() override {
        std::uint8_t byte = 0;
        return ::recv(descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    }

    bool is_over() override {
        pollfd state{.fd = descriptor(), .events = POLLRDHUP, .revents = 0};
        return ::poll(&state, 1, 0) > 0;
    }

    Way way() const override {
        Way way;
        int bytes = 0;
        if (::ioctl(socket().native_handle(), SIOCOUTQ, &bytes) == 0) {
            way.unacknowledged_bytes = static_cast<std::size_t>(bytes);
        }
        tcp_info info{};
        socklen_t size = sizeof info;
        if (::getsockopt(descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
            way.asked = info.tcpi_unacked > 0 || info.tcpi_probes > 1;
            way.silence = std::chrono::milliseconds(info.tcpi_last_ack_recv);
        }
        return way;
    }

    void set_keep_alive(const KeepAlive& wanted) override {
        set_option(descriptor(), IPPROTO_TCP, TCP_KEEPIDLE, wanted.idle_seconds);
        set_option(descriptor(), IPPROTO_TCP, TCP_KEEPINTVL, wanted.interval_seconds);
        set_option(descriptor(), IPPROTO_TCP, TCP_KEEPCNT, wanted.probes);
        if (wanted.unacknowledged_ms == 0) return;
        set_option(descriptor(), IPPROTO_TCP, TCP_USER_TIMEOUT, wanted.unacknowledged_ms);
    }

    int descriptor() const override { return socket().native_handle(); }
    const std::string& peer() const override { return peer_; }

private:
    static asio::socket_base::wait_type translate(Wait event) {
        switch (event) {
            case Wait::kReadable:
                return asio::socket_base::wait_read;
            case Wait::kWritable:
                return asio::socket_base::wait_write;
            case Wait::kBroken:
                return asio::socket_base::wait_error;
        }
        return asio::socket_base::wait_error;
    }

    // Asio's native_handle() is not const, though it changes nothing.
    Socket& socket() const { return const_cast<Socket&>(socket_); }

    Socket socket_;
    const std::string peer_;
};

}  // namespace

std::unique_ptr<Stream> make_stream(Socket socket) {
    return std::make_unique<SocketStream>(std::move(socket));
}

std::unique_ptr<Stream> make_stream(asio::io_context& context, int descriptor) {
    int family = 0;
    socklen_t size = sizeof family;
    Socket socket(context);
    asio::error_code error(
        ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 ? 0 : errno,
        std::generic_category());
    if (!error) {
        const int any = 0;
        socket.assign(asio::generic::stream_protocol(family, any), descriptor, error);
    }
    if (!error) return make_stream(std::move(socket));
    ::close(descriptor);
    return nullptr;
}

}  // namespace quorlite::server
