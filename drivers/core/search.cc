#include "drivers/core/search.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {

LeaderSearch::LeaderSearch(Directory& directory, Owner owner, std::size_t probes_max,
                           std::chrono::milliseconds connect_timeout, Time now,
                           std::uint64_t random)
    : directory_(directory),
      owner_(std::move(owner)),
      probes_max_(std::max<std::size_t>(probes_max, 1)),
      connect_timeout_(connect_timeout),
      fan_out_at_(directory.leader().empty() ? now : later(now, limits::kHeadStart)) {
    Directory::Candidates candidates = directory.candidates(now, random);
    waiting_ = std::move(candidates.promising);
    failing_ = std::move(candidates.failing);
    fill(now);
}

LeaderSearch::~LeaderSearch() {
    for (const Probe& each : probes_) owner_.close(each.id);
}

Channel* LeaderSearch::channel(ChannelId id) {
    Probe* const found = probe(id);
    return found ? &found->channel : nullptr;
}

LeaderSearch::Probe* LeaderSearch::probe(ChannelId id) {
    const auto found = std::find_if(probes_.begin(), probes_.end(),
                                    [&](const Probe& each) { return each.id == id; });
    return found == probes_.end() ? nullptr : &*found;
}

void LeaderSearch::tell(const std::string& address, const std::string& what) {
    if (!story_.empty()) story_ += "; ";
    story_ += address + ": " + what;
}

void LeaderSearch::start(const std::string& address, Time now) {
    asked_.push_back(address);
    Probe probe{owner_.dial(address), Channel(address), later(now, connect_timeout_)};
    // A LEADER request is a few words: it cannot be too long.
    static_cast<void>(probe.channel.append(wire::LeaderRequest{}));
    probes_.push_back(std::move(probe));
}

// Asks as many nodes as may be asked now.
void LeaderSearch::fill(Time now) {
    if (found_) return;
    if (waiting_.empty() && probes_.empty()) waiting_ = std::exchange(failing_, {});
    const std::size_t allowed = now < fan_out_at_ && !probes_.empty() ? 1 : probes_max_;
    while (!waiting_.empty() && probes_.size() < allowed) {
        const std::string next = waiting_.front();
        waiting_.erase(waiting_.begin());
        if (std::find(asked_.begin(), asked_.end(), next) != asked_.end()) continue;
        start(next, now);
        if (now < fan_out_at_) break;
    }
}

void LeaderSearch::drop(ChannelId id, const std::string& why) {
    const Probe* const gone = probe(id);
    if (!why.empty()) tell(gone->channel.address(), why);
    owner_.close(id);
    std::erase_if(probes_, [&](const Probe& each) { return each.id == id; });
}

void LeaderSearch::dialled(ChannelId id) {
    if (Probe* const connected = probe(id)) connected->connected = true;
}

void LeaderSearch::failed(ChannelId id, const std::string& reason, Time now) {
    const Probe* const gone = probe(id);
    if (gone == nullptr) return;
    directory_.failed(gone->channel.address(), now);
    drop(id, reason);
    fan_out_at_ = now;
    fill(now);
}

void LeaderSearch::follow(const std::string& address, Time now) {
    const bool new_to_us = std::find(asked_.begin(), asked_.end(), address) == asked_.end();
    if (new_to_us && ++hints_ <= limits::kHintsMax) start(address, now);
}

void LeaderSearch::received(ChannelId id, Time now) {
    Probe* const asked = probe(id);
    if (asked == nullptr) return;
    const auto message = asked->channel.input().next();
    if (!message) return failed(id, message.error().message, now);
    if (!*message) return;
    const auto response = wire::decode_response((*message)->header, (*message)->body);
    if (!response) return failed(id, response.error().message, now);
    const auto* const server = std::get_if<wire::ServerResponse>(&*response);
    if (server == nullptr) return failed(id, "does not say who leads", now);
    const std::string own = asked->channel.address();
    const std::string leader(server->address);
    directory_.answered(own);
    if (leader == own) {
        directory_.found_leader(own);
        found_ = Found{id, std::move(asked->channel)};
        std::erase_if(probes_, [&](const Probe& each) { return each.id == id; });
        for (const Probe& each : probes_) owner_.close(each.id);
        probes_.clear();
        return;
    }
    directory_.lost_leader(own);
    drop(id, leader.empty() ? "knows no leader" : "says that " + leader + " leads");
    fan_out_at_ = now;
    if (!leader.empty()) follow(leader, now);
    fill(now);
}

void LeaderSearch::tick(Time now) {
    std::vector<ChannelId> late;
    for (const Probe& each : probes_) {
        if (each.give_up <= now) late.push_back(each.id);
    }
    for (const ChannelId id : late) {
        failed(id, probe(id)->connected ? "does not answer" : "cannot be reached in time", now);
    }
    fill(now);
}

Time LeaderSearch::wake_at() const {
    Time at = kNever;
    for (const Probe& each : probes_) at = std::min(at, each.give_up);
    if (!waiting_.empty() && probes_.size() < probes_max_) at = std::min(at, fan_out_at_);
    return at;
}

}  // namespace quorlite::core
