// The layer `node`: one simulated run of a whole cluster. Real replicas, databases, logs and
// sessions; clients at work; faults of every kind drawn from the seed; then peace, in which
// everything must come right.
//
// Checked: acknowledged writes survive, refused ones are not there, the history is strictly
// serialisable, sums hold in every read, replicas that have applied equally much are equal to the
// byte, integrity_check is clean, every node starts from whatever its disk holds, and once the
// faults stop the cluster serves.

#include <algorithm>
#include <cstdio>
#include <functional>

#include "tests/sim/layer.h"
#include "tests/sim/node/cluster.h"

namespace quorlite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFaultPhase = seconds(20);
constexpr Duration kPeaceMax = seconds(60);

// Which faults exist in this run, and how often they strike.
struct Plan {
    std::uint64_t voters = 3;
    std::uint64_t clients = 4;
    Duration pause_max = milliseconds(50);
    Duration fault_every = milliseconds(800);
    bool crashes = false;
    bool crash_all = false;
    bool partitions = false;
    bool one_way = false;
    bool isolation = false;
    bool pauses = false;
    bool transfers = false;
    bool late_joiner = false;
    bool full_disks = false;
    bool clock_drift = false;
    NetworkFaults network;
    database::Options database;
    disk::LogOptions log;
    std::size_t log_tail_bytes = 64u << 20;
    bool quorum_reads = false;

    std::string describe() const {
        std::string text =
            "voters=" + std::to_string(voters) + " clients=" + std::to_string(clients);
        const auto flag = [&](bool on, const char* name) {
            if (on) text += std::string(" ") + name;
        };
        flag(crashes, "crashes");
        flag(crash_all, "crash-all");
        flag(partitions, "partitions");
        flag(one_way, "one-way");
        flag(isolation, "isolation");
        flag(pauses, "pauses");
        flag(transfers, "transfers");
        flag(late_joiner, "late-joiner");
        flag(full_disks, "full-disks");
        flag(clock_drift, "clock-drift");
        flag(quorum_reads, "quorum-reads");
        text += " loss=" + std::to_string(network.loss) +
                " duplication=" + std::to_string(network.duplication) +
                " slow=" + std::to_string(network.slow) +
                " wal_frames_soft=" + std::to_string(database.wal_frames_soft) +
                " flush_bytes=" + std::to_string(database.flush_bytes) +
                " command_bytes_max=" + std::to_string(database.command_bytes_max) +
                " segment_bytes=" + std::to_string(log.segment_bytes) +
                " log_tail_bytes=" + std::to_string(log_tail_bytes);
        return text;
    }
};

Plan draw_plan(Seeded& random) {
    Plan plan;
    constexpr std::uint64_t kSizes[] = {1, 3, 3, 3, 5};
    plan.voters = kSizes[random.below(5)];
    plan.clients = random.between(1, 8);
    plan.pause_max = random.between(milliseconds(1), milliseconds(200));
    plan.fault_every = random.between(milliseconds(300), seconds(3));
    plan.crashes = random.chance(0.6);
    plan.crash_all = random.chance(0.3);
    plan.partitions = random.chance(0.5);
    plan.one_way = random.chance(0.3);
    plan.isolation = random.chance(0.4);
    plan.pauses = random.chance(0.4);
    plan.transfers = random.chance(0.4);
    plan.late_joiner = random.chance(0.3);
    plan.full_disks = random.chance(0.2);
    plan.clock_drift = random.chance(0.5);
    plan.quorum_reads = random.chance(0.2);
    if (random.chance(0.4)) plan.network.loss = static_cast<double>(random.below(20)) / 100;
    if (random.chance(0.3)) plan.network.duplication = static_cast<double>(random.below(30)) / 100;
    if (random.chance(0.3)) plan.network.slow = static_cast<double>(random.below(10)) / 100;
    plan.network.delay_max = random.between(microseconds(100), milliseconds(20));
    if (random.chance(0.7)) plan.database.wal_frames_soft = random.between(4, 400);
    if (random.chance(0.7)) plan.database.flush_bytes = random.between(16u << 10, 1u << 20);
    if (random.chance(0.3))
        plan.database.flush_interval = random.between(milliseconds(50), seconds(5));
    if (random.chance(0.5)) plan.database.command_bytes_max = random.between(4u << 10, 64u << 10);
    if (random.chance(0.5)) plan.log.segment_bytes = random.between(16, 256) * 4096;
    if (random.chance(0.7)) plan.log_tail_bytes = random.between(16u << 10, 1u << 20);
    return plan;
}

