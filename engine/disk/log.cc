#include "engine/disk/log.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/disk/batch.h"
#include "engine/disk/recovery.h"
#include "engine/disk/segments.h"
#include "wire/base/mutex.h"

namespace quorlite::disk {
namespace {

// What read() looks up from helper threads: where the durable entries are. Locked for moments only.
class PlaceTable {
public:
    struct Found {
        BatchPlace place;
        SegmentPointer segment;
    };

    void add_segment(const SegmentPointer& segment) {
        const MutexLock lock(mutex_);
        segments_.push_back(segment);
    }
    void remove_segment(const SegmentPointer& segment) {
        const MutexLock lock(mutex_);
        std::erase(segments_, segment);
    }
    void add(const BatchPlace& place) {
        const MutexLock lock(mutex_);
        places_.push_back(place);
    }
    void clear() {
        const MutexLock lock(mutex_);
        places_.clear();
    }

    void truncate(Index from) {
        const MutexLock lock(mutex_);
        while (!places_.empty() && places_.back().first >= from) places_.pop_back();
        if (places_.empty() || places_.back().last() < from) return;
        const std::uint64_t kept = from.value() - places_.back().first.value();
        places_.back().count = static_cast<std::uint32_t>(kept);
    }

    void trim(Index upto) {
        const MutexLock lock(mutex_);
        trimmed_ = std::max(trimmed_, upto);
        while (!places_.empty() && places_.front().last() <= upto) places_.pop_front();
    }

    // The places from the one that holds `index` on, until they sum up to about `bytes_max`: all as
    // of one moment, so that they are pieces of one log.
    std::vector<Found> find(Index index, std::size_t bytes_max) const {
        const MutexLock lock(mutex_);
        std::vector<Found> found;
        if (index <= trimmed_) return found;
        auto place = std::upper_bound(
            places_.begin(), places_.end(), index,
            [](Index wanted, const BatchPlace& other) { return wanted < other.first; });
        if (place == places_.begin() || std::prev(place)->last() < index) return found;
        std::size_t bytes = 0;
        for (--place; place != places_.end() && (found.empty() || bytes < bytes_max); ++place) {
            const auto segment =
                std::lower_bound(segments_.begin(), segments_.end(), place->segment,
                                 [](const SegmentPointer& other, std::uint64_t number) {
                                     return other->number < number;
                                 });
            QUORLITE_CHECK(segment != segments_.end() && (*segment)->number == place->segment);
            found.push_back({*place, *segment});
            bytes += place->blocks * kDiskBlock;
        }
        return found;
    }

private:
    mutable Mutex mutex_;
    std::deque<BatchPlace> places_ QUORLITE_GUARDED_BY(mutex_);  // ascending, without gaps
    std::deque<SegmentPointer> segments_ QUORLITE_GUARDED_BY(mutex_);
    Index trimmed_ QUORLITE_GUARDED_BY(mutex_);
};

// The one write that is under way. Its entries are kept until it is durable, to be written
// again should the disk be full.
struct Write {
    BatchHeader header;
    std::vector<raft::Entry> entries;
    Index forgotten_from;  // entries from here on were truncated meanwhile; none: nothing was
    bool voided = false;   // a reset came meanwhile: none of it counts
};

// Large by its flags: each is a way in which a write, a reset or a full disk can cross another.
class SegmentedLog final : public Log {
public:
    SegmentedLog(Disk& disk, Executor& executor, LogOptions options, Index snapshot,
                 RecoveredDisk recovered);
    ~SegmentedLog() override { executor_.cancel(retry_); }

    void append(std::vector<raft::Entry> entries) override;
    void truncate(Index from) override;
    void trim(Index upto) override;
    void reset(Index point) override;
    Result<std::vector<raft::Entry>> read(Index from, std::size_t bytes_max) override;

