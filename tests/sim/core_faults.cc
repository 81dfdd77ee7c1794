// The nemesis: crashes, partitions, pauses, false news, membership changes and transfers.

#include <algorithm>
#include <array>

#include "tests/sim/core_world.h"

namespace quorlite::sim {

// Half of the time whoever leads.
Node& World::victim() {
    const std::vector<Node*> found = leaders();
    if (!found.empty() && random_.chance(0.5)) return *random_.one_of(found);
    return *nodes_[random_.below(nodes_.size())];
}

void World::isolate(Node& of, bool in, bool out) {
    const std::size_t at = of.id.value() - 1;
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
        if (other == at) continue;
        if (in) cut_[other][at] = true;
        if (out) cut_[at][other] = true;
    }
}

Duration World::restart_most() {
    return options_.election_timeout * (random_.chance(0.3) ? 2 : 20) / 5;
}

// The news reaches the others at different times, or not at all.
void World::tell_gone(const Node& gone, double probability) {
    for (auto& other : nodes_) {
        if (other.get() == &gone || !other->up || !random_.chance(probability)) continue;
        after_on(*other, random_.between(Duration(0), options_.delay_most * 2),
                 [this, &on = *other, id = gone.id] {
                     on.core->peer_gone(local(on), id);
                     input(on);
                 });
    }
}

// A stopped process: its clock goes on. The first thing it does afterwards is answer a read.
void World::pause(Node& on) {
    ++counts_.pauses;
    note("pause", on.id);
    on.paused_until = now_ + random_.between(Duration(0), options_.election_timeout * 4);
    on.deferred.push_back([this, &on] {
        if (on.up) read_at(on);
    });
    after(on.paused_until - now_, [this, &on] { wake(on); });
}

void World::partition() {
    ++counts_.partitions;
    Node& of = victim();
    if (options_.false_gone && random_.chance(0.5)) tell_gone(of, 0.8);
    switch (random_.below(6)) {
        case 0:
            isolate(of, true, true);
            break;
        case 1:
            isolate(of, true, false);
            break;
        case 2:
            isolate(of, false, true);
            break;
        case 3: {  // two halves
            std::vector<bool> side;
            for (std::size_t i = 0; i < nodes_.size(); ++i) side.push_back(random_.chance(0.5));
            for (std::size_t i = 0; i < side.size(); ++i) {
                for (std::size_t j = 0; j < side.size(); ++j) {
                    if (side[i] != side[j]) cut_[i][j] = true;
                }
            }
            break;
        }
        case 4:  // each link by itself, each way
            for (auto& row : cut_) {
                for (std::size_t j = 0; j < row.size(); ++j) row[j] = random_.chance(0.3);
            }
            break;
        default: {  // one pair
            const std::size_t other = random_.below(nodes_.size());
            cut_[of.id.value() - 1][other] = cut_[other][of.id.value() - 1] = true;
            break;
        }
    }
    // Healed link by link (swizzled), or at once.
    const bool swizzle = random_.chance(0.5);
    const Duration all = random_.between(Duration(0), options_.election_timeout * 5);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        for (std::size_t j = 0; j < nodes_.size(); ++j) {
            const Duration wait =
                swizzle ? random_.between(Duration(0), options_.election_timeout * 5) : all;
            if (cut_[i][j]) after(wait, [this, i, j] { cut_[i][j] = false; });
        }
    }
}

// Two faults that together test a promise: a follower that no longer hears the leader asks for
// votes again and again, while another follower, which does hear it, crashes and is back at once.
// Nobody writes meanwhile, or the one that asks could not win with its log.
void World::tempt() {
    const std::vector<Node*> found = leaders();
    if (found.empty()) return;
    const std::size_t leader = found.front()->id.value() - 1;
    const std::size_t asking = random_.below(nodes_.size());
    Node& tempted = *nodes_[random_.below(nodes_.size())];
    if (asking == leader || &tempted == found.front() || tempted.id == NodeId(asking + 1)) return;
    cut_[leader][asking] = cut_[asking][leader] = true;
    quiet_until_ = now_ + options_.election_timeout * 4;
    const Duration until_crash =
        random_.between(options_.election_timeout, options_.election_timeout * 3);
    after(until_crash, [this, &tempted] {
        if (faults_ && tempted.up && now_ >= calm_until_)
            crash(tempted, options_.election_timeout / 10);
    });
    after(options_.election_timeout * 4,
          [this, leader, asking] { cut_[leader][asking] = cut_[asking][leader] = false; });
}

