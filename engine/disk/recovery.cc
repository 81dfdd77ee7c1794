#include "engine/disk/recovery.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/disk/slots.h"

namespace quorlite::disk {
namespace {

constexpr const char* kBarrierName = "log/barrier";
constexpr std::size_t kBarrierSlotBytes = 4096;
constexpr int kAsideMax = 9;  // files kept for one segment; the last is replaced
constexpr const char* kUnfinishedName = "log/unfinished";

struct Found {
    Segment segment;
    SegmentScan scan;
    bool aside = false;   // holds evidence of damage: to be kept under another name
    bool joined = false;  // part of the log

    bool blank() const { return scan.batches.empty() && !scan.torn_head && !scan.later_sequence; }
    const BatchHeader& head() const { return scan.batches.front().header; }
    const BatchHeader& tail() const { return scan.batches.back().header; }
};

// A name for the damaged segment that is not taken yet.
std::string aside_name(Disk& disk, std::uint64_t number) {
    const std::string base = "log/damaged-" + std::to_string(number);
    std::string name = base;
    for (int i = 2; i <= kAsideMax && disk.exists(name); ++i) name = base + "-" + std::to_string(i);
    return name;
}

class Recovery {
public:
    Recovery(Disk& disk, Index snapshot, RecoveredLog& recovered)
        : disk_(disk), snapshot_(snapshot), recovered_(recovered) {}

    Result<RecoveredDisk> run(Index acknowledged);

private:
    Status find();
    void join();
    void join_one(Found& found);
    bool try_join(Found& found);
    bool complete(const Found& found) const;
    void start_at(Found& found);
    void damaged(Found& found, Index proven);
    void replay();
    void replay_one(const Found& found, ScannedBatch& batch);
    void require_start();
    void drop_snapshotted();
    Status settle_barrier(Index acknowledged);
    void describe(Index barrier, Index last);
    Status tidy_files();
    Status tidy_one(Found& found, std::uint64_t& expected, bool& changed);
    void copy_aside(const Found& found);
    Status move_aside(const Found& found);

    Disk& disk_;
    const Index snapshot_;
    RecoveredLog& recovered_;
    RecoveredDisk result_;
    std::vector<Found> found_;  // by number
    std::vector<Found*> log_;   // those that make up the log
    std::optional<SlotFile> barrier_;
    bool damage_ = false;
    Index proven_;  // the highest index that damage or loss took away, as far as it can be proved
};

Result<RecoveredDisk> Recovery::run(Index acknowledged) {
    const bool made = !disk_.exists(kLogDirectory);
    Status status = disk_.make_directory(kLogDirectory);
    if (status && made) status = disk_.sync_directory("");
    if (status) {
        auto barrier = SlotFile::open(disk_, kBarrierName, kBarrierSlotBytes);
        if (barrier) {
            barrier_ = *std::move(barrier);
        } else {
            status = barrier.error();
        }
    }
    if (status) status = find();
    if (status) {
        join();
        replay();
        require_start();
        drop_snapshotted();
        status = settle_barrier(acknowledged);
    }
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
        Bytes image(*size - *size % kDiskBlock);
        const auto count = (*file)->read(0, image);
        if (!count) return count.error();
        found_.push_back({.segment = {number, image.size(), *std::move(file)},
                          .scan = scan_segment(ByteView(image).first(*count), number)});
        result_.next_number = std::max(result_.next_number, number + 1);
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
        const std::uint64_t later = std::max(
            found.scan.later_sequence, found.scan.torn_head ? found.scan.torn_head->sequence : 0);
        const bool proof =
            found.scan.later_sequence > sequence + 1 || (!log_.empty() && later > sequence + 1);
        if (proof) {
            const Index torn = found.scan.torn_head ? found.scan.torn_head->last() : Index();
            damaged(found, std::max(found.scan.later_index, torn));
        }
        return;
    }
    if (!try_join(found)) {
        if (found.tail().sequence <= sequence) return;  // left over from before the log moved on
        if (log_.empty() || complete(found)) {
            start_at(found);
        } else {
            damaged(found, found.scan.later_index);
            return;
        }
    }
    if (found.scan.later_sequence > 0) damaged(found, found.scan.later_index);
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
    damage_ = false;
    proven_ = Index();
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
    damage_ = false;
    proven_ = Index();
    found.joined = true;
    log_.push_back(&found);
}

void Recovery::damaged(Found& found, Index proven) {
    damage_ = true;
    found.aside = true;
    if (!found.scan.batches.empty()) proven = std::max(proven, found.tail().last());
    proven_ = std::max(proven_, proven);
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
        result_.last_index = result_.last.last();
    }
}

