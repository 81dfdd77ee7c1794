#include "engine/server/joining.h"

#include <sys/uio.h>

#include <array>
#include <asio/error.hpp>

namespace quorlite::server {
namespace {

constexpr Duration kConnectTimeout = std::chrono::seconds(2);
// The answer to a promotion takes as long as it takes to catch up; asking again does no harm.
constexpr Duration kAnswerTimeout = std::chrono::seconds(30);

// What is said to one member, and how. A late report about an earlier one finds another in its
// place.
struct Exchange {
    std::shared_ptr<Dial> dial;
    std::unique_ptr<Stream> stream;  // once it is connected
    Bytes output;
    std::size_t sent = 0;  // of it
    std::array<std::uint8_t, 16u << 10> input{};
};

}  // namespace

struct Joining::State : std::enable_shared_from_this<State> {
    State(Loop& loop_, Dialer& dialer_, Clock& clock_, Log& log_, cluster::JoinerOptions options,
          Met met_, Done done_)
        : loop(loop_),
          dialer(dialer_),
          clock(clock_),
          log(log_),
          joiner(std::move(options), clock_.now()),
          met(std::move(met_)),
          done(std::move(done_)) {}

    Loop& loop;
    Dialer& dialer;
    Clock& clock;
    Log& log;
    cluster::Joiner joiner;
    Met met;  // once
    Done done;
    std::shared_ptr<Exchange> exchange;
    TimerId timer = TimerId::kNone;

    void perform(cluster::Joiner::Action action);
    void on(const cluster::Joiner::Connect& connect);
    void on(cluster::Joiner::Send& send);
    void on(const cluster::Joiner::Read& read);
    void on(const cluster::Joiner::Wait& wait);
    void on(const cluster::Joiner::Joined& joined) { finish(joined.role); }
    void on(const cluster::Joiner::Refused& refused) { finish(refused.error); }

    void connected(std::error_code error, std::unique_ptr<Stream> stream);
    void send();
    void fail(const std::string& reason);
    void set_timeout(Duration time);
    void drop();
    void finish(Result<wire::Role> result);

    // Runs `function` on the loop, if the exchange is then still the one it is about.
    template <class Function>
    auto on_loop(Function function) {
        return [self = shared_from_this(), about = exchange, function](std::error_code error,
                                                                       auto... rest) {
            self->loop.post([=] {
                if (self->exchange != about) return;
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
    exchange = std::make_shared<Exchange>();
    exchange->dial = dialer.dial(
        connect.address, kConnectTimeout, std::make_shared<Dialer::Known>(),
        [self = shared_from_this(), about = exchange](std::error_code error, auto stream) {
            if (self->exchange == about) self->connected(error, std::move(stream));
        });
}

void Joining::State::connected(std::error_code error, std::unique_ptr<Stream> stream) {
    if (error) return fail(error.message());
    exchange->stream = std::move(stream);
    perform(joiner.connected());
}

void Joining::State::on(cluster::Joiner::Send& message) {
    set_timeout(kAnswerTimeout);
    exchange->output = std::move(message.bytes);
    exchange->sent = 0;
    send();
}

void Joining::State::send() {
    Bytes& output = exchange->output;
    while (exchange->sent < output.size()) {
        const iovec rest{output.data() + exchange->sent, output.size() - exchange->sent};
        const Moved moved = exchange->stream->write_now({&rest, 1});
        if (moved.state == Moved::State::kFailed) return fail(moved.error.message());
        if (moved.state == Moved::State::kBlocked) {
            return exchange->stream->wait(Stream::Wait::kWritable,
                                          on_loop([](State& self) { self.send(); }));
        }
        exchange->sent += moved.bytes;
    }
    on(cluster::Joiner::Read{});
}

void Joining::State::on(const cluster::Joiner::Read&) {
    exchange->stream->read(exchange->input, on_loop([](State& self, std::size_t count) {
                               const ByteView bytes(self.exchange->input.data(), count);
                               cluster::Joiner::Action action =
                                   self.joiner.received(self.clock.now(), bytes);
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
    timer = loop.after(time, [self = shared_from_this(), about = exchange] {
        if (self->exchange == about) self->fail("no answer");
    });
}

void Joining::State::drop() {
    loop.cancel(timer);
    if (!exchange) return;
    exchange->dial->cancel();
    if (exchange->stream) exchange->stream->close();
    exchange = nullptr;
}

void Joining::State::finish(Result<wire::Role> result) {
    drop();
    if (done) std::exchange(done, nullptr)(std::move(result));
}

Joining::Joining(Loop& loop, Dialer& dialer, Clock& clock, Log& log, cluster::JoinerOptions options,
                 Met met, Done done)
    : state_(std::make_shared<State>(loop, dialer, clock, log, std::move(options), std::move(met),
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
