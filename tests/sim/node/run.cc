// The layer `node`: one simulated run of a whole cluster. Real replicas, databases, logs and
// sessions; clients at work; faults of every kind drawn from the seed; then peace, in which
// everything must come right.
//
// Checked: acknowledged writes survive, refused ones are not there, the histories have the
// isolation that is promised (workload.h), replicas that have applied equally much are equal to the
// byte, a plain SQLite that runs the same transactions holds the same rows, integrity_check is
// clean, every node starts from whatever its disk holds, a node whose sync failed stops, and once
// the faults end writes are taken soon and all nodes converge. A run of killed leaders, and nothing
// else, must take writes soon after each.

#include <algorithm>
#include <cstdio>

#include "tests/sim/layer.h"
#include "tests/sim/node/cluster.h"
#include "tests/sim/node/forger.h"
#include "tests/sim/node/nemesis.h"
#include "tests/sim/node/plan.h"
#include "tests/sim/node/workload.h"

namespace quorlite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFaultPhase = seconds(20);
constexpr Duration kPeaceMax = seconds(60);
constexpr Duration kFlushedMax = seconds(150);  // three flush intervals, by a slow clock
// An election timeout is drawn from one to two times 600 ms, by a clock that may be 30 % too slow;
// two of them, and what a client needs to find the new leader.
constexpr Duration kResumeMax = seconds(6);
constexpr Duration kFailoverMax = seconds(3);
constexpr Duration kFilledMax = seconds(5);  // until the log asks for room
constexpr int kOperationsPerYield = 20;

class Run {
public:
    Run(std::uint64_t seed, bool trace)
        : world_(seed),
          plan_(draw_plan(world_.random)),
          cluster_(world_),
          workload_(world_, {.pause_max = plan_.pause_max, .auto_vacuum = plan_.auto_vacuum}),
          forger_(world_.random,
                  [this](NodeId sender, NodeId to, Bytes frame) {
                      cluster_.network.inject(sender, to, std::move(frame));
                  }),
          trace_(trace) {
        cluster_.on_event = [this](NodeId node, const quorlite::Event& event) { say(node, event); };
        cluster_.network.overheard = [this](const Bytes& frame) { forger_.overhear(frame); };
    }

    Outcome run();

private:
    NodeId add_node();
    NodeId admit_later();
    void admit(NodeId node);
    void build();
    void set_up();
    void disturb();
    void kill_leader();
    void fill_leaders_disk();
    bool leader_is_full();
    bool await_write(Duration limit);
    void make_peace();
    void await_readable();
    void verify();
    void await_convergence();
    bool converged();
    bool flushed();
    void show_nodes();
    std::map<std::string, std::uint64_t> pairs() const;

    bool failed() {
        fail(cluster_.complaint());
        if (nemesis_) fail(nemesis_->complaint());
        fail(workload_.complaint());
        for (const auto& client : clients_) fail(client->complaint());
        return !failure_.empty();
    }
    // The first counts. Empty: nothing is wrong.
    void fail(const std::string& why) {
        if (failure_.empty()) failure_ = why;
    }
    template <class Predicate>
    bool run_until(Predicate holds, Duration limit) {
        const Duration end = world_.now() + limit;
        while (!failed()) {
            if (holds()) return true;
            if (!world_.run_one(end)) return false;
        }
        return false;
    }
    void run_for(Duration duration) {
        bool reached = false;
        world_.schedule(world_.now() + duration, [&reached] { reached = true; });
        run_until([&reached] { return reached; }, kPeaceMax);
    }
    std::vector<std::vector<Row>> ask(const std::vector<std::string>& queries);
    void say(NodeId node, const quorlite::Event& event) const {
        if (!trace_) return;
        std::string line = "node ";
        line.append(std::to_string(node.value())).append(": ").append(describe(event).text);
        for (const auto& [name, value] : describe(event).fields) {
            line.append(" ").append(name).append("=").append(value);
        }
        say(line);
    }
    void say(const std::string& what) const {
        if (!trace_) return;
        const auto now = std::chrono::duration_cast<microseconds>(world_.now()).count();
        std::printf("%12lld us  %s\n", static_cast<long long>(now), what.c_str());
    }
    static std::string address_of(NodeId node) {
        return "node" + std::to_string(node.value()) + ":9000";
    }

