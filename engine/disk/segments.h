// Segments of the log, and the pool that keeps the next ones ready.
//
// A segment is a file "log/<number, 16 hexadecimal digits>". Under that name it is complete:
// created aside, filled with zeros and synced, then renamed; or an old one, renamed as it is, whose
// stale batches carry another segment's number. All of that runs on helper threads, one job at a
// time, so an append never waits for anything but its own write, unless the pool has run dry.
//
// A full disk while a segment is waited for is reported through on_space and retried; any other
// error is fatal().
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/disk.h"
#include "engine/base/executor.h"
#include "engine/base/lifetime.h"
#include "engine/base/limits.h"
#include "engine/disk/log.h"

namespace quorlite::disk {

inline constexpr const char* kLogDirectory = "log";
inline constexpr Duration kFullRetry = std::chrono::milliseconds(100);

struct Segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
    std::shared_ptr<File> file;
};
using SegmentPointer = std::shared_ptr<Segment>;

std::string segment_name(std::uint64_t number);
// The number in a directory entry such as "0000000000000001"; 0 if it is not a segment's name.
std::uint64_t segment_number(const std::string& entry);

class SegmentPool {
public:
    // `ready` are unused segments in the order of their numbers; new ones are numbered from
    // `next_number` on.
    SegmentPool(Disk& disk, Executor& executor, const LogOptions& options,
                std::deque<SegmentPointer> ready, std::uint64_t next_number);
    ~SegmentPool();
    SegmentPool(const SegmentPool&) = delete;
    SegmentPool& operator=(const SegmentPool&) = delete;

    // The next segment, if one of at least `bytes` is ready. If not it is being prepared, and
    // on_ready runs when asking again is worth it.
    SegmentPointer take(std::uint64_t bytes);
    // Returns the segment taken last, with nothing durable in it: it will be the next again.
    void put_back(SegmentPointer segment);
    // Nothing in this segment is needed any more.
    void recycle(SegmentPointer segment);

    std::uint64_t bytes() const;

    std::function<void()> on_ready;
    std::function<void(bool available)> on_space;

private:
    struct Job;

    void work();
    void start(Job job);
    void finished(Job& job);
    void failed(const Job& job);

    Disk& disk_;
    Executor& executor_;
    const LogOptions options_;
    std::deque<SegmentPointer> ready_;
    std::deque<SegmentPointer> unneeded_;
    std::uint64_t next_number_;
    std::uint64_t wanted_bytes_ = 0;  // somebody waits for a segment of this size; 0: nobody
    bool working_ = false;
    bool growing_ = false;  // the front of ready_ is not to be taken
    bool full_ = false;
    TimerId retry_ = TimerId::kNone;
    Lifetime lifetime_;
};

}  // namespace quorlite::disk
