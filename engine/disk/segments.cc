#include "engine/disk/segments.h"

#include <algorithm>
#include <charconv>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace quorlite::disk {
namespace {

constexpr const char* kUnfinishedName = "log/unfinished";
constexpr std::size_t kNumberDigits = 16;
constexpr std::size_t kFillBytes = 1u << 20;

// `to` is beyond `from`, and both are multiples of kDiskBlock.
Status fill_with_zeros(File& file, std::uint64_t from, std::uint64_t to) {
    const BlockBuffer zeros(std::min<std::uint64_t>(kFillBytes, to - from));
    while (from < to) {
        const std::size_t count = std::min<std::uint64_t>(to - from, zeros.size());
        Status written = file.write(from, zeros.view().first(count));
        if (!written) return written;
        from += count;
    }
    return file.sync();
}

// May be repeated after it failed halfway. Opened anew, so that errors name it by its new name.
Result<std::shared_ptr<File>> rename_segment(Disk& disk, const std::string& from,
                                             const std::string& to) {
    Status status = disk.exists(from) ? disk.rename(from, to) : Status();
    if (!status) return std::move(status).error();
    const Status synced = disk.sync_directory(kLogDirectory);
    // Whatever the reason, a sync that failed is not tried again: so it is not reported as a full
    // disk.
    if (!synced) return Error{.code = code::kIo, .message = synced.error().message};
    auto file = disk.open(to, OpenMode::kExisting, true);
    if (!file) return std::move(file).error();
    return std::shared_ptr<File>(*std::move(file));
}

Result<std::shared_ptr<File>> create_segment(Disk& disk, const std::string& name,
                                             std::uint64_t bytes) {
    auto file = disk.open(kUnfinishedName, OpenMode::kCreateEmpty, true);
    Status status = file ? fill_with_zeros(**file, 0, bytes) : Status(file.error());
    if (status) return rename_segment(disk, kUnfinishedName, name);
    (void)disk.remove(kUnfinishedName);  // gives its room back; if that fails, the next open() does
    return std::move(status).error();
}

Status grow_segment(File& file, std::uint64_t from, std::uint64_t to) {
    Status status = fill_with_zeros(file, from, to);
    if (!status) (void)file.truncate(from);  // gives the room back; a longer file does no harm
    return status;
}

}  // namespace

std::string segment_name(std::uint64_t number) {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string digits(kNumberDigits, '0');
    for (std::size_t i = kNumberDigits; number != 0; number >>= 4)
        digits[--i] = kDigits[number & 15];
    return std::string(kLogDirectory) + "/" + digits;
}

std::uint64_t segment_number(const std::string& entry) {
    std::uint64_t number = 0;
    const char* end = entry.data() + entry.size();
    if (entry.size() != kNumberDigits) return 0;
    const auto parsed = std::from_chars(entry.data(), end, number, 16);
    if (parsed.ec != std::errc() || parsed.ptr != end) return 0;
    return segment_name(number) == std::string(kLogDirectory) + "/" + entry ? number : 0;
}

// What a helper thread does, on its own copies of everything.
struct SegmentPool::Job {
    enum class Kind { kRecycle, kRemove, kGrow, kCreate };

    Kind kind;
    std::string name;      // as it is, or of what is created
    std::string new_name;  // recycled as
    Segment segment;       // the result
    std::uint64_t old_bytes = 0;
    Status status;

    void perform(Disk& disk) {
        switch (kind) {
            case Kind::kRecycle:
                prepared(rename_segment(disk, name, new_name));
                break;
            case Kind::kRemove:
                status = disk.remove(name);
                break;
            case Kind::kGrow:
                status = grow_segment(*segment.file, old_bytes, segment.bytes);
                break;
            case Kind::kCreate:
                prepared(create_segment(disk, name, segment.bytes));
                break;
        }
    }

    void prepared(Result<std::shared_ptr<File>> file) {
        if (file) {
            segment.file = *std::move(file);
        } else {
            status = std::move(file).error();
        }
    }
};

SegmentPool::SegmentPool(Disk& disk, Executor& executor, const LogOptions& options,
                         std::deque<SegmentPointer> ready, std::uint64_t next_number)
    : disk_(disk),
      executor_(executor),
      options_(options),
      ready_(std::move(ready)),
      next_number_(next_number) {
    work();
}

