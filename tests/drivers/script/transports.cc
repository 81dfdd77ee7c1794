#include "tests/drivers/script/transports.h"

#include <poll.h>

#include <algorithm>
#include <asio/post.hpp>
#include <map>
#include <stdexcept>

namespace quorlite::testing {
namespace {

using core::ChannelId;

class Scripted : public sync::Transport {
public:
    explicit Scripted(World& world) : world_(world) {}

    Time now() override { return world_.now(); }
    std::uint64_t random() override { return 42; }

    void dial(ChannelId channel, const std::string& address) override {
        World::StreamId stream = 0;
        const std::string problem = world_.dial(address, stream);
        if (problem.empty()) streams_[channel] = stream;
        dialled_.push_back({channel, problem.empty(), false, problem});
    }
    void close(ChannelId channel) override {
        if (streams_.contains(channel)) world_.close(streams_[channel]);
        streams_.erase(channel);
        std::erase_if(dialled_, [&](const auto& each) { return each.channel == channel; });
    }
    // Takes at most so much at a time, so that messages are cut.
    sync::Io write(ChannelId channel, std::span<const std::uint8_t> bytes) override {
        constexpr std::size_t kMax = 40;
        const std::size_t count = std::min(bytes.size(), kMax);
        const std::string problem = world_.write(streams_.at(channel), bytes.first(count));
        return {problem.empty() ? count : 0, false, problem};
    }
    sync::Io read(ChannelId channel, std::span<std::uint8_t> room) override {
        if (!world_.readable(streams_.at(channel))) return {0, true, {}};
        Bytes bytes;
        const std::string problem = world_.read(streams_.at(channel), room.size(), bytes);
        std::copy(bytes.begin(), bytes.end(), room.begin());
        return {bytes.size(), false, problem};
    }
    bool wait(std::span<const sync::Interest> interests, Time until, int also,
              std::vector<sync::Event>& events) override {
        pollfd watched{also, POLLIN, 0};
        if (::poll(&watched, 1, 0) > 0) return true;
        std::swap(events, dialled_);
        dialled_.clear();
        for (const sync::Interest& each : interests) {
            const bool can_read = each.read && world_.readable(streams_.at(each.channel));
            if (can_read || each.write) events.push_back({each.channel, false, true, {}});
        }
        if (!events.empty()) return true;
        // Nothing will ever happen: a call that waits for ever is what must not be.
        if (until == core::kNever) throw std::logic_error("waits for ever");
        world_.wait_until(until);
        return true;
    }
    void wake() noexcept override {}

private:
    World& world_;
    std::map<ChannelId, World::StreamId> streams_;
    std::vector<sync::Event> dialled_;
};

class ScriptedAsync : public async::AsyncTransport,
                      public std::enable_shared_from_this<ScriptedAsync> {
public:
    ScriptedAsync(World& world, Alarms& alarms, asio::any_io_executor strand)
        : world_(world), alarms_(alarms), strand_(std::move(strand)) {}

    Time now() override { return world_.now(); }
    std::uint64_t random() override { return 42; }

    void dial(ChannelId channel, const std::string& address, async::Dialled done) override {
        World::StreamId stream = 0;
        const std::string problem = world_.dial(address, stream);
        channels_[channel] = {problem.empty() ? stream : 0, {}, {}};
        asio::post(strand_, [self = shared_from_this(), channel, problem, done] {
            if (self->channels_.contains(channel)) done(problem);
        });
    }
    void close(ChannelId channel) override {
        world_.close(channels_[channel].stream);
        channels_.erase(channel);
    }
    void write(ChannelId channel, std::span<const std::uint8_t> bytes, async::Moved done) override {
        const std::string problem = world_.write(channels_[channel].stream, bytes);
        const std::size_t count = bytes.size();
        asio::post(strand_, [self = shared_from_this(), channel, count, problem, done] {
            if (self->channels_.contains(channel)) done(count, problem);
        });
        look(channel);
    }
    void read(ChannelId channel, std::span<std::uint8_t> room, async::Moved done) override {
        channels_[channel].room = room;
        channels_[channel].done = std::move(done);
        look(channel);
    }
    void alarm(Time at, std::function<void()> ring) override {
        alarms_.set(this, at, std::move(ring));
    }

private:
    struct Channel {
        World::StreamId stream;
        std::span<std::uint8_t> room;
        async::Moved done;
    };

    // Ends the read that waits, if there is something for it.
    void look(ChannelId channel) {
        Channel& own = channels_[channel];
        if (!own.done || !world_.readable(own.stream)) return;
        Bytes bytes;
        const std::string problem = world_.read(own.stream, own.room.size(), bytes);
        std::copy(bytes.begin(), bytes.end(), own.room.begin());
        asio::post(strand_, [self = shared_from_this(), channel, count = bytes.size(), problem,
                             done = std::exchange(own.done, nullptr)] {
            if (self->channels_.contains(channel)) done(count, problem);
        });
    }

    World& world_;
    Alarms& alarms_;
    asio::any_io_executor strand_;
    std::map<ChannelId, Channel> channels_;
};

}  // namespace

std::unique_ptr<sync::Transport> make_scripted(World& world) {
    return std::make_unique<Scripted>(world);
}

std::shared_ptr<async::AsyncTransport> make_scripted(World& world, Alarms& alarms,
                                                     const asio::any_io_executor& strand) {
    return std::make_shared<ScriptedAsync>(world, alarms, strand);
}

void Alarms::set(const void* owner, Time at, std::function<void()> ring) {
    if (at == core::kNever) {
        alarms_.erase(owner);
    } else {
        alarms_[owner] = {at, std::move(ring)};
    }
}

bool Alarms::run(asio::io_context& context, World& world, const std::function<bool()>& done) {
    while (!done()) {
        context.restart();
        if (context.poll() > 0 || done()) continue;
        const auto next = std::min_element(
            alarms_.begin(), alarms_.end(),
            [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
        if (next == alarms_.end()) return false;
        const Alarm alarm = std::move(next->second);
        alarms_.erase(next);
        world.wait_until(alarm.at);
        alarm.ring();
    }
    return true;
}

void Alarms::settle(asio::io_context& context) {
    context.restart();
    while (context.poll() > 0) context.restart();
}

}  // namespace quorlite::testing
