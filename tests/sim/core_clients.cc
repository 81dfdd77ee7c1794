// Clients: writes at whoever thinks it leads, reads by lease and by round, and what they must see.

#include "tests/sim/core_world.h"
#include "wire/base/bytes.h"

namespace quorlite::sim {
namespace {

constexpr std::size_t kWritesMax = 20;  // that wait for their answer, at one node
// In one run; the smallest messages carry one entry each, and a node that lags needs them all.
constexpr std::uint64_t kCommandsMax = 20'000;
constexpr std::uint64_t kCommandsMaxInSmallMessages = 4'000;

}  // namespace

void World::client_write() {
    after(options_.write_interval, [this] { client_write(); });
    // Enough: now the nodes converge. A vote barrier is lifted only by a log that grows beyond it.
    if (healed_write_ && !any_damaged()) return;
    const std::vector<Node*> found = leaders();
    if (found.empty()) return;
    write_at(*random_.one_of(found));
}

void World::write_at(Node& on) {
    if (on.acks.size() >= kWritesMax || (faults_ && now_ < quiet_until_)) return;
    // Writers are held back, but some had begun before.
    if ((on.core->transferring() || on.core->backlogged()) && !random_.chance(0.1)) return;
    const bool small = options_.append_bytes_max < 1000;
    const bool enough = next_command_ > (small ? kCommandsMaxInSmallMessages : kCommandsMax);
    if (enough && faults_) return;
    std::vector<SharedBytes> payloads;
    for (std::uint64_t i = random_.between(1, options_.batch_most); i > 0; --i) {
        Bytes payload(8 + random_.below(options_.payload_bytes_most));
        store_little(payload.data(), next_command_++);
        payloads.push_back(std::make_shared<const Bytes>(std::move(payload)));
    }
    const Result<Index> proposed = on.core->propose(local(on), std::move(payloads));
    if (!proposed.ok()) return;
    note("write", on.id, proposed.value().value());
    on.acks.push_back({proposed.value(), on.core->term()});
    input(on);
}

// The answer to a write leaves when the leader has applied it.
void World::acknowledge(Node& on) {
    std::erase_if(on.acks, [&on](const PendingAck& ack) {
        return on.core->role() != raft::RoleName::kLeader || on.core->term() != ack.term;
    });
    while (!on.acks.empty() && on.acks.front().index <= on.machine.applied) {
        const PendingAck ack = on.acks.front();
        on.acks.erase(on.acks.begin());
        const std::optional<Term> term = on.core->term_at(ack.index);
        if (term != ack.term) continue;  // another leader's entry took its place
        if (!on.altered) oracle_.acknowledged(ack.index, ack.term);
        ++counts_.acknowledged;
        if (faults_) continue;
        if (!healed_write_) counts_.resumed = in_timeouts(now_ - healed_at_);
        healed_write_ = ack.index;
    }
}

// While a leader's lease runs, nobody else may be elected: a write that the new leader acknowledges
// would be missing from the old one's reads.
void World::check_other_leases(const Node& leader) {
    for (auto& each : nodes_) {
        if (each.get() == &leader || !each->up || each->paused_until > now_) continue;
        // One that was paused may count its votes when a later term has long begun.
        if (each->core->term() > leader.core->term()) continue;
        if (each->core->lease_valid(local(*each))) {
            oracle_.fail("the lease of node " + std::to_string(each->id.value()) +
                         " runs while node " + std::to_string(leader.id.value()) + " is elected");
        }
    }
}

void World::client_read() {
    after(options_.read_interval, [this] { client_read(); });
    const std::vector<Node*> found = leaders();
    if (found.empty()) return;
    read_at(*random_.one_of(found));
}

void World::read_at(Node& on) {
    if (on.core->role() != raft::RoleName::kLeader) return;
    const bool current = on.machine.applied >= on.core->commit_index();
    if (current && on.core->lease_valid(local(on))) {
        ++counts_.lease_reads;
        oracle_.read("by lease at node " + std::to_string(on.id.value()), oracle_.floor(),
                     on.machine.applied);
    }
    if (!random_.chance(0.2) || on.reads.size() > 100) return;
    const std::uint64_t round = on.core->start_read_round(local(on));
    if (round == 0) return oracle_.fail("a leader starts no read round");
    on.reads.push_back({round, on.core->term(), oracle_.floor()});
    input(on);
}

void World::answer_reads(Node& on) {
    std::erase_if(on.reads, [&](const PendingRead& read) {
        if (on.core->role() != raft::RoleName::kLeader || on.core->term() != read.term) return true;
        if (on.core->confirmed_round() < read.round) return false;
        if (on.machine.applied < on.core->commit_index()) return false;
        ++counts_.round_reads;
        oracle_.read("by round at node " + std::to_string(on.id.value()), read.floor,
                     on.machine.applied);
        return true;
    });
}

}  // namespace quorlite::sim