    World world_;
    Plan plan_;
    Cluster cluster_;
    Workload workload_;
    std::unique_ptr<Nemesis> nemesis_;
    Forger forger_;
    std::vector<std::unique_ptr<SimClient>> clients_;
    std::unique_ptr<SimClient> observer_;  // asks only what is asked here
    std::string failure_;
    std::uint64_t last_node_ = 0;
    ClusterId cluster_id_;
    std::uint64_t failovers_ = 0;
    Duration resumed_after_{};
    bool trace_;
};

// --- nodes ---

NodeId Run::add_node() {
    const NodeId id(++last_node_);
    NodeOptions options;
    options.replica = plan_.replica;
    options.replica.id = id;
    options.replica.address = address_of(id);
    options.replica.bootstrap = id == NodeId(1);
    options.replica.database.operations_per_yield = kOperationsPerYield;
    options.yields = plan_.yields;
    if (plan_.has(Fault::kDrift)) {
        options.clock.rate = 0.7 + static_cast<double>(world_.random.below(600)) / 1000;
    }
    options.clock.offset = world_.random.between(Duration(0), seconds(1000000));
    cluster_.add(std::move(options));
    cluster_.start(id);
    if (id == NodeId(1)) cluster_id_ = cluster_.replica(id).cluster_id();
    cluster_.replica(id).meet_cluster(cluster_id_);  // as the members say that it asks
    return id;
}

// In the middle of things: it becomes a member if it can.
NodeId Run::admit_later() {
    const NodeId id = add_node();
    const auto leader = cluster_.leader();
    if (!leader) return id;
    cluster_.run_on(*leader, [&] {
        const auto promote = [this, id, leader = *leader,
                              life = cluster_.lives(*leader)](const Status& added) {
            if (!added.ok() || !cluster_.running(leader) || cluster_.lives(leader) != life) return;
            cluster_.replica(leader).assign(id, raft::Role::kVoter, [](const Status&) {});
        };
        cluster_.replica(*leader).add(id, address_of(id), promote);
    });
    return id;
}

void Run::admit(NodeId node) {
    for (const bool promote : {false, true}) {
        std::optional<Status> answer;
        if (!run_until([&] { return cluster_.leader().has_value(); }, seconds(10))) break;
        const auto done = [&](Status status) { answer = std::move(status); };
        const NodeId leader = *cluster_.leader();
        cluster_.run_on(leader, [&] {
            if (promote) {
                cluster_.replica(leader).assign(node, raft::Role::kVoter, done);
            } else {
                cluster_.replica(leader).add(node, address_of(node), done);
            }
        });
        if (!run_until([&] { return answer.has_value(); }, seconds(60)) || !answer->ok()) {
            return fail(address_of(node) +
                        " was not admitted: " + (answer ? answer->error().message : "no answer"));
        }
    }
}

void Run::build() {
    for (std::uint64_t i = 1; i <= plan_.voters; ++i) add_node();
    for (std::uint64_t i = 2; i <= plan_.voters; ++i) admit(NodeId(i));
}

// --- the phases ---

void Run::set_up() {
    const auto make_client = [this] {
        auto client = std::make_unique<SimClient>(
            world_, [this] { return cluster_.ids(); },
            [this](NodeId node) { return cluster_.dial(node); });
        client->disks_fail = [this] { return nemesis_ && nemesis_->disks_failed(); };
        return client;
    };
    for (std::uint64_t i = 0; i < plan_.clients + plan_.watchers; ++i) {
        clients_.push_back(make_client());
    }
    observer_ = make_client();
    bool ready = false;
    Operation operation{.requests = {},
                        .done = [&ready](const Ended& ended) { ready = ended.committed(); },
                        .patient = true};
    for (std::string& sql : workload_.schema()) operation.requests.push_back({std::move(sql)});
    observer_->run(std::move(operation));
    if (!run_until([&ready] { return ready; }, seconds(60))) fail("the set-up did not end");
}

void Run::disturb() {
    cluster_.network.faults = plan_.network;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        const std::size_t watcher = i - std::min<std::size_t>(i, plan_.clients);
        workload_.employ(*clients_[i], i < plan_.clients  ? Workload::Job::kAll
                                       : watcher % 2 == 0 ? Workload::Job::kWatch
                                                          : Workload::Job::kWander);
    }
    if (plan_.late_joiner) {  // while there is load, and the log may be trimmed, but no other fault
        run_for(seconds(5));
        admit(add_node());
    }
    nemesis_ = std::make_unique<Nemesis>(
        world_, cluster_, plan_, [this] { return admit_later(); },
        [this](const std::string& what) { say(what); });
    const Duration end = world_.now() + kFaultPhase;
    nemesis_->rage(end);
    while (world_.now() < end && !failed()) {
        if (plan_.failovers) world_.random.chance(0.7) ? kill_leader() : fill_leaders_disk();
        run_for(world_.random.between(Duration(1), plan_.fault_every));
        fail(cluster_.compare_databases(nemesis_->disks_failed()).value_or(""));
        if (trace_) show_nodes();
    }
}

