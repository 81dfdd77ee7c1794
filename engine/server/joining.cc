#include "engine/server/joining.h"

#include <array>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include "engine/base/address.h"

namespace quorlite::server {
namespace {

using asio::ip::tcp;

constexpr Duration kConnectTimeout = std::chrono::seconds(2);
// The answer to a promotion takes as long as it takes to catch up; asking again does no harm.
constexpr Duration kAnswerTimeout = std::chrono::seconds(30);

// One connection to a member. A late report about an earlier one finds another in its place.
struct Conversation {
    explicit Conversation(asio::io_context& context) : resolver(context), socket(context) {}
    tcp::resolver resolver;
    tcp::socket socket;
    Bytes output;
    std::array<std::uint8_t, 16u << 10> input{};
};

}  // namespace

struct Joining::State : std::enable_shared_from_this<State> {
    State(Loop& loop_, Clock& clock_, Log& log_, cluster::JoinerOptions options, Met met_,
          Done done_)
        : loop(loop_),
          clock(clock_),
          log(log_),
          joiner(std::move(options), clock_.now()),
          met(std::move(met_)),
          done(std::move(done_)) {}

    Loop& loop;
    Clock& clock;
    Log& log;
    cluster::Joiner joiner;
    Met met;  // once
    Done done;
    std::shared_ptr<Conversation> conversation;
    TimerId timer = TimerId::kNone;

    void perform(cluster::Joiner::Action action);
    void on(const cluster::Joiner::Connect& connect);
    void on(cluster::Joiner::Send& send);
    void on(const cluster::Joiner::Read& read);
    void on(const cluster::Joiner::Wait& wait);
    void on(const cluster::Joiner::Joined& joined) { finish(joined.role); }
    void on(const cluster::Joiner::Refused& refused) { finish(refused.error); }

    void connect_to(const tcp::resolver::results_type& endpoints);
    void fail(const std::string& reason);
    void set_timeout(Duration time);
    void drop();
    void finish(Result<wire::Role> result);

    // Runs `function` on the loop, if the conversation is then still the one it is about.
    template <class Function>
    auto on_loop(Function function) {
        return [self = shared_from_this(), about = conversation, function](asio::error_code error,
                                                                           auto... rest) {
            self->loop.post([=] {
                if (self->conversation != about) return;
                if (error) return self->fail(error.message());
                function(*self, rest...);
            });
        };
    }
};

void Joining::State::perform(cluster::Joiner::Action action) {
    std::visit([this](auto& any) { on(any); }, action);
}

void Joining::State::on(const cluster::Joiner::Connect& connect) {
    drop();
    conversation = std::make_shared<Conversation>(loop.context());
    set_timeout(kConnectTimeout);
    const std::optional<HostPort> parts = parse_address(connect.address);
    if (!parts) return fail("not of the form HOST:PORT");
    conversation->resolver.async_resolve(
        parts->host, parts->port,
        on_loop([](State& self, const tcp::resolver::results_type& endpoints) {
            self.connect_to(endpoints);
        }));
}

void Joining::State::connect_to(const tcp::resolver::results_type& endpoints) {
    asio::async_connect(conversation->socket, endpoints, on_loop([](State& self, const auto&) {
                            self.perform(self.joiner.connected());
                        }));
}

void Joining::State::on(cluster::Joiner::Send& send) {
    set_timeout(kAnswerTimeout);
    conversation->output = std::move(send.bytes);
    asio::async_write(conversation->socket, asio::buffer(conversation->output),
                      on_loop([](State& self, std::size_t) { self.on(cluster::Joiner::Read{}); }));
}

void Joining::State::on(const cluster::Joiner::Read&) {
    conversation->socket.async_read_some(
        asio::buffer(conversation->input), on_loop([](State& self, std::size_t count) {
            const ByteView bytes(self.conversation->input.data(), count);
            cluster::Joiner::Action action = self.joiner.received(self.clock.now(), bytes);
            if (self.met && self.joiner.cluster()) {
                std::exchange(self.met, nullptr)(self.joiner.cluster());
            }
            self.perform(std::move(action));
        }));
}

void Joining::State::on(const cluster::Joiner::Wait& wait) {
    drop();
    timer = loop.after(wait.time, [self = shared_from_this()] {
        if (self->done) self->perform(self->joiner.resumed());
    });
}

void Joining::State::fail(const std::string& reason) {
    log.debug("join attempt failed", {{"reason", reason}});
    perform(joiner.failed(clock.now(), reason));
}

void Joining::State::set_timeout(Duration time) {
    loop.cancel(timer);
    timer = loop.after(time, [self = shared_from_this(), about = conversation] {
        if (self->conversation == about) self->fail("no answer");
    });
}

void Joining::State::drop() {
    loop.cancel(timer);
    if (!conversation) return;
    conversation->resolver.cancel();
    asio::error_code ignored;
    conversation->socket.close(ignored);
    conversation = nullptr;
}

void Joining::State::finish(Result<wire::Role> result) {
    drop();
    if (done) std::exchange(done, nullptr)(std::move(result));
}

Joining::Joining(Loop& loop, Clock& clock, Log& log, cluster::JoinerOptions options, Met met,
                 Done done)
    : state_(std::make_shared<State>(loop, clock, log, std::move(options), std::move(met),
                                     std::move(done))) {}

Joining::~Joining() {
    stop();
}

void Joining::start() {
    state_->perform(state_->joiner.start());
}

void Joining::stop() {
    state_->done = nullptr;
    state_->drop();
}

}  // namespace quorlite::server
