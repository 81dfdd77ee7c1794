#include "engine/server/listener.h"

#include <errno.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <string>
#include <vector>

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/base/memory_reserve.h"
#include "engine/server/client_connection.h"

namespace quorlite::server {
namespace {

using asio::ip::tcp;

constexpr Duration kDescriptorPause = std::chrono::milliseconds(100);
constexpr Duration kSweepInterval = std::chrono::seconds(1);
constexpr unsigned kSweepsPerLook = 5;  // for clients that are gone
constexpr Duration kWarningPause = std::chrono::minutes(1);

// A client whose host vanished is noticed within half a minute: where nothing is on its way, by
// probes; else because nothing is acknowledged. (KeepAlive::unacknowledged_ms would do the latter,
// but also end the connection of a living client that reads slowly.)
constexpr KeepAlive kKeepAlive{.idle_seconds = 15, .interval_seconds = 5, .probes = 3};

Result<tcp::endpoint> resolve(asio::io_context& context, const HostPort& parts) {
    asio::error_code error;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(parts.host, parts.port, tcp::resolver::passive, error);
    if (error || found.empty()) {
        return Error{code::kError, "cannot listen at " + parts.host + ": the name is not known (" +
                                       error.message() + "): check --listen and --address"};
    }
    return found.begin()->endpoint();
}

}  // namespace

Listener::Listener(Loop& loop, Clock& clock, Log& log, ListenerOptions options, Adopt adopt) {
    if (options.connections_max == 0) options.connections_max = limits::kConnectionsMax;
    state_ = std::make_shared<ListenerState>(loop, clock, log, options, std::move(adopt));
}

Listener::~Listener() = default;

Status Listener::bind(const std::string& address) {
    const std::optional<HostPort> parts = parse_address(address);
    if (!parts) return Error{code::kError, "'" + address + "' is not of the form HOST:PORT"};
    const Result<tcp::endpoint> endpoint = resolve(state_->loop.context(), *parts);
    if (!endpoint) return endpoint.error();
    tcp::acceptor& acceptor = state_->acceptor;
    asio::error_code error;
    acceptor.open(endpoint->protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(*endpoint, error);
    if (!error) return {};
    std::string remedy = "check --listen";
    if (error == asio::error::address_in_use) {
        remedy = "another process uses this port: stop it, or choose another port";
    } else if (error.value() == EADDRNOTAVAIL) {
        remedy = "this machine does not have that address: give one that it has with --listen";
    } else if (error == asio::error::access_denied) {
        remedy = "ports below 1024 need a privilege: choose a higher one";
    }
    return Error{code::kError,
                 "cannot listen at " + address + " (" + error.message() + "): " + remedy};
}

Status Listener::listen(replica::Replica& replica) {
    state_->replica = &replica;
    asio::error_code error;
    state_->acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
        return Error{code::kError,
                     "cannot listen (" + error.message() +
                         "): another process uses this port: stop it, or choose another"};
    }
    state_->accept(state_);
    state_->sweep(state_);
    return {};
}

void ListenerState::accept(const std::shared_ptr<ListenerState>& self) {
    acceptor.async_accept([self](asio::error_code error, tcp::socket socket) {
        if (!self->acceptor.is_open()) return;
        if (error == asio::error::no_descriptors || error == asio::error::no_memory ||
            error == asio::error::no_buffer_space || error.value() == ENFILE) {
            self->loop.post([self] {
                ++self->counters.out_of_descriptors;
                self->warn_of_descriptors();
                self->loop.after(kDescriptorPause, [self] {
                    if (self->acceptor.is_open()) self->accept(self);
                });
            });
            return;
        }
        if (!error) self->welcome(self, make_stream(std::move(socket)));
        self->accept(self);
    });
}

void ListenerState::welcome(const std::shared_ptr<ListenerState>& self,
                            std::unique_ptr<Stream> stream) {
    ++counters.accepted;
    stream->set_keep_alive(kKeepAlive);
    const bool crowded =
        clients.size() + unidentified.size() >= options.connections_max + limits::kUnidentifiedMax;
    const bool scarce = stream->descriptor() >= options.descriptors.peers_below;
    if (scarce) warn_of_descriptors();
    if (crowded || scarce) {
        ++counters.refused;
        const auto oldest = unidentified.empty() ? nullptr : unidentified.front();
        if (!oldest) return;
        loop.post([oldest] {
            if (oldest->is_unidentified()) oldest->close();
        });
    }
    if (scarce) return;  // who makes room still has its descriptor
    auto connection = std::make_shared<ClientConnection>(self, std::move(stream));
    connection->place = unidentified.insert(unidentified.end(), connection);
    connection->start();
}

// At most once a minute.
bool ListenerState::may_warn(TimePoint& last) {
    const TimePoint now = clock.now();
    if (last != TimePoint{} && now - last < kWarningPause) return false;
    last = now;
    return true;
}

void ListenerState::warn_of_descriptors() {
    if (!may_warn(warned_of_descriptors)) return;
    log.warning("clients are refused, because open files are limited",
                {{"limit", static_cast<std::uint64_t>(options.descriptors.limit)},
                 {"clients", clients.size()},
                 {"remedy", "raise the limit on open files: ulimit -n, or LimitNOFILE"}});
}

void ListenerState::sweep(const std::shared_ptr<ListenerState>& self) {
    const TimePoint now = clock.now();
    while (!unidentified.empty() &&
           now - unidentified.front()->since() >= options.handshake_timeout) {
        ++counters.timed_out;
        const std::shared_ptr<ClientConnection> oldest = unidentified.front();
        oldest->close();
    }
    const bool look = ++sweeps % kSweepsPerLook == 0;
    std::vector<std::shared_ptr<ClientConnection>> gone;
    for (const auto& client : clients) {
        client->look_for_the_end();
        if (look && client->is_gone(now)) gone.push_back(client);
    }
    for (const auto& client : gone) client->close();
    loop.after(kSweepInterval, [weak = std::weak_ptr(self)] {
        const auto still_there = weak.lock();
        if (still_there && still_there->acceptor.is_open()) still_there->sweep(still_there);
    });
}

// Memory cannot be had any more: whoever holds much of it gives way.
void ListenerState::relieve() {
    make_room(0);
    renew_memory_reserve();
}

// The clients that hold much give way, until all together hold no more than this.
void ListenerState::make_room(std::size_t bytes_max) {
    while (buffer_bytes > bytes_max) {
        std::shared_ptr<ClientConnection> idlest;
        for (const auto& client : clients) {
            if (client->is_large() && (!idlest || client->active() < idlest->active())) {
                idlest = client;
            }
        }
        if (!idlest) return;
        ++counters.gave_way;
        if (may_warn(warned_of_buffers)) {
            log.warning("clients hold too much, and those that rest lose their connections",
                        {{"remedy", "raise --buffers-max, or let clients read what they ask for"}});
        }
        idlest->close();
    }
}

// One at a time, for a session that has room again may take its time to go on, and lose the loop.
void ListenerState::send_answers() {
    while (!answering.empty()) {
        const std::shared_ptr<ClientConnection> next = std::move(answering.front());
        answering.pop_front();
        next->answer();
    }
}

void Listener::send_answers() {
    state_->send_answers();
}

void Listener::stop_listening() {
    asio::error_code ignored;
    state_->acceptor.close(ignored);
}

void Listener::leadership_changed() {
    // What a session does may close connections, others' included.
    const std::vector<std::shared_ptr<ClientConnection>> clients(state_->clients.begin(),
                                                                 state_->clients.end());
    for (const auto& client : clients) client->session()->leadership_changed();
}

std::size_t Listener::client_count() const {
    return state_->clients.size();
}

const ListenerCounters& Listener::counters() const {
    return state_->counters;
}

std::function<bool()> Listener::statements_running() const {
    std::vector<std::pair<std::shared_ptr<ClientConnection>, std::uint64_t>> running;
    for (const auto& client : state_->clients) {
        const std::uint64_t statement = client->session()->statement_running();
        if (statement != 0) running.emplace_back(client, statement);
    }
    return [running = std::move(running)] {
        return std::any_of(running.begin(), running.end(), [](const auto& each) {
            return each.first->session()->statement_running() == each.second;
        });
    };
}

void Listener::finish() {
    stop_listening();
    for (const auto& client : state_->clients) client->finish();
}

void Listener::close() {
    stop_listening();
    while (!state_->unidentified.empty()) {
        const std::shared_ptr<ClientConnection> connection = state_->unidentified.front();
        connection->close();
    }
    while (!state_->clients.empty()) {
        const std::shared_ptr<ClientConnection> connection = *state_->clients.begin();
        connection->close();
    }
    state_->answering.clear();
}

}  // namespace quorlite::server
