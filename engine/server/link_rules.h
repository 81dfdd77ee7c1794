// When a connection between two nodes is given up though nobody has closed it. Decisions only: what
// happened is told, with its time.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/base/clock.h"

namespace quorlite::server {

// An outgoing connection that the network may have forgotten: frames leave, and nothing comes back
// from the peer on the connections that it opened itself. Such a connection is to be replaced by a
// new one. The peer may as well be paused, or busy: so this happens less and less often while it
// stays silent, and never twice within the time of patience.
class LinkSilence {
public:
    explicit LinkSilence(Duration patience);

    // It was made: silence counts from the next frame.
    void connected(TimePoint now);
    // A frame goes out. True: replace the connection.
    bool sent(TimePoint now);
    // Something came from the peer.
    void heard(TimePoint now);
    // A large frame is on its way and makes progress: silence says nothing meanwhile.
    void moving(TimePoint now);
    // The peer has opened a connection of its own: perhaps the one it had led nowhere, and what
    // happened to that may have met this one, too. True: replace it.
    bool peer_called(TimePoint now);

private:
    bool replace(TimePoint now);

    const Duration patience_;
    const Duration pause_max_;
    Duration pause_;    // until the next replacement but one
    TimePoint next_{};  // no replacement before
    std::optional<TimePoint> heard_;
    std::optional<TimePoint> unanswered_since_;  // the first frame of this silence
    TimePoint sent_{};                           // the newest frame
};

// How long a peer may be silent on the consensus channel before a connection to it is doubted.
Duration patience_of(Duration election_timeout);

// Whether a process of a node that was heard so long ago is still taken for the node's. If so,
// another process that says it is the same node is a clone, and is refused.
bool keeps_its_place(Duration silence, Duration election_timeout);

// An incoming frame that has begun: it must come to its end in time, however long it says it is.
class FramePace {
public:
    // After reading: so many bytes of an unfinished frame are there; `is_new` if another frame was
    // finished before it.
    void read(std::size_t unfinished_bytes, bool is_new, TimePoint now);
    bool is_unfinished() const { return bytes_ > 0; }
    bool is_too_slow(TimePoint now) const;

private:
    std::size_t bytes_ = 0;
    TimePoint began_{};
    TimePoint moved_{};
};

}  // namespace quorlite::server
