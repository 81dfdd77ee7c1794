#include "tests/sim/node/nemesis.h"

#include <algorithm>
#include <cstdlib>

#include "engine/database/base_file.h"
#include "engine/database/manifest.h"
#include "engine/disk/batch.h"
#include "wire/base/crc32c.h"

namespace quorlite::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kNodesMax = 7;
constexpr std::uint64_t kWallJumpMax_ms = 30ULL * 24 * 3600 * 1000;
// How long a node may take to notice a failed sync, and to stop.
constexpr Duration kStopMax = milliseconds(50);
// Damage is to one of the newest batches but for the last: that one would look torn.
constexpr std::size_t kDamagedBatchesMax = 8;
constexpr std::uint64_t kChangesToCutMax = 60;
constexpr std::uint64_t kSyncsSparedMax = 5;

constexpr std::uint64_t kPagesAtOnceMax = 4;

bool is_struck(Fault fault) {
    return fault < Fault::kLoss;
}

// Whether every page of a base file matches its checksum.
bool is_whole(const SimDisk& disk, std::uint64_t number) {
    const Bytes pages = disk.content(database::base_file_name(number));
    const Bytes sums = disk.content(database::sums_file_name(number));
    for (std::uint64_t page = 0; (page + 1) * database::kPageSize <= pages.size(); ++page) {
        const auto sum = load_little<std::uint32_t>(sums.data() + page * sizeof(std::uint32_t));
        const ByteView bytes =
            ByteView(pages).subspan(page * database::kPageSize, database::kPageSize);
        if (sum != 0 && sum != crc32c(bytes)) return false;
    }
    return true;
}

// As its manifest names them. A file that is being flushed, or was when the node last ended, is not
// among them.
std::vector<database::ManifestEntry> exact_files(const SimDisk& disk) {
    std::vector<database::ManifestEntry> files;
    std::uint64_t newest = 0;
    for (const char* const slot : {"databases/manifest.0", "databases/manifest.1"}) {
        std::uint64_t sequence = 0;
        const auto names = disk.files();
        if (std::ranges::find(names, slot) == names.end()) continue;
        const auto manifest = database::decode_manifest(disk.content(slot), &sequence);
        if (!manifest.ok() || sequence < newest) continue;
        newest = sequence;
        files = manifest->entries;
    }
    std::erase_if(files, [](const auto& file) { return file.flushing_to || file.page_count == 0; });
    return files;
}

}  // namespace

Nemesis::Nemesis(World& world, Cluster& cluster, const Plan& plan, std::function<NodeId()> add_node,
                 Say say)
    : world_(world),
      cluster_(cluster),
      plan_(plan),
      add_node_(std::move(add_node)),
      say_(std::move(say)) {
    for (const Fault fault : plan.faults) {
        if (is_struck(fault)) {
            arsenal_.push_back(fault);
        } else {
            active_until_[static_cast<std::size_t>(fault)] = Duration::max();
        }
    }
    cluster_.on_expected_death = [this](NodeId node) {
        start_after(node, between(milliseconds(1), seconds(2)));
    };
}

void Nemesis::rage(Duration end) {
    end_ = end;
    if (!arsenal_.empty()) schedule_strike();
}

void Nemesis::schedule_strike() {
    later(between(Duration(1), 2 * plan_.fault_every), [this] {
        if (world_.now() >= end_) return;
        strike(world_.random.one_of(arsenal_));
        schedule_strike();
    });
}

// --- strikes ---

