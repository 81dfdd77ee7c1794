// Images and snapshots: the content of databases for clients and for other nodes. See database.h.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/database/manifest.h"
#include "engine/database/pages.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

std::unique_ptr<Image> make_image(std::shared_ptr<HeldPages> pages);

// `files` belong to the entries of `manifest`, in order. `horizon`: the highest index that any
// flush aims at.
std::unique_ptr<SnapshotSource> make_snapshot_source(
    Manifest manifest, std::vector<std::shared_ptr<File>> files,
    std::shared_ptr<const std::atomic<std::uint64_t>> horizon);

// Files of a snapshot that is being received, under numbers that the live databases do not use. The
// store keeps them for a transfer of the same snapshot that is taken up again, until another one
// begins; what is left when the node stops is removed when the store is opened.
class Staging {
public:
    // `numbers`: one per entry of `manifest`.
    Staging(Disk& disk, std::shared_ptr<ManifestFile> live, SharedBytes description,
            Manifest manifest, std::uint64_t first_number);

    const SharedBytes& description() const { return description_; }
    const Manifest& manifest() const { return manifest_; }  // with the new numbers
    std::uint64_t file_bytes(std::size_t file) const;
    std::uint64_t received(std::size_t file) const { return received_[file].load(); }
    Status write(std::size_t file, std::uint64_t offset, ByteView bytes);
    Status sync();
    void set_consistent_from(Index index);
    // Everything was received and synced.
    bool complete() const { return synced_.load(); }
    std::vector<std::shared_ptr<BaseFile>> files() const;  // precondition: complete()

private:
    Status open(std::size_t file) QUORLITE_REQUIRES(writing_);
    static void sync(BaseFile& file);

    Disk& disk_;
    const std::shared_ptr<ManifestFile> live_;
    const SharedBytes description_;
    Manifest manifest_;
    std::vector<std::atomic<std::uint64_t>> received_;  // bytes, by file
    mutable Mutex writing_;  // the last piece of an interrupted transfer may still be on its way
    std::vector<std::shared_ptr<BaseFile>> files_ QUORLITE_GUARDED_BY(writing_);
    std::atomic<bool> synced_{false};
};

class StagedInstaller final : public SnapshotInstaller {
public:
    explicit StagedInstaller(std::shared_ptr<Staging> staging) : staging_(std::move(staging)) {}

    const SnapshotPoint& point() const override { return staging_->manifest().point; }
    std::size_t file_count() const override { return staging_->manifest().entries.size(); }
    std::uint64_t file_size(std::size_t file) const override { return staging_->file_bytes(file); }
    std::uint64_t received(std::size_t file) const override { return staging_->received(file); }
    Status write(std::size_t file, std::uint64_t offset, ByteView bytes) override {
        return staging_->write(file, offset, bytes);
    }
    Status sync() override { return staging_->sync(); }
    void set_consistent_from(Index index) override { staging_->set_consistent_from(index); }

    Staging& staging() { return *staging_; }

private:
    std::shared_ptr<Staging> staging_;
};

}  // namespace quorlite::database
