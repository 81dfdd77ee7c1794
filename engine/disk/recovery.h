// Opening the log: which batches on disk are the log, where it ends, and whether it is whole.
//
// Segments are scanned one by one and joined in the order of their numbers. A batch that is not
// whole at the very end was never acknowledged and is cut off; a header that can only have been
// written later than something unreadable proves damage. Then the log is cut before the damage, the
// vote barrier is made durable, and only after that the damaged files are moved aside: a crash in
// between finds either the evidence or the barrier.
#pragma once

#include <deque>
#include <vector>

#include "engine/disk/batch.h"
#include "engine/disk/segments.h"

namespace quorlite::disk {

// Where entries are that can be read back: part of one batch, or all of it.
struct BatchPlace {
    Index first;
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint32_t count = 0;
    std::uint32_t blocks = 0;

    Index last() const { return Index(first.value() + count - 1); }
};

struct UsedSegment {
    SegmentPointer segment;
    Index highest;  // no entry above this was ever written into it
};

struct RecoveredDisk {
    std::deque<UsedSegment> segments;  // the last one is being written
    std::uint64_t end = 0;             // where the next batch goes
    bool sealed = false;               // no: what follows the end is damaged; start a new segment
    BatchHeader last;                  // the batch before the end; sequence 0 if there is none
    std::vector<BatchPlace> places;    // of RecoveredLog::entries
    Index last_index;  // on disk, whatever the snapshot; none if there are no batches
    std::deque<SegmentPointer> ready;
    std::uint64_t next_number = 1;
};

Result<RecoveredDisk> recover(Disk& disk, Index snapshot, Index acknowledged,
                              RecoveredLog& recovered);

}  // namespace quorlite::disk