void Nemesis::strike(Fault fault) {
    say_("strike: " + std::string(name_of(fault)));
    ++strikes_;
    switch (fault) {
        case Fault::kCrash:
            return end_life(leader_or_any(), true);
        case Fault::kKill:
            return end_life(leader_or_any(), false);
        case Fault::kCrashAll:
            note(fault, seconds(1));
            for (const NodeId node : cluster_.ids()) end_life(node, true);
            return;
        case Fault::kPartition:
            return cut_sides();
        case Fault::kOneWay:
            return cut_ways();
        case Fault::kIsolation:
            return isolate_leader();
        case Fault::kPause:
            return pause();
        case Fault::kTransfer:
            return transfer();
        case Fault::kFullDisk:
            return fill_disk();
        case Fault::kSlowDisk:
            return slow_disk();
        case Fault::kFailedSync:
            return fail_sync();
        case Fault::kRot:
            return rot();
        case Fault::kRottenPage:
            return rot_pages();
        case Fault::kLostDisk:
            return lose_disk();
        case Fault::kMember:
            return change_members();
        case Fault::kWallJump:
            return jump_wall_clock();
        case Fault::kLoss:
        case Fault::kDuplication:
        case Fault::kSlowNetwork:
        case Fault::kForgery:
        case Fault::kDrift:
        case Fault::kYields:
            break;  // not struck
    }
}

void Nemesis::note(Fault fault, Duration lasts) {
    const auto self = static_cast<std::size_t>(fault);
    for (std::size_t other = 0; other < kFaults; ++other) {
        if (other != self && active_until_[other] >= world_.now()) {
            ++pairs_[std::min(self, other)][std::max(self, other)];
        }
    }
    active_until_[self] = std::max(active_until_[self], world_.now() + lasts);
}

void Nemesis::end_life(NodeId node, bool power) {
    const Duration away = world_.random.chance(0.3) ? between(Duration(1), milliseconds(100))
                                                    : between(milliseconds(1), seconds(3));
    note(power ? Fault::kCrash : Fault::kKill, away);
    say_((power ? "crash of node " : "kill of node ") + std::to_string(node.value()));
    if (power && world_.random.chance(0.5)) {  // between any two operations of the disk
        cluster_.crash_after_changes(node, world_.random.between(1, kChangesToCutMax));
        return;
    }
    if (power) {
        cluster_.crash(node);
    } else {
        cluster_.kill(node);
    }
    start_after(node, away);
}

void Nemesis::cut_sides() {
    const std::vector<NodeId> ids = cluster_.ids();
    std::vector<bool> side;
    for (std::size_t i = 0; i < ids.size(); ++i) side.push_back(world_.random.chance(0.5));
    for (std::size_t a = 0; a < ids.size(); ++a) {
        for (std::size_t b = 0; b < ids.size(); ++b) {
            if (side[a] != side[b]) cluster_.network.cut(ids[a], ids[b]);
        }
    }
    heal_after(Fault::kPartition, between(milliseconds(50), seconds(4)));
}

void Nemesis::cut_ways() {
    for (const NodeId from : cluster_.ids()) {
        for (const NodeId to : cluster_.ids()) {
            if (from != to && world_.random.chance(0.3)) cluster_.network.cut(from, to);
        }
    }
    heal_after(Fault::kOneWay, between(milliseconds(50), seconds(4)));
}

// The leader hears no one, or no one hears it; clients reach it all the same.
void Nemesis::isolate_leader() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    const std::uint64_t ways = world_.random.between(1, 3);
    for (const NodeId other : cluster_.ids()) {
        if (other == *leader) continue;
        if ((ways & 1) != 0) cluster_.network.cut(*leader, other);
        if ((ways & 2) != 0) cluster_.network.cut(other, *leader);
    }
    heal_after(Fault::kIsolation, between(milliseconds(500), seconds(4)));
}

void Nemesis::pause() {
    // A leader, for longer than it takes to elect another, or anyone.
    const auto leader = cluster_.leader();
    const bool deposes = leader && world_.random.chance(0.5);
    const Duration lasts = between(deposes ? seconds(1) : milliseconds(50), seconds(3));
    note(Fault::kPause, lasts);
    cluster_.pause(deposes ? *leader : any(), lasts);
}

void Nemesis::transfer() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    note(Fault::kTransfer, seconds(1));
    cluster_.run_on(*leader,
                    [&] { cluster_.replica(*leader).transfer(NodeId(0), [](const Status&) {}); });
}

