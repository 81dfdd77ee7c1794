#include "engine/server/membership.h"

#include <utility>

#include "engine/cluster/joiner.h"
#include "engine/disk/log.h"

namespace quorlite::server {
namespace {

using Kind = NodeError::Kind;

// A node that hears of no leader for so many election timeouts asks the others whether it is still
// a member, and, told that it is not, asks again half of that later.
constexpr int kLeaderlessTimeouts = 10;
constexpr Duration kDurableInterval = std::chrono::milliseconds(5);

}  // namespace

NodeError directory_error(const std::string& directory, const Error& error) {
    std::string message = error.message;
    if (message.find(directory) == std::string::npos) {
        message = "directory " + directory + ": " + message;
    }
    if (error.code == code::kFull) message += ": free some space, then start the node again";
    return {Kind::kDirectory, std::move(message)};
}

Membership::Membership(MembershipParts parts, const NodeOptions& options,
                       std::function<void(NodeError)> failed)
    : parts_(parts), options_(options), failed_(std::move(failed)) {}

// A node that has not joined yet, or has no role yet, looks for its cluster where it was told to,
// also after a restart.
std::optional<NodeError> Membership::start() {
    const NodeId id = parts_.replica.id();
    const raft::Server* self = parts_.replica.configuration().find(id);
    if (self == nullptr && !options_.join.empty()) {
        const Status saved = disk::save_seeds(parts_.disk, options_.join);
        if (!saved) return directory_error(options_.directory, saved.error());
    }
    const auto seeds = disk::load_seeds(parts_.disk);
    if (!seeds) return directory_error(options_.directory, seeds.error());
    if (self == nullptr && seeds->empty()) {
        return NodeError{Kind::kJoin, "node " + std::to_string(id.value()) +
                                          " is not a member of a cluster: give the addresses of "
                                          "members with --join"};
    }
    const bool has_role_already = self != nullptr && self->role != raft::Role::kSpare;
    if (!seeds->empty() && !has_role_already) {
        join(*seeds);
    } else {
        if (!seeds->empty()) forget_seeds();
        if (!options_.join.empty()) verify(options_.join);
    }
    watch_leaderless();
    return std::nullopt;
}

void Membership::stop() {
    if (joining_) joining_->stop();
    if (verification_) verification_->stop();
}

void Membership::join(std::vector<std::string> seeds) {
    cluster::JoinerOptions wanted{.id = parts_.replica.id(),
                                  .address = parts_.replica.address(),
                                  .seeds = std::move(seeds),
                                  .patience = options_.join_timeout,
                                  .cluster = parts_.replica.cluster_id()};
    has_role_ = false;
    joining_ = std::make_unique<Joining>(
        parts_.loop, parts_.dialer, parts_.clock, parts_.log, std::move(wanted),
        [this](ClusterId cluster) { parts_.replica.meet_cluster(cluster); },
        [this](const Result<wire::Role>& role) {
            if (!role) return failed_({Kind::kJoin, role.error().message});
            has_role_ = true;
            parts_.log.info("joined",
                            {{"role", *role == wire::Role::kVoter ? "voter" : "standby"}});
        });
    joining_->start();
}

void Membership::verify(std::vector<std::string> seeds) {
    cluster::JoinerOptions wanted{.id = parts_.replica.id(),
                                  .address = parts_.replica.address(),
                                  .seeds = std::move(seeds),
                                  .doubt = options_.election_timeout * kLeaderlessTimeouts / 2,
                                  .cluster = parts_.replica.cluster_id()};
    verification_ = std::make_unique<Joining>(
        parts_.loop, parts_.dialer, parts_.clock, parts_.log, std::move(wanted), nullptr,
        [this](const Result<wire::Role>& role) {
            verification_ = nullptr;
            last_led_ = parts_.clock.now();
            if (!role) failed_({Kind::kRemoved, role.error().message});
        });
    verification_->start();
}

// A node that was removed while it was down, or cut off, has nobody who tells it.
void Membership::watch_leaderless() {
    const TimePoint now = parts_.clock.now();
    if (parts_.replica.leader().id || last_led_ == TimePoint{}) last_led_ = now;
    if (has_role_ && !verification_ &&
        now - last_led_ > options_.election_timeout * kLeaderlessTimeouts) {
        std::vector<std::string> others;
        for (const raft::Server& server : parts_.replica.configuration().servers) {
            if (server.id != parts_.replica.id()) others.push_back(server.address);
        }
        if (!others.empty()) verify(std::move(others));
    }
    parts_.loop.after(options_.election_timeout, [this] { watch_leaderless(); });
}

bool Membership::is_ready() const {
    const NodeId id = parts_.replica.id();
    const raft::Server* self = parts_.replica.configuration().find(id);
    if (self == nullptr || !has_role_) return false;
    if (self->role != raft::Role::kVoter)
        return true;  // is told of no leader (protocol section 6.1)
    const replica::Leader leader = parts_.replica.leader();
    return leader.id == id ? parts_.replica.check_leader().ok() : bool(leader.id);
}

void Membership::became_ready() {
    if (joining_) forget_seeds_beyond(parts_.replica.status().last);
}

// The cluster knows the node as a member before the node itself does, above all while a snapshot is
// on its way; until its own disk says so, up to `known`, a restart has to find the cluster again.
void Membership::forget_seeds_beyond(Index known) {
    if (parts_.replica.status().durable >= known) return forget_seeds();
    parts_.loop.after(kDurableInterval, [this, known] { forget_seeds_beyond(known); });
}

// A member that is removed later must not come back by itself.
void Membership::forget_seeds() {
    const Status saved = disk::save_seeds(parts_.disk, {});
    if (!saved) {
        parts_.log.warning("the addresses to join cannot be forgotten",
                           {{"reason", saved.error().message}});
    }
}

}  // namespace quorlite::server
