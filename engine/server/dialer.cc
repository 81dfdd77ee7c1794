#include "engine/server/dialer.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <asio/connect.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <optional>
#include <utility>

#include "engine/base/address.h"
#include "engine/base/limits.h"

namespace quorlite::server {
namespace {

using asio::ip::tcp;

// What attempts of both kinds share: their time, and that they end once.
class Attempt : public Dial {
public:
    Attempt(Loop& loop, Dialer::Done done) : loop_(loop), done_(std::move(done)) {}

    bool is_over() const { return !done_; }
    void limit(Duration timeout, std::shared_ptr<Attempt> self) {
        timer_ = loop_.after(timeout, [self = std::move(self)] {
            self->finish(std::make_error_code(std::errc::timed_out), nullptr);
        });
    }
    void cancel() override {
        done_ = nullptr;
        loop_.cancel(timer_);
        abandon();
    }

protected:
    void finish(std::error_code error, std::unique_ptr<Stream> stream) {
        const auto done = std::exchange(done_, nullptr);
        if (!done) return;
        loop_.cancel(timer_);
        if (error) abandon();
        done(error, std::move(stream));
    }
    Loop& loop() { return loop_; }

private:
    // What was begun is of no use any more.
    virtual void abandon() = 0;

    Loop& loop_;
    Dialer::Done done_;
    TimerId timer_ = TimerId::kNone;
};

class TcpDial final : public Attempt, public std::enable_shared_from_this<TcpDial> {
public:
    TcpDial(Loop& its_loop, std::shared_ptr<Dialer::Known> known, Dialer::Done done)
        : Attempt(its_loop, std::move(done)),
          known_(std::move(known)),
          resolver_(its_loop.context()),
          socket_(its_loop.context()) {}

    void start(const std::string& address) {
        const std::optional<HostPort> parts = parse_address(address);
        if (!parts) return fail_later(std::errc::invalid_argument);
        asio::error_code error;
        const asio::ip::address numeric = asio::ip::make_address(parts->host, error);
        if (!error) {
            *known_ = {{numeric, static_cast<std::uint16_t>(std::stoul(parts->port))}};
            return connect();
        }
        resolver_.async_resolve(
            parts->host, parts->port,
            [self = shared_from_this()](asio::error_code failure, const auto& found) {
                self->loop().post([self, failure, found] { self->resolved(failure, found); });
            });
    }

private:
    void fail_later(std::errc error) {
        loop().post([self = shared_from_this(), error] {
            self->finish(std::make_error_code(error), nullptr);
        });
    }

    void resolved(std::error_code error, const tcp::resolver::results_type& found) {
        if (!error) known_->assign(found.begin(), found.end());
        if (known_->empty()) return finish(error, nullptr);
        connect();
    }

    void connect() {
        if (is_over()) return;
        asio::async_connect(socket_, *known_,
                            [self = shared_from_this()](asio::error_code error, const auto&) {
                                self->loop().post([self, error] { self->connected(error); });
                            });
    }

    void connected(std::error_code error) {
        if (is_over()) return;
        finish(error, error ? nullptr : make_stream(std::move(socket_)));
    }

    void abandon() override {
        resolver_.cancel();
        asio::error_code ignored;
        socket_.close(ignored);
    }

    const std::shared_ptr<Dialer::Known> known_;
    tcp::resolver resolver_;
    tcp::socket socket_;
};

// By a function of the program. What comes after its end is closed.
class FunctionDial final : public Attempt, public std::enable_shared_from_this<FunctionDial> {
public:
    using Attempt::Attempt;

    void connected(int descriptor, int error) {
        if (is_over()) {
            if (descriptor >= 0) ::close(descriptor);
            return;
        }
        if (descriptor < 0) return finish({error, asio::error::get_system_category()}, nullptr);
        auto stream = make_stream(loop().context(), descriptor);
        if (!stream) return finish(std::make_error_code(std::errc::not_a_socket), nullptr);
        finish({}, std::move(stream));
    }

private:
    void abandon() override {}
};

}  // namespace

// Signals belong to the program: the threads inherit that all are blocked.
struct Dialer::Threads {
    Threads() {
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        pool.emplace(limits::kDialThreads);
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    std::optional<asio::thread_pool> pool;
};

Dialer::Dialer(Loop& loop, Connect connect)
    : loop_(loop),
      connect_(std::move(connect)),
      threads_(connect_ ? std::make_unique<Threads>() : nullptr) {}

Dialer::~Dialer() {
    stop();
}

void Dialer::stop() {
    if (threads_) threads_->pool->join();
    threads_ = nullptr;
}

std::shared_ptr<Dial> Dialer::dial(const std::string& address, Duration timeout,
                                   std::shared_ptr<Known> known, Done done) {
    if (!connect_) {
        const auto attempt = std::make_shared<TcpDial>(loop_, std::move(known), std::move(done));
        attempt->limit(timeout, attempt);
        attempt->start(address);
        return attempt;
    }
    const auto attempt = std::make_shared<FunctionDial>(loop_, std::move(done));
    attempt->limit(timeout, attempt);
    if (!threads_) return attempt;
    asio::post(*threads_->pool, [this, attempt, address] {
        const int descriptor = connect_(address);
        const int error = errno;
        loop_.post([attempt, descriptor, error] { attempt->connected(descriptor, error); });
    });
    return attempt;
}

}  // namespace quorlite::server