// All is well but for one node, so another must take over, soon.
void Run::kill_leader() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    const NodeId node = *leader;
    say("kill of the leader, node " + std::to_string(node.value()));
    if (world_.random.chance(0.7)) {
        cluster_.kill(node);
    } else {
        cluster_.crash(node);
    }
    ++failovers_;
    const bool quick = world_.random.chance(0.5);
    const Duration away =
        quick ? world_.random.between(Duration(1), milliseconds(300)) : kFailoverMax;
    world_.schedule(world_.now() + away, [this, node] { cluster_.start(node); });
    if (!await_write(kFailoverMax)) fail("no write was taken for 3 s after the leader was killed");
    run_until([&] { return cluster_.running(node); }, 2 * kFailoverMax);
    run_for(seconds(1));
}

// A leader that can write no more makes one of the others the leader, and one with room if there is
// one: so two disks in five may be full.
void Run::fill_leaders_disk() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    std::vector<NodeId> full = {*leader};
    const NodeId other = world_.random.one_of(cluster_.ids());
    if (plan_.voters >= 5 && world_.random.chance(0.7)) full.push_back(other);
    for (const NodeId node : full) {
        say("the disk of node " + std::to_string(node.value()) + " is full");
        cluster_.disk(node).set_full(true);
    }
    if (run_until([&] { return leader_is_full() || cluster_.leader() != leader; }, kFilledMax)) {
        if (!await_write(kFailoverMax)) fail("no write for 3 s after the leader's disk was full");
    }
    for (const NodeId node : full) cluster_.disk(node).set_full(false);
    run_for(seconds(1));
}

bool Run::leader_is_full() {
    const auto leader = cluster_.leader();
    if (!leader) return false;
    const Status writable = cluster_.replica(*leader).check_writable();
    return !writable.ok() && writable.error().code == code::kFull;
}

// How long it took is kept.
bool Run::await_write(Duration limit) {
    const Duration begun = world_.now();
    const auto written = std::make_shared<bool>(false);
    observer_->run({.requests = {{.sql = "UPDATE probes SET n = n + 1"}},
                    .done = [written](const Ended&) { *written = true; },
                    .patient = true,
                    .again = true});
    if (!run_until([written] { return *written; }, limit)) return false;
    resumed_after_ = std::max(resumed_after_, world_.now() - begun);
    say("writes are taken");
    return true;
}

// Whoever reads finds damage, and has it repaired some moments later.
void Run::await_readable() {
    for (const Duration end = world_.now() + kPeaceMax; !cluster_.readable();) {
        if (world_.now() >= end) return fail("damaged pages are not repaired");
        run_for(milliseconds(50));
    }
}

void Run::make_peace() {
    say("peace");
    nemesis_->make_peace();
    await_readable();
    if (!await_write(kResumeMax)) fail("no write was taken for 6 s after the faults ended");
    workload_.stop();
    const bool idle = run_until(
        [&] {
            return std::all_of(clients_.begin(), clients_.end(),
                               [](const auto& client) { return client->idle(); });
        },
        kPeaceMax);
    if (!idle) fail("clients still wait long after the faults ended");
}

// In one transaction: what a client has long given up may still take effect.
std::vector<std::vector<Row>> Run::ask(const std::vector<std::string>& queries) {
    std::optional<std::vector<Reply>> replies;
    Operation operation{.requests = {{.sql = "BEGIN"}},
                        .done = [&](Ended ended) { replies = std::move(ended.replies); },
                        .patient = true,
                        .again = true};
    for (const std::string& sql : queries) {
        operation.requests.push_back({.sql = sql, .query = true});
    }
    operation.requests.push_back({.sql = "COMMIT"});
    observer_->run(std::move(operation));
    if (!run_until([&] { return replies.has_value(); }, kPeaceMax)) {
        fail("no answer to the last queries");
        return {};
    }
    std::vector<std::vector<Row>> answers;
    for (std::size_t i = 1; i <= queries.size(); ++i) {
        answers.push_back(std::move((*replies)[i].rows));
    }
    return answers;
}

