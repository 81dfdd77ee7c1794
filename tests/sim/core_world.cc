#include "tests/sim/core_world.h"

#include <algorithm>
#include <sstream>

#include "tests/sim/forgery.h"

namespace quorlite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::uint64_t kEventsMax = 20'000'000;
// Attempts to replace a silent connection are up to 10 s apart, by the slowest clock.
constexpr Duration kReplacedMax = seconds(15);

}  // namespace

World::World(std::uint64_t seed, bool trace)
    : seed_(seed), trace_(trace), random_(seed), options_(random_) {
    raft::Configuration first;
    const std::size_t members = options_.voters + options_.standbys + options_.spares;
    for (std::size_t i = 0; i < members + options_.newcomers; ++i) {
        const NodeId id(i + 1);
        nodes_.push_back(std::make_unique<Node>(id, random_.next()));
        if (i >= members) continue;
        const raft::Role role = i < options_.voters                       ? raft::Role::kVoter
                                : i < options_.voters + options_.standbys ? raft::Role::kStandby
                                                                          : raft::Role::kSpare;
        first.servers.push_back({id, "h:" + std::to_string(id.value()), role});
    }
    cut_.assign(nodes_.size(), std::vector<bool>(nodes_.size(), false));
    for (auto& each : nodes_) each->election_timeout = options_.election_timeout;
    links_.resize(nodes_.size());
    heard_.resize(nodes_.size());
    for (auto& each : nodes_) open_links(*each);
    link_last_.assign(nodes_.size(), std::vector<TimePoint>(nodes_.size()));
    for (auto& each : nodes_) {
        const double drift = options_.drift_max;
        each->rate = 1 - drift + 2 * drift * static_cast<double>(random_.below(1001)) / 1000;
        each->base_global = now_;
        each->base_local = TimePoint(random_.between(seconds(1), seconds(100'000)));
        if (each->id.value() <= members) each->checkpoint.point.configuration = first;
    }
}

// --- events ---

void World::after(Duration delay, Action action) {
    events_.push_back({now_ + std::max(delay, Duration(0)), order_++, std::move(action)});
    std::push_heap(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
        return std::tie(a.at, a.order) > std::tie(b.at, b.order);
    });
}

// The action is dropped if the node crashes before, and waits while the node is paused.
void World::after_on(Node& on, Duration delay, Action action) {
    after(delay, [this, &on, incarnation = on.incarnation, action = std::move(action)]() mutable {
        if (!on.up || on.incarnation != incarnation) return;
        if (on.paused_until > now_) {
            on.deferred.push_back([&on, incarnation, action = std::move(action)]() mutable {
                if (on.up && on.incarnation == incarnation) action();
            });
            return;
        }
        action();
    });
}

void World::wake(Node& on) {
    if (on.paused_until > now_) return;  // paused again
    for (Action& action : std::exchange(on.deferred, {})) action();
}

void World::run_until(TimePoint end, const std::function<bool()>& done) {
    const auto later = [](const Event& a, const Event& b) {
        return std::tie(a.at, a.order) > std::tie(b.at, b.order);
    };
    while (!events_.empty() && events_.front().at <= end && !oracle_.failed()) {
        std::pop_heap(events_.begin(), events_.end(), later);
        Event event = std::move(events_.back());
        events_.pop_back();
        now_ = event.at;
        event.action();
        if (++counts_.events > kEventsMax) oracle_.fail("I12: too many events");
        if (done && done()) return;
    }
    now_ = std::max(now_, end);
}

TimePoint World::local(const Node& on) const {
    const auto passed = static_cast<double>((now_ - on.base_global).count()) * on.rate;
    return on.base_local + Duration(static_cast<Duration::rep>(passed));
}

Duration World::global(const Node& on, Duration local_duration) const {
    return Duration(
        static_cast<Duration::rep>(static_cast<double>(local_duration.count()) / on.rate));
}

double World::in_timeouts(Duration duration) const {
    return static_cast<double>(duration.count()) /
           static_cast<double>(options_.election_timeout.count());
}

void World::note(const char* what, NodeId id, std::uint64_t a, std::uint64_t b) {
    const auto mix = [this](std::uint64_t value) {
        hash_ = (hash_ ^ value) * 0x100000001b3;
        hash_ ^= hash_ >> 29;
    };
    mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    mix(static_cast<std::uint64_t>(what[0]) << 8 | static_cast<std::uint64_t>(what[1]));
    mix(id.value());
    mix(a);
    mix(b);
    if (!trace_) return;
    std::printf(
        "%12.3fms  node %llu  %s %llu %llu\n",
        std::chrono::duration<double, std::milli>(now_.time_since_epoch()).count() - 3'600'000,
        static_cast<unsigned long long>(id.value()), what, static_cast<unsigned long long>(a),
        static_cast<unsigned long long>(b));
}

std::vector<Node*> World::leaders() {
    std::vector<Node*> found;
    for (auto& each : nodes_) {
        if (each->up && each->paused_until <= now_ &&
            each->core->role() == raft::RoleName::kLeader) {
            found.push_back(each.get());
        }
    }
    return found;
}

// --- network ---

// While a node runs twice, its address leads to its clone.
Node& World::addressed(NodeId id) {
    return runs_twice() && clone_->id == id ? *clone_ : node(id);
}

void World::send(Node& on, const raft::Envelope& envelope) {
    const auto* append = std::get_if<raft::AppendRequest>(&envelope.message);
    if (append != nullptr && envelope.to == starved_ && !append->entries.empty()) return;
    const std::size_t from = envelope.from.value() - 1;
    const std::size_t to = envelope.to.value() - 1;
    if (envelope.to >= kStranger) return;  // nobody hears the answer
    if (to >= nodes_.size()) return oracle_.fail("a message to a node that does not exist");
    ++counts_.messages;
    if (faults_ && random_.chance(options_.forged)) forge_one(envelope);
    if (!is_clone(on) && !enters_link(on, envelope.to)) return;
    if (envelope.from == sealed_ || envelope.to == sealed_) return;
    const bool rough = faults_ && !runs_twice();
    if (cut_[from][to] || (rough && random_.chance(options_.loss))) return;
    const int copies = rough && random_.chance(options_.duplication) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        Duration delay = random_.between(options_.delay_least, options_.delay_most);
        if (rough && random_.chance(options_.straggler)) {
            delay = random_.between(Duration(0), options_.election_timeout * 4);
        }
        if (options_.in_order) {
            TimePoint& last = link_last_[from][to];
            last = std::max(last, now_ + delay);
            delay = last - now_;
        }
        after(delay, [this, &on, envelope] { deliver(on, envelope); });
    }
}

void World::deliver(const Node& from, const raft::Envelope& envelope) {
    if (cut_[envelope.from.value() - 1][envelope.to.value() - 1]) return;
    if (envelope.from == sealed_ || envelope.to == sealed_) return;
    Node& to = addressed(envelope.to);
    if (!to.up || (!is_clone(to) && !leaves_link(from, to))) return;
    hand_over(to, envelope);
}

void World::hand_over(Node& to, const raft::Envelope& envelope) {
    if (!to.up) return;
    if (to.paused_until > now_) {
        return after_on(to, Duration(0), [this, &to, envelope] { hand_over(to, envelope); });
    }
    const Term term = std::visit([](const auto& body) { return body.term; }, envelope.message);
    note("message", to.id, envelope.from.value() << 8 | envelope.message.index(), term.value());
    to.core->step(local(to), envelope.from, envelope.message);
    input(to);
}

// By somebody who overhears what nodes say, and reaches all of them.
void World::forge_one(const raft::Envelope& real) {
    const std::optional<raft::Envelope> forged = forge(real, random_);
    if (!forged) return;
    ++counts_.forged;
    after(random_.between(options_.delay_least, options_.delay_most * 2),
          [this, forged = *forged] { hand_over(node(forged.to), forged); });
}

// --- the run ---

Outcome World::run() {
    for (auto& each : nodes_) start(*each);
    after(options_.write_interval, [this] { client_write(); });
    after(options_.read_interval, [this] { client_read(); });
    after(options_.fault_interval, [this] { inject(); });
    if (options_.older_disks) put_back();
    if (options_.clones) clone_one();
    if (options_.memberships) after(options_.election_timeout, [this] { change_membership(); });
    run_until(now_ + options_.duration, nullptr);
    heal();
    check_liveness();

    Outcome outcome;
    outcome.failure = oracle_.failure();
    outcome.options = options_.describe();
    outcome.summary = summary();
    outcome.trace_hash = hash_;
    outcome.nodes = nodes_.size();
    outcome.simulated_seconds =
        std::chrono::duration<double>(now_.time_since_epoch()).count() - 3600;
    return outcome;
}

void World::heal() {
    note("heal", NodeId());
    faults_ = false;
    if (runs_twice()) stop_clone();
    sealed_ = NodeId();
    for (auto& row : cut_) row.assign(row.size(), false);
    for (auto& row : link_last_) row.assign(row.size(), now_);  // nothing waits for a straggler
    healed_at_ = now_;
    for (auto& each : nodes_) {
        each->paused_until = now_;
        wake(*each);
        if (!each->up) start(*each);
    }
    if (options_.half_open) half_open(true);
}

// I11: with everything healed a write commits, and all members get to hold the same state. Slow
// links may take long, but must get on. Elections are over soon: two election timeouts by the
// slowest clock, for the voters' promises and for the wait of the one that can win, and as much
// again for a split vote.
void World::check_liveness() {
    std::uint64_t progress = 0;
    for (int round = 0; round < 1000 && !oracle_.failed(); ++round) {
        const int slowness = options_.mixed_timeouts ? kSlowTimeouts : 1;
        const Duration replacing = options_.half_open ? kReplacedMax : Duration::zero();
        run_until(now_ + options_.election_timeout * 10 * slowness + replacing,
                  [this] { return healed_write_ && converged(); });
        std::uint64_t reached = 0;
        for (auto& each : nodes_) {
            reached += each->machine.applied.value() + each->core->durable_index().value();
        }
        if (oracle_.failed() || (healed_write_ && converged()) || reached == progress) break;
        progress = reached;
    }
    if (oracle_.failed()) return;
    if (!healed_write_) return oracle_.fail("I11: no write was committed after healing");
    if (!converged()) return oracle_.fail("I11: the nodes do not converge after healing");
    counts_.recovery = in_timeouts(last_election_ - healed_at_);
    const double timeouts = options_.half_open ? 9 : 5;  // connections are replaced before
    const double bound = timeouts / (1 - options_.drift_max);
    // A leader whose own removal is under way, or whose history is not the others', may lead for
    // long, and then there is one more election.
    const bool quick = !options_.memberships && !options_.mixed_timeouts && !altered_;
    if (counts_.recovery > bound && quick) oracle_.fail("I11: elections went on after healing");
}

bool World::converged() {
    const std::vector<Node*> found = leaders();
    if (found.size() != 1) return false;
    const Node& leader = *found.front();
    const raft::Configuration& configuration = leader.core->configuration();
    if (leader.machine.applied != leader.core->last_index() || leader.altered) return false;
    for (const raft::Server& server : configuration.servers) {
        if (server.role == raft::Role::kSpare) continue;
        const Node& member = node(server.id);
        if (!member.up || member.machine.applied != leader.machine.applied) return false;
        if (member.core->vote_barrier() || member.altered) return false;
        if (member.machine.chain != leader.machine.chain) {
            oracle_.fail("I8: nodes at the same index differ");
        }
    }
    return true;
}

std::string World::summary() const {
    std::ostringstream text;
    text << "events=" << counts_.events << " messages=" << counts_.messages
         << " elections=" << counts_.elections << " crashes=" << counts_.crashes
         << " partitions=" << counts_.partitions << " pauses=" << counts_.pauses
         << " changes=" << counts_.changes << " forged=" << counts_.forged
         << " half_opens=" << counts_.half_opens << " replaced=" << counts_.replaced
         << " refused=" << counts_.refused << " transfers=" << counts_.transfers
         << " snapshots=" << counts_.snapshots << " damages=" << counts_.damages
         << " disputes=" << counts_.disputes << " commits=" << oracle_.commits()
         << " acknowledged=" << counts_.acknowledged << " lease_reads=" << counts_.lease_reads
         << " round_reads=" << counts_.round_reads << " recovery=" << counts_.recovery
         << " resumed=" << counts_.resumed;
    for (auto& each : nodes_) text << "\n  " << describe(*each);
    return text.str();
}

std::string World::describe(const Node& of) const {
    std::ostringstream text;
    text << "node " << of.id.value() << ": ";
    if (!of.up) return text.str() + "down";
    const raft::Core& core = *of.core;
    text << "role " << static_cast<int>(core.role()) << " term " << core.term().value()
         << " leader " << core.leader().value() << " first " << core.first_index().value()
         << " last " << core.last_index().value() << " of term "
         << core.term_at(core.last_index())->value() << " commit " << core.commit_index().value()
         << " durable " << core.durable_index().value() << " applied " << of.machine.applied.value()
         << " barrier " << core.vote_barrier().value() << " configuration";
    for (const raft::Server& server : core.configuration().servers) {
        text << " " << server.id.value() << ":" << static_cast<int>(server.role);
    }
    for (const raft::Progress& peer : core.progress()) {
        text << " [" << peer.id.value() << " match " << peer.match.value() << " next "
             << peer.next.value() << (peer.active ? " active" : "")
             << (peer.snapshotting ? " snapshotting" : "") << "]";
    }
    return text.str();
}

Outcome run_core(std::uint64_t seed, bool trace) {
    return World(seed, trace).run();
}

}  // namespace quorlite::sim