    Index first_index() const override { return first_; }
    Index last_index() const override { return last_; }
    Index durable_index() const override { return durable_; }
    std::uint64_t bytes_on_disk() const override;

private:
    void start_write();
    std::size_t gather(std::uint64_t& body_bytes) const;
    void submit(std::size_t count);
    bool make_room(std::uint64_t bytes);
    void completed(const Status& status);
    void take_back(Write write);
    std::optional<std::pair<Index, Term>> settle(const Write& write);
    void retry();
    void tell_space();
    void recycle_unneeded();
    static Result<std::vector<raft::Entry>> read_batch(const PlaceTable::Found& found);

    Executor& executor_;
    const LogOptions options_;
    PlaceTable table_;
    std::deque<UsedSegment>
        segments_;                    // the last one is being written; all of them are in the table
    std::uint64_t end_ = 0;           // where the next batch goes in the last segment
    std::uint64_t previous_end_ = 0;  // where the log ends in the one before it
    bool sealed_ = true;              // the last segment takes nothing more
    BatchHeader last_written_;        // the last durable batch
    std::deque<raft::Entry> pending_;
    std::optional<Write> write_;
    // The next batch starts the log anew at first_; `owed` if it is to be written even without
    // entries.
    bool reset_next_ = false;
    bool reset_owed_ = false;
    bool waiting_ = false;  // for the pool to have a segment
    bool write_full_ = false;
    bool pool_full_ = false;
    bool told_full_ = false;
    TimerId retry_ = TimerId::kNone;
    Index first_;
    Index last_;
    Index durable_;
    Index trimmed_;
    SegmentPool pool_;
    Lifetime lifetime_;
};

SegmentedLog::SegmentedLog(Disk& disk, Executor& executor, LogOptions options, Index snapshot,
                           RecoveredDisk recovered)
    : executor_(executor),
      options_(options),
      segments_(std::move(recovered.segments)),
      end_(recovered.end),
      sealed_(segments_.empty() || recovered.sealed),
      last_written_(recovered.last),
      first_(snapshot.next()),
      last_(std::max(snapshot, recovered.last_index)),
      durable_(last_),
      trimmed_(snapshot),
      pool_(disk, executor, options, std::move(recovered.ready), recovered.next_number) {
    for (const UsedSegment& used : segments_) table_.add_segment(used.segment);
    for (const BatchPlace& place : recovered.places) table_.add(place);
    table_.trim(snapshot);
    pool_.on_ready = [this] {
        waiting_ = false;
        start_write();
        tell_space();
    };
    pool_.on_space = [this](bool available) {
        pool_full_ = !available;
        tell_space();
    };
    // What is on disk does not reach up to where the log goes on: say so, before anything follows.
    reset_next_ = recovered.last_index < snapshot || segments_.empty();
    reset_owed_ = reset_next_ && !segments_.empty();
    recycle_unneeded();
    start_write();
}

void SegmentedLog::append(std::vector<raft::Entry> entries) {
    for (raft::Entry& entry : entries) {
        QUORLITE_CHECK(entry.index == last_.next());
        QUORLITE_CHECK(entry.payload != nullptr);
        QUORLITE_CHECK(entry.size() <= limits::kLogEntryBytesMax);
        last_ = entry.index;
        pending_.push_back(std::move(entry));
    }
    start_write();
}

// Nothing is written for it: the batch that is appended next says where it begins, and replaces
// everything from there on.
void SegmentedLog::truncate(Index from) {
    QUORLITE_CHECK(from >= first_);
    if (from > last_) return;
    while (!pending_.empty() && pending_.back().index >= from) pending_.pop_back();
    if (write_ && (!write_->forgotten_from || write_->forgotten_from > from)) {
        write_->forgotten_from = from;
    }
    table_.truncate(from);
    last_ = from.previous();
    durable_ = std::min(durable_, last_);
}

void SegmentedLog::trim(Index upto) {
    upto = std::min(upto, durable_);
    if (upto <= trimmed_) return;
    trimmed_ = upto;
    first_ = upto.next();
    table_.trim(upto);
    recycle_unneeded();
}

void SegmentedLog::reset(Index point) {
    QUORLITE_CHECK(point >= trimmed_);
    pending_.clear();
    if (write_) write_->voided = true;
    table_.clear();
    table_.trim(point);
    first_ = point.next();
    last_ = durable_ = trimmed_ = point;
    reset_next_ = true;
    reset_owed_ = true;
    start_write();
}

void SegmentedLog::start_write() {
    if (write_ || waiting_ || retry_ != TimerId::kNone) return;
    if (pending_.empty() && !reset_owed_) {
        write_full_ = false;  // what had failed is not wanted any more
        return;
    }
    std::uint64_t body_bytes = 0;
    const std::size_t count = gather(body_bytes);
    if (make_room(batch_bytes(body_bytes))) {
        submit(count);
    } else {
        waiting_ = true;
    }
}

// How many of the pending entries the next batch takes.
std::size_t SegmentedLog::gather(std::uint64_t& body_bytes) const {
    std::size_t count = 0;
    for (const raft::Entry& entry : pending_) {
        const std::uint64_t bytes = encoded_bytes(entry);
        if (count > 0 && body_bytes + bytes > options_.batch_bytes_max) break;
        body_bytes += bytes;
        ++count;
    }
    return count;
}

// Whether the last segment has room; if not, takes the next one if that is ready.
bool SegmentedLog::make_room(std::uint64_t bytes) {
    if (!sealed_ && end_ + bytes <= segments_.back().segment->bytes) return true;
    if (!sealed_ && end_ == 0) {
        // Taken for a smaller batch, whose write failed. It has to grow.
        table_.remove_segment(segments_.back().segment);
        pool_.put_back(segments_.back().segment);
        segments_.pop_back();
        end_ = previous_end_;
        sealed_ = true;
    }
    SegmentPointer next = pool_.take(bytes);
    if (next == nullptr) return false;
    previous_end_ = end_;
    end_ = 0;
    sealed_ = false;
    table_.add_segment(next);
    segments_.push_back({std::move(next), Index()});
    return true;
}

void SegmentedLog::submit(std::size_t count) {
    Write& write = write_.emplace();
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
    write.entries.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(end));
    pending_.erase(pending_.begin(), end);
    write.header.segment = segments_.back().segment->number;
    write.header.offset = end_;
    write.header.sequence = last_written_.sequence + 1;
    write.header.previous_end = end_ == 0 ? previous_end_ : 0;
    write.header.first = write.entries.empty() ? first_ : write.entries.front().index;
    write.header.previous_checksum = last_written_.checksum;
    write.header.reset = reset_next_;
    reset_next_ = false;
    reset_owed_ = false;
    segments_.back().segment->file->write_durable(
        end_, encode_batch(write.header, write.entries),
        lifetime_.guard([this](const Status& status) { completed(status); }));
}

void SegmentedLog::completed(const Status& status) {
    Write write = *std::exchange(write_, std::nullopt);
    if (!status && !mutant(Mutant::kFailedWriteIgnored)) {
        if (status.error().code != code::kFull) {
            fatal("writing the log failed: " + status.error().message +
                  "; what the disk holds cannot be known, so this node stops");
        }
        take_back(std::move(write));
        write_full_ = true;
        retry_ = executor_.after(kFullRetry, [this] { retry(); });
        tell_space();
        return;
    }
    last_written_ = write.header;
    end_ += write.header.bytes();
    segments_.back().highest = std::max(segments_.back().highest, write.header.last());
    if (write.header.reset) {
        for (UsedSegment& used : segments_) {
            if (used.segment != segments_.back().segment) used.highest = Index();
        }
    }
    const auto durable = settle(write);
    write_full_ = false;
    recycle_unneeded();
    start_write();
    tell_space();
    if (durable && on_durable) on_durable(durable->first, durable->second);
}

// The disk was full. What is still wanted of the write goes back to the front of the queue.
void SegmentedLog::take_back(Write write) {
    if (write.voided) return;
    reset_next_ = reset_next_ || write.header.reset;
    reset_owed_ = reset_owed_ || write.header.reset;
    auto& entries = write.entries;
    if (write.forgotten_from) {
        std::erase_if(
            entries, [&](const raft::Entry& entry) { return entry.index >= write.forgotten_from; });
    }
    pending_.insert(pending_.begin(), std::make_move_iterator(entries.begin()),
                    std::make_move_iterator(entries.end()));
}

void SegmentedLog::retry() {
    retry_ = TimerId::kNone;
    start_write();
    tell_space();
}

// Makes what is durable and still wanted of a write readable; what that is, for on_durable.
std::optional<std::pair<Index, Term>> SegmentedLog::settle(const Write& write) {
    const BatchHeader& header = write.header;
    Index last = header.last();
    if (write.forgotten_from) last = std::min(last, write.forgotten_from.previous());
    if (write.voided || last < header.first) return std::nullopt;
    QUORLITE_CHECK(header.first == durable_.next());
    const std::uint64_t count = last.value() - header.first.value() + 1;
    table_.add({.first = header.first,
                .segment = header.segment,
                .offset = header.offset,
                .count = static_cast<std::uint32_t>(count),
                .blocks = static_cast<std::uint32_t>(header.bytes() / kDiskBlock)});
    durable_ = last;
    return std::pair(last, write.entries[count - 1].term);
}

void SegmentedLog::tell_space() {
    const bool full = write_full_ || pool_full_;
    if (full == told_full_) return;
    told_full_ = full;
    if (on_space) on_space(!full);
}

// In the order they were written: the log must never have a hole.
void SegmentedLog::recycle_unneeded() {
    while (segments_.size() > 1 && segments_.front().highest <= trimmed_) {
        table_.remove_segment(segments_.front().segment);
        pool_.recycle(std::move(segments_.front().segment));
        segments_.pop_front();
    }
}

std::uint64_t SegmentedLog::bytes_on_disk() const {
    std::uint64_t sum = pool_.bytes();
    for (const UsedSegment& used : segments_) sum += used.segment->bytes;
    return sum;
}

Result<std::vector<raft::Entry>> SegmentedLog::read(Index from, std::size_t bytes_max) {
    std::vector<raft::Entry> entries;
    std::size_t bytes = 0;
    for (const PlaceTable::Found& found : table_.find(from, bytes_max)) {
        auto batch = read_batch(found);
        // A segment that is recycled under the reader is not damaged.
        if (!batch && entries.empty() && !table_.find(from, 1).empty()) return batch;
        if (!batch) break;
        for (raft::Entry& entry : *batch) {
            if (entry.index < from || entry.index > found.place.last()) continue;
            if (!entries.empty() && bytes >= bytes_max) return entries;
            bytes += encoded_bytes(entry);
            entries.push_back(std::move(entry));
        }
    }
    if (!entries.empty()) return entries;
    return Error{.code = code::kNotFound,
                 .message = "index " + std::to_string(from.value()) +
                            " is not in the log: it is trimmed, or not durable yet"};
}

Result<std::vector<raft::Entry>> SegmentedLog::read_batch(const PlaceTable::Found& found) {
    const BatchPlace& place = found.place;
    Bytes bytes(place.blocks * kDiskBlock);
    const auto count = found.segment->file->read(place.offset, bytes);
    if (!count) return count.error();
    const auto header = decode_header(ByteView(bytes).first(*count), place.segment, place.offset);
    if (header && header->first == place.first) {
        auto entries = decode_entries(*header, ByteView(bytes).first(*count));
        if (entries && entries->size() >= place.count) return *std::move(entries);
    }
    return Error{.code = code::kCorrupt,
                 .message = segment_name(place.segment) + " is damaged at byte " +
                            std::to_string(place.offset)};
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(Disk& disk, Executor& executor, LogOptions options,
                                       Index snapshot, Index acknowledged,
                                       RecoveredLog& recovered) {
    recovered = RecoveredLog();
    auto found = recover(disk, snapshot, acknowledged, recovered);
    if (!found) return std::move(found).error();
    return std::unique_ptr<Log>(
        std::make_unique<SegmentedLog>(disk, executor, options, snapshot, *std::move(found)));
}

}  // namespace quorlite::disk
