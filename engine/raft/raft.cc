#include "engine/raft/raft.h"

#include "engine/raft/state.h"

namespace quorlite::raft {

bool Ready::empty() const {
    return !hard_state && !truncate_from && append.empty() && messages.empty() &&
           committed.empty() && reads.empty() && snapshots.empty() && !install && !role_changed &&
           !conflict && !forgetful;
}

Core::Core(Options options, Restored restored, Random& random, TimePoint now)
    : state_(std::make_unique<State>(options, std::move(restored), random, now)) {}

Core::~Core() = default;

Core::State& Core::at(TimePoint now) {
    state_->now = std::max(state_->now, now);
    return *state_;
}

// --- inputs ---

void Core::step(TimePoint now, NodeId from, Message message) {
    at(now).step(from, message);
}
void Core::tick(TimePoint now) {
    at(now).tick();
}
TimePoint Core::next_deadline() const {
    return state_->next_deadline();
}

Result<Index> Core::propose(TimePoint now, std::vector<SharedBytes> payloads) {
    return at(now).propose(std::move(payloads));
}

void Core::durable(Index index, Term term) {
    state_->durable_up_to(index, term);
}
void Core::peer_gone(TimePoint now, NodeId peer) {
    at(now).peer_gone(peer);
}

void Core::entries_loaded(TimePoint now, NodeId peer, std::vector<Entry> entries) {
    at(now).entries_loaded(peer, std::move(entries));
}

void Core::entries_unavailable(TimePoint now, NodeId peer) {
    at(now).entries_unavailable(peer);
}

void Core::offer_snapshot(TimePoint now, NodeId peer, SnapshotPoint point, SharedBytes manifest) {
    at(now).offer_snapshot(peer, std::move(point), std::move(manifest));
}

void Core::snapshot_unavailable(TimePoint now, NodeId peer) {
    at(now).snapshot_unavailable(peer);
}

void Core::snapshot_installed(TimePoint now, const SnapshotPoint& point) {
    at(now).snapshot_installed(point);
}

void Core::snapshot_refused(TimePoint now) {
    at(now).installing.reset();
}
void Core::compacted(SnapshotPoint point) {
    state_->compacted(point);
}
void Core::applied(Index index) {
    state_->applied_up_to(index);
}

void Core::disk_full(bool full) {
    state_->disk_full = full;
}

// --- membership ---

Result<Index> Core::add(TimePoint now, NodeId id, std::string address) {
    return at(now).add(id, std::move(address));
}

Result<Index> Core::assign(TimePoint now, NodeId id, Role role) {
    return at(now).assign(id, role);
}
Result<Index> Core::remove(TimePoint now, NodeId id) {
    return at(now).remove(id);
}
Status Core::transfer(TimePoint now, NodeId to) {
    return at(now).transfer(to);
}

bool Core::transferring() const {
    const Leader* leader = std::as_const(*state_).as_leader();
    return leader != nullptr && leader->transfer.has_value();
}

bool Core::backlogged() const {
    return state_->unapplied_bytes() >= state_->options.unapplied_bytes_max;
}

// --- reads ---

bool Core::lease_valid(TimePoint now) const {
    return state_->lease_valid(now);
}
std::uint64_t Core::start_read_round(TimePoint now) {
    return at(now).start_read_round();
}
std::uint64_t Core::confirmed_round() const {
    return state_->confirmed_round();
}

Ready Core::take_ready() {
    return state_->take_ready();
}

// --- state ---

NodeId Core::self() const {
    return state_->options.self;
}
RoleName Core::role() const {
    return state_->role_name();
}
Term Core::term() const {
    return state_->hard.term;
}
NodeId Core::leader() const {
    return state_->known_leader();
}
Index Core::first_index() const {
    return state_->log.first_index();
}
Index Core::last_index() const {
    return state_->log.last_index();
}
Index Core::commit_index() const {
    return state_->commit;
}
Index Core::durable_index() const {
    return state_->durable;
}
bool Core::serving() const {
    return state_->serving();
}
Index Core::vote_barrier() const {
    return state_->hard.vote_barrier;
}
Index Core::leaders_last_index() const {
    return state_->leaders_last;
}
std::vector<Receipt> Core::receipts() const {
    std::vector<Receipt> all;
    for (const auto& [voter, upto] : state_->receipts) all.push_back({voter, upto});
    return all;
}
std::optional<Term> Core::term_at(Index index) const {
    return state_->log.term_at(index);
}
const Configuration& Core::configuration() const {
    return state_->log.configuration();
}

Configuration Core::configuration_at(Index index) const {
    return state_->log.configuration_at(index);
}

SnapshotPoint Core::point_up_to(Index limit) const {
    return state_->point_up_to(limit);
}
std::vector<Progress> Core::progress() const {
    return state_->progress();
}

}  // namespace quorlite::raft