class Run {
public:
    Run(std::uint64_t seed, bool trace)
        : world_(seed), plan_(draw_plan(world_.random)), cluster_(world_), trace_(trace) {}

    Outcome run();

private:
    void build();
    void add_node(std::uint64_t number);
    void admit(NodeId node);
    void set_up();
    void disturb();
    void strike();
    void crash(NodeId node);
    NodeId leader_or_any();
    void isolate_leader();
    void cut_randomly();
    void fill_disk(NodeId node);
    void make_peace();
    void verify();

    bool failed() {
        if (failure_.empty()) failure_ = cluster_.complaint();
        for (const auto& client : clients_) {
            if (failure_.empty()) failure_ = client->complaint();
        }
        return !failure_.empty();
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
    std::vector<std::vector<std::int64_t>> ask(const std::string& sql);
    void say(const std::string& what) const {
        if (!trace_) return;
        const auto now = std::chrono::duration_cast<microseconds>(world_.now()).count();
        std::printf("%12lld us  %s\n", static_cast<long long>(now), what.c_str());
    }
    NodeId random_node() {
        const std::vector<NodeId> ids = cluster_.ids();
        return ids[world_.random.below(ids.size())];
    }

    World world_;
    Plan plan_;
    Cluster cluster_;
    check::History history_;
    std::vector<std::unique_ptr<SimClient>> clients_;
    std::string failure_;
    std::uint64_t faults_ = 0;
    bool trace_;
};

void Run::build() {
    for (std::uint64_t i = 1; i <= plan_.voters; ++i) add_node(i);
    for (std::uint64_t i = 2; i <= plan_.voters; ++i) admit(NodeId(i));
}

void Run::add_node(std::uint64_t i) {
    NodeOptions options;
    options.replica.id = NodeId(i);
    options.replica.address = "node" + std::to_string(i) + ":9000";
    options.replica.bootstrap = i == 1;
    options.replica.database = plan_.database;
    options.replica.log = plan_.log;
    options.replica.log_tail_bytes = plan_.log_tail_bytes;
    options.replica.quorum_reads = plan_.quorum_reads;
    if (plan_.clock_drift) {
        options.clock_rate = 0.7 + static_cast<double>(world_.random.below(600)) / 1000;
    }
    options.clock_offset = world_.random.between(Duration(0), seconds(1000000));
    cluster_.add(std::move(options));
    cluster_.start(NodeId(i));
}

void Run::admit(NodeId node) {
    const std::string name = "node" + std::to_string(node.value()) + ":9000";
    for (const bool promote : {false, true}) {
        std::optional<Status> answer;
        const auto asked = run_until([&] { return cluster_.leader().has_value(); }, seconds(10));
        if (!asked) break;
        auto done = [&](Status status) { answer = std::move(status); };
        const NodeId leader = *cluster_.leader();
        cluster_.run_on(leader, [&] {
            if (promote) {
                cluster_.replica(leader).assign(node, raft::Role::kVoter, done);
            } else {
                cluster_.replica(leader).add(node, name, done);
            }
        });
        if (!run_until([&] { return answer.has_value(); }, seconds(60)) || !answer->ok()) {
            if (failure_.empty()) {
                failure_ =
                    name + " was not admitted: " + (answer ? answer->error().message : "no answer");
            }
            return;
        }
    }
}

void Run::set_up() {
    std::vector<NodeId> nodes = cluster_.ids();
    for (std::uint64_t i = 1; i <= plan_.clients; ++i) {
        clients_.push_back(std::make_unique<SimClient>(
            world_, i, nodes, [this](NodeId node) { return cluster_.dial(node); }, history_));
    }
    bool ready = false;
    clients_[0]->run_setup(workload_schema(), [&] { ready = true; });
    if (!run_until([&] { return ready; }, seconds(60)) && failure_.empty()) {
        failure_ = "the set-up did not end";
    }
}

void Run::cut_randomly() {
    const std::vector<NodeId> ids = cluster_.ids();
    std::vector<bool> side;
    for (std::size_t i = 0; i < ids.size(); ++i) side.push_back(world_.random.chance(0.5));
    for (std::size_t a = 0; a < ids.size(); ++a) {
        for (std::size_t b = 0; b < ids.size(); ++b) {
            const bool cut =
                plan_.one_way ? a != b && world_.random.chance(0.3) : side[a] != side[b];
            if (cut) cluster_.network.cut(ids[a], ids[b]);
        }
    }
    world_.schedule(world_.now() + world_.random.between(milliseconds(50), seconds(4)),
                    [this] { cluster_.network.heal(); });
}

void Run::fill_disk(NodeId node) {
    cluster_.disk(node).set_full(true);
    world_.schedule(world_.now() + world_.random.between(milliseconds(10), seconds(2)),
                    [this, node] { cluster_.disk(node).set_full(false); });
}

// The leader hears no one, or no one hears it; clients reach it all the same.
void Run::isolate_leader() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    const std::uint64_t ways = world_.random.between(1, 3);
    for (const NodeId other : cluster_.ids()) {
        if (other == *leader) continue;
        if ((ways & 1) != 0) cluster_.network.cut(*leader, other);
        if ((ways & 2) != 0) cluster_.network.cut(other, *leader);
    }
    world_.schedule(world_.now() + world_.random.between(milliseconds(50), seconds(4)),
                    [this] { cluster_.network.heal(); });
}

