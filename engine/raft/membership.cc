// Who belongs to the cluster: one change at a time (thesis section 4.1), each an entry in the log
// that is in force as soon as it is there.

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/raft/state.h"
#include "wire/base/errors.h"

namespace quorlite::raft {
namespace {

Error refused(std::string why) {
    return {code::kError, std::move(why), Verdict::kNotCommitted};
}

Error busy(std::string why) {
    return {code::kBusy, std::move(why), Verdict::kNotCommitted};
}

}  // namespace

// A change waits for the one before it, and for the first entry of this leader's term: two leaders
// could otherwise make changes whose majorities do not meet.
std::optional<Error> Core::State::refuse_change() const {
    if (mutant(Mutant::kChangesOverlap)) return std::nullopt;
    if (serving() && log.configuration_index() <= commit) return std::nullopt;
    return busy("a configuration change is already in progress");
}

Index Core::State::append_configuration(Leader& leader, const Configuration& configuration) {
    const Index index =
        append_own(EntryKind::kConfiguration, std::make_shared<const Bytes>(encode(configuration)));
    leader.tracker.configure(configuration, options.self, index, now);
    // The lease was given by a majority of the old voters. One change keeps majorities in touch,
    // two need not, so it is earned anew.
    leader.rounds.clear();
    leader.lease_start.reset();
    start_round(leader);
    return index;
}

Result<Index> Core::State::add(NodeId id, std::string address) {
    Leader* leader = as_leader();
    if (leader == nullptr || leader->transfer) return not_leader();
    if (!id) return refused("server ID is not valid");
    Configuration changed = log.configuration();
    if (changed.find(id) != nullptr) return refused("server ID already in use");
    for (const Server& server : changed.servers) {
        if (server.address == address) return refused("server address already in use");
    }
    if (changed.servers.size() >= limits::kPeersMax) {
        return refused("a cluster has at most " + std::to_string(limits::kPeersMax) +
                       " members: remove one first");
    }
    if (auto error = refuse_change()) return *std::move(error);
    changed.servers.push_back({id, std::move(address), Role::kSpare});
    std::sort(changed.servers.begin(), changed.servers.end(),
              [](const Server& a, const Server& b) { return a.id < b.id; });
    if (encode(changed).size() > limits::kConfigurationBytesMax) {
        return refused("the addresses of the members are too long together: use shorter ones");
    }
    return append_configuration(*leader, changed);
}

Result<Index> Core::State::assign(NodeId id, Role new_role) {
    Leader* leader = as_leader();
    if (leader == nullptr || leader->transfer) return not_leader();
    const Server* server = log.configuration().find(id);
    if (server == nullptr) return refused("Resource not found");
    if (server->role == new_role) return refused("server role is not valid");
    // A leader that is being demoted has the whole log.
    if (new_role == Role::kVoter && id != options.self) return promote(*leader, *server);
    if (server->role == Role::kVoter && log.configuration().voter_count() == 1) {
        return refused("the last voter cannot be demoted");
    }
    if (auto error = refuse_change()) return *std::move(error);
    return change_role(*leader, id, new_role);
}

Result<Index> Core::State::remove(NodeId id) {
    Leader* leader = as_leader();
    if (leader == nullptr || leader->transfer) return not_leader();
    Configuration changed = log.configuration();
    const Server* server = changed.find(id);
    if (server == nullptr) return refused("server ID is not valid");
    if (server->role == Role::kVoter && changed.voter_count() == 1) {
        return refused("the last voter cannot be removed");
    }
    if (auto error = refuse_change()) return *std::move(error);
    std::erase_if(changed.servers, [id](const Server& each) { return each.id == id; });
    return append_configuration(*leader, changed);
}

Index Core::State::change_role(Leader& leader, NodeId id, Role new_role) {
    Configuration changed = log.configuration();
    for (Server& server : changed.servers) {
        if (server.id == id) server.role = new_role;
    }
    return append_configuration(leader, changed);
}

// --- catching up (section 4.2.1) ---

// A new voter that lags would make the cluster wait for it, so it is caught up as a standby first:
// in rounds, each up to where the log ended when the round began, until one takes less than an
// election timeout. The owner calls again and again; a catch-up nobody asks about gives way to
// another.
Result<Index> Core::State::promote(Leader& leader, const Server& server) {
    const NodeId id = server.id;
    const bool spare = server.role == Role::kSpare;
    std::optional<Leader::CatchUp>& catch_up = leader.catch_up;
    const bool same = catch_up && catch_up->id == id;
    if (catch_up && !same && now < catch_up->asked + options.election_timeout * 2) {
        return busy("a configuration change is already in progress");
    }
    if (spare) {
        if (auto error = refuse_change()) return *std::move(error);
        change_role(leader, id, Role::kStandby);
    }
    if (!same || spare) {
        catch_up = {.id = id, .goal = log.last_index(), .started = now, .asked = now};
    }
    catch_up->asked = now;
    const Peer* peer = leader.tracker.find(id);
    QUORLITE_CHECK(peer != nullptr);
    measure_catch_up(leader, *peer);
    const bool heard = !peer->gone && peer->last_heard + options.election_timeout > now;
    if (!catch_up->ready || !heard) return Error{code::kCatchingUp, "catching up"};
    if (auto error = refuse_change()) return *std::move(error);
    catch_up.reset();
    return change_role(leader, id, Role::kVoter);
}

void Core::State::measure_catch_up(Leader& leader, const Peer& peer) {
    if (!leader.catch_up || leader.catch_up->id != peer.id) return;
    Leader::CatchUp& catch_up = *leader.catch_up;
    if (catch_up.ready || peer.match < catch_up.goal) return;
    catch_up.ready = now - catch_up.started < options.election_timeout;
    catch_up.goal = log.last_index();
    catch_up.started = now;
}

// Who joins again under an id that was removed begins anew.
void Core::State::forget_receipts() {
    receipts_of = log.configuration_index();
    std::erase_if(receipts, [this](const auto& receipt) {
        return log.configuration().find(receipt.first) == nullptr;
    });
}

// --- commit ---

// A leader that the configuration no longer counts among the voters leads until it is committed,
// and then hands over (sections 4.2.2 and 3.10).
void Core::State::configuration_committed() {
    Leader& leader = *as_leader();
    for (Peer& peer : leader.tracker.peers()) {
        if (!peer.leaving && is_voter()) continue;
        // Who is left out, or soon has no leader, learns that this is committed.
        fill(leader, peer);
        send_heartbeat(leader, peer);
    }
    leader.tracker.drop_leaving();
    if (is_voter()) return;
    const NodeId successor = most_advanced_voter(leader);
    const Peer* peer = leader.tracker.find(successor);
    if (peer != nullptr && peer->match == log.last_index()) {
        send(successor, TimeoutNow{.term = hard.term});
    }
    become_follower(hard.term, NodeId());
}

}  // namespace quorlite::raft
