#include "engine/disk/recovery.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/disk/slots.h"

namespace quorlite::disk {
namespace {

constexpr const char* kBarrierName = "log/barrier";
constexpr std::size_t kBarrierSlotBytes = 4096;
constexpr const char* kUnfinishedName = "log/unfinished";
constexpr std::size_t kReadAgainBytes = 4096;  // pieces of a segment that cannot be read as a whole

struct Found {
    Segment segment;
    SegmentScan scan;
    bool aside = false;   // holds evidence of damage: to be kept under another name
    bool joined = false;  // part of the log
    // What could not be read, from the first to the last such byte.
    std::uint64_t unreadable_begin = 0;
    std::uint64_t unreadable_end = 0;

    bool blank() const { return scan.batches.empty() && !scan.torn_head && !scan.later; }
    const BatchHeader& head() const { return scan.batches.front().header; }
    const BatchHeader& tail() const { return scan.batches.back().header; }
};

// A name for the damaged segment that is not taken yet.
std::string aside_name(Disk& disk, std::uint64_t number) {
    const std::string base = "log/damaged-" + std::to_string(number);
    std::string name = base;
    for (int i = 2; i <= limits::kDamagedSegmentsKeptMax && disk.exists(name); ++i)
        name = base + "-" + std::to_string(i);
    return name;
}

// What must be known until the peers have sent again what was lost: the record "log/barrier".
struct Barrier {
    Index vote;  // no vote before the log reaches this index; none: nothing that counts was lost
    // The log was cut after this index; what the batch of this sequence, and those before it, say
    // about later indexes has been replaced by batches that are lost. Void once another batch
    // follows.
    Index cut_after;
    std::uint64_t cut_sequence = 0;

    friend bool operator==(const Barrier&, const Barrier&) = default;
};

Bytes encode(const Barrier& barrier) {
    Bytes content;
    ByteWriter out(content);
    out.u64(barrier.vote.value());
    out.u64(barrier.cut_after.value());
    out.u64(barrier.cut_sequence);
    return content;
}

Barrier decode_barrier(ByteView content) {
    ByteReader in(content);
    Barrier barrier;
    barrier.vote = Index(in.u64());
    barrier.cut_after = Index(in.u64());
    barrier.cut_sequence = in.u64();
    return barrier;
}

class Recovery {
public:
    Recovery(Disk& disk, Index snapshot, RecoveredLog& recovered)
        : disk_(disk), snapshot_(snapshot), recovered_(recovered) {}

    Result<RecoveredDisk> run(Index acknowledged);

private:
    Status find();
    Status read_segment(Found& found);
    Status require_readable_end() const;
    void join();
    void join_one(Found& found);
    bool try_join(Found& found);
    bool complete(const Found& found) const;
    void start_at(Found& found);
    void damaged(Found& found, const Traces& traces);
    void replay();
    void replay_one(const Found& found, ScannedBatch& batch);
    void forget_from(Index index);
    void cut();
    void require_start();
    void drop_snapshotted();
    Status settle_barrier(Index acknowledged);
    void describe(Index barrier, Index last);
    Status rewrite_end();
    Status tidy_files();
    Status tidy_one(Found& found, std::uint64_t& expected);
    void copy_aside(const Found& found);
    Status move_aside(const Found& found);