void Nemesis::fill_disk() {
    const NodeId node = any();
    const Duration lasts = between(milliseconds(10), seconds(2));
    note(Fault::kFullDisk, lasts);
    cluster_.disk(node).set_full(true);
    later(lasts, [this, node] { cluster_.disk(node).set_full(false); });
}

void Nemesis::slow_disk() {
    SimDisk& disk = cluster_.disk(leader_or_any());
    const Duration lasts = between(milliseconds(100), seconds(5));
    note(Fault::kSlowDisk, lasts);
    disk.latency_max = between(milliseconds(1), milliseconds(200));
    later(lasts, [&disk] { disk.latency_max = SimDisk::kLatencyMax; });
}

// The node must not go on after it.
void Nemesis::fail_sync() {
    const NodeId node = leader_or_any();
    if (!cluster_.running(node)) return;
    note(Fault::kFailedSync, seconds(1));
    disks_failed_ = true;
    cluster_.expect_death(node);
    const bool any = world_.random.chance(0.3);
    cluster_.disk(node).fail_a_sync(any ? SimDisk::SyncFailure::kAny : SimDisk::SyncFailure::kSync,
                                    world_.random.below(kSyncsSparedMax));
    watch_sync(node, cluster_.lives(node), false);
}

// Until that life is over.
void Nemesis::watch_sync(NodeId node, std::uint64_t life, bool seen) {
    later(kStopMax, [this, node, life, seen] {
        if (peace_ || !cluster_.running(node) || cluster_.lives(node) != life) return;
        const bool failed = cluster_.disk(node).sync_failed() && !cluster_.paused(node);
        if (seen && failed) {
            complaint_ = "node " + std::to_string(node.value()) + " goes on after a failed sync";
        }
        watch_sync(node, life, failed);
    });
}

void Nemesis::jump_wall_clock() {
    note(Fault::kWallJump, seconds(1));
    const auto jump_ms = static_cast<std::int64_t>(world_.random.below(2 * kWallJumpMax_ms));
    cluster_.clock(any()).wall_jump_ms = jump_ms - static_cast<std::int64_t>(kWallJumpMax_ms);
}

// --- damage ---

// One node's memory is damaged at the moment when it counts: another lags behind, so what was
// acknowledged is, once the leader is cut off, on no sound disk that can vote.
void Nemesis::rot() {
    if (durable_loss_ || cluster_.running_ids().size() < 3) return;
    std::vector<NodeId> ids = cluster_.ids();
    for (std::size_t i = ids.size() - 1; i > 0; --i) {
        std::swap(ids[i], ids[world_.random.below(i + 1)]);
    }
    if (const auto leader = cluster_.leader()) std::swap(*std::ranges::find(ids, *leader), ids[2]);
    const NodeId lagging = ids[0];
    const NodeId damaged = ids[1];
    const NodeId ahead = ids[2];
    if (!majority_without(damaged)) return;
    durable_loss_ = true;
    damaged_ = damaged;
    note(Fault::kRot, seconds(4));
    cut_off(lagging);
    later(between(milliseconds(100), seconds(1)), [this, damaged, ahead] {
        if (peace_ || cluster_.retired(damaged)) return;
        cluster_.kill(damaged);
        later(milliseconds(10), [this, damaged, ahead] {
            if (peace_ || cluster_.retired(damaged) || cluster_.running(damaged)) return;
            damage_log(damaged);
            cluster_.network.heal();
            cut_off(ahead);
            cluster_.start(damaged);
            heal_after(Fault::kRot, between(seconds(1), seconds(4)));
        });
    });
}

