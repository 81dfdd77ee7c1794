// The Transport of production: non-blocking sockets and ppoll().
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "drivers/sync/awake.h"
#include "drivers/sync/resolver.h"
#include "drivers/sync/transport.h"

namespace quorlite::sync {
namespace {

class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

struct Socket {
    ChannelId channel = 0;
    Descriptor descriptor;
    bool dialling = true;
    std::shared_ptr<Resolution> resolution;
    std::vector<SocketAddress> addresses;  // to be tried next, from the end
    std::string problem;                   // of the last one that was tried
};

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

class Sockets : public Transport {
public:
    Sockets() : wake_(std::make_shared<Descriptor>(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))) {}

    Time now() override { return std::chrono::steady_clock::now(); }

    std::uint64_t random() override {
        std::random_device device;
        return std::uint64_t{device()} << 32 | device();
    }

    void dial(ChannelId channel, const std::string& address) override {
        Socket& socket = sockets_.emplace_back();
        socket.channel = channel;
        Resolved resolved = resolve(address, true);
        if (!resolved.problem.empty()) {
            socket.problem = std::move(resolved.problem);
        } else if (resolved.addresses.empty()) {
            socket.resolution = Resolution::begin(address, [wake = wake_] { poke(*wake); });
            return;
        }
        begin(socket, std::move(resolved.addresses));
    }

    void close(ChannelId channel) override {
        std::erase_if(sockets_, [&](const Socket& each) { return each.channel == channel; });
    }

    Io write(ChannelId channel, std::span<const std::uint8_t> bytes) override {
        const int descriptor = fd_of(channel);
        if (descriptor < 0) return {0, false, "the connection is closed"};
        const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) return {static_cast<std::size_t>(sent), false, {}};
        if (would_block(errno)) return {0, true, {}};
        return {0, false, std::strerror(errno)};
    }

    Io read(ChannelId channel, std::span<std::uint8_t> room) override {
        const int descriptor = fd_of(channel);
        if (descriptor < 0) return {0, false, "the connection is closed"};
        const ssize_t got = ::recv(descriptor, room.data(), room.size(), 0);
        if (got > 0) return {static_cast<std::size_t>(got), false, {}};
        if (got == 0) return {0, false, "the node closed the connection"};
        if (would_block(errno)) return {0, true, {}};
        return {0, false, std::strerror(errno)};
    }

    bool wait(std::span<const Interest> interests, Time until, int also,
              std::vector<Event>& events) override {
        // Dialling may have failed at once.
        look_at_dialling(events);
        polled_.assign(1, pollfd{wake_->get(), POLLIN, 0});
        watched_.assign(1, 0);
        for (const Socket& each : sockets_) watch(each, interests);
        const std::size_t sockets = polled_.size();
        if (also >= 0) polled_.push_back({also, POLLIN, 0});
        awake_.wait(events.empty() ? until : Time(), [this](const timespec& timeout) {
            return ::ppoll(polled_.data(), polled_.size(), &timeout, nullptr) > 0;
        });
        if (polled_[0].revents != 0) {
            std::uint64_t count = 0;
            static_cast<void>(!::read(wake_->get(), &count, sizeof count));
        }
        for (std::size_t i = 1; i < sockets; ++i) {
            if (polled_[i].revents != 0) happened(watched_[i], events);
        }
        look_at_dialling(events);
        return true;
    }

    void wake() noexcept override { poke(*wake_); }

private:
    static void poke(const Descriptor& event) {
        const int saved = errno;
        const std::uint64_t one = 1;
        static_cast<void>(!::write(event.get(), &one, sizeof one));
        errno = saved;
    }

    Socket* find(ChannelId channel) {
        const auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const Socket& each) {
            return each.channel == channel;
        });
        return found == sockets_.end() ? nullptr : &*found;
    }

    int fd_of(ChannelId channel) {
        const Socket* const socket = find(channel);
        return socket ? socket->descriptor.get() : -1;
    }

    void watch(const Socket& socket, std::span<const Interest> interests) {
        if (socket.descriptor.get() < 0) return;
        short wanted = socket.dialling ? POLLOUT : 0;
        for (const Interest& each : interests) {
            if (each.channel != socket.channel) continue;
            if (each.read) wanted |= POLLIN;
            if (each.write) wanted |= POLLOUT;
        }
        if (wanted == 0) return;
        polled_.push_back({socket.descriptor.get(), wanted, 0});
        watched_.push_back(socket.channel);
    }

    void happened(ChannelId channel, std::vector<Event>& events) {
        Socket& socket = *find(channel);
        if (!socket.dialling) {
            events.push_back({channel, false, true, {}});
            return;
        }
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket.descriptor.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            socket.problem = std::strerror(error);
            return next_address(socket);
        }
        connected(socket, events);
    }

    void connected(Socket& socket, std::vector<Event>& events) {
        socket.dialling = false;
        events.push_back({socket.channel, true, false, {}});
    }

    void begin(Socket& socket, std::vector<SocketAddress> addresses) {
        std::reverse(addresses.begin(), addresses.end());
        socket.addresses = std::move(addresses);
        next_address(socket);
    }

    // Tries one address after the other; without a descriptor afterwards if none is left.
    void next_address(Socket& socket) {
        socket.descriptor = Descriptor();
        while (!socket.addresses.empty() && socket.descriptor.get() < 0) {
            const SocketAddress address = socket.addresses.back();
            socket.addresses.pop_back();
            Descriptor descriptor(
                ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            if (descriptor.get() < 0) {
                socket.problem = std::strerror(errno);
                continue;
            }
            const int on = 1;
            if (address.family() != AF_UNIX) {
                ::setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            }
            const int status = ::connect(descriptor.get(), address.get(), address.size);
            if (status == 0 || errno == EINPROGRESS) {
                socket.descriptor = std::move(descriptor);
            } else {
                socket.problem = std::strerror(errno);
            }
        }
    }

    void look_at_dialling(std::vector<Event>& events) {
        for (Socket& each : sockets_) {
            Resolved resolved;
            if (each.resolution && each.resolution->take(resolved)) {
                each.resolution.reset();
                each.problem = std::move(resolved.problem);
                begin(each, std::move(resolved.addresses));
            }
            if (!each.dialling || each.resolution || each.descriptor.get() >= 0) continue;
            each.dialling = false;
            events.push_back(
                {each.channel, false, false, each.problem.empty() ? "no address" : each.problem});
        }
    }

    std::shared_ptr<Descriptor> wake_;  // shared with look-ups that are under way
    std::vector<Socket> sockets_;
    std::vector<pollfd> polled_;
    std::vector<ChannelId> watched_;
    AwakeWait awake_;
};

}  // namespace

std::unique_ptr<Transport> make_sockets() {
    return std::make_unique<Sockets>();
}

}  // namespace quorlite::sync