void Run::crash(NodeId node) {
    say("crash of node " + std::to_string(node.value()));
    cluster_.crash(node);
    world_.schedule(world_.now() + world_.random.between(milliseconds(1), seconds(3)),
                    [this, node] {
                        if (cluster_.running(node)) return;
                        say("start of node " + std::to_string(node.value()));
                        cluster_.start(node);
                    });
}

NodeId Run::leader_or_any() {
    const auto leader = cluster_.leader();
    return leader && world_.random.chance(0.5) ? *leader : random_node();
}

void Run::strike() {
    struct Fault {
        bool drawn;
        const char* name;
        std::function<void()> strike;
    };
    std::vector<Fault> faults = {
        {plan_.crashes, "crash", [this] { crash(leader_or_any()); }},
        {plan_.crash_all, "crash of all",
         [this] {
             for (const NodeId node : cluster_.ids()) crash(node);
         }},
        {plan_.partitions, "partition", [this] { cut_randomly(); }},
        {plan_.isolation, "isolation", [this] { isolate_leader(); }},
        {plan_.pauses, "pause",
         [this] {
             cluster_.pause(leader_or_any(), world_.random.between(milliseconds(50), seconds(3)));
         }},
        {plan_.transfers, "transfer",
         [this] {
             const auto leader = cluster_.leader();
             if (!leader) return;
             cluster_.run_on(*leader,
                             [&] { cluster_.replica(*leader).transfer(NodeId(0), [](Status) {}); });
         }},
        {plan_.full_disks, "full disk", [this] { fill_disk(random_node()); }},
    };
    std::erase_if(faults, [](const Fault& fault) { return !fault.drawn; });
    if (faults.empty()) return;
    const Fault& fault = faults[world_.random.below(faults.size())];
    say(fault.name);
    ++faults_;
    fault.strike();
}

