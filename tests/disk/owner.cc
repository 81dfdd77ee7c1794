#include "tests/disk/owner.h"

#include <sstream>

namespace quorlite::test {

void History::durable(Index index, Term term) {
    for (std::size_t i = events_.size(); i > durable_; --i) {
        const raft::Entry& entry = events_[i - 1].entry;
        if (entry.payload == nullptr || entry.index != index || entry.term != term) continue;
        durable_ = i;
        return;
    }
}

void History::restart(const std::vector<raft::Entry>& entries) {
    events_.clear();
    for (const raft::Entry& entry : entries) append(entry);
    durable_ = events_.size();
}

void History::replay(const Event& event, std::vector<raft::Entry>& log) {
    if (event.entry.payload == nullptr) {
        log.clear();
        return;
    }
    std::erase_if(log, [&](const raft::Entry& old) { return old.index >= event.entry.index; });
    log.push_back(event.entry);
}

std::string History::check(const std::vector<raft::Entry>& found, Index snapshot) const {
    std::vector<raft::Entry> log;
    for (std::size_t m = 0; m <= events_.size(); ++m) {
        if (m > 0) replay(events_[m - 1], log);
        if (m < durable_) continue;
        std::vector<raft::Entry> kept;
        for (const raft::Entry& entry : log) {
            if (entry.index > snapshot) kept.push_back(entry);
        }
        if (same(kept, found)) return "";
    }
    std::ostringstream text;
    text << "found";
    for (const raft::Entry& entry : found) {
        text << ' ' << entry.index.value() << '/' << entry.term.value();
    }
    text << " after snapshot " << snapshot.value() << ", which no beginning of " << events_.size()
         << " events with " << durable_ << " durable gives";
    return text.str();
}

std::string Owner::start() {
    refused.clear();
    disk_.attach(executor);
    auto opened_records = disk::Records::open(disk_);
    if (!opened_records) {
        refused = opened_records.error().message;
        return "";
    }
    records = *std::move(opened_records);
    std::string wrong = check_records();
    if (!wrong.empty()) return wrong;
    auto opened = disk::Log::open(disk_, executor, kTinySegments, records->snapshot().index,
                                  records->acknowledged(), recovered);
    if (!opened) {
        refused = opened.error().message;
        return "";
    }
    log = *std::move(opened);
    wrong = promises.log.check(recovered.entries, promises.snapshot.index);
    if (wrong.empty() && (recovered.vote_barrier || !recovered.damage.empty())) {
        wrong = "damage reported: " + recovered.damage;
    }
    promises.log.restart(recovered.entries);
    log->on_durable = [this](Index index, Term term) { promises.log.durable(index, term); };
    log->on_space = [this](bool available) {
        EXPECT_NE(available, space);
        space = available;
        ++space_reports;
    };
    const bool contradicted =
        recovered.term_at_snapshot && recovered.term_at_snapshot != promises.snapshot.term;
    if (contradicted) install(promises.snapshot.index.value(), promises.snapshot.term.value());
    return wrong;
}

std::string Owner::check_records() {
    const raft::HardState state = records->hard_state();
    if (state != promises.voted && !(promises.voting && state == *promises.voting)) {
        return "the vote is of term " + std::to_string(state.term.value());
    }
    promises.voted = state;
    promises.voting.reset();
    const Index index = records->snapshot().index;
    if (index != promises.snapshot.index &&
        !(promises.snapshotting && index == promises.snapshotting->index)) {
        return "the snapshot is at index " + std::to_string(index.value());
    }
    promises.snapshot = records->snapshot();
    promises.snapshotting.reset();
    return "";
}

void Owner::end() {
    log.reset();
    records.reset();
    executor.clear();
    space = true;
}

void Owner::append(std::uint64_t count, std::uint64_t term, std::size_t bytes) {
    const auto entries = make_entries(last() + 1, count, term, bytes);
    for (const raft::Entry& entry : entries) promises.log.append(entry);
    written.insert(written.end(), entries.begin(), entries.end());
    log->append(entries);
}

void Owner::truncate(std::uint64_t from) {
    from = std::max(from, records->acknowledged().value() + 1);
    if (from >= first()) log->truncate(Index(from));
}

void Owner::snapshot(std::uint64_t upto) {
    if (Index(upto) <= promises.snapshot.index || Index(upto) > log->durable_index()) return;
    const auto entries = log->read(Index(upto), 1);
    if (!entries) {  // an injected error: there is no snapshot this time
        EXPECT_NE(entries.error().code, code::kNotFound) << entries.error().message;
        return;
    }
    promises.snapshotting = raft::SnapshotPoint{
        .index = Index(upto), .term = entries->front().term, .configuration = {}};
    require(records->save(*promises.snapshotting));
    promises.snapshot = *promises.snapshotting;
    log->trim(Index(upto));
}

void Owner::install(std::uint64_t point, std::uint64_t term) {
    if (Index(point) < std::max(promises.snapshot.index, records->acknowledged())) return;
    promises.snapshotting =
        raft::SnapshotPoint{.index = Index(point), .term = Term(term), .configuration = {}};
    require(records->save(*promises.snapshotting));
    promises.snapshot = *promises.snapshotting;
    promises.log.reset(Index(point));
    log->reset(Index(point));
}

void Owner::vote(std::uint64_t term, std::uint64_t node) {
    promises.voting = raft::HardState{.term = Term(term), .vote = NodeId(node)};
    require(records->save(*promises.voting));
    promises.voted = *promises.voting;
}

void Owner::acknowledge() {
    require(records->save_acknowledged(std::max(log->durable_index(), records->acknowledged())));
}

void Owner::require(Status status) {
    if (!status) fatal(status.error().message);
}

void Owner::settle() {
    const auto settled = [&] { return log->durable_index() == log->last_index(); };
    if (executor.run_until(settled, std::chrono::seconds(1))) return;
    disk_.fail(0, 0);  // what lasted has lasted long enough
    disk_.set_full(false);
    EXPECT_TRUE(executor.run_until(settled)) << "the log does not go on";
}

void Owner::restart() {
    end();
    disk_.kill();
    const std::string wrong = start();
    EXPECT_EQ(wrong, "");
    if (!refused.empty()) fatal(refused);
}

}  // namespace quorlite::test