SegmentPool::~SegmentPool() {
    executor_.cancel(retry_);
}

SegmentPointer SegmentPool::take(std::uint64_t bytes) {
    SegmentPointer taken;
    if (!growing_ && !ready_.empty() && ready_.front()->bytes >= bytes) {
        taken = std::move(ready_.front());
        ready_.pop_front();
        wanted_bytes_ = 0;
    } else {
        wanted_bytes_ = bytes;
    }
    work();
    return taken;
}

void SegmentPool::put_back(SegmentPointer segment) {
    ready_.push_front(std::move(segment));
}

void SegmentPool::recycle(SegmentPointer segment) {
    unneeded_.push_back(std::move(segment));
    work();
}

std::uint64_t SegmentPool::bytes() const {
    std::uint64_t sum = 0;
    for (const SegmentPointer& segment : ready_) sum += segment->bytes;
    for (const SegmentPointer& segment : unneeded_) sum += segment->bytes;
    return sum;
}

// Old segments first: that costs no space, and may give some back.
void SegmentPool::work() {
    if (working_ || retry_ != TimerId::kNone) return;
    if (!unneeded_.empty()) {
        const Segment& old = *unneeded_.front();
        const bool keep =
            old.bytes == options_.segment_bytes && ready_.size() < limits::kReadySegmentsMax;
        start({.kind = keep ? Job::Kind::kRecycle : Job::Kind::kRemove,
               .name = segment_name(old.number),
               .new_name = segment_name(next_number_),
               .segment = {next_number_, old.bytes, nullptr},
               .status = {}});
    } else if (wanted_bytes_ > 0 && !ready_.empty() && ready_.front()->bytes < wanted_bytes_) {
        const Segment& front = *ready_.front();
        start({.kind = Job::Kind::kGrow,
               .name = segment_name(front.number),
               .new_name = {},
               .segment = {front.number, wanted_bytes_, front.file},
               .old_bytes = front.bytes,
               .status = {}});
    } else if (ready_.size() < std::max<std::size_t>(options_.spare_segments, 1)) {
        start({.kind = Job::Kind::kCreate,
               .name = segment_name(next_number_),
               .new_name = {},
               .segment = {next_number_, options_.segment_bytes, nullptr},
               .status = {}});
    }
}

void SegmentPool::start(Job work) {
    working_ = true;
    growing_ = work.kind == Job::Kind::kGrow;
    const auto job = std::make_shared<Job>(std::move(work));
    executor_.background([job, &disk = disk_] { job->perform(disk); },
                         lifetime_.guard([this, job] { finished(*job); }));
}

void SegmentPool::finished(Job& job) {
    working_ = false;
    growing_ = false;
    if (!job.status) {
        failed(job);
        return;
    }
    switch (job.kind) {
        case Job::Kind::kRemove:
            unneeded_.pop_front();
            break;
        case Job::Kind::kGrow:
            *ready_.front() = job.segment;
            break;
        case Job::Kind::kRecycle:
            unneeded_.pop_front();
            [[fallthrough]];
        case Job::Kind::kCreate:
            QUORLITE_CHECK(job.segment.number == next_number_);
            ++next_number_;
            // A new object: readers may still hold the old one, and must not take it for this.
            ready_.push_back(std::make_shared<Segment>(job.segment));
            break;
    }
    const bool serves =
        wanted_bytes_ > 0 && !ready_.empty() && ready_.front()->bytes >= wanted_bytes_;
    if (full_ && (serves || wanted_bytes_ == 0)) {
        full_ = false;
        on_space(true);
    }
    if (serves) on_ready();
    work();
}

void SegmentPool::failed(const Job& job) {
    if (job.status.error().code != code::kFull) {
        fatal("preparing the log segment " + job.name + " failed: " + job.status.error().message +
              "; the disk cannot be relied on");
    }
    if (wanted_bytes_ > 0 && !full_) {
        full_ = true;
        on_space(false);
    }
    retry_ = executor_.after(kFullRetry, [this] {
        retry_ = TimerId::kNone;
        work();
    });
}

}  // namespace quorlite::disk