// A batch replaces what was known from its first index on.
void Recovery::replay_one(const Found& found, ScannedBatch& batch) {
    const BatchHeader& header = batch.header;
    auto& entries = recovered_.entries;
    auto& places = result_.places;
    if (header.reset) {
        entries.clear();
        places.clear();
    }
    while (!entries.empty() && entries.back().index >= header.first) entries.pop_back();
    while (!places.empty() && places.back().first >= header.first) places.pop_back();
    if (!places.empty() && places.back().last() >= header.first) {
        const std::uint64_t kept = header.first.value() - places.back().first.value();
        places.back().count = static_cast<std::uint32_t>(kept);
    }
    if (header.count == 0) return;
    std::move(batch.entries.begin(), batch.entries.end(), std::back_inserter(entries));
    places.push_back({.first = header.first,
                      .segment = found.segment.number,
                      .offset = header.offset,
                      .count = header.count,
                      .blocks = static_cast<std::uint32_t>(header.bytes() / kDiskBlock)});
}

// The log must reach back to the snapshot. If it does not, its beginning is lost, and the rest of
// no use.
void Recovery::require_start() {
    if (log_.empty()) return;
    const Index start =
        result_.places.empty() ? result_.last_index.next() : result_.places.front().first;
    if (start <= snapshot_.next()) return;
    damage_ = true;
    proven_ = std::max(proven_, result_.last_index);
    for (Found* found : log_) {
        found->joined = false;
        found->aside = true;
    }
    log_.clear();
    recovered_.entries.clear();
    result_.places.clear();
    result_.segments.clear();
    result_.last_index = Index();
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
    Index known;
    if (barrier_->content()) known = Index(ByteReader(*barrier_->content()).u64());
    const Index last = std::max(result_.last_index, snapshot_);
    Index needed = std::max(acknowledged, known);
    if (damage_) needed = std::max(needed, proven_);
    if (needed > last) {
        recovered_.vote_barrier = needed;
        if (!log_.empty()) log_.back()->aside = true;
    }
    if (damage_ || needed > last) describe(needed, last);
    // Kept only as long as it is not reached: a log may be shorter again later, rightly.
    const Index kept = needed > last ? needed : Index();
    if (kept == known) return {};
    Bytes content;
    ByteWriter(content).u64(kept.value());
    return barrier_->save(content);
}

void Recovery::describe(Index barrier, Index last) {
    std::string& text = recovered_.damage;
    const auto aside =
        std::find_if(found_.begin(), found_.end(), [](const Found& found) { return found.aside; });
    text = damage_ && aside != found_.end()
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

Status Recovery::tidy_files() {
    bool changed = disk_.exists(kUnfinishedName);
    Status status = disk_.remove(kUnfinishedName);
    std::uint64_t expected = log_.empty() ? 0 : log_.back()->segment.number + 1;
    for (Found& found : found_) {
        if (status) status = tidy_one(found, expected, changed);
    }
    if (expected != 0) result_.next_number = expected;
    return status && changed ? disk_.sync_directory(kLogDirectory) : status;
}

// `expected` is the number that the next ready segment must have; 0: any.
Status Recovery::tidy_one(Found& found, std::uint64_t& expected, bool& changed) {
    if (found.joined) {
        if (found.aside) copy_aside(found);
        result_.sealed = found.aside;
        return {};
    }
    if (found.blank() && (expected == 0 || found.segment.number == expected)) {
        expected = found.segment.number + 1;
        result_.ready.push_back(std::make_shared<Segment>(found.segment));
        return {};
    }
    changed = true;
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
