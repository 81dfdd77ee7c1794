// What a leader knows of its peers, and what a majority of them makes true.
//
//              reject                        an acknowledgement
//      ┌─────────────────────▶ PROBE ─────────────────────────────────┐
//      │                         │                                    │
//      │                         │ its entries are compacted          ▼
//  REPLICATE ◀───────────────────┼──────────────────────────────  (REPLICATE)
//      │                         ▼
//      └──────────────────▶  SNAPSHOT ── installed ──▶ REPLICATE
//
// Probe: where the logs agree is not known; one empty message at a time asks at next - 1.
// Replicate: entries stream, optimistically, up to a window of bytes. Snapshot: the peer needs what
// the log no longer holds.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <vector>

#include "engine/base/clock.h"
#include "engine/raft/types.h"

namespace quorlite::raft {

enum class PeerState { kProbe, kReplicate, kSnapshot };

struct Peer {
    struct Sent {
        Index last;
        std::size_t bytes;
    };
    struct Offer {
        SnapshotPoint point;
        SharedBytes manifest;
    };

    Peer(NodeId peer, Index next_index, TimePoint now)
        : id(peer), next(next_index), last_heard(now) {}

    void become_probe(Index next_index);
    void become_replicate(Index next_index);
    void become_snapshot();

    void sent_up_to(Index last, std::size_t bytes);
    void acknowledged(Index index);  // durable and equal up to here
    // Where to look next after the peer said that the logs agree at most up to `hint`. Steps grow
    // with each refusal in a row, so a long divergence takes few round trips.
    Index backtrack(Index hint);

    NodeId id;
    PeerState state = PeerState::kReplicate;
    Index match;                    // known to be durable there and equal to this log
    Index next;                     // the first entry not yet sent; > match
    Index applied;                  // as reported
    std::uint64_t acked_round = 0;  // the latest heartbeat round it answered
    Index agreed;                   // its history was found to be the same up to here
    // Answers to messages of earlier rounds are older than the present state and do not change it,
    // so that late and repeated ones start no resending.
    std::uint64_t since_round = 0;
    TimePoint last_heard;
    Duration promise{};  // its last; zero: it has not said
    bool full = false;   // its disk takes no more
    // It has lost its memory (see HardState): the round in which that was noticed.
    std::optional<std::uint64_t> forgot_at;
    bool gone = false;     // its process is known to have ended
    bool leaving = false;  // the newest configuration leaves it out
    std::deque<Sent> in_flight;
    std::size_t in_flight_bytes = 0;
    bool probing = false;          // a probe is under way
    std::uint64_t probe_step = 0;  // 0: none was refused yet
    bool reading = false;          // its next entries are being read from disk
    bool snapshot_asked = false;   // of the owner
    std::optional<Offer> offer;    // what the owner gave
};

class Tracker {
public:
    // Tracks those of `configuration` that get the log, without `self`. Those known stay as they
    // are; new ones start at `next`, and count as heard at `now`. Those that it leaves out stay for
    // a while, until drop_leaving(), so that they learn of it.
    void configure(const Configuration& configuration, NodeId self, Index next, TimePoint now);
    void drop_leaving();

    Peer* find(NodeId id);
    const Peer* find(NodeId id) const;
    std::vector<Peer>& peers() { return peers_; }
    const std::vector<Peer>& peers() const { return peers_; }

private:
    std::vector<Peer> peers_;  // ordered by id
};

std::size_t quorum_of(std::size_t voters);

// The largest value that a majority has reached. `values` holds one value per voter; it is
// reordered. Nothing has been reached if there are no voters.
template <class Value>
Value majority_of(std::vector<Value>& values) {
    if (values.empty()) return Value{};
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(quorum_of(values.size()) - 1);
    std::nth_element(values.begin(), at, values.end(), std::greater<Value>());
    return *at;
}

}  // namespace quorlite::raft
