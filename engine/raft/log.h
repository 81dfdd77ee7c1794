// The log in memory: what consensus must know of every retained entry, and the newest entries
// whole.
//
// The log begins after a snapshot point, which stands for everything before it. For each retained
// entry the term is known (as runs of equal terms), and every configuration with its index, so that
// cutting the log's end brings the earlier one back. The entries themselves are kept from
// cached_from() on: all that are not yet applied, and of the applied ones as many as fit the cache,
// for peers that lag. Older ones are on the owner's disk.
//
// Indices are trusted here; what came from a peer is checked before it gets here.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "engine/raft/types.h"

namespace quorlite::raft {

// What an entry costs in memory beside its payload, so that empty ones are bounded too.
inline constexpr std::size_t kEntryOverheadBytes = 64;

inline std::size_t cost(const Entry& entry) {
    return entry.size() + kEntryOverheadBytes;
}

class Log {
public:
    // Invariant: entries are contiguous from point.index + 1, and their terms never decrease.
    explicit Log(SnapshotPoint point);

    const SnapshotPoint& point() const { return point_; }
    Index first_index() const { return point_.index.next(); }
    Index last_index() const { return last_; }
    Term last_term() const { return runs_.back().term; }
    Index cached_from() const;  // last_index() + 1 if no entry is in memory

    std::optional<Term> term_at(Index index) const;  // from the point to last_index()
    // The first index of the entries around `index` that share its term; at least the point.
    Index run_start(Index index) const;

    void append(Entry entry);
    void truncate_from(Index from);  // from >= first_index()
    void reset(SnapshotPoint point);
    void compact(Index index);  // moves the point forward to index
    // Frees applied entries, oldest first, until what is left costs at most `bytes_max`.
    void evict(Index applied, std::size_t bytes_max);

    // Entries from `from` (cached) up to `to`; stops after `bytes_max`, but gives at least one.
    std::vector<Entry> slice(Index from, Index to, std::size_t bytes_max) const;
    // The cost of the entries after `after` up to `to`; those that are not in memory count nothing.
    std::size_t bytes_between(Index after, Index to) const;
    std::size_t cached_bytes() const { return bytes_between(Index(), last_); }

    const Configuration& configuration() const { return configurations_.back().configuration; }
    Index configuration_index() const { return configurations_.back().index; }
    const Configuration& configuration_at(Index index) const;

private:
    struct TermRun {
        Index first;
        Term term;
    };
    struct Cached {
        Entry entry;
        std::uint64_t bytes_before;  // cost of everything ever cached before it
    };
    struct Placed {
        Index index;
        Configuration configuration;
    };

    std::vector<TermRun>::const_iterator run_of(Index index) const;

    SnapshotPoint point_;
    Index last_;
    std::vector<TermRun> runs_;           // never empty; the first stands for the point as well
    std::vector<Placed> configurations_;  // never empty; the first is the point's
    std::deque<Cached> cache_;            // up to last_
    std::uint64_t bytes_end_ = 0;         // cost of everything ever cached
};

}  // namespace quorlite::raft
