// Connections, as engine/server/peers.cc keeps them: one for each direction, by the same rules.

#include <algorithm>

#include "tests/sim/core_world.h"

namespace quorlite::sim {

// A process opens its connections anew, and hears everybody for the first time.
void World::open_links(Node& on) {
    const std::size_t at = on.id.value() - 1;
    const server::LinkSilence fresh(server::patience_of(on.election_timeout));
    links_[at] = std::vector<Link>(nodes_.size(), Link{.silence = fresh});
    for (Link& link : links_[at]) link.silence.connected(local(on));
    heard_[at].assign(nodes_.size(), Heard{});
}

// Whether a frame gets onto the wire. Nobody tells if not.
bool World::enters_link(Node& on, NodeId to) {
    Link& link = links_[on.id.value() - 1][to.value() - 1];
    if (link.silence.sent(local(on))) dial(on, node(to));
    return !link.is_half_open;
}

void World::dial(Node& on, Node& to) {
    const std::size_t from = on.id.value() - 1;
    const std::size_t at = to.id.value() - 1;
    if (std::exchange(links_[from][at].is_dialling, true)) return;
    after_on(on, random_.between(options_.delay_least, options_.delay_most) * 2,
             [this, &on, &to, from, at] {
                 Link& link = links_[from][at];
                 link.is_dialling = false;
                 if (cut_[from][at] || cut_[at][from] || !to.up) return;
                 ++counts_.replaced;
                 note("replaced", on.id, to.id.value());
                 link.is_half_open = false;
                 link.silence.connected(local(on));
                 if (links_[at][from].silence.peer_called(local(to))) dial(to, on);
             });
}

// False: another process of that node is heard.
bool World::leaves_link(const Node& from, Node& to) {
    Heard& heard = heard_[to.id.value() - 1][from.id.value() - 1];
    const TimePoint at = local(to);
    const bool other = heard.process != nullptr && heard.process != &from;
    if (other && server::keeps_its_place(at - heard.at, to.election_timeout)) {
        ++counts_.refused;
        return false;
    }
    heard = {.process = &from, .at = at};
    links_[to.id.value() - 1][from.id.value() - 1].silence.heard(at);
    return true;
}

// --- faults ---

// What is open passes nothing any more, in one direction or both, and nobody is told; what is
// opened from now on does.
void World::half_open(bool all) {
    ++counts_.half_opens;
    const NodeId of = victim().id;
    const bool around_one = random_.chance(0.5);
    for (std::size_t from = 0; from < nodes_.size(); ++from) {
        for (std::size_t to = 0; to < nodes_.size(); ++to) {
            const bool concerned =
                around_one ? NodeId(from + 1) == of || NodeId(to + 1) == of : random_.chance(0.4);
            if (all || concerned) links_[from][to].is_half_open = true;
        }
    }
}

// A follower's directory is copied, and a second process runs from the copy, at an address to
// which what is for the first goes from then on. The other follower is cut off meanwhile: so if the
// leader listens to both, it takes for a majority what is on its own disk and in the copy, which is
// thrown away in the end. Nothing else goes wrong meanwhile: a node that is not heard for four
// election timeouts loses its place to its clone (spec/reliability.md, section 5).
void World::clone_one() {
    if (!faults_ || clone_) return;
    after(options_.election_timeout * 10, [this] { clone_one(); });
    const std::vector<Node*> found = leaders();
    const bool all_well = std::ranges::all_of(
        nodes_, [this](const auto& each) { return each->up && each->paused_until <= now_; });
    const bool no_cuts = std::ranges::all_of(
        cut_, [](const auto& row) { return std::ranges::none_of(row, std::identity()); });
    const bool none_late = std::ranges::all_of(link_last_, [this](const auto& row) {
        return std::ranges::all_of(
            row, [this](TimePoint last) { return last <= now_ + options_.delay_most; });
    });
    const bool calm = all_well && no_cuts && none_late && now_ >= calm_until_;
    if (found.size() != 1 || !calm) return;
    Node& leader = *found.front();
    Node& twice = *nodes_[random_.below(3)];
    Node& other = *nodes_[random_.below(3)];
    if (&twice == &leader || &other == &leader || &twice == &other) return;
    // Whoever is heard first has the place, if its connections had just been closed.
    const Heard& heard = heard_[leader.id.value() - 1][twice.id.value() - 1];
    if (heard.process != &twice) return;
    note("clone", twice.id, twice.disk.last().value());
    calm_until_ = now_ + options_.election_timeout * 12;
    clone_ = std::make_unique<Node>(twice.id, random_.next());
    clone_->rate = twice.rate;
    clone_->base_global = twice.base_global;
    clone_->base_local = twice.base_local;
    clone_->hard = twice.hard;
    clone_->checkpoint = twice.checkpoint;
    clone_->disk = twice.disk;
    clone_->receipts = twice.receipts;
    clone_->promise = twice.promise;
    sealed_ = other.id;
    start(*clone_);
    after(options_.election_timeout * random_.between(4, 8),
          [this, &leader, refused = counts_.refused] { end_clone(leader, refused); });
}

bool World::runs_twice() const {
    return clone_ && clone_->up;
}

void World::end_clone(Node& leader, std::uint64_t refused_before) {
    if (!clone_->up) return;
    stop_clone();
    if (counts_.refused == refused_before) oracle_.fail("nobody noticed that a node runs twice");
    if (leader.up) crash(leader, options_.election_timeout * 8);
}

void World::stop_clone() {
    note("clone ends", clone_->id);
    clone_->up = false;
    clone_->core.reset();
    sealed_ = NodeId();
}

}  // namespace quorlite::sim
