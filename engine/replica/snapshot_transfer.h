// Snapshots between nodes, pulled by the receiver in chunks over the bulk channel.
//
//   leader                                   peer
//     SnapshotRequest (point, manifest)  ──▶   Receiver: start_install
//     Sender: read a chunk   ◀── ChunkRequest ── one outstanding at a time
//                            ── Chunk ──▶      written by a helper thread, then the next is asked
//                                              for; all there: synced, then `done`
//
// Memory is bounded by one chunk, on both sides. A lost chunk is asked for again; a transfer
// that was broken off goes on where it stopped. The sender keeps its source, and with it the log
// after the snapshot's index, until the peer is done or has been silent for a while.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "engine/base/clock.h"
#include "engine/base/executor.h"
#include "engine/base/lifetime.h"
#include "engine/database/database.h"
#include "engine/raft/types.h"
#include "engine/replica/peer_codec.h"

namespace quorlite::replica {

using SendBulk = std::function<void(NodeId to, std::variant<ChunkRequest, Chunk>)>;

// The leader's side: one source for all peers that fetch the same snapshot.
class SnapshotSender {
public:
    SnapshotSender(database::Store& store, Executor& executor, SendBulk send);

    // The snapshot to offer to `peer`, from now on held for it.
    const database::SnapshotSource& hold_for(NodeId peer, TimePoint now);
    // False: nothing is held for the peer any more, and it must be offered a snapshot again.
    bool answer(NodeId peer, const ChunkRequest& request, TimePoint now);
    void release(NodeId peer);
    // The peer has installed a snapshot, not always the one that is held for it by now: what it
    // says may come late, and twice.
    void installed(NodeId peer, Index index);
    void release_silent(TimePoint now);
    void release_all() { held_.clear(); }

    // The log must be kept after this index; nothing if no snapshot is held.
    std::optional<Index> oldest_held() const;

private:
    struct Held {
        std::shared_ptr<database::SnapshotSource> source;
        TimePoint last_asked;
    };

    database::Store& store_;
    Executor& executor_;
    SendBulk send_;
    std::map<NodeId, Held> held_;
    Lifetime lifetime_;
};

// The peer's side: fetches one snapshot.
class SnapshotReceiver : public std::enable_shared_from_this<SnapshotReceiver> {
public:
    using Done = std::function<void(Status)>;

    // `done` runs on the loop when everything is received and synced, or when that is impossible.
    SnapshotReceiver(NodeId from, Index index,
                     std::unique_ptr<database::SnapshotInstaller> installer, Executor& executor,
                     SendBulk send, Done done);

    void start(TimePoint now);
    void receive(const Chunk& chunk, TimePoint now);
    // Asks again for what did not come.
    void tick(TimePoint now);
    void cancel() { done_ = nullptr; }

    Index index() const { return index_; }
    NodeId from() const { return from_; }
    database::SnapshotInstaller& installer() { return *installer_; }

private:
    void ask();
    void written(Status status);
    void finish(Status status);

    NodeId from_;
    Index index_;
    std::unique_ptr<database::SnapshotInstaller> installer_;
    Executor& executor_;
    SendBulk send_;
    Done done_;

    std::uint32_t file_ = 0;
    bool writing_ = false;
    bool syncing_ = false;
    TimePoint now_;
    TimePoint last_progress_;
};

}  // namespace quorlite::replica
