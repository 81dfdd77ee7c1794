#include "drivers/shell/bench/link.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace quorlite::benchmark {
namespace {

Error lost(std::string what) {
    return {kLinkLost, std::move(what), Verdict::kInDoubt};
}

Error lost_by_errno(const char* what) {
    return lost(std::string(what) + ": " + std::strerror(errno));
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

struct SocketAddress {
    sockaddr_storage storage = {};
    socklen_t size = 0;
};

// The first address of HOST:PORT.
Result<SocketAddress> resolve(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return Error{code::kError, "not HOST:PORT: " + address};
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int problem = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
    if (problem != 0) return Error{code::kError, address + ": " + gai_strerror(problem)};
    SocketAddress resolved;
    resolved.size = found->ai_addrlen;
    std::memcpy(&resolved.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return resolved;
}

}  // namespace

Link::Link(int fd) : fd_(fd), reader_(wire::kBodyBytesMax) {
    ByteWriter(outbox_).u64(wire::kProtocolVersion);
}

Link::Link(Link&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      outbox_(std::move(other.outbox_)),
      sent_(other.sent_),
      reader_(std::move(other.reader_)) {}

Link& Link::operator=(Link&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(outbox_, other.outbox_);
    std::swap(sent_, other.sent_);
    std::swap(reader_, other.reader_);
    return *this;
}

Link::~Link() {
    if (fd_ >= 0) close(fd_);
}

Result<Link> Link::dial(const std::string& address, Time deadline) {
    const Result<SocketAddress> resolved = resolve(address);
    if (!resolved) return resolved.error();
    const int fd =
        socket(resolved->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return lost_by_errno("socket");
    Link link(fd);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&resolved->storage), resolved->size) != 0) {
        if (errno != EINPROGRESS) return lost_by_errno("connect");
        const Status connected = link.await(POLLOUT, deadline);
        if (!connected) return connected.error();
    }
    int problem = 0;
    socklen_t length = sizeof problem;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length);
    if (problem != 0) return lost(std::string("connect: ") + std::strerror(problem));
    return link;
}

Status Link::await(short events, Time deadline) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
    pollfd polled = {fd_, events, 0};
    if (poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) == 1) return {};
    return lost("no answer in time");
}

void Link::queue(const wire::Request& request) {
    const Status encoded = wire::encode(request, outbox_);
    if (!encoded) std::abort();
}

Status Link::flush() {
    while (unsent()) {
        const ssize_t count =
            send(fd_, outbox_.data() + sent_, outbox_.size() - sent_, MSG_NOSIGNAL);
        if (count < 0) {
            if (would_block()) return {};
            return lost_by_errno("send");
        }
        sent_ += static_cast<std::size_t>(count);
    }
    outbox_.clear();
    sent_ = 0;
    return {};
}

Result<bool> Link::receive() {
    const std::span<std::uint8_t> room = reader_.prepare();
    const ssize_t count = recv(fd_, room.data(), room.size(), 0);
    if (count < 0 && would_block()) return false;
    if (count < 0) return lost_by_errno("receive");
    if (count == 0) return lost("closed by the server");
    reader_.commit(static_cast<std::size_t>(count));
    return true;
}

Result<std::optional<wire::Response>> Link::next() {
    Result<std::optional<wire::Message>> message = reader_.next();
    if (!message) return lost(message.error().message);
    if (!*message) return std::optional<wire::Response>();
    Result<wire::Response> response = wire::decode_response((*message)->header, (*message)->body);
    if (!response) return lost(response.error().message);
    return std::optional(std::move(*response));
}

Result<wire::Response> Link::call(const wire::Request& request, Time deadline) {
    queue(request);
    for (;;) {
        if (const Status sent = flush(); !sent) return sent.error();
        Result<std::optional<wire::Response>> answer = next();
        if (!answer) return answer.error();
        if (*answer) {
            if (const auto* failure = std::get_if<wire::FailureResponse>(&**answer)) {
                return Error{static_cast<int>(failure->code), std::string(failure->message)};
            }
            return std::move(**answer);
        }
        const short events = unsent() ? POLLIN | POLLOUT : POLLIN;
        if (const Status ready = await(events, deadline); !ready) return ready.error();
        if (const Result<bool> received = receive(); !received) return received.error();
    }
}

Result<Link> dial_leader(const std::vector<std::string>& addresses, Time deadline) {
    while (SteadyClock::now() < deadline) {
        for (const std::string& address : addresses) {
            const Time soon = std::min(deadline, SteadyClock::now() + std::chrono::seconds(1));
            Result<Link> link = Link::dial(address, soon);
            if (!link) continue;
            const Result<wire::Response> answer = link->call(wire::LeaderRequest(), soon);
            if (!answer) continue;
            const auto* server = std::get_if<wire::ServerResponse>(&*answer);
            if (server != nullptr && server->address == address) return link;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return lost("no node leads");
}

}  // namespace quorlite::benchmark
