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
    for (const node_info& each : directory.nodes()) listed_.push_back(each.address);
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

std::string LeaderSearch::story_so_far() const {
    std::string story = story_;
    for (const Probe& each : probes_) {
        story += (story.empty() ? "" : "; ") + each.channel.address() + ": has not answered yet";
    }
    return story;
}

void LeaderSearch::start(const std::string& address, Time now) {
    asked_.push_back(address);
    Probe probe{owner_.dial(address), Channel(address), later(now, connect_timeout_)};
    // A LEADER request is a few words: it cannot be too long.
    static_cast<void>(probe.channel.append(wire::LeaderRequest{.wants_cluster_id = true}));
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
        if (!directory_.trusts(next)) probes_.back().referral = Referral{{}, listed_};
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

void LeaderSearch::follow(const std::string& address, std::optional<Referral> referral, Time now) {
    const bool new_to_us = std::find(asked_.begin(), asked_.end(), address) == asked_.end();
    if (!new_to_us || ++hints_ > limits::kHintsMax) return;
    start(address, now);
    probes_.back().referral = std::move(referral);
}

// A node of another cluster, whose words mean nothing here.
void LeaderSearch::refuse(ChannelId id, std::string why, Time now) {
    ++strangers_;
    stranger_ = why;
    failed(id, std::move(why), now);
}

void LeaderSearch::ask_for_list(Probe& probe, Time now) {
    probe.listing = true;
    probe.give_up = later(now, connect_timeout_);
    static_cast<void>(probe.channel.append(wire::ClusterRequest{}));
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
    const auto* const servers = std::get_if<wire::ServersResponse>(&*response);
    if (server != nullptr && !asked->listing) return take_leader(*asked, *server, now);
    if (servers != nullptr && asked->listing) return take_list(*asked, *servers, now);
    failed(id, asked->listing ? "does not list its nodes" : "does not say who leads", now);
}

void LeaderSearch::take_leader(Probe& asked, const wire::ServerResponse& server, Time now) {
    const std::string own = asked.channel.address();
    const std::string leader(server.address);
    asked.cluster = server.cluster.value_or(ClusterId());
    asked.channel.tells_null = server.cluster.has_value();
    if (auto why = directory_.refusal(own, asked.cluster)) {
        return refuse(asked.id, *std::move(why), now);
    }
    directory_.answered(own);
    if (!asked.referral || directory_.is_ours(asked.cluster)) {
        directory_.admit(own, asked.cluster);
        asked.referral.reset();
    }
    if (leader == own) {
        if (asked.referral) return ask_for_list(asked, now);
        return find(asked);
    }
    directory_.lost_leader(own);
    if (!leader.empty() && !directory_.may_dial(leader)) {
        return failed(asked.id, "names no HOST:PORT as the leader", now);
    }
    // With an id, and for an address that is trusted anyway, no list is needed.
    const bool vouched = leader.empty() || asked.cluster || directory_.trusts(leader);
    if (!vouched && !asked.referral) {
        asked.named = leader;
        return ask_for_list(asked, now);
    }
    take_hint(asked.id, leader, asked.referral.value_or(Referral{own, {}}), now);
}

void LeaderSearch::take_list(Probe& asked, const wire::ServersResponse& servers, Time now) {
    const std::string own = asked.channel.address();
    std::vector<std::string> list;
    for (const wire::Server& each : servers.servers) list.emplace_back(each.address);
    const std::string named = asked.named;
    if (!named.empty()) return take_hint(asked.id, named, Referral{own, list}, now);
    if (!related(own, list, *asked.referral)) {
        return failed(asked.id,
                      "lists no node that this client knows: it may be of another cluster", now);
    }
    directory_.admit(own, asked.cluster);
    find(asked);
}

// The two lists name each other, as far as that can be seen: a client may know a node by a name
// that no list has.
bool LeaderSearch::related(const std::string& address, const std::vector<std::string>& list,
                           const Referral& referral) const {
    const auto shared = [&](const std::string& each) {
        const auto& other = referral.list;
        return std::find(other.begin(), other.end(), each) != other.end();
    };
    for (const std::string& each : list) {
        if (each == address) continue;
        if (directory_.trusts(each) || shared(each)) return true;
    }
    // One node alone, under two names.
    return list.size() == 1 && referral.list == list && list.front() == address &&
           port_of(referral.by) == port_of(address);
}

void LeaderSearch::take_hint(ChannelId from, const std::string& leader,
                             std::optional<Referral> referral, Time now) {
    drop(from, leader.empty() ? "knows no leader" : "says that " + leader + " leads");
    fan_out_at_ = now;
    if (directory_.trusts(leader)) referral.reset();
    if (!leader.empty()) follow(leader, std::move(referral), now);
    fill(now);
}

void LeaderSearch::find(Probe& leader) {
    const ChannelId id = leader.id;
    directory_.found_leader(leader.channel.address());
    found_ = Found{id, std::move(leader.channel)};
    std::erase_if(probes_, [&](const Probe& each) { return each.id == id; });
    for (const Probe& each : probes_) owner_.close(each.id);
    probes_.clear();
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