// For whoever looks at a trace.
void Run::show_nodes() {
    for (const NodeId node : cluster_.running_ids()) {
        const replica::ReplicaStatus status = cluster_.replica(node).status();
        std::string text;
        const auto add = [&text](const char* name, std::uint64_t value) {
            text += ' ';
            text += name;
            text += ' ' + std::to_string(value);
        };
        add("node", node.value());
        add("role", static_cast<std::uint64_t>(status.role));
        add("term", status.term.value());
        add("leader", status.leader.id.value());
        add("first", status.first.value());
        add("last", status.last.value());
        add("durable", status.durable.value());
        add("committed", status.committed.value());
        add("applied", status.applied.value());
        for (const auto& server : cluster_.replica(node).configuration().servers) {
            add("server", server.id.value());
            add("as", static_cast<std::uint64_t>(server.role));
        }
        say(text);
    }
}

bool Run::converged() {
    std::optional<Index> applied;
    for (const NodeId node : nemesis_->members()) {
        if (cluster_.retired(node)) continue;
        if (!cluster_.running(node)) return false;
        const Index its = cluster_.replica(node).status().applied;
        if (applied && *applied != its) return false;
        applied = its;
    }
    return applied.has_value();
}

// So that nothing keeps the log from being trimmed. A node that was removed in the middle of a
// transaction of several parts waits for the rest of it, and keeps what it has.
bool Run::flushed() {
    return std::ranges::all_of(nemesis_->members(), [this](NodeId node) {
        if (!cluster_.running(node)) return true;  // it is retired: see converged()
        const replica::ReplicaStatus status = cluster_.replica(node).status();
        return status.flushed == status.applied;
    });
}

void Run::await_convergence() {
    if (run_until([this] { return converged(); }, kPeaceMax)) return;
    std::string where;
    for (const NodeId node : nemesis_->members()) {
        where += " node " + std::to_string(node.value()) + ": ";
        where += cluster_.running(node)
                     ? std::to_string(cluster_.replica(node).status().applied.value())
                     : "down";
    }
    fail("the replicas do not converge:" + where);
}

void Run::verify() {
    const auto answers = ask(Workload::final_queries());
    if (failed()) return;
    fail(workload_.verdict(answers).value_or(""));
    if (!failed()) await_convergence();
    if (!failed()) fail(cluster_.compare_databases().value_or(""));
    if (!failed() && !run_until([this] { return flushed(); }, kFlushedMax)) {
        fail("what was applied is never flushed");
    }
}

std::map<std::string, std::uint64_t> Run::pairs() const {
    std::map<std::string, std::uint64_t> pairs;
    for (std::size_t a = 0; a < kFaults && nemesis_; ++a) {
        const auto first = static_cast<Fault>(a);
        if (first >= Fault::kLoss) break;  // two that are there all the time meet without a strike
        for (std::size_t b = a + 1; b < kFaults; ++b) {
            const auto second = static_cast<Fault>(b);
            if (first == Fault::kRot && second == Fault::kLostDisk) continue;  // never both
            std::string pair(name_of(first));
            pair += "+";
            pair += name_of(second);
            pairs[pair] = nemesis_->pairs()[a][b];
        }
    }
    return pairs;
}

Outcome Run::run() {
    build();
    if (!failed()) set_up();
    if (!failed()) disturb();
    if (!failed()) make_peace();
    if (!failed()) verify();
    if (failed()) show_nodes();
    return {.failure = failure_,
            .options = plan_.describe(),
            .summary = std::to_string(workload_.acknowledged()) + " writes acknowledged, " +
                       std::to_string(nemesis_ ? nemesis_->strikes() : 0) + " strikes, " +
                       std::to_string(failovers_) + " failovers, " +
                       std::to_string(cluster_.deaths()) + " deaths of failed syncs, " +
                       std::to_string(forger_.forged()) + " forged frames, " +
                       std::to_string(cluster_.chunks_sent()) + " snapshot chunks",
            .trace_hash = world_.trace(),
            .simulated_seconds = std::chrono::duration<double>(world_.now()).count(),
            .nodes = plan_.voters,
            .resumed_ms = std::chrono::duration<double, std::milli>(resumed_after_).count(),
            .pairs = pairs()};
}

}  // namespace

Outcome run_node(std::uint64_t seed, bool trace) {
    return Run(seed, trace).run();
}

}  // namespace quorlite::sim
