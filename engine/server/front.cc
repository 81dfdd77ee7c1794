#include "engine/server/front.h"

#include <errno.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <deque>
#include <list>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/base/memory_reserve.h"
#include "wire/peer.h"

namespace quorlite::server {
namespace {

using asio::ip::tcp;

constexpr std::size_t kFirstBytes = 512;  // of what arrives: most requests are shorter
constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kHeldBytesMax = 16u
                                      << 10;  // per connection, what its session does not want yet
constexpr std::size_t kSearchedBytes = 4u << 20;  // more of it, each second, for its client's end
constexpr std::size_t kSearchedBytesMax = 16u << 20;
constexpr std::size_t kTurnBytesMax = 1u << 20;  // sent before others get their turn
constexpr Duration kGatherMax = std::chrono::microseconds(200);  // answers wait for others so long
constexpr std::size_t kStrangersMax = 256;  // accepted above the limit, first word awaited
constexpr Duration kDescriptorPause = std::chrono::milliseconds(100);
constexpr Duration kSweepInterval = std::chrono::seconds(1);
constexpr unsigned kSweepsPerLook = 5;  // for clients that are gone
constexpr Duration kWarningPause = std::chrono::minutes(1);

// A client whose host vanished is noticed within half a minute: where nothing is on its way, by
// probes; else because nothing is acknowledged. (KeepAlive::unacknowledged_ms would do the latter,
// but also end the connection of a living client that reads slowly.)
constexpr KeepAlive kKeepAlive{.idle_seconds = 15, .interval_seconds = 5, .probes = 3};
constexpr Duration kSilenceMax = std::chrono::seconds(30);
constexpr Duration kReadPatience = std::chrono::minutes(5);  // for one that lives and does not read

enum class Phase {
    kStranger,  // its first word is awaited
    kClient,
    kClosed,
};

}  // namespace

struct Front::State {
    State(Loop& loop_, Clock& clock_, Log& log_, FrontOptions options_, Adopt adopt_)
        : loop(loop_),
          clock(clock_),
          log(log_),
          options(options_),
          adopt(std::move(adopt_)),
          acceptor(loop_.context()) {}

    Loop& loop;
    Clock& clock;
    Log& log;
    const FrontOptions options;
    const Adopt adopt;
    tcp::acceptor acceptor;
    replica::Replica* replica = nullptr;
    std::array<std::uint8_t, kReadBytes> buffer{};  // what is being read right now

    std::list<std::shared_ptr<Connection>> strangers;  // oldest first
    std::set<std::shared_ptr<Connection>> clients;
    std::deque<std::shared_ptr<Connection>> answering;  // what they have to send is gathered
    TimePoint answering_since{};                        // the first of them
    FrontCounters counters;
    TimePoint warned_of_descriptors{};
    unsigned sweeps = 0;
    std::size_t buffer_bytes = 0;  // of all clients
    TimePoint warned_of_buffers{};

    Result<tcp::endpoint> resolve(const HostPort& parts);
    void accept(const std::shared_ptr<State>& self);
    void welcome(const std::shared_ptr<State>& self, std::unique_ptr<Stream> stream);
    bool may_warn(TimePoint& last);
    void warn_of_descriptors();
    void sweep(const std::shared_ptr<State>& self);
    void make_room(std::size_t bytes_max);
    void relieve();
    void send_answers();
};

// One accepted connection. What Asio reports is noted and worked on in turn(), a task of the loop.
class Front::Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(std::shared_ptr<Front::State> front, std::unique_ptr<Stream> stream)
        : front_(std::move(front)), stream_(std::move(stream)), since_(front_->clock.now()) {}

    void start() { update_waits(); }
    TimePoint since() const { return since_; }
    bool is_stranger() const { return phase_ == Phase::kStranger; }
    TimePoint active() const { return active_; }
    bool is_large() const { return buffer_bytes_ > limits::kLargeBuffersBytes; }
    session::Session* session() { return session_.get(); }
    void finish();
    void answer();
    void look_for_the_end();
    bool is_gone(TimePoint now);
    void close();

