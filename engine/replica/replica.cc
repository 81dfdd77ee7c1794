#include "engine/replica/replica.h"

#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/replica/state.h"
#include "wire/base/errors.h"

namespace quorlite::replica {

Result<std::unique_ptr<Replica>> Replica::open(Options options, Seams seams) {
    auto replica = std::unique_ptr<Replica>(new Replica(std::move(options), seams));
    if (const Status status = replica->state_->open(); !status.ok()) return status.error();
    return replica;
}

Replica::Replica(Options options, Seams seams)
    : state_(std::make_unique<State>(std::move(options), seams)) {}

Replica::~Replica() = default;

bool Replica::receive(NodeId sender, ByteView frame) {
    auto message = decode_peer_message(frame);
    if (!message) return false;
    if (message->from != sender && !mutant(Mutant::kSenderUnchecked)) return false;
    return state_->receive(std::move(*message));
}

void Replica::peer_gone(NodeId node) {
    state_->core->peer_gone(state_->now(), node);
    state_->schedule_pump();
}

database::Store& Replica::store() {
    return *state_->store;
}

Status Replica::check_leader() const {
    if (state_->serving && state_->is_leading()) return {};
    return not_leader();
}

Status Replica::check_writable() const {
    if (Status leader = check_leader(); !leader.ok()) return leader;
    if (state_->core->transferring()) return not_leader();
    if (state_->core->backlogged()) {
        return Error{code::kBusy,
                     "too many writes wait for the other nodes or the disk: try again"};
    }
    if (!state_->has_space()) {
        return Error{code::kFull,
                     "the disk of the leader is full: free some space; writing goes on "
                     "by itself then"};
    }
    return {};
}

std::uint64_t Replica::leadership_epoch() const {
    return state_->epoch;
}

Result<Index> Replica::propose(database::Database& database, database::Capture capture) {
    if (!capture.current || !state_->is_leading()) return not_leader();
    if (!capture.commands.empty()) {
        const Result<Index> proposed =
            state_->core->propose(state_->now(), std::move(capture.commands));
        QUORLITE_CHECK(proposed.ok());  // a leader takes what its databases have committed already
        database.proposed(*proposed);
        state_->schedule_pump();
    }
    const bool committed = capture.read_committed || mutant(Mutant::kPrefixRunsAhead);
    return committed ? state_->applied : database.newest_proposed();
}

void Replica::when_committed(Index index, Done done) {
    state_->when_committed(index, std::move(done));
}

void Replica::State::when_committed(Index index, Done done) {
    if (!is_leading()) {
        done(leadership_lost());
        return;
    }
    if (index <= applied || mutant(Mutant::kAnswerBeforeCommit)) {
        done({});
        return;
    }
    writes.add(
        {.index = index, .deadline = now() + options.write_timeout, .done = std::move(done)});
}

void Replica::when_readable(Index index, Done done) {
    const TimePoint now = state_->now();
    if (!state_->is_leading()) {
        done(not_leader());
        return;
    }
    const bool lease = state_->may_read_by_lease(now);
    if (lease && (index <= state_->applied || mutant(Mutant::kReadBeforeCommit))) {
        done({});
        return;
    }
    const std::uint64_t round = lease ? 0 : state_->core->start_read_round(now);
    state_->reads.add({.index = index,
                       .deadline = now + state_->options.write_timeout,
                       .round = round,
                       .done = std::move(done)});
    state_->schedule_pump();
}

NodeId Replica::id() const {
    return state_->identity.id;
}

ClusterId Replica::cluster_id() const {
    return state_->identity.cluster;
}

const std::string& Replica::address() const {
    return state_->identity.address;
}

Leader Replica::leader() const {
    const raft::Configuration& configuration = state_->core->configuration();
    if (!configuration.is_voter(state_->identity.id)) return {};
    const raft::Server* leader = configuration.find(state_->core->leader());
    // Until it serves, a new leader would only send away the clients that come to it.
    if (leader == nullptr || (leader->id == id() && !state_->serving)) return {};
    return {leader->id, leader->address};
}

const raft::Configuration& Replica::configuration() const {
    return state_->core->configuration();
}

ReplicaStatus Replica::status() const {
    const raft::Core& core = *state_->core;
    return {.role = core.role(),
            .term = core.term(),
            .leader = leader(),
            .first = core.first_index(),
            .last = core.last_index(),
            .durable = core.durable_index(),
            .committed = core.commit_index(),
            .applied = state_->applied,
            .flushed = state_->store->flushed_index(),
            .peers = core.progress(),
            .memory_bytes = state_->store->memory_bytes(),
            .log_bytes = state_->log->bytes_on_disk()};
}

std::uint64_t Replica::weight() const {
    return state_->weight;
}

void Replica::set_weight(std::uint64_t weight) {
    state_->weight = weight;
}

void Replica::set_callbacks(Callbacks callbacks) {
    state_->callbacks = std::move(callbacks);
}

void Replica::stop() {
    state_->seams.executor.cancel(state_->tick_timer);
    state_->step_down();
    if (!state_->receipts_saving) {
        // A failure costs memory of the last second only, and the node is about to end.
        static_cast<void>(state_->records->save(state_->core->receipts()));
    }
    state_->store->stop_flushing();
    state_->lifetime.end();
}

}  // namespace quorlite::replica