    Disk& disk_;
    const Index snapshot_;
    RecoveredLog& recovered_;
    RecoveredDisk result_;
    std::vector<Found> found_;  // by number
    std::vector<Found*> log_;   // those that make up the log
    std::optional<SlotFile> barrier_file_;
    Barrier barrier_;             // as it was, then as it is
    std::optional<Traces> lost_;  // of what was durable, and is damaged or missing
};

Result<RecoveredDisk> Recovery::run(Index acknowledged) {
    Status status = disk_.make_directory(kLogDirectory);
    if (status) status = disk_.sync_directory("");
    if (status) {
        auto barrier = SlotFile::open(disk_, kBarrierName, kBarrierSlotBytes);
        if (barrier) {
            barrier_file_ = *std::move(barrier);
            if (barrier_file_->content()) barrier_ = decode_barrier(*barrier_file_->content());
        } else {
            status = barrier.error();
        }
    }
    if (status) status = find();
    if (status) status = require_readable_end();
    if (status) {
        join();
        replay();
        require_start();
        cut();
        drop_snapshotted();
        status = settle_barrier(acknowledged);
    }
    if (status) status = rewrite_end();
    if (status) status = tidy_files();
    if (!status) return std::move(status).error();
    return std::move(result_);
}

Status Recovery::find() {
    const auto names = disk_.list(kLogDirectory);
    if (!names) return names.error();
    for (const std::string& entry : *names) {
        const std::uint64_t number = segment_number(entry);
        if (number == 0) continue;
        const std::string name = segment_name(number);
        auto file = disk_.open(name, OpenMode::kExisting, true);
        if (!file) return std::move(file).error();
        // A write that was under way when the process ended may be whole in the cache but not on
        // disk.
        Status synced = (*file)->sync();
        if (!synced) return synced;
        const auto size = (*file)->size();
        if (!size) return size.error();
        found_.push_back(
            {.segment = {number, *size - *size % kDiskBlock, *std::move(file)}, .scan = {}});
        Status read = read_segment(found_.back());
        if (!read) return read;
        result_.next_number = std::max(result_.next_number, number + 1);
    }
    return {};
}

// Blocks that cannot be read are taken for zeros, and so for damage.
Status Recovery::read_segment(Found& found) {
    const Segment& segment = found.segment;
    Bytes image(segment.bytes);
    auto count = segment.file->read(0, image);
    if (!count && count.error().code != code::kIo) return count.error();
    if (!count) {
        std::fill(image.begin(), image.end(), std::uint8_t{0});
        for (std::uint64_t at = 0; at < image.size(); at += kReadAgainBytes) {
            const std::size_t size = std::min<std::size_t>(kReadAgainBytes, image.size() - at);
            const auto piece = std::span(image).subspan(at, size);
            if (segment.file->read(at, piece)) continue;
            std::fill(piece.begin(), piece.end(), std::uint8_t{0});
            if (found.unreadable_end == 0) found.unreadable_begin = at;
            found.unreadable_end = at + size;
        }
        count = image.size();
    }
    found.scan = scan_segment(ByteView(image).first(*count), segment.number);
    return {};
}

// A torn end is what a crash leaves, and was never acknowledged. What cannot be read there may have
// been, and nothing says up to which index.
Status Recovery::require_readable_end() const {
    std::uint64_t last = 0;  // segment with anything in it
    for (const Found& found : found_) {
        if (!found.blank()) last = found.segment.number;
    }
    for (const Found& found : found_) {
        if (found.unreadable_end == 0) continue;
        const std::uint64_t number = found.segment.number;
        const bool at_end = number == last && found.unreadable_end > found.scan.written_end;
        const bool next_head = number == last + 1 && found.unreadable_begin == 0;
        if (!at_end && !next_head) continue;
        return Error{.code = code::kCorrupt,
                     .message = segment_name(number) + " cannot be read at byte " +
                                std::to_string(found.unreadable_begin) +
                                ", where the log ends: what is lost there may have been "
                                "acknowledged. If the disk does not recover, remove this node from "
                                "the cluster and let it join anew with an empty directory"};
    }
    return {};
}

void Recovery::join() {
    for (Found& found : found_) join_one(found);
}

void Recovery::join_one(Found& found) {
    const std::uint64_t sequence = log_.empty() ? 0 : log_.back()->tail().sequence;
    if (found.scan.batches.empty()) {
        // The first batch of the segment was torn, unless something proves that it was once whole.
        Traces traces = found.scan.later.value_or(Traces());
        if (found.scan.torn_head && !log_.empty()) traces.add(*found.scan.torn_head);
        if (traces.sequence > sequence + 1) damaged(found, traces);
        return;
    }
    if (!try_join(found)) {
        if (found.tail().sequence <= sequence) return;  // left over from before the log moved on
        if (!log_.empty() && !complete(found)) {
            Traces traces = found.scan.later.value_or(Traces());
            for (const ScannedBatch& batch : found.scan.batches) traces.add(batch.header);
            damaged(found, traces);
            return;
        }
        start_at(found);
    }
    if (found.scan.later) damaged(found, *found.scan.later);
}

// Whether the segment goes on where the log ends. The segment before may hold more than the log
// does: a batch whose write was given up, or what damage has cut off.
bool Recovery::try_join(Found& found) {
    if (log_.empty()) return false;
    Found& before = *log_.back();
    const BatchHeader& head = found.head();
    if (found.segment.number != before.segment.number + 1) return false;
    auto& batches = before.scan.batches;
    const auto cut = std::find_if(batches.begin(), batches.end(), [&](const ScannedBatch& batch) {
        return batch.header.offset >= head.previous_end;
    });
    if (cut == batches.begin()) return false;
    const BatchHeader& last = std::prev(cut)->header;
    if (last.offset + last.bytes() != head.previous_end || !continues(head, &last)) return false;
    batches.erase(cut, batches.end());
    before.scan.end = head.previous_end;
    before.aside = false;
    lost_.reset();
    found.joined = true;
    log_.push_back(&found);
    return true;
}

// Whether the log can do without everything before this segment.
bool Recovery::complete(const Found& found) const {
    const auto& batches = found.scan.batches;
    return found.head().first <= snapshot_.next() ||
           std::any_of(batches.begin(), batches.end(),
                       [](const ScannedBatch& batch) { return batch.header.reset; });
}

// Nothing before this segment is needed, whatever state it is in.
void Recovery::start_at(Found& found) {
    for (Found& earlier : found_) {
        if (&earlier == &found) break;
        earlier.joined = false;
        earlier.aside = false;
    }
    log_.clear();
    lost_.reset();
    found.joined = true;
    log_.push_back(&found);
}

void Recovery::damaged(Found& found, const Traces& traces) {
    found.aside = true;
    if (!lost_) lost_.emplace();
    lost_->add(traces);
}

void Recovery::replay() {
    for (Found* found : log_) {
        UsedSegment used{std::make_shared<Segment>(found->segment), Index()};
        for (ScannedBatch& batch : found->scan.batches) {
            used.highest = std::max(used.highest, batch.header.last());
            replay_one(*found, batch);
        }
        result_.segments.push_back(std::move(used));
        result_.end = found->scan.end;
        result_.last = found->tail();
    }
}

// A batch replaces what was known from its first index on.
void Recovery::replay_one(const Found& found, ScannedBatch& batch) {
    const BatchHeader& header = batch.header;
    forget_from(header.reset ? Index(1) : header.first);
    result_.last_index = header.last();
    if (header.count == 0) return;
    std::move(batch.entries.begin(), batch.entries.end(), std::back_inserter(recovered_.entries));
    result_.places.push_back({.first = header.first,
                              .segment = found.segment.number,
                              .offset = header.offset,
                              .count = header.count,
                              .blocks = static_cast<std::uint32_t>(header.bytes() / kDiskBlock)});
}

void Recovery::forget_from(Index index) {
    auto& entries = recovered_.entries;
    while (!entries.empty() && entries.back().index >= index) entries.pop_back();
    auto& places = result_.places;
    while (!places.empty() && places.back().first >= index) places.pop_back();
    if (places.empty() || places.back().last() < index) return;
    const std::uint64_t kept = index.value() - places.back().first.value();
    places.back().count = static_cast<std::uint32_t>(kept);
}

// The log must reach back to the snapshot. If it does not, its beginning is lost, and the rest of
// no use.
void Recovery::require_start() {
    if (log_.empty()) return;
    const Index start =
        result_.places.empty() ? result_.last_index.next() : result_.places.front().first;
    if (start <= snapshot_.next()) return;
    for (Found* found : log_) {
        found->joined = false;
        damaged(*found, {.sequence = result_.last.sequence,
                         .last = result_.last_index,
                         .replaced_from = Index(1)});
    }
    log_.clear();
    recovered_.entries.clear();
    result_.places.clear();
    result_.segments.clear();
    result_.last_index = Index();
}

// What the lost batches replaced must not come back: not now, nor at the next start, when the
// traces of them may be gone.
void Recovery::cut() {
    if (lost_) {
        barrier_.cut_after = std::min(result_.last_index, lost_->replaced_from.previous());
        barrier_.cut_sequence = result_.last.sequence;
    } else if (barrier_.cut_sequence != result_.last.sequence) {
        barrier_.cut_after = Index();
        barrier_.cut_sequence = 0;
    }
    if (barrier_.cut_sequence == 0 || barrier_.cut_after >= result_.last_index) return;
    forget_from(barrier_.cut_after.next());
    result_.last_index = barrier_.cut_after;
}

void Recovery::drop_snapshotted() {
    auto& entries = recovered_.entries;
    const auto kept = std::find_if(entries.begin(), entries.end(), [&](const raft::Entry& entry) {
        return entry.index > snapshot_;
    });
    if (kept != entries.begin() && std::prev(kept)->index == snapshot_) {
        recovered_.term_at_snapshot = std::prev(kept)->term;
    }
    entries.erase(entries.begin(), kept);
    auto& places = result_.places;
    std::erase_if(places, [&](const BatchPlace& place) { return place.last() <= snapshot_; });
}

Status Recovery::settle_barrier(Index acknowledged) {
    const Index last = std::max(result_.last_index, snapshot_);
    Index needed = std::max(acknowledged, barrier_.vote);
    if (lost_) needed = std::max(needed, lost_->last);
    const bool missing = needed > last;
    if (missing) {
        recovered_.vote_barrier = needed;
        if (!log_.empty()) log_.back()->aside = true;
    }
    if (lost_ || missing) describe(needed, last);
    // Kept only until it is reached: later the log may rightly be shorter again.
    barrier_.vote = missing ? needed : Index();
    const auto& saved = barrier_file_->content();
    if (barrier_ == (saved ? decode_barrier(*saved) : Barrier())) return {};
    return barrier_file_->save(encode(barrier_));
}

void Recovery::describe(Index barrier, Index last) {
    std::string& text = recovered_.damage;
    const auto aside =
        std::find_if(found_.begin(), found_.end(), [](const Found& found) { return found.aside; });
    text = lost_ && aside != found_.end()
               ? "the log is damaged at byte " + std::to_string(aside->scan.end) + " of " +
                     segment_name(aside->segment.number) + ", a copy of which is kept aside"
               : "the end of the log is missing";
    text += "; it was cut after index " + std::to_string(last.value());
    text += barrier > last
                ? ", and this node does not vote before its peers have sent it everything "
                  "up to index " +
                      std::to_string(barrier.value()) + " again"
                : ", and nothing that is needed was lost";
}

// The last batch may have been read from the cache without being on the disk: the process ended
// before its sync, or the sync failed and the kernel took the page for clean. No sync would help
// then, only writing it once more. All earlier batches were durable before this one was begun.
Status Recovery::rewrite_end() {
    if (log_.empty()) return {};
    File& file = *log_.back()->segment.file;
    Bytes batch(result_.last.bytes());
    const auto count = file.read(result_.last.offset, batch);
    const Status status = count ? file.write(result_.last.offset, ByteView(batch).first(*count))
                                : Status(count.error());
    return status ? file.sync() : status;
}

Status Recovery::tidy_files() {
    Status status = disk_.remove(kUnfinishedName);
    std::uint64_t expected = log_.empty() ? 0 : log_.back()->segment.number + 1;
    for (Found& found : found_) {
        if (status) status = tidy_one(found, expected);
    }
    if (expected != 0) result_.next_number = expected;
    // In any case: a name given before a restart may be in the cache only.
    return status ? disk_.sync_directory(kLogDirectory) : status;
}

// `expected` is the number that the next ready segment must have; 0: any.
Status Recovery::tidy_one(Found& found, std::uint64_t& expected) {
    if (found.joined) {
        if (found.aside) copy_aside(found);
        result_.sealed = found.aside;
        return {};
    }
    const bool usable = found.blank() && found.unreadable_end == 0;
    if (usable && (expected == 0 || found.segment.number == expected)) {
        expected = found.segment.number + 1;
        result_.ready.push_back(std::make_shared<Segment>(found.segment));
        return {};
    }
    const bool evidence = found.aside || (recovered_.vote_barrier && !found.blank());
    return evidence ? move_aside(found) : disk_.remove(segment_name(found.segment.number));
}

// For whoever wants to know what happened. Not worth failing for: the disk may be full.
void Recovery::copy_aside(const Found& found) {
    const std::string name = aside_name(disk_, found.segment.number);
    auto copy = disk_.open(name, OpenMode::kCreateEmpty, false);
    if (!copy) return;
    Bytes bytes(found.segment.bytes);
    const auto count = found.segment.file->read(0, bytes);
    if (count && (*copy)->write(0, ByteView(bytes).first(*count)) && (*copy)->sync()) return;
    (void)disk_.remove(name);
}

Status Recovery::move_aside(const Found& found) {
    return disk_.rename(segment_name(found.segment.number),
                        aside_name(disk_, found.segment.number));
}

}  // namespace

Result<RecoveredDisk> recover(Disk& disk, Index snapshot, Index acknowledged,
                              RecoveredLog& recovered) {
    return Recovery(disk, snapshot, recovered).run(acknowledged);
}

}  // namespace quorlite::disk