    std::list<std::shared_ptr<Connection>>::iterator place;  // among the strangers

private:
    enum Event : unsigned { kReadable = 1, kWritable = 2, kBroken = 4, kChanged = 8 };

    void note(unsigned event);
    void turn();
    void read();
    std::size_t read_more(std::size_t got);
    void take(ByteView bytes);
    void learn_who();
    void become_client();
    void hand_over_to_peers();
    void deliver();
    bool send();
    void pump();
    void settle();
    void end_input();
    void count_buffers();
    void update_waits();
    void wait_readable();
    void wait_writable();
    void wait_broken();

    std::shared_ptr<Front::State> front_;
    std::unique_ptr<Stream> stream_;  // until it is handed over
    const TimePoint since_;
    TimePoint active_ = since_;     // when bytes last moved
    std::size_t buffer_bytes_ = 0;  // its share of the front's
    Phase phase_ = Phase::kStranger;
    std::shared_ptr<session::Session> session_;
    std::array<std::uint8_t, kFirstBytes> first_{};  // where Asio puts what arrives
    std::size_t first_bytes_ = 0;
    asio::error_code read_error_;
    Bytes held_;  // received and not wanted yet
    std::size_t held_bytes_max_ = kHeldBytesMax;
    std::uint64_t statement_seen_ = 0;  // that ran when the end was looked for last
    bool input_ended_ = false;
    bool end_told_ = false;        // to the session
    bool blocked_ = false;         // the socket takes no more output
    bool answering_ = false;       // it is among those of the front
    bool waits_readable_ = false;  // or read() is to come
    bool waits_writable_ = false;
    bool waits_broken_ = false;
    unsigned events_ = 0;
    std::shared_ptr<Connection> queued_;  // itself, while turn() is queued
};

// ---- The connection ----

void Front::Connection::note(unsigned event) {
    events_ |= event;
    if (queued_) return;
    queued_ = shared_from_this();
    front_->loop.post([this] { turn(); });
}

void Front::Connection::turn() {
    const std::shared_ptr<Connection> self = std::move(queued_);
    queued_ = nullptr;
    const unsigned events = std::exchange(events_, 0u);
    if (phase_ == Phase::kClosed) return;
    if ((events & kBroken) != 0) return close();
    if ((events & kWritable) != 0) blocked_ = false;
    if ((events & kReadable) != 0) read();
    if (phase_ == Phase::kClient) pump();
    if (phase_ == Phase::kClient) count_buffers();
    update_waits();
    if (memory_is_short()) front_->relieve();
    // Last, for it may take long: see there.
    if (!front_->answering.empty() && front_->clock.now() - front_->answering_since >= kGatherMax) {
        front_->send_answers();
    }
}

void Front::Connection::count_buffers() {
    const std::size_t before =
        std::exchange(buffer_bytes_, held_.capacity() + session_->buffer_bytes());
    front_->buffer_bytes += buffer_bytes_ - before;
    if (front_->buffer_bytes > front_->options.buffers_bytes_max)
        front_->make_room(front_->options.buffers_bytes_max);
}

// Passes on what Asio has read, and what else has arrived if that filled all the room it had.
void Front::Connection::read() {
    waits_readable_ = false;
    std::size_t got = first_bytes_;
    if (input_ended_) return;
    if (read_error_ == asio::error::eof) return end_input();
    if (read_error_) return close();
    std::copy_n(first_.begin(), got, front_->buffer.begin());
    if (got == kFirstBytes) got += read_more(got);
    active_ = front_->clock.now();
    // A client's next words, and its end, are looked for while the session works on these. What
    // follows the first word of a stranger is for whoever it is handed to.
    if (phase_ == Phase::kClient) update_waits();
    take({front_->buffer.data(), got});
}

