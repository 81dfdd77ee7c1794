#include "engine/raft/log.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/mutants.h"

namespace quorlite::raft {

Log::Log(SnapshotPoint point)
    : point_(std::move(point)),
      last_(point_.index),
      runs_{{point_.index, point_.term}},
      configurations_{{point_.index, point_.configuration}} {}

Index Log::cached_from() const {
    return cache_.empty() ? last_.next() : cache_.front().entry.index;
}

std::vector<Log::TermRun>::const_iterator Log::run_of(Index index) const {
    // Nearly every question is about the newest term.
    if (index >= runs_.back().first) return runs_.end() - 1;
    const auto after =
        std::upper_bound(runs_.begin(), runs_.end(), index,
                         [](Index sought, const TermRun& run) { return sought < run.first; });
    QUORLITE_CHECK(after != runs_.begin());
    return after - 1;
}

std::optional<Term> Log::term_at(Index index) const {
    if (index < point_.index || index > last_) return std::nullopt;
    return run_of(index)->term;
}

Index Log::run_start(Index index) const {
    QUORLITE_CHECK(index >= point_.index && index <= last_);
    return run_of(index)->first;
}

void Log::append(Entry entry) {
    QUORLITE_CHECK(entry.index == last_.next());
    QUORLITE_CHECK(entry.term >= last_term());
    QUORLITE_CHECK(entry.payload != nullptr);
    if (entry.term != last_term()) runs_.push_back({entry.index, entry.term});
    if (entry.kind == EntryKind::kConfiguration) {
        std::optional<Configuration> configuration = decode_configuration(*entry.payload);
        QUORLITE_CHECK(configuration.has_value());
        configurations_.push_back({entry.index, *std::move(configuration)});
    }
    last_ = entry.index;
    const std::uint64_t bytes_before = bytes_end_;
    bytes_end_ += cost(entry);
    cache_.push_back({std::move(entry), bytes_before});
}

void Log::truncate_from(Index from) {
    QUORLITE_CHECK(from > point_.index);
    if (from > last_) return;
    while (runs_.size() > 1 && runs_.back().first >= from) runs_.pop_back();
    while (!mutant(Mutant::kConfigurationNotRolledBack) && configurations_.back().index >= from) {
        configurations_.pop_back();
    }
    while (!cache_.empty() && cache_.back().entry.index >= from) {
        bytes_end_ = cache_.back().bytes_before;
        cache_.pop_back();
    }
    last_ = from.previous();
}

void Log::reset(SnapshotPoint point) {
    cache_.clear();
    point_ = std::move(point);
    last_ = point_.index;
    runs_.assign(1, {point_.index, point_.term});
    if (!mutant(Mutant::kMembershipOutlivesSnapshot)) configurations_.clear();
    configurations_.insert(configurations_.begin(), {point_.index, point_.configuration});
}

void Log::compact(Index index) {
    QUORLITE_CHECK(index >= point_.index && index <= last_);
    const Term term = *term_at(index);
    point_ = {index, term, configuration_at(index)};
    runs_.erase(runs_.begin(), run_of(index));
    runs_.front() = {index, term};
    const std::ptrdiff_t oldest = mutant(Mutant::kCompactionKeepsMembership) ? 1 : 0;
    while (configurations_.size() > 1 && configurations_[1].index <= index) {
        configurations_.erase(configurations_.begin() + oldest);
    }
    while (!cache_.empty() && cache_.front().entry.index <= index) cache_.pop_front();
}

void Log::evict(Index applied, std::size_t bytes_max) {
    while (!cache_.empty() && cache_.front().entry.index <= applied && cached_bytes() > bytes_max) {
        cache_.pop_front();
    }
}

std::vector<Entry> Log::slice(Index from, Index to, std::size_t bytes_max) const {
    QUORLITE_CHECK(from >= cached_from() && to <= last_);
    std::vector<Entry> entries;
    const std::size_t begin = from.value() - cached_from().value();
    const std::size_t end = to.value() + 1 - cached_from().value();
    std::size_t bytes = 0;
    for (std::size_t i = begin; i < end && bytes < bytes_max; ++i) {
        bytes += cost(cache_[i].entry);
        entries.push_back(cache_[i].entry);
    }
    return entries;
}

std::size_t Log::bytes_between(Index after, Index to) const {
    if (cache_.empty() || to < cached_from() || to <= after) return 0;
    const auto bytes_until = [this](Index index) {
        if (index < cached_from()) return cache_.front().bytes_before;
        const std::size_t next = index.value() + 1 - cached_from().value();
        return next < cache_.size() ? cache_[next].bytes_before : bytes_end_;
    };
    return static_cast<std::size_t>(bytes_until(std::min(to, last_)) - bytes_until(after));
}

const Configuration& Log::configuration_at(Index index) const {
    const auto after =
        std::upper_bound(configurations_.begin(), configurations_.end(), index,
                         [](Index sought, const Placed& placed) { return sought < placed.index; });
    return after == configurations_.begin() ? after->configuration : (after - 1)->configuration;
}

}  // namespace quorlite::raft
