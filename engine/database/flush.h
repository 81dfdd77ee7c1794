// Flush: frozen layers on their way into base files.
//
//   1. the manifest says, for each file, "at A, flushing to B", and is synced
//   2. pages are written in place, in order, in large pieces; each file is synced
//   3. the manifest says "at B", and is synced
//
// A crash in between leaves a file whose pages are as of A, or B, or torn. Applying the commands
// after A again makes it whole; the log keeps them until step 3.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/disk.h"
#include "engine/database/manifest.h"
#include "engine/database/pages.h"

namespace quorlite::database {

struct FlushItem {
    std::string name;
    std::uint64_t number = 0;  // of the base file
    Base before;               // no file: it is made
    std::shared_ptr<const Layer> layer;
    PageNumber page_count = 0;  // afterwards
    Index from;
    Index to;
    std::vector<std::shared_ptr<HeldPages>> images;  // that may need what is overwritten
    std::shared_ptr<BaseFile> file;                  // where it went
};

struct FlushJob {
    std::uint64_t epoch = 0;  // of the manifest
    std::uint64_t next_number = 0;
    std::vector<FlushItem> items;
    Index target;   // the highest index that any file is flushed to
    Status result;  // an error: the disk is full, and the job may be run again
};

// Blocking, on a helper thread. Errors other than a full disk are fatal().
void run_flush(Disk& disk, ManifestFile& manifest, FlushJob& job);

}  // namespace quorlite::database