// Reads on behind the first `got` bytes. The end of the stream, or an error, comes again.
std::size_t Front::Connection::read_more(std::size_t got) {
    const bool wanted = phase_ == Phase::kClient && held_.empty() && session_->wants_input();
    // What Asio reads may go beyond the limit by its room.
    const std::size_t left = held_bytes_max_ - std::min(held_.size(), held_bytes_max_);
    const std::size_t room = wanted ? kReadBytes : std::min(left, kReadBytes);
    if (room <= got) return 0;
    return stream_->read_now(std::span(front_->buffer).subspan(got, room - got)).bytes;
}

void Front::Connection::take(ByteView bytes) {
    if (phase_ == Phase::kClient && held_.empty() && session_->wants_input()) {
        session_->receive(bytes);
        return;
    }
    try {
        held_.insert(held_.end(), bytes.begin(), bytes.end());
    } catch (const std::bad_alloc&) {
        return close();
    }
    if (phase_ == Phase::kStranger) learn_who();
}

void Front::Connection::learn_who() {
    if (held_.size() < sizeof(std::uint64_t)) return;
    if (load_little<std::uint64_t>(held_.data()) == wire::kPeerMagic) return hand_over_to_peers();
    const bool scarce = stream_->descriptor() >= front_->options.descriptors.clients_below;
    if (scarce) front_->warn_of_descriptors();
    if (scarce || front_->clients.size() >= front_->options.connections_max) {
        ++front_->counters.refused;
        return close();
    }
    become_client();
}

void Front::Connection::become_client() {
    front_->strangers.erase(place);
    front_->clients.insert(shared_from_this());
    phase_ = Phase::kClient;
    // The session never outlives its use of `changed`: close() is called first, and it holds no
    // one.
    session_ = session::Session::open(*front_->replica, front_->loop, front_->clock,
                                      front_->options.session, {.address = stream_->peer()},
                                      [weak = weak_from_this()] {
                                          if (const auto self = weak.lock()) self->note(kChanged);
                                      });
}

void Front::Connection::hand_over_to_peers() {
    front_->strangers.erase(place);
    phase_ = Phase::kClosed;
    front_->adopt(std::move(stream_), ByteView(held_).subspan(sizeof(std::uint64_t)));
}

void Front::Connection::end_input() {
    if (phase_ == Phase::kStranger) return close();
    input_ended_ = true;
    if (!held_.empty()) session_->end_is_near();
}

void Front::Connection::deliver() {
    if (!held_.empty() && session_->wants_input()) {
        const Bytes bytes = std::move(held_);
        held_.clear();
        held_bytes_max_ = kHeldBytesMax;
        session_->receive(bytes);
    }
    if (phase_ == Phase::kClient && input_ended_ && !end_told_ && held_.empty()) {
        end_told_ = true;
        session_->end_of_input();
    }
}

// Sends what there is. False: the socket takes no more now, or the connection was closed.
bool Front::Connection::send() {
    std::size_t sent_in_turn = 0;
    while (phase_ == Phase::kClient) {
        const ByteView output = session_->output();
        if (output.empty()) return true;
        if (sent_in_turn >= kTurnBytesMax) {
            note(kChanged);
            return false;
        }
        const iovec part{const_cast<std::uint8_t*>(output.data()), output.size()};
        const Moved moved = stream_->write_now({&part, 1});
        if (moved.state != Moved::State::kSome) {
            blocked_ = moved.state == Moved::State::kBlocked;
            if (!blocked_) close();
            return false;
        }
        active_ = front_->clock.now();
        sent_in_turn += moved.bytes;
        session_->consumed(moved.bytes);
    }
    return false;
}

void Front::Connection::pump() {
    // Before the session is called: it may be long in coming back, and its client may vanish
    // meanwhile.
    update_waits();
    deliver();
    if (phase_ != Phase::kClient || blocked_) return;
    if (session_->output().empty()) return settle();
    if (std::exchange(answering_, true)) return;
    if (front_->answering.empty()) front_->answering_since = front_->clock.now();
    front_->answering.push_back(shared_from_this());
}

