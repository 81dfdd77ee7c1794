// The manifest: which base files there are, and at which index each of them is.
//
// Two files, "databases/manifest.0" and "databases/manifest.1", are written in turn and synced, so
// that one whole copy survives whatever happens to the other; the one with the higher sequence
// number counts.
//
// A base file is at index `at` when `flushing_to` is none. Otherwise a flush was under way: some
// pages may already be as of `flushing_to`, and applying the commands after `at` up to there makes
// it whole. The manifest says so before the first page is written.
//
// Files that the manifest does not name are left-overs of an interrupted snapshot, and are removed
// at open. The first manifest is written before the first base file, so base files without a
// manifest are damage.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/disk.h"
#include "engine/database/database.h"
#include "engine/database/pages.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

struct ManifestEntry {
    std::uint64_t number = 0;  // of the base file
    std::string name;          // of the database
    Index at;
    Index flushing_to;
    PageNumber page_count = 0;  // at `at`; 0: nothing was ever flushed, the file does not count
};

struct Manifest {
    SnapshotPoint point;
    std::uint64_t next_number = 1;
    std::vector<ManifestEntry> entries;

    ManifestEntry* find(std::string_view name);
};

// As in the files, and as a snapshot's description for a peer.
Bytes encode_manifest(const Manifest& manifest, std::uint64_t sequence);
Result<Manifest> decode_manifest(ByteView bytes, std::uint64_t* sequence = nullptr);

// The manifest on disk. Any thread: updates are written one after the other, blocking.
class ManifestFile {
public:
    static Result<std::shared_ptr<ManifestFile>> open(Disk& disk);

    // Before any update, so nobody changes it.
    const Manifest& loaded() const QUORLITE_UNCHECKED { return manifest_; }
    // Changes a copy of the manifest and makes it durable. `change` returns false to leave all as
    // it is. A full disk is an error, after which nothing has changed; any other failure is
    // fatal().
    using Change = std::function<bool(Manifest&)>;
    Status update(const Change& change);
    // For updates that must no longer happen once the set of databases was replaced.
    std::uint64_t epoch() const;
    Status update_in_epoch(std::uint64_t epoch, const Change& change);
    Status replace(Manifest manifest);  // and begin a new epoch
    Status ensure();                    // that there is one

private:
    explicit ManifestFile(Disk& disk) : disk_(disk) {}
    Status load() QUORLITE_REQUIRES(mutex_);
    Status write(Manifest manifest) QUORLITE_REQUIRES(mutex_);
    Status write_slot(ByteView bytes) QUORLITE_REQUIRES(mutex_);

    Disk& disk_;
    mutable Mutex mutex_;
    Manifest manifest_ QUORLITE_GUARDED_BY(mutex_);
    std::uint64_t sequence_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::uint64_t epoch_ QUORLITE_GUARDED_BY(mutex_) = 0;
    std::array<std::unique_ptr<File>, 2> slots_ QUORLITE_GUARDED_BY(mutex_);
};

}  // namespace quorlite::database
