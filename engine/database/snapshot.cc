#include "engine/database/snapshot.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/database/base_file.h"

namespace quorlite::database {
namespace {

class PageImage final : public Image {
public:
    explicit PageImage(std::shared_ptr<HeldPages> pages) : pages_(std::move(pages)) {}

    std::uint64_t size() const override { return std::uint64_t{pages_->page_count()} * kPageSize; }

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
        if (offset >= size()) return std::size_t{0};
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size() - offset));
        std::size_t done = 0;
        while (done < wanted) {
            const std::uint64_t at = offset + done;
            const auto number = static_cast<PageNumber>(at / kPageSize + 1);
            const auto within = static_cast<std::size_t>(at % kPageSize);
            const std::size_t piece = std::min(kPageSize - within, wanted - done);
            std::array<std::uint8_t, kPageSize> page;
            Status read = pages_->read(number, page);
            if (!read) return std::move(read).error();
            std::memcpy(into.data() + done, page.data() + within, piece);
            done += piece;
        }
        return done;
    }

private:
    const std::shared_ptr<HeldPages> pages_;
};

std::uint64_t bytes_of(const ManifestEntry& entry) {
    return std::uint64_t{entry.page_count} * kPageSize;
}

class FileSource final : public SnapshotSource {
public:
    FileSource(Manifest manifest, std::vector<std::shared_ptr<File>> files,
               std::shared_ptr<const std::atomic<std::uint64_t>> horizon)
        : manifest_(std::move(manifest)), files_(std::move(files)), horizon_(std::move(horizon)) {}

    const SnapshotPoint& point() const override { return manifest_.point; }
    SharedBytes manifest() const override {
        return std::make_shared<const Bytes>(encode_manifest(manifest_, 0));
    }
    Index consistent_from() const override { return Index(horizon_->load()); }

    Result<std::size_t> read(std::size_t file, std::uint64_t offset,
                             std::span<std::uint8_t> into) override {
        if (file >= files_.size()) return Error{code::kNotFound, "no such file in the snapshot"};
        const std::uint64_t size = bytes_of(manifest_.entries[file]);
        if (offset >= size) return std::size_t{0};
        into = into.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size - offset)));
        auto got = files_[file]->read(offset, into);
        if (!got) return std::move(got).error();
        // A flush may have cut the file meanwhile; the commands that follow say so to the receiver
        // too.
        std::fill(into.begin() + static_cast<std::ptrdiff_t>(*got), into.end(), std::uint8_t{0});
        return into.size();
    }

private:
    const Manifest manifest_;
    const std::vector<std::shared_ptr<File>> files_;
    const std::shared_ptr<const std::atomic<std::uint64_t>> horizon_;
};

}  // namespace

std::unique_ptr<Image> make_image(std::shared_ptr<HeldPages> pages) {
    return std::make_unique<PageImage>(std::move(pages));
}

std::unique_ptr<SnapshotSource> make_snapshot_source(
    Manifest manifest, std::vector<std::shared_ptr<File>> files,
    std::shared_ptr<const std::atomic<std::uint64_t>> horizon) {
    return std::make_unique<FileSource>(std::move(manifest), std::move(files), std::move(horizon));
}

Staging::Staging(Disk& disk, std::shared_ptr<ManifestFile> live, SharedBytes description,
                 Manifest manifest, std::uint64_t first_number)
    : disk_(disk),
      live_(std::move(live)),
      description_(std::move(description)),
      manifest_(std::move(manifest)),
      received_(manifest_.entries.size()),
      files_(manifest_.entries.size()) {
    for (ManifestEntry& entry : manifest_.entries) entry.number = first_number++;
}

std::uint64_t Staging::file_bytes(std::size_t file) const {
    return bytes_of(manifest_.entries[file]);
}

Status Staging::open(std::size_t file) {
    Status present = live_->ensure();  // or the next open would take our files for all that is left
    if (!present) return present;
    auto opened = create_base_file(disk_, manifest_.entries[file].number);
    if (!opened) return std::move(opened).error();
    files_[file] = std::move(*opened);
    return {};
}

Status Staging::write(std::size_t file, std::uint64_t offset, ByteView bytes) {
    if (file >= received_.size()) return Error{code::kNotFound, "no such file in the snapshot"};
    const MutexLock lock(writing_);
    const std::uint64_t received = received_[file].load();
    if (offset != received || bytes.size() > file_bytes(file) - received ||
        bytes.size() % kPageSize != 0) {
        return Error{code::kProtocol, "a piece of the snapshot is out of order"};
    }
    if (!files_[file]) {
        Status opened = open(file);
        if (!opened) return opened;
    }
    Status written = files_[file]->write(offset, bytes);
    if (!written) return written;
    const std::uint64_t now_received = received + bytes.size();
    // A file that is not synced stays open, and there may be many.
    if (now_received == file_bytes(file)) sync(*files_[file]);
    received_[file].store(now_received);
    return {};
}

// Whoever takes the transfer up again would sync once more, and be told that all is well.
void Staging::sync(BaseFile& file) {
    if (mutant(Mutant::kSnapshotUnsynced)) return;
    const Status synced = file.sync();
    if (!synced) fatal("cannot sync a received snapshot: " + synced.error().message);
}

Status Staging::sync() {
    for (std::size_t i = 0; i < received_.size(); ++i) {
        if (received(i) != file_bytes(i)) {
            return Error{code::kProtocol, "the snapshot is not complete"};
        }
    }
    const Status synced = disk_.sync_directory(std::string(kDatabasesDirectory));
    if (!synced) fatal("cannot sync a received snapshot: " + synced.error().message);
    synced_.store(true);
    return {};
}

void Staging::set_consistent_from(Index index) {
    for (ManifestEntry& entry : manifest_.entries) {
        if (index > entry.at) entry.flushing_to = std::max(entry.flushing_to, index);
    }
}

std::vector<std::shared_ptr<BaseFile>> Staging::files() const {
    QUORLITE_CHECK(complete());
    const MutexLock lock(writing_);
    return files_;
}

}  // namespace quorlite::database