void Front::Connection::answer() {
    answering_ = false;
    if (phase_ != Phase::kClient) return;
    if (!blocked_ && send()) settle();
    if (phase_ == Phase::kClient) count_buffers();
    update_waits();
}

// Nothing is left to be sent.
void Front::Connection::settle() {
    if (session_->finished()) return close();
    if (!held_.empty() && session_->wants_input()) note(kChanged);
}

void Front::Connection::finish() {
    input_ended_ = true;
    held_.clear();
    note(kChanged);
}

void Front::Connection::close() {
    if (phase_ == Phase::kClosed) return;
    const std::shared_ptr<Connection> self = shared_from_this();
    if (phase_ == Phase::kStranger) front_->strangers.erase(place);
    front_->clients.erase(self);
    front_->buffer_bytes -= std::exchange(buffer_bytes_, 0u);
    phase_ = Phase::kClosed;
    stream_->close();
    if (session_) session_->close();
}

// A client that closes in good order is known to be gone only once all that it has sent is read. So
// behind a statement that takes long more and more is, until that is more than its sockets hold.
void Front::Connection::look_for_the_end() {
    if (phase_ != Phase::kClient) return;
    const std::uint64_t running = session_->statement_running();
    if (std::exchange(statement_seen_, running) != running || running == 0) return;
    if (waits_readable_ || input_ended_) return;
    held_bytes_max_ = std::min(held_bytes_max_ + kSearchedBytes, kSearchedBytesMax);
    update_waits();
}

// Its host has vanished, or it has not read for long.
bool Front::Connection::is_gone(TimePoint now) {
    if (now - active_ < kSilenceMax) return false;
    if (blocked_ && now - active_ >= kReadPatience) return true;
    const Way way = stream_->way();
    return way.asked && way.silence >= kSilenceMax;
}

// Keeps the right waits pending: for input while there is room for it, else only for the end of the
// connection, so that a running statement never outlives its client unnoticed.
void Front::Connection::update_waits() {
    if (phase_ == Phase::kClosed) return;
    const bool room = held_.size() < held_bytes_max_ && !input_ended_;
    if (room && !waits_readable_) wait_readable();
    if (!room && !waits_broken_) wait_broken();
    if (blocked_ && !waits_writable_) wait_writable();
}

void Front::Connection::wait_readable() {
    waits_readable_ = true;
    // Waiting until it can be read would cost one more call of the system each time.
    stream_->read(first_, [self = shared_from_this()](std::error_code error, std::size_t size) {
        if (error == asio::error::operation_aborted) return;
        self->first_bytes_ = size;
        self->read_error_ = error;
        self->note(kReadable);
    });
}

void Front::Connection::wait_writable() {
    waits_writable_ = true;
    stream_->wait(Stream::Wait::kWritable, [self = shared_from_this()](std::error_code error) {
        self->waits_writable_ = false;
        if (error != asio::error::operation_aborted) self->note(kWritable);
    });
}

void Front::Connection::wait_broken() {
    waits_broken_ = true;
    stream_->wait(Stream::Wait::kBroken, [self = shared_from_this()](std::error_code error) {
        self->waits_broken_ = false;
        if (error != asio::error::operation_aborted) self->note(kBroken);
    });
}

// ---- The port ----

Front::Front(Loop& loop, Clock& clock, Log& log, FrontOptions options, Adopt adopt) {
    if (options.connections_max == 0) options.connections_max = limits::kConnectionsMax;
    state_ = std::make_shared<State>(loop, clock, log, options, std::move(adopt));
}

Front::~Front() = default;

Result<tcp::endpoint> Front::State::resolve(const HostPort& parts) {
    asio::error_code error;
    tcp::resolver resolver(loop.context());
    const auto found = resolver.resolve(parts.host, parts.port, tcp::resolver::passive, error);
    if (error || found.empty()) {
        return Error{code::kError, "cannot listen at " + parts.host + ": the name is not known (" +
                                       error.message() + "): check --listen and --address"};
    }
    return found.begin()->endpoint();
}

