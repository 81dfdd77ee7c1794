#include "engine/replica/snapshot_transfer.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace quorlite::replica {
namespace {

constexpr Duration kSilenceMax = std::chrono::seconds(30);
constexpr Duration kAskAgainAfter = std::chrono::seconds(1);

}  // namespace

SnapshotSender::SnapshotSender(database::Store& store, Executor& executor, SendBulk send)
    : store_(store), executor_(executor), send_(std::move(send)) {}

const database::SnapshotSource& SnapshotSender::hold_for(NodeId peer, TimePoint now) {
    Held& held = held_[peer];
    if (!held.source) held.source = store_.snapshot_source();
    held.last_asked = now;
    return *held.source;
}

bool SnapshotSender::answer(NodeId peer, const ChunkRequest& request, TimePoint now) {
    Chunk answer{request.snapshot, request.file, request.offset, {}, Index()};
    const auto found = held_.find(peer);
    const bool held = found != held_.end();
    if (!held || found->second.source->point().index != request.snapshot) {
        send_(peer, std::move(answer));
        return held;
    }
    found->second.last_asked = now;
    struct Work {
        std::shared_ptr<database::SnapshotSource> source;
        Chunk chunk;
    };
    auto work = std::make_shared<Work>(Work{found->second.source, std::move(answer)});
    work->chunk.data.resize(std::min<std::size_t>(request.length, limits::kSnapshotChunkBytes));
    executor_.background(
        [work] {
            Chunk& chunk = work->chunk;
            const auto got = work->source->read(chunk.file, chunk.offset, chunk.data);
            chunk.data.resize(got.ok() ? *got : 0);
            chunk.consistent_from = work->source->consistent_from();  // after the read
        },
        lifetime_.guard([this, work, peer] { send_(peer, std::move(work->chunk)); }));
    return true;
}

void SnapshotSender::release(NodeId peer) {
    held_.erase(peer);
}

void SnapshotSender::installed(NodeId peer, Index index) {
    const auto found = held_.find(peer);
    if (found != held_.end() && found->second.source->point().index <= index) held_.erase(found);
}

void SnapshotSender::release_silent(TimePoint now) {
    std::erase_if(held_,
                  [&](const auto& held) { return held.second.last_asked + kSilenceMax < now; });
}

std::optional<Index> SnapshotSender::oldest_held() const {
    std::optional<Index> oldest;
    for (const auto& [peer, held] : held_) {
        const Index index = held.source->point().index;
        oldest = oldest ? std::min(*oldest, index) : index;
    }
    return oldest;
}

SnapshotReceiver::SnapshotReceiver(NodeId from, Index index,
                                   std::unique_ptr<database::SnapshotInstaller> installer,
                                   Executor& executor, SendBulk send, Done done)
    : from_(from),
      index_(index),
      installer_(std::move(installer)),
      executor_(executor),
      send_(std::move(send)),
      done_(std::move(done)) {}

void SnapshotReceiver::start(TimePoint now) {
    now_ = last_progress_ = now;
    ask();
}

void SnapshotReceiver::ask() {
    while (file_ < installer_->file_count() &&
           installer_->received(file_) >= installer_->file_size(file_)) {
        ++file_;
    }
    if (file_ < installer_->file_count()) {
        const std::uint64_t offset = installer_->received(file_);
        const auto length = std::min<std::uint64_t>(installer_->file_size(file_) - offset,
                                                    limits::kSnapshotChunkBytes);
        send_(from_, ChunkRequest{index_, file_, offset, static_cast<std::uint32_t>(length)});
        return;
    }
    if (syncing_) return;
    syncing_ = true;
    auto status = std::make_shared<Status>();
    executor_.background(
        [self = shared_from_this(), status] { *status = self->installer_->sync(); },
        [self = shared_from_this(), status] { self->finish(*status); });
}

void SnapshotReceiver::receive(const Chunk& chunk, TimePoint now) {
    if (!done_ || chunk.snapshot != index_ || writing_ || syncing_) return;
    if (chunk.data.empty()) {
        finish(Error{code::kNotFound, "the sender no longer has this snapshot"});
        return;
    }
    if (chunk.file != file_ || chunk.offset != installer_->received(file_) ||
        chunk.data.size() > installer_->file_size(file_) - chunk.offset) {
        return;  // late, or asked for twice
    }
    now_ = last_progress_ = now;
    writing_ = true;
    // Of every chunk, for they may come from several nodes: a transfer is resumed with whoever has
    // the same snapshot.
    installer_->set_consistent_from(chunk.consistent_from);
    auto data = std::make_shared<Bytes>(chunk.data);
    auto status = std::make_shared<Status>();
    executor_.background(
        [self = shared_from_this(), data, status, file = chunk.file, offset = chunk.offset] {
            *status = self->installer_->write(file, offset, *data);
        },
        [self = shared_from_this(), status] { self->written(*status); });
}

void SnapshotReceiver::written(Status status) {
    writing_ = false;
    if (!done_) return;
    if (!status.ok()) {
        finish(std::move(status));
        return;
    }
    ask();
}

void SnapshotReceiver::tick(TimePoint now) {
    now_ = now;
    if (!done_ || writing_ || syncing_ || now < last_progress_ + kAskAgainAfter) return;
    last_progress_ = now;
    ask();
}

void SnapshotReceiver::finish(Status status) {
    if (!done_) return;
    auto done = std::exchange(done_, nullptr);
    done(std::move(status));
}

}  // namespace quorlite::replica