void Nemesis::damage_log(NodeId node) {
    struct Batch {
        std::string file;
        disk::BatchHeader header;
    };
    std::vector<Batch> batches;
    SimDisk& disk = cluster_.disk(node);
    for (const std::string& name : disk.files()) {
        if (!name.starts_with("log/0")) continue;  // segments are named by their numbers
        const auto number = std::strtoull(name.c_str() + 4, nullptr, 10);
        for (const auto& batch : disk::scan_segment(disk.content(name), number).batches) {
            batches.push_back({name, batch.header});
        }
    }
    std::ranges::sort(batches, {}, [](const Batch& batch) { return batch.header.sequence; });
    if (batches.size() < 2) return;
    batches.pop_back();
    const std::size_t newest = std::min(batches.size(), kDamagedBatchesMax);
    const Batch& chosen = batches[batches.size() - 1 - world_.random.below(newest)];
    // Its padding does not matter to anyone.
    const std::uint64_t used = chosen.header.body_bytes;
    const std::uint64_t offset = chosen.header.offset + world_.random.below(used);
    say_("damage to " + chosen.file + " at " + std::to_string(offset));
    disk.flip(chosen.file, offset, static_cast<std::uint8_t>(1 + world_.random.below(255)));
}

// Always of the same node; while it runs, or while it is down.
void Nemesis::rot_pages() {
    if (!rotten_) rotten_ = any();
    if (!cluster_.running(rotten_) || cluster_.paused(rotten_) || !pages_are_whole()) return;
    note(Fault::kRottenPage, seconds(1));
    disks_failed_ = true;
    const auto damage_some = [this](bool or_checksums) {
        for (std::uint64_t i = world_.random.between(1, kPagesAtOnceMax); i > 0; --i) {
            damage_page(or_checksums);
        }
    };
    if (world_.random.chance(0.5)) return damage_some(false);  // it has the checksums in memory
    cluster_.kill(rotten_);
    later(between(milliseconds(10), seconds(1)), [this, damage_some] {
        if (peace_ || cluster_.running(rotten_) || cluster_.retired(rotten_)) return;
        damage_some(true);
        cluster_.start(rotten_);
    });
}

void Nemesis::damage_page(bool or_checksum) {
    SimDisk& disk = cluster_.disk(rotten_);
    const auto files = exact_files(disk);
    if (files.empty()) return;
    const database::ManifestEntry& file = files[world_.random.below(files.size())];
    const std::uint64_t page = world_.random.below(file.page_count);
    const bool checksum = or_checksum && world_.random.chance(0.3);
    say_("damage to " + std::string(checksum ? "the checksum of " : "") + "page " +
         std::to_string(page + 1) + " of " + file.name + " on node " +
         std::to_string(rotten_.value()));
    const auto mask = static_cast<std::uint8_t>(1 + world_.random.below(255));
    const std::size_t bytes = checksum ? sizeof(std::uint32_t) : database::kPageSize;
    disk.flip(
        checksum ? database::sums_file_name(file.number) : database::base_file_name(file.number),
        page * bytes + world_.random.below(bytes), mask);
}

// Whoever reads all of them finds what is damaged, so that it is repaired soon.
bool Nemesis::pages_are_whole() {
    bool whole = true;
    cluster_.run_on(rotten_, [&] {
        database::Store& store = cluster_.replica(rotten_).store();
        for (const std::string& name : store.names()) whole &= store.find(name)->checksum().ok();
    });
    // What newer pages in memory hide from readers counts too.
    const SimDisk& disk = cluster_.disk(rotten_);
    for (const auto& file : exact_files(disk)) whole &= is_whole(disk, file.number);
    return whole;
}

void Nemesis::cut_off(NodeId node) {
    for (const NodeId other : cluster_.ids()) {
        cluster_.network.cut(node, other);
        cluster_.network.cut(other, node);
    }
}

void Nemesis::lose_disk() {
    const NodeId node = any();
    if (durable_loss_ || cluster_.running_ids().size() < 3 || !majority_without(node)) return;
    durable_loss_ = true;
    note(Fault::kLostDisk, seconds(5));
    say_("loss of node " + std::to_string(node.value()));
    cluster_.retire(node);
    replace(node);
}

