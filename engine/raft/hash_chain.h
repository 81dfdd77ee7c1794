// A running hash of what is committed, for finding out that two logs differ whose terms agree.
//
// Terms tell apart the logs of one cluster as long as nobody forgets a term. Who puts a majority of
// disks back to older copies makes terms come twice, and memory or a fault of ours may change an
// entry behind all checksums. Each node chains the entries that it delivers (index, term, kind,
// bytes), and compares its hash with its leader's at the same index: a difference stays in every
// hash after it, so it does not matter which index that is.
//
// A chain says where it began. One that began elsewhere is not compared, but taken over from the
// leader: so the chain of a node that does not know how the log began, because a version without
// hashes compacted it, or because it got a snapshot from one, joins that of the others.
//
// Not against malice: whoever can choose an entry can find another with the same hash.
#pragma once

#include <deque>
#include <optional>

#include "engine/raft/types.h"

namespace quorlite::raft {

class HashChain {
public:
    // Each entry's hash is known for this long; followers that lead know what is committed later.
    static constexpr std::size_t kRecent = 1024;
    // Of older entries, down to where the log was compacted: every so many, and behind large ones.
    static constexpr std::uint64_t kSpacing = 64;
    static constexpr std::size_t kLargeBytes = 16u << 10;

    // As of a point of the log; nothing if the hash there is not known.
    void begin(const SnapshotPoint& point);
    void begin(const LogHash& hash);
    void add(const Entry& entry);  // the next one; nothing happens while the hash is not known

    const std::optional<LogHash>& head() const { return head_; }
    std::optional<LogHash> at(Index index) const;  // if it is recent, or one of those kept
    // The last index up to `limit` whose hash is known.
    std::optional<LogHash> at_or_before(Index limit) const;
    void compact(Index index);  // nobody asks any more about what is before

private:
    struct Kept {
        Index index;
        std::uint64_t value;
    };

    std::optional<LogHash> head_;
    std::deque<std::uint64_t> recent_;  // up to the head; at most kRecent
    std::deque<Kept> kept_;             // in order
};

}  // namespace quorlite::raft