// One follower gets heartbeats only; then the leader crashes, and the other follower's disk goes
// back to what it was before: this is what receipts are for. Or the one follower gets nothing, no
// receipt either, and the disk is an empty one. Nothing else goes wrong meanwhile.
void World::put_back() {
    if (!faults_ || std::ranges::any_of(nodes_, [](const auto& each) { return each->lost; }))
        return;
    after(options_.election_timeout * 10, [this] { put_back(); });
    const std::vector<Node*> found = leaders();
    Node& back = *nodes_[random_.below(3)];
    Node& starved = *nodes_[random_.below(3)];
    if (found.size() != 1 || !back.up || !starved.up || &back == &starved) return;
    Node& leader = *found.front();
    if (&back == &leader || &starved == &leader) return;
    note("starved", starved.id, back.id.value());
    const bool empty = random_.chance(0.5);
    back.copy = empty ? Copy{} : Copy{back.checkpoint, back.disk, back.receipts};
    (empty ? sealed_ : starved_) = starved.id;
    if (empty) checkpoint(leader);  // the log goes on behind the snapshot that it will offer
    calm_until_ = now_ + options_.election_timeout * 9;
    after(options_.election_timeout * 2, [this, &leader, &back, empty] {
        quiet_until_ = now_ + options_.election_timeout * 6;
        if (!empty) return await_receipts(leader, back);
        if (!faults_ || !leader.up || !back.up) return;
        // The leader crashes while the empty disk has a part of its log, the snapshot.
        starved_ = back.id;
        back.goes_back = true;
        crash(back, options_.election_timeout / 10);
        await_snapshot(leader, back);
    });
    after(options_.election_timeout * 6, [this] { starved_ = sealed_ = NodeId(); });
}

// As soon as the empty disk has the snapshot.
void World::await_snapshot(Node& leader, Node& back) {
    if (!faults_ || !starved_ || !leader.up) return;
    if (!back.up || !back.checkpoint.point.index) {
        after(options_.heartbeat, [this, &leader, &back] { await_snapshot(leader, back); });
        return;
    }
    starved_ = sealed_ = NodeId();
    crash(leader, options_.election_timeout * 8);
}

// As soon as the starved one knows what the other has acknowledged.
void World::await_receipts(Node& leader, Node& back) {
    if (!faults_ || !starved_ || !leader.up || !back.up) return;
    if (!others_know(back)) {
        after(options_.heartbeat, [this, &leader, &back] { await_receipts(leader, back); });
        return;
    }
    starved_ = NodeId();
    back.goes_back = true;
    crash(leader, options_.election_timeout * 8);
    crash(back, options_.election_timeout / 10);
}

void World::inject() {
    if (!faults_) return;
    after(random_.between(Duration(0), options_.fault_interval * 2), [this] { inject(); });
    if (now_ < calm_until_) return;
    Node& on = victim();
    switch (random_.below(options_.half_open ? 8 : 7)) {
        case 0:
            if (options_.crashes && on.up) crash(on, restart_most());
            break;
        case 1:
            if (!options_.crashes || !random_.chance(0.2)) break;
            for (auto& each : nodes_) {
                if (each->up) crash(*each, restart_most());
            }
            break;
        case 2:
            if (options_.partitions) partition();
            break;
        case 3:
            if (options_.pauses && on.up) pause(on);
            if (options_.false_gone && random_.chance(0.3)) tell_gone(on, 0.8);
            break;
        case 4:
            if (!options_.false_gone || !on.up || on.paused_until > now_) break;
            note("false news", on.id);
            for (Node* leader : leaders()) {
                on.core->peer_gone(local(on), leader->id);
                input(on);
                if (!on.up) break;
            }
            break;
        case 5:
            if (options_.partitions && options_.crashes) tempt();
            break;
        case 7:
            half_open(random_.chance(0.3));
            break;
        default: {
            const std::vector<Node*> found = leaders();
            if (!options_.transfers || found.empty()) break;
            Node& leader = *random_.one_of(found);
            const NodeId to(random_.below(nodes_.size() + 1));
            if (leader.core->transfer(local(leader), to).ok()) {
                ++counts_.transfers;
                note("transfer", leader.id, to.value());
            }
            input(leader);
            break;
        }
    }
}

void World::change_membership() {
    if (!faults_) return;
    after(options_.election_timeout / 4, [this] { change_membership(); });
    const std::vector<Node*> found = leaders();
    if (found.empty()) return;
    Node& leader = *random_.one_of(found);
    // A promotion goes on over several calls.
    if (!promoting_ && random_.chance(0.7)) return;
    const NodeId id = promoting_ ? promoting_ : nodes_[random_.below(nodes_.size())]->id;
    constexpr std::array kRoles{raft::Role::kVoter, raft::Role::kStandby, raft::Role::kSpare};
    Result<Index> changed = Index();
    if (promoting_) {
        changed = leader.core->assign(local(leader), id, raft::Role::kVoter);
    } else if (leader.core->configuration().find(id) == nullptr) {
        changed = leader.core->add(local(leader), id, "h:" + std::to_string(id.value()));
    } else if (random_.chance(0.2)) {
        changed = leader.core->remove(local(leader), id);
    } else {
        changed = leader.core->assign(local(leader), id, random_.one_of(kRoles));
    }
    const bool catching_up = !changed.ok() && changed.error().message == "catching up";
    promoting_ = catching_up && !random_.chance(0.05) ? id : NodeId();
    if (changed.ok()) ++counts_.changes;
    note("change", leader.id, id.value(), changed.ok() ? changed.value().value() : 0);
    input(leader);
}

}  // namespace quorlite::sim