// Until it succeeds: the lost node leaves the cluster, and a new one comes.
void Nemesis::replace(NodeId lost) {
    const auto leader = cluster_.leader();
    const bool member = !leader || cluster_.replica(*leader).configuration().find(lost) != nullptr;
    if (!member) {
        if (!peace_) add_node_();
        return;
    }
    if (leader) {
        cluster_.run_on(*leader,
                        [&] { cluster_.replica(*leader).remove(lost, [](const Status&) {}); });
    }
    later(milliseconds(500), [this, lost] { replace(lost); });
}

// --- membership ---

// Whether the voters that are left can be a majority, whatever else was lost.
bool Nemesis::majority_without(NodeId node) const {
    const auto leader = cluster_.leader();
    if (!leader) return false;
    std::size_t voters = 0;
    std::size_t alive = 0;
    for (const raft::Server& server : cluster_.replica(*leader).configuration().servers) {
        if (server.role != raft::Role::kVoter || server.id == node) continue;
        ++voters;
        alive += !cluster_.retired(server.id) && server.id != damaged_;
    }
    return voters >= 2 && alive > voters / 2;
}

void Nemesis::change_members() {
    const auto leader = cluster_.leader();
    if (!leader) return;
    note(Fault::kMember, seconds(2));
    replica::Replica& replica = cluster_.replica(*leader);
    const auto ignore = [](const Status&) {};
    const auto& servers = replica.configuration().servers;
    const raft::Server chosen = servers[world_.random.below(servers.size())];
    const bool needed = !majority_without(chosen.id);
    switch (world_.random.below(4)) {
        case 0:
            if (servers.size() < kNodesMax) add_node_();
            return;
        case 1:
            if (needed || servers.size() <= plan_.voters) return;
            say_("removal of node " + std::to_string(chosen.id.value()));
            return cluster_.run_on(*leader, [&] { replica.remove(chosen.id, ignore); });
        case 2:
            if (needed) return;
            return cluster_.run_on(
                *leader, [&] { replica.assign(chosen.id, raft::Role::kStandby, ignore); });
        default:
            if (cluster_.retired(chosen.id)) return;
            return cluster_.run_on(*leader,
                                   [&] { replica.assign(chosen.id, raft::Role::kVoter, ignore); });
    }
}

std::vector<NodeId> Nemesis::members() const {
    std::vector<NodeId> members;
    const auto leader = cluster_.leader();
    if (!leader) return members;
    for (const raft::Server& server : cluster_.replica(*leader).configuration().servers) {
        if (server.role != raft::Role::kSpare) members.push_back(server.id);
    }
    return members;
}

// --- peace ---

void Nemesis::make_peace() {
    peace_ = true;
    end_ = world_.now();
    cluster_.network.faults = {};
    cluster_.network.heal();
    cluster_.wake_all();
    for (const NodeId node : cluster_.ids()) {
        cluster_.disk(node).set_full(false);
        cluster_.disk(node).fail_a_sync(SimDisk::SyncFailure::kNone);
        cluster_.disk(node).cut_after_changes(0);
        cluster_.disk(node).latency_max = SimDisk::kLatencyMax;
        if (!cluster_.running(node)) cluster_.start(node);
    }
}

void Nemesis::heal_after(Fault fault, Duration duration) {
    note(fault, duration);
    later(duration, [this] { cluster_.network.heal(); });
}

void Nemesis::start_after(NodeId node, Duration duration) {
    later(duration, [this, node] {
        if (cluster_.running(node) || cluster_.retired(node)) return;
        say_("start of node " + std::to_string(node.value()));
        cluster_.start(node);
    });
}

NodeId Nemesis::leader_or_any() {
    const auto leader = cluster_.leader();
    return leader && world_.random.chance(0.5) ? *leader : any();
}

void Nemesis::later(Duration delay, std::function<void()> what) {
    world_.schedule(world_.now() + delay, std::move(what));
}

}  // namespace quorlite::sim
