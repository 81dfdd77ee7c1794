#include "engine/cluster/joiner.h"

#include <algorithm>
#include <utility>

#include "engine/base/limits.h"

namespace quorlite::cluster {
namespace {

constexpr Duration kPauseMin = std::chrono::milliseconds(50);
constexpr Duration kPauseMax = std::chrono::seconds(1);
constexpr std::size_t kPauseDoublings = 5;

Bytes encoded(const wire::Request& request) {
    Bytes bytes;
    static_cast<void>(wire::encode(request, bytes));  // all of these are short
    return bytes;
}

std::string list(const std::vector<std::string>& addresses) {
    std::string text;
    for (const std::string& address : addresses) text += (text.empty() ? "" : ", ") + address;
    return text;
}

}  // namespace

Joiner::Joiner(JoinerOptions options, TimePoint now)
    : options_(std::move(options)),
      deadline_(now + options_.patience),
      seeds_(options_.seeds),
      added_(options_.doubt.has_value()),
      cluster_(options_.cluster),
      reader_(limits::kJoinAnswerBytesMax) {}

Joiner::Action Joiner::start() {
    redirects_ = 0;
    target_ = seeds_[next_seed_++ % seeds_.size()];
    return Connect{target_};
}

Joiner::Action Joiner::connected() {
    reader_ = wire::MessageReader(limits::kJoinAnswerBytesMax);
    question_ = Question::kLeader;
    Bytes bytes;
    ByteWriter(bytes).u64(wire::kProtocolVersion);
    static_cast<void>(wire::encode(wire::LeaderRequest{.wants_cluster_id = true}, bytes));
    return Send{std::move(bytes)};
}

Joiner::Action Joiner::resumed() {
    return start();
}

Joiner::Action Joiner::failed(TimePoint now, std::string reason) {
    return try_again(now, target_ + ": " + reason);
}

Joiner::Action Joiner::received(TimePoint now, ByteView bytes) {
    reader_.feed(bytes);
    const auto message = reader_.next();
    if (!message) return try_again(now, target_ + ": " + message.error().message);
    if (!*message) return Read{};
    const auto response = wire::decode_response((*message)->header, (*message)->body);
    if (!response) return try_again(now, target_ + ": " + response.error().message);
    reached_ = true;
    return answer(now, *response);
}

Joiner::Action Joiner::ask(Question question) {
    question_ = question;
    switch (question) {
        case Question::kLeader:
            return Send{encoded(wire::LeaderRequest{.wants_cluster_id = true})};
        case Question::kMembers:
            return Send{encoded(wire::ClusterRequest{})};
        case Question::kAdd:
            return Send{encoded(wire::AddRequest{options_.id, options_.address})};
        case Question::kAssign:
            return Send{encoded(wire::AssignRequest{options_.id, role_})};
    }
    return Read{};
}

Joiner::Action Joiner::answer(TimePoint now, const wire::Response& response) {
    if (const auto* failure = std::get_if<wire::FailureResponse>(&response)) {
        return refused(now, *failure);
    }
    if (question_ == Question::kLeader) {
        const auto* server = std::get_if<wire::ServerResponse>(&response);
        if (server != nullptr) return leader_is(now, *server);
    }
    if (question_ == Question::kMembers) {
        const auto* members = std::get_if<wire::ServersResponse>(&response);
        if (members != nullptr) return members_are(now, *members);
    }
    if (std::holds_alternative<wire::EmptyResponse>(response)) {
        if (question_ == Question::kAssign) return Joined{role_};
        if (question_ == Question::kAdd) {
            added_ = true;
            return ask(
                Question::kMembers);  // others may have joined meanwhile: count the voters again
        }
    }
    return try_again(now, target_ + " gave an answer to another question");
}

Joiner::Action Joiner::leader_is(TimePoint now, const wire::ServerResponse& server) {
    const ClusterId theirs = server.cluster.value_or(ClusterId());
    if (!cluster_) cluster_ = theirs;
    if (theirs && !same_cluster(theirs, cluster_)) return Refused{another_cluster(theirs)};
    if (server.address.empty()) return try_again(now, target_ + " knows no leader");
    if (server.address == target_) return ask(Question::kMembers);
    if (++redirects_ > limits::kJoinRedirectsMax)
        return try_again(now, "the leader changes all the time");
    target_ = server.address;
    return Connect{target_};
}

Joiner::Action Joiner::members_are(TimePoint now, const wire::ServersResponse& members) {
    if (members.servers.empty()) return try_again(now, target_ + " knows no members");
    if (options_.doubt) return is_member(members);
    std::size_t voters = 0;
    const wire::Server* self = nullptr;
    for (const wire::Server& member : members.servers) {
        if (member.role == wire::Role::kVoter) ++voters;
        learn(member.address);
        if (member.id == options_.id) self = &member;
        if (member.id == options_.id && member.address != options_.address) {
            return Refused{
                {code::kError, "cannot join: the id " + std::to_string(options_.id.value()) +
                                   " belongs to the node at " + std::string(member.address) +
                                   ": choose another with --id"}};
        }
        if (member.id != options_.id && member.address == options_.address) {
            return Refused{{code::kError, "cannot join: the address " + options_.address +
                                              " belongs to node " +
                                              std::to_string(member.id.value()) +
                                              ": remove that node first, or use another address"}};
        }
    }
    welcome_ = true;
    if (self == nullptr) return ask(Question::kAdd);
    added_ = true;
    // A promotion that was interrupted may have left the node as a standby.
    role_ = voters < kVotersWanted ? wire::Role::kVoter : wire::Role::kStandby;
    if (self->role == wire::Role::kVoter || self->role == role_) return Joined{self->role};
    return ask(Question::kAssign);
}

Joiner::Action Joiner::is_member(const wire::ServersResponse& members) {
    for (const wire::Server& member : members.servers) {
        const bool self = member.id == options_.id && member.address == options_.address;
        if (self) return Joined{member.role};
    }
    if (!std::exchange(doubted_, true)) return Wait{*options_.doubt};
    return Refused{{code::kError, "node " + std::to_string(options_.id.value()) + " at " +
                                      options_.address + " is not a member of the cluster led by " +
                                      target_ +
                                      ": it was removed, or its directory belongs to another "
                                      "cluster: correct --join, or start it with an empty "
                                      "directory to join"}};
}

Error Joiner::another_cluster(ClusterId theirs) const {
    return {code::kError,
            "the node at " + target_ + " belongs to cluster " + to_text(theirs) +
                ", this node to cluster " + to_text(cluster_) +
                ": correct --join, or start with an empty directory to join the other"};
}

// Whoever answers first may be gone next time.
void Joiner::learn(std::string_view address) {
    const bool known = std::find(seeds_.begin(), seeds_.end(), address) != seeds_.end();
    if (known || address == options_.address || seeds_.size() >= limits::kSeedsMax) return;
    seeds_.emplace_back(address);
}

Joiner::Action Joiner::refused(TimePoint now, const wire::FailureResponse& failure) {
    return try_again(now, target_ + " answered: " + std::string(failure.message));
}

Joiner::Action Joiner::try_again(TimePoint now, std::string reason) {
    last_reason_ = std::move(reason);
    if (!added_ && now >= deadline_) return Refused{give_up()};
    const std::size_t round = std::exchange(failures_, failures_ + 1) / seeds_.size();
    const Duration pause = kPauseMin * (1u << std::min(round, kPauseDoublings));
    return Wait{std::min(pause, kPauseMax)};
}

Error Joiner::give_up() const {
    const std::string last = " (last: " + last_reason_ + ")";
    if (!reached_) {
        return {code::kError, "cannot join: nobody answers at " + list(options_.seeds) + last +
                                  ": check --join, and that these nodes run"};
    }
    return {code::kError, "cannot join the cluster of " + list(options_.seeds) + last +
                              ": check that a majority of its voters runs"};
}

}  // namespace quorlite::cluster