Status Front::bind(const std::string& address) {
    const std::optional<HostPort> parts = parse_address(address);
    if (!parts) return Error{code::kError, "'" + address + "' is not of the form HOST:PORT"};
    const Result<tcp::endpoint> endpoint = state_->resolve(*parts);
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

Status Front::listen(replica::Replica& replica) {
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

void Front::State::accept(const std::shared_ptr<State>& self) {
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

void Front::State::welcome(const std::shared_ptr<State>& self, std::unique_ptr<Stream> stream) {
    ++counters.accepted;
    stream->set_keep_alive(kKeepAlive);
    const bool crowded =
        clients.size() + strangers.size() >= options.connections_max + kStrangersMax;
    const bool scarce = stream->descriptor() >= options.descriptors.peers_below;
    if (scarce) warn_of_descriptors();
    if (crowded || scarce) {
        ++counters.refused;
        const auto oldest = strangers.empty() ? nullptr : strangers.front();
        if (!oldest) return;
        loop.post([oldest] {
            if (oldest->is_stranger()) oldest->close();
        });
    }
    if (scarce) return;  // who makes room still has its descriptor
    auto connection = std::make_shared<Connection>(self, std::move(stream));
    connection->place = strangers.insert(strangers.end(), connection);
    connection->start();
}

// At most once a minute.
bool Front::State::may_warn(TimePoint& last) {
    const TimePoint now = clock.now();
    if (last != TimePoint{} && now - last < kWarningPause) return false;
    last = now;
    return true;
}

void Front::State::warn_of_descriptors() {
    if (!may_warn(warned_of_descriptors)) return;
    log.warning("clients are refused, because open files are limited",
                {{"limit", static_cast<std::uint64_t>(options.descriptors.limit)},
                 {"clients", clients.size()},
                 {"remedy", "raise the limit on open files: ulimit -n, or LimitNOFILE"}});
}

void Front::State::sweep(const std::shared_ptr<State>& self) {
    const TimePoint now = clock.now();
    while (!strangers.empty() && now - strangers.front()->since() >= options.handshake_timeout) {
        ++counters.timed_out;
        const std::shared_ptr<Connection> oldest = strangers.front();
        oldest->close();
    }
    const bool look = ++sweeps % kSweepsPerLook == 0;
    std::vector<std::shared_ptr<Connection>> gone;
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
void Front::State::relieve() {
    make_room(0);
    renew_memory_reserve();
}

// The clients that hold much give way, until all together hold no more than this.
void Front::State::make_room(std::size_t bytes_max) {
    while (buffer_bytes > bytes_max) {
        std::shared_ptr<Connection> idlest;
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
void Front::State::send_answers() {
    while (!answering.empty()) {
        const std::shared_ptr<Connection> next = std::move(answering.front());
        answering.pop_front();
        next->answer();
    }
}

void Front::send_answers() {
    state_->send_answers();
}

void Front::stop_listening() {
    asio::error_code ignored;
    state_->acceptor.close(ignored);
}

void Front::leadership_changed() {
    // What a session does may close connections, others' included.
    const std::vector<std::shared_ptr<Connection>> clients(state_->clients.begin(),
                                                           state_->clients.end());
    for (const auto& client : clients) client->session()->leadership_changed();
}

std::size_t Front::client_count() const {
    return state_->clients.size();
}

const FrontCounters& Front::counters() const {
    return state_->counters;
}

std::function<bool()> Front::statements_running() const {
    std::vector<std::pair<std::shared_ptr<Connection>, std::uint64_t>> running;
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

void Front::finish() {
    stop_listening();
    for (const auto& client : state_->clients) client->finish();
}

void Front::close() {
    stop_listening();
    while (!state_->strangers.empty()) {
        const std::shared_ptr<Connection> connection = state_->strangers.front();
        connection->close();
    }
    while (!state_->clients.empty()) {
        const std::shared_ptr<Connection> connection = *state_->clients.begin();
        connection->close();
    }
    state_->answering.clear();
}

}  // namespace quorlite::server
