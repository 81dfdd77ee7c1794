// Changes of the membership, and the transfer of leadership: proposed to raft, and answered when
// they are committed or have failed. A promotion waits for the node to catch up.

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"

namespace quorlite::replica {
namespace {

constexpr Duration kFarewell = std::chrono::seconds(2);
constexpr Duration kPromotionMax = std::chrono::seconds(50);  // as the real server
// One change after another: most end within milliseconds, and nodes make some by themselves.
constexpr Duration kChangeWaitMax = std::chrono::seconds(5);

Error change_in_progress() {
    return {code::kBusy, "a configuration change is already in progress"};
}

}  // namespace

Error membership_error(Error error) {
    if (error.code == code::kNotLeader) error.message = "server is not the leader";
    if (error.code == code::kLeadershipLost) error.message = "server has lost leadership";
    return error;
}

void Replica::State::request(Change change) {
    if (changes_waiting.empty() && try_change(change)) return;
    if (changes_waiting.size() >= limits::kChangesWaitingMax) {
        change.done(change_in_progress());
        return;
    }
    change.deadline = now() + kChangeWaitMax;
    changes_waiting.push_back(std::move(change));
}

// False if another one is under way.
bool Replica::State::try_change(Change& change) {
    const bool overlaps = promotion && change.assigns;
    Result<Index> proposed = overlaps ? change_in_progress() : change.propose();
    if (!proposed.ok() && proposed.error().code == code::kBusy) return false;
    if (!proposed.ok() && proposed.error().code == code::kCatchingUp) {
        const auto& [id, role] = *change.assigns;
        promotion = {id, role, now() + kPromotionMax, std::move(change.done)};
        schedule_pump();
    } else {
        answer_when_committed(std::move(proposed), std::move(change.done));
    }
    return true;
}

void Replica::State::tick_changes() {
    while (!changes_waiting.empty()) {
        Change first = std::move(changes_waiting.front());
        changes_waiting.pop_front();
        if (try_change(first)) continue;
        if (now() < first.deadline) {
            changes_waiting.push_front(std::move(first));
            return;
        }
        first.done(change_in_progress());
    }
}

void Replica::State::answer_when_committed(Result<Index> proposed, Done done) {
    auto answer = [done = std::move(done)](Status status) {
        done(status.ok() ? std::move(status) : Status(membership_error(status.error())));
    };
    if (!proposed.ok()) {
        answer(proposed.error());
        return;
    }
    when_committed(*proposed, std::move(answer));
    schedule_pump();
}

void Replica::State::tick_promotion() {
    if (!promotion) return;
    Result<Index> assigned = core->assign(now(), promotion->id, promotion->role);
    const bool wait = !assigned.ok() && (assigned.error().code == code::kCatchingUp ||
                                         assigned.error().code == code::kBusy);
    if (wait && now() < promotion->deadline) return;
    Promotion ended = std::move(*promotion);
    promotion.reset();
    if (!assigned.ok() && assigned.error().code == code::kCatchingUp) {
        assigned = Error{code::kError, "no connection to remote server available"};
    }
    answer_when_committed(std::move(assigned), std::move(ended.done));
}

void Replica::State::tick_transfer() {
    if (!transfer_done || core->transferring() || !is_leading()) return;
    std::exchange(transfer_done, nullptr)(Error{code::kError, "leadership transfer failed"});
}

// --- what a change means, once it is applied ---

// A removal that the newest configuration takes back is history: the node was added again since.
// Its log may not reach that far yet, as long as it is shorter than its leader's.
void Replica::State::membership_applied(const raft::Configuration& configuration) {
    for (const raft::Server& server : members.servers) {
        if (configuration.find(server.id) == nullptr) forget_later(server.id);
    }
    const bool was_member = members.find(identity.id) != nullptr;
    members = configuration;
    const auto count = [&](raft::Role role) {
        return static_cast<std::size_t>(
            std::ranges::count(members.servers, role, &raft::Server::role));
    };
    seams.events.record(event::MembershipChanged{applied, count(raft::Role::kVoter),
                                                 count(raft::Role::kStandby),
                                                 count(raft::Role::kSpare)});
    removal_applied = was_member && configuration.find(identity.id) == nullptr;
    if (removal_applied && core->last_index() >= core->leaders_last_index()) leave();
}

// Nobody tells the end of the log to a node that was removed; silence does.
void Replica::State::tick_removal() {
    if (removal_applied && now() - appended_at > options.election_timeout * 2) leave();
}

void Replica::State::leave() {
    if (core->configuration().find(identity.id) != nullptr || identity.removed) return;
    identity.removed = true;
    if (const Status saved = records->save(identity); !saved.ok()) {
        fatal("the removal cannot be saved: " + saved.error().message);
    }
    if (callbacks.removed) callbacks.removed("this node was removed from the cluster");
}

// Not at once: the node is still to be told of it.
void Replica::State::forget_later(NodeId node) {
    seams.executor.after(kFarewell, lifetime.guard([this, node] {
        if (core->configuration().find(node) != nullptr) return;
        learnt_addresses.erase(node);
        seams.network.forget(node);
    }));
}

void Replica::State::note_space(bool& where, bool available) {
    const bool before = has_space();
    where = available;
    if (has_space() == before) return;
    core->disk_full(!has_space());
    has_space() ? seams.events.record(event::DiskHasSpace{})
                : seams.events.record(event::DiskFilled{});
    hand_over_if_full();
}

// A leader whose disk is full can write nothing, so it makes one leader that can.
void Replica::State::hand_over_if_full() {
    if (has_space() || !is_leading() || core->transferring()) return;
    if (mutant(Mutant::kFullLeaderLeads)) return;
    if (now() < handed_over_at + options.election_timeout * 2) return;
    std::optional<raft::Progress> best;
    for (const raft::Progress& peer : core->progress()) {
        if (!peer.active || peer.full || !core->configuration().is_voter(peer.id)) continue;
        if (!best || peer.match > best->match) best = peer;
    }
    if (!best) return;
    handed_over_at = now();
    seams.events.record(event::LeadershipGivenUp{best->id});
    static_cast<void>(core->transfer(now(), best->id));  // if it fails, it is tried again
    schedule_pump();
}

void Replica::meet_cluster(ClusterId cluster) {
    static_cast<void>(state_->learn_cluster(cluster));  // that it is another one, the joiner says
}

void Replica::add(NodeId id, std::string address, Done done) {
    State& state = *state_;
    state.request({.propose =
                       [&state, id, address = std::move(address)] {
                           return state.core->add(state.now(), id, address);
                       },
                   .done = std::move(done)});
}

void Replica::assign(NodeId id, raft::Role role, Done done) {
    State& state = *state_;
    state.request(
        {.propose = [&state, id, role] { return state.core->assign(state.now(), id, role); },
         .done = std::move(done),
         .assigns = std::pair(id, role)});
}

void Replica::remove(NodeId id, Done done) {
    State& state = *state_;
    state.request({.propose = [&state, id] { return state.core->remove(state.now(), id); },
                   .done = std::move(done)});
}

void Replica::transfer(NodeId to, Done done) {
    if (const Status started = state_->core->transfer(state_->now(), to); !started.ok()) {
        done(membership_error(started.error()));
        return;
    }
    if (state_->transfer_done) std::exchange(state_->transfer_done, nullptr)({});
    state_->transfer_done = std::move(done);
    state_->schedule_pump();
}

}  // namespace quorlite::replica
