#include "tests/sim/node/plan.h"

#include <algorithm>
#include <array>

namespace quorlite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Kind {
    Fault fault;
    std::string_view name;
    double chance;  // of being part of a run; 0: not drawn
};

constexpr std::array<Kind, kFaults> kKinds = {{
    {Fault::kCrash, "crash", 0.5},
    {Fault::kKill, "kill", 0.4},
    {Fault::kCrashAll, "crash-all", 0.3},
    {Fault::kPartition, "partition", 0.4},
    {Fault::kOneWay, "one-way", 0.3},
    {Fault::kIsolation, "isolation", 0.4},
    {Fault::kPause, "pause", 0.4},
    {Fault::kTransfer, "transfer", 0.4},
    {Fault::kFullDisk, "full-disk", 0.2},
    {Fault::kSlowDisk, "slow-disk", 0.3},
    {Fault::kFailedSync, "failed-sync", 0.3},
    {Fault::kRot, "rot", 0.2},
    {Fault::kRottenPage, "rotten-page", 0},  // see pages_may_rot()
    {Fault::kLostDisk, "lost-disk", 0.2},
    {Fault::kMember, "member", 0.3},
    {Fault::kWallJump, "wall-jump", 0.2},
    {Fault::kLoss, "loss", 0.3},
    {Fault::kDuplication, "duplication", 0.3},
    {Fault::kSlowNetwork, "slow-network", 0.2},
    {Fault::kForgery, "forgery", 0},  // see draw_aside()
    {Fault::kDrift, "drift", 0.5},
    {Fault::kYields, "yields", 0.6},
}};

// A flush that is cut off leaves pages of which no checksum can tell whether they are whole. So
// pages rot where no node ends but by that fault itself; and where others have the page.
bool pages_may_rot(const Plan& plan) {
    constexpr std::array kCutOff = {Fault::kCrash,      Fault::kKill, Fault::kCrashAll,
                                    Fault::kFailedSync, Fault::kRot,  Fault::kLostDisk};
    return plan.voters >= 3 && !plan.failovers &&
           std::ranges::none_of(kCutOff, [&](Fault fault) { return plan.has(fault); });
}

void draw_sizes(Plan& plan, Seeded& random) {
    database::Options& database = plan.replica.database;
    if (random.chance(0.7)) database.wal_frames_soft = random.between(4, 400);
    if (random.chance(0.7)) database.flush_bytes = random.between(8u << 10, 512u << 10);
    if (random.chance(0.4)) {
        database.flush_interval = random.between(milliseconds(50), seconds(5));
    }
    if (random.chance(0.5)) database.command_bytes_max = random.between(4u << 10, 64u << 10);
    // Small ones go in a message each, so that a leader can die in the middle of a transaction.
    if (database.command_bytes_max <= 32u << 10) {
        plan.replica.append_bytes_max = database.command_bytes_max;
    }
    if (random.chance(0.5)) database.page_cache_bytes = 64u << 10;
    disk::LogOptions& log = plan.replica.log;
    if (random.chance(0.5)) log.segment_bytes = random.between(16, 256) * 4096;
    if (random.chance(0.4)) log.batch_bytes_max = random.between(4u << 10, 64u << 10);
    if (random.chance(0.7)) plan.replica.log_tail_bytes = random.between(4u << 10, 512u << 10);
}

void draw_network(Plan& plan, Seeded& random) {
    NetworkFaults& network = plan.network;
    network.delay_max = random.between(microseconds(100), milliseconds(20));
    if (plan.has(Fault::kLoss)) {
        network.loss = static_cast<double>(random.between(1, 20)) / 100;
    }
    if (plan.has(Fault::kDuplication)) {
        network.duplication = static_cast<double>(random.between(1, 30)) / 100;
    }
    if (plan.has(Fault::kSlowNetwork)) {
        network.slow = static_cast<double>(random.between(1, 10)) / 100;
    }
}

// From a copy of the stream: so what else a seed draws, and what it once found, stays as it is.
void draw_aside(Plan& plan, Seeded random) {
    if (plan.failovers || !random.chance(0.3)) return;
    plan.faults.push_back(Fault::kForgery);
    plan.network.forged = static_cast<double>(random.between(1, 20)) / 100;
}

}  // namespace

std::string_view name_of(Fault fault) {
    const auto found = std::ranges::find(kKinds, fault, &Kind::fault);
    return found->name;
}

bool Plan::has(Fault fault) const {
    return std::ranges::find(faults, fault) != faults.end();
}

Plan draw_plan(Seeded& random) {
    Plan plan;
    plan.failovers = random.chance(0.15);
    constexpr std::uint64_t kSizes[] = {1, 3, 3, 3, 5};
    plan.voters = plan.failovers ? random.between(1, 2) * 2 + 1 : random.one_of(std::span(kSizes));
    plan.clients = random.between(1, 12);
    plan.watchers = random.between(0, 8);
    plan.pause_max = random.between(milliseconds(1), milliseconds(200));
    plan.fault_every = random.between(milliseconds(300), seconds(3));
    for (const Kind& kind : kKinds) {
        const bool drawn = kind.chance > 0 && random.chance(kind.chance);
        if (drawn && !plan.failovers) plan.faults.push_back(kind.fault);
    }
    if (pages_may_rot(plan)) plan.faults.push_back(Fault::kRottenPage);
    plan.late_joiner = !plan.failovers && random.chance(0.3);
    plan.auto_vacuum = random.chance(0.3);
    if (plan.has(Fault::kYields)) plan.yields = static_cast<double>(random.between(1, 50)) / 100;
    draw_network(plan, random);
    draw_sizes(plan, random);
    if (plan.failovers) {  // disks take little more, when they are full
        plan.replica.log.segment_bytes = 64u << 10;
        plan.replica.log.spare_segments = 1;
    }
    plan.replica.quorum_reads = random.chance(0.1);
    draw_aside(plan, random);
    return plan;
}

std::string Plan::describe() const {
    std::string text = failovers ? "failovers " : "";
    const auto flag = [&](bool on, std::string_view name) {
        if (on) text += std::string(name) + " ";
    };
    const auto value = [&](std::string_view name, auto number) {
        text += std::string(name) + "=" + std::to_string(number) + " ";
    };
    value("voters", voters);
    value("clients", clients);
    value("watchers", watchers);
    for (const Fault fault : faults) flag(true, name_of(fault));
    flag(late_joiner, "late-joiner");
    flag(auto_vacuum, "auto-vacuum");
    flag(replica.quorum_reads, "quorum-reads");
    value("pause_max_us", std::chrono::duration_cast<microseconds>(pause_max).count());
    value("fault_every_ms", std::chrono::duration_cast<milliseconds>(fault_every).count());
    value("yields", yields);
    value("loss", network.loss);
    value("duplication", network.duplication);
    value("slow", network.slow);
    value("forged", network.forged);
    value("delay_max_us", std::chrono::duration_cast<microseconds>(network.delay_max).count());
    value("wal_frames_soft", replica.database.wal_frames_soft);
    value("flush_bytes", replica.database.flush_bytes);
    value("flush_interval_ms",
          std::chrono::duration_cast<milliseconds>(replica.database.flush_interval).count());
    value("command_bytes_max", replica.database.command_bytes_max);
    value("append_bytes_max", replica.append_bytes_max);
    value("page_cache_bytes", replica.database.page_cache_bytes);
    value("segment_bytes", replica.log.segment_bytes);
    value("batch_bytes_max", replica.log.batch_bytes_max);
    value("log_tail_bytes", replica.log_tail_bytes);
    text.pop_back();
    return text;
}

}  // namespace quorlite::sim
