// The AsyncTransport of production: Asio's sockets, resolver and timer.
#include "drivers/asio/transport.h"

#include <asio/connect.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <map>
#include <random>
#include <vector>

namespace quorlite::async {
namespace {

using Protocol = asio::generic::stream_protocol;
using Endpoint = Protocol::endpoint;

struct Stream {
    explicit Stream(const asio::any_io_executor& strand) : socket(strand), resolver(strand) {}

    Protocol::socket socket;
    asio::ip::tcp::resolver resolver;
    std::vector<Endpoint> endpoints;
    bool closed = false;
};

using StreamPtr = std::shared_ptr<Stream>;

std::string text_of(const asio::error_code& error) {
    if (!error) return {};
    return error == asio::error::eof ? "the node closed the connection" : error.message();
}

class AsioTransport : public AsyncTransport {
public:
    explicit AsioTransport(const asio::any_io_executor& strand) : strand_(strand), timer_(strand) {}

    Time now() override { return std::chrono::steady_clock::now(); }

    std::uint64_t random() override {
        std::random_device device;
        return std::uint64_t{device()} << 32 | device();
    }

    void dial(ChannelId channel, const std::string& address, Dialled done) override {
        const StreamPtr stream = std::make_shared<Stream>(strand_);
        streams_[channel] = stream;
        if (address.starts_with('@')) {
            std::string name = address;
            name[0] = '\0';
            stream->endpoints = {asio::local::stream_protocol::endpoint(name)};
            return connect(stream, 0, std::move(done));
        }
        const std::size_t colon = address.rfind(':');
        if (colon == std::string::npos) {
            asio::post(strand_, [done = std::move(done)] { done("not HOST:PORT"); });
            return;
        }
        std::string host = address.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        stream->resolver.async_resolve(
            host, address.substr(colon + 1),
            [stream, done = std::move(done)](const asio::error_code& error, const auto& found) {
                if (stream->closed) return;
                if (error) return done(error.message());
                for (const auto& each : found) stream->endpoints.push_back(each.endpoint());
                connect(stream, 0, done);
            });
    }

    void close(ChannelId channel) override {
        const auto found = streams_.find(channel);
        if (found == streams_.end()) return;
        found->second->closed = true;
        found->second->resolver.cancel();
        asio::error_code ignored;  // it is gone in any case
        found->second->socket.close(ignored);
        streams_.erase(found);
    }

    void write(ChannelId channel, std::span<const std::uint8_t> bytes, Moved done) override {
        const StreamPtr stream = streams_.at(channel);
        asio::async_write(
            stream->socket, asio::buffer(bytes.data(), bytes.size()),
            [stream, done = std::move(done)](const asio::error_code& error, std::size_t count) {
                if (!stream->closed) done(count, text_of(error));
            });
    }

    void read(ChannelId channel, std::span<std::uint8_t> room, Moved done) override {
        const StreamPtr stream = streams_.at(channel);
        stream->socket.async_read_some(
            asio::buffer(room.data(), room.size()),
            [stream, done = std::move(done)](const asio::error_code& error, std::size_t count) {
                if (!stream->closed) done(count, text_of(error));
            });
    }

    void alarm(Time at, std::function<void()> ring) override {
        timer_.cancel();
        if (at == core::kNever) return;
        timer_.expires_at(at);
        timer_.async_wait([ring = std::move(ring)](const asio::error_code& error) {
            if (!error) ring();
        });
    }

private:
    // Tries one address after the other.
    static void connect(const StreamPtr& stream, std::size_t index, Dialled done) {
        stream->socket = Protocol::socket(stream->socket.get_executor());
        stream->socket.async_connect(
            stream->endpoints[index],
            [stream, index, done = std::move(done)](const asio::error_code& error) {
                if (stream->closed) return;
                if (error && index + 1 < stream->endpoints.size()) {
                    return connect(stream, index + 1, done);
                }
                if (!error && stream->endpoints[index].protocol().family() != AF_UNIX) {
                    asio::error_code ignored;  // slower without it, that is all
                    stream->socket.set_option(asio::ip::tcp::no_delay(true), ignored);
                }
                done(text_of(error));
            });
    }

    asio::any_io_executor strand_;
    asio::steady_timer timer_;
    std::map<ChannelId, StreamPtr> streams_;
};

}  // namespace

std::shared_ptr<AsyncTransport> make_asio_transport(const asio::any_io_executor& strand) {
    return std::make_shared<AsioTransport>(strand);
}

}  // namespace quorlite::async
