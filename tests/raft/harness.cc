#include "tests/raft/harness.h"

namespace quorlite::raft {

// --- one core ---

Lone::Lone(Restored restored, Options options)
    : core_(std::make_unique<Core>(options, std::move(restored), random_, now_)) {
    check();
}

void Lone::check() {
    const auto broken = invariants_.check(*core_);
    EXPECT_FALSE(broken.has_value()) << "not so: " << *broken;
}

Ready Lone::take() {
    check();
    Ready output = core_->take_ready();
    check();
    return output;
}

Ready Lone::step(std::uint64_t from, Message message) {
    core_->step(now_, NodeId(from), std::move(message));
    return take();
}

Ready Lone::pass(Duration duration) {
    Ready all;
    for (const TimePoint end = now_ + duration; now_ < end;) {
        now_ += kHeartbeat / 4;
        core_->tick(now_);
        Ready output = take();
        std::move(output.messages.begin(), output.messages.end(), std::back_inserter(all.messages));
        if (output.hard_state) all.hard_state = output.hard_state;
        all.role_changed = all.role_changed || output.role_changed;
    }
    return all;
}

Ready Lone::written() {
    core_->durable(core_->last_index(), *core_->term_at(core_->last_index()));
    return take();
}

Ready Lone::propose(std::vector<std::string> texts) {
    std::vector<SharedBytes> payloads;
    for (const std::string& text : texts) payloads.push_back(payload(text));
    EXPECT_TRUE(core_->propose(now_, std::move(payloads)).ok());
    return take();
}

Ready Lone::elect(std::vector<std::uint64_t> voters) {
    pass(kElectionTimeout);
    EXPECT_EQ(core_->role(), RoleName::kPreCandidate);
    const Term next = core_->term().next();
    Ready output;
    for (const bool pre_vote : {true, false}) {
        for (const std::uint64_t voter : voters) {
            Ready step_output = step(voter, VoteReply{next, pre_vote, true});
            if (core_->role() == RoleName::kLeader && output.messages.empty()) {
                output = std::move(step_output);
            }
        }
    }
    EXPECT_EQ(core_->role(), RoleName::kLeader);
    return output;
}

// --- a cluster ---

Cluster::Cluster(std::string_view roles) {
    for (std::uint64_t id = 1; id <= roles.size(); ++id) {
        add_node(id);
        Node& node = *nodes_.at(id);
        node.core =
            std::make_unique<Core>(options_of(id), restored_of(0, {}, roles), node.random, now_);
    }
    run();
}

void Cluster::add_node(std::uint64_t id) {
    nodes_[id] = std::make_unique<Node>(id);
    Node& node = *nodes_.at(id);
    node.core = std::make_unique<Core>(options_of(id), Restored{}, node.random, now_);
}

void Cluster::carry_out(Node& node) {
    for (Ready output = node.core->take_ready(); !output.empty();
         output = node.core->take_ready()) {
        const auto broken = node.invariants.check(*node.core);
        EXPECT_FALSE(broken.has_value()) << "not so: " << *broken;
        if (output.truncate_from) {
            while (!node.log.empty() && node.log.back().index >= *output.truncate_from) {
                node.log.pop_back();
            }
        }
        node.log.insert(node.log.end(), output.append.begin(), output.append.end());
        network_.insert(network_.end(), output.messages.begin(), output.messages.end());
        for (const Entry& entry : output.committed) {
            node.applied.push_back(entry);
            node.core->applied(entry.index);
        }
        for (const LogRead& read : output.reads) {
            std::vector<Entry> entries;
            for (const Entry& entry : node.log) {
                if (entry.index >= read.from) entries.push_back(entry);
            }
            node.core->entries_loaded(now_, read.peer, std::move(entries));
        }
        if (!output.append.empty()) {
            node.core->durable(output.append.back().index, output.append.back().term);
        }
    }
}

void Cluster::run() {
    for (auto& [id, node] : nodes_) carry_out(*node);
    while (!network_.empty()) {
        const Envelope envelope = std::move(network_.front());
        network_.pop_front();
        const auto to = nodes_.find(envelope.to.value());
        if (to == nodes_.end() || !passes(envelope)) continue;
        to->second->core->step(now_, envelope.from, envelope.message);
        carry_out(*to->second);
    }
}

void Cluster::pass(Duration duration) {
    for (const TimePoint end = now_ + duration; now_ < end;) {
        now_ += kHeartbeat / 4;
        for (auto& [id, node] : nodes_) node->core->tick(now_);
        run();
    }
}

void Cluster::elect(std::uint64_t id) {
    // Only its own time passes, so only it campaigns; the others hear of it when they may vote.
    now_ += kElectionTimeout * 2;
    core(id).tick(now_);
    run();
    EXPECT_EQ(core(id).role(), RoleName::kLeader);
}

std::uint64_t Cluster::leader() {
    std::uint64_t found = 0;
    for (auto& [id, node] : nodes_) {
        if (node->core->role() != RoleName::kLeader) continue;
        if (found != 0) return 0;
        found = id;
    }
    return found;
}

void Cluster::propose(std::uint64_t id, const std::string& text) {
    EXPECT_TRUE(core(id).propose(now_, {payload(text)}).ok());
    run();
}

void Cluster::isolate(std::uint64_t id) {
    passes = [id](const Envelope& envelope) {
        return envelope.from != NodeId(id) && envelope.to != NodeId(id);
    };
}

void Cluster::heal() {
    passes = [](const Envelope&) { return true; };
}

}  // namespace quorlite::raft