void Run::disturb() {
    cluster_.network.faults = plan_.network;
    for (const auto& client : clients_) client->run_workload(plan_.pause_max);
    if (plan_.late_joiner) {  // while there is load, and the log may be trimmed, but no other fault
                              // yet
        bool reached = false;
        world_.schedule(world_.now() + seconds(5), [&] { reached = true; });
        if (!run_until([&] { return reached; }, seconds(60))) return;
        add_node(plan_.voters + 1);
        admit(NodeId(plan_.voters + 1));
    }
    const Duration end = world_.now() + kFaultPhase;
    while (world_.now() < end && !failed()) {
        const Duration next =
            world_.now() + world_.random.between(Duration(1), 2 * plan_.fault_every);
        bool reached = false;
        world_.schedule(next, [&] { reached = true; });
        if (!run_until([&] { return reached; }, seconds(60))) return;
        if (auto difference = cluster_.compare_databases()) {
            failure_ = *difference;
            return;
        }
        strike();
    }
}

void Run::make_peace() {
    cluster_.network.faults = {};
    cluster_.network.heal();
    for (const NodeId node : cluster_.ids()) {
        cluster_.disk(node).set_full(false);
        if (!cluster_.running(node)) cluster_.start(node);
    }
    for (const auto& client : clients_) client->stop();
    const bool idle = run_until(
        [&] {
            return std::all_of(clients_.begin(), clients_.end(),
                               [](const auto& client) { return client->idle(); });
        },
        kPeaceMax);
    if (!idle && failure_.empty()) failure_ = "clients still wait long after the faults ended";
}

std::vector<std::vector<std::int64_t>> Run::ask(const std::string& sql) {
    std::optional<std::vector<std::vector<std::int64_t>>> answer;
    clients_[0]->query(sql, [&](auto rows) { answer = std::move(rows); });
    if (!run_until([&] { return answer.has_value(); }, kPeaceMax)) {
        if (failure_.empty()) failure_ = "no answer to: " + sql;
        return {};
    }
    return std::move(*answer);
}

void Run::verify() {
    std::vector<std::uint64_t> serial;
    for (const auto& row : ask("SELECT op FROM history ORDER BY place")) {
        serial.push_back(static_cast<std::uint64_t>(row[0]));
    }
    if (failed()) return;
    if (auto wrong = history_.contradiction(serial)) {
        failure_ = *wrong;
        return;
    }
    const auto integrity = ask("PRAGMA integrity_check");
    if (!failed() && (integrity.size() != 1 || integrity[0][0] != 1)) {
        failure_ = "integrity_check found damage";
    }
    const bool converged = run_until(
        [&] {
            Index least = cluster_.replica(NodeId(1)).status().applied;
            Index most = least;
            for (const NodeId node : cluster_.ids()) {
                const Index applied = cluster_.replica(node).status().applied;
                least = std::min(least, applied);
                most = std::max(most, applied);
            }
            return least == most;
        },
        kPeaceMax);
    if (!converged && failure_.empty()) failure_ = "the replicas do not converge";
    if (auto difference = cluster_.compare_databases(); difference && failure_.empty()) {
        failure_ = *difference;
    }
}

Outcome Run::run() {
    build();
    if (!failed()) set_up();
    if (!failed()) disturb();
    if (!failed()) make_peace();
    if (!failed()) verify();
    return {.failure = failure_,
            .options = plan_.describe(),
            .summary = std::to_string(history_.acknowledged()) + " writes acknowledged, " +
                       std::to_string(faults_) + " faults, " +
                       std::to_string(cluster_.chunks_sent()) + " snapshot chunks",
            .trace_hash = world_.trace(),
            .simulated_seconds = std::chrono::duration<double>(world_.now()).count(),
            .nodes = plan_.voters};
}

}  // namespace

Outcome run_node(std::uint64_t seed, bool trace) {
    return Run(seed, trace).run();
}

}  // namespace quorlite::sim
