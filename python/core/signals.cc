#include "core/signals.h"

#include <pybind11/pybind11.h>

#include <algorithm>

namespace py = pybind11;

namespace quorlite::python {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{100};

thread_local Waiting* innermost = nullptr;

class InterruptibleSockets : public sync::Transport {
public:
    core::Time now() override { return sockets_->now(); }
    std::uint64_t random() override { return sockets_->random(); }
    void dial(sync::ChannelId channel, const std::string& address) override {
        sockets_->dial(channel, address);
    }
    void close(sync::ChannelId channel) override { sockets_->close(channel); }
    sync::Io write(sync::ChannelId channel, std::span<const std::uint8_t> bytes) override {
        return sockets_->write(channel, bytes);
    }
    sync::Io read(sync::ChannelId channel, std::span<std::uint8_t> room) override {
        return sockets_->read(channel, room);
    }
    bool wait(std::span<const sync::Interest> interests, core::Time until, int also,
              std::vector<sync::Event>& events) override {
        sockets_->wait(interests, std::min(until, core::later(now(), kLookEvery)), also, events);
        return innermost == nullptr || innermost->look();
    }
    void wake() noexcept override { sockets_->wake(); }

private:
    const std::unique_ptr<sync::Transport> sockets_ = sync::make_sockets();
};

}  // namespace

Waiting::Waiting() : outer_(innermost), looks_at_(steady_clock::now() + kLookEvery) {
    innermost = this;
}

Waiting::~Waiting() {
    innermost = outer_;
}

bool Waiting::look() {
    if (raised_) return false;
    const auto now = steady_clock::now();
    if (now < looks_at_) return true;
    looks_at_ = now + kLookEvery;
    const py::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() == 0) return true;
    raised_ = std::make_exception_ptr(py::error_already_set());
    return false;
}

std::unique_ptr<sync::Transport> make_interruptible_sockets() {
    return std::make_unique<InterruptibleSockets>();
}

}  // namespace quorlite::python
