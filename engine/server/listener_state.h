// What the port and its clients' connections share. Private to the listener and them.
#pragma once

#include <array>
#include <asio/ip/tcp.hpp>
#include <deque>
#include <list>
#include <memory>
#include <set>

#include "engine/server/listener.h"

namespace quorlite::server {

class ClientConnection;

struct ListenerState {
    static constexpr std::size_t kReadBytes = 64u << 10;
    // Answers wait so long for others.
    static constexpr Duration kGatherMax = std::chrono::microseconds(200);

    ListenerState(Loop& loop_, Clock& clock_, Log& log_, ListenerOptions options_,
                  Listener::Adopt adopt_)
        : loop(loop_),
          clock(clock_),
          log(log_),
          options(options_),
          adopt(std::move(adopt_)),
          acceptor(loop_.context()) {}

    Loop& loop;
    Clock& clock;
    Log& log;
    const ListenerOptions options;
    const Listener::Adopt adopt;
    asio::ip::tcp::acceptor acceptor;
    replica::Replica* replica = nullptr;
    std::array<std::uint8_t, kReadBytes> buffer{};  // what is being read right now

    std::list<std::shared_ptr<ClientConnection>> unidentified;  // oldest first
    std::set<std::shared_ptr<ClientConnection>> clients;
    std::deque<std::shared_ptr<ClientConnection>> answering;  // what they have to send is gathered
    TimePoint answering_since{};                              // the first of them
    ListenerCounters counters;
    TimePoint warned_of_descriptors{};
    unsigned sweeps = 0;
    std::size_t buffer_bytes = 0;  // of all clients
    TimePoint warned_of_buffers{};

    void accept(const std::shared_ptr<ListenerState>& self);
    void welcome(const std::shared_ptr<ListenerState>& self, std::unique_ptr<Stream> stream);
    bool may_warn(TimePoint& last);
    void warn_of_descriptors();
    void sweep(const std::shared_ptr<ListenerState>& self);
    void make_room(std::size_t bytes_max);
    void relieve();
    void send_answers();
};

}  // namespace quorlite::server
