#include "engine/database/manifest.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/database/base_file.h"
#include "engine/database/command.h"
#include "wire/base/crc32c.h"

namespace quorlite::database {
namespace {

constexpr std::uint64_t kMagic = 0x66696e616d6c7271;  // "qrlmanif"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 8 + 4 + 4 + 8;  // magic, checksum, version, body bytes
constexpr std::size_t kChecksumOffset = 8;
constexpr std::size_t kCheckedFrom = 12;

std::string slot_name(std::size_t slot) {
    return std::string(kDatabasesDirectory) + "/manifest." + std::to_string(slot);
}

void put_bytes(ByteWriter& out, ByteView bytes) {
    out.u32(static_cast<std::uint32_t>(bytes.size()));
    out.bytes(bytes);
}

void decode_entry(ByteReader& in, ManifestEntry& entry) {
    entry.number = in.u64();
    entry.at = Index(in.u64());
    entry.flushing_to = Index(in.u64());
    entry.page_count = in.u32();
    entry.name = as_text(in.take(in.u32()));
    const bool name_fits = !entry.name.empty() && entry.name.size() <= kDatabaseNameBytesMax;
    if (!name_fits || entry.number == 0 || entry.page_count > kPageCountMax) in.fail();
}

Result<Bytes> read_whole(File& file) {
    const auto size = file.size();
    if (!size) return size.error();
    Bytes bytes(
        static_cast<std::size_t>(std::min<std::uint64_t>(*size, limits::kManifestBytesMax)));
    const auto got = file.read(0, bytes);
    if (!got) return got.error();
    bytes.resize(*got);
    return bytes;
}

bool is_full(const Status& status) {
    return !status && status.error().code == code::kFull;
}

}  // namespace

ManifestEntry* Manifest::find(std::string_view name) {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [&](const ManifestEntry& entry) { return entry.name == name; });
    return found == entries.end() ? nullptr : &*found;
}

Bytes encode_manifest(const Manifest& manifest, std::uint64_t sequence) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u64(kMagic);
    out.u32(0);  // the checksum of what follows
    out.u32(kVersion);
    out.u64(0);  // how many bytes follow
    out.u64(sequence);
    out.u64(manifest.point.index.value());
    out.u64(manifest.point.term.value());
    put_bytes(out,
              manifest.point.configuration ? ByteView(*manifest.point.configuration) : ByteView());
    out.u64(manifest.next_number);
    out.u32(static_cast<std::uint32_t>(manifest.entries.size()));
    for (const ManifestEntry& entry : manifest.entries) {
        out.u64(entry.number);
        out.u64(entry.at.value());
        out.u64(entry.flushing_to.value());
        out.u32(entry.page_count);
        put_bytes(out, as_bytes(entry.name));
    }
    out.patch(kHeaderBytes - 8, std::uint64_t{bytes.size() - kHeaderBytes});
    out.patch(kChecksumOffset, crc32c(ByteView(bytes).subspan(kCheckedFrom)));
    return bytes;
}

Result<Manifest> decode_manifest(ByteView bytes, std::uint64_t* sequence) {
    const Error damaged{code::kCorrupt, "the manifest is damaged"};
    ByteReader in(bytes);
    const std::uint64_t magic = in.u64();
    const std::uint32_t checksum = in.u32();
    const std::uint32_t version = in.u32();
    const std::uint64_t body_bytes = in.u64();
    if (in.failed() || magic != kMagic || body_bytes > in.remaining()) return damaged;
    // Behind the body there may be the rest of an older, longer manifest.
    const std::size_t end = kHeaderBytes + static_cast<std::size_t>(body_bytes);
    if (crc32c(bytes.subspan(kCheckedFrom, end - kCheckedFrom)) != checksum) return damaged;
    if (version != kVersion) {
        return Error{code::kError, "the manifest has version " + std::to_string(version) +
                                       ": it was written by a newer release"};
    }
    const std::uint64_t found_sequence = in.u64();
    if (sequence != nullptr) *sequence = found_sequence;
    Manifest manifest;
    manifest.point.index = Index(in.u64());
    manifest.point.term = Term(in.u64());
    const ByteView configuration = in.take(in.u32());
    manifest.point.configuration =
        std::make_shared<const Bytes>(configuration.begin(), configuration.end());
    manifest.next_number = in.u64();
    const std::uint32_t count = in.u32();
    for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
        decode_entry(in, manifest.entries.emplace_back());
    }
    if (in.failed() || in.position() != end) return damaged;
    return manifest;
}

Result<std::shared_ptr<ManifestFile>> ManifestFile::open(Disk& disk) {
    std::shared_ptr<ManifestFile> manifest(new ManifestFile(disk));
    const MutexLock lock(manifest->mutex_);
    manifest->manifest_.point.configuration = std::make_shared<const Bytes>();
    Status made = disk.make_directory(std::string(kDatabasesDirectory));
    if (made) made = disk.sync_directory("");
    if (made) made = manifest->load();
    if (!made) return std::move(made).error();
    return manifest;
}

Status ManifestFile::load() {
    bool found = false;
    std::optional<Error> unreadable;
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
        if (!disk_.exists(slot_name(slot))) continue;
        auto file = disk_.open(slot_name(slot), OpenMode::kExisting, false);
        if (!file) return file.error();
        slots_[slot] = std::move(*file);
        const auto bytes = read_whole(*slots_[slot]);
        if (!bytes) {
            unreadable = bytes.error();
            continue;
        }
        std::uint64_t sequence = 0;
        auto manifest = decode_manifest(*bytes, &sequence);
        if (!manifest) {
            unreadable =
                Error{manifest.error().code, slot_name(slot) + ": " + manifest.error().message};
            if (unreadable->code == code::kError) return *unreadable;
            continue;
        }
        if (found && sequence <= sequence_) continue;
        found = true;
        sequence_ = sequence;
        manifest_ = std::move(*manifest);
    }
    if (found) return {};
    const auto names = disk_.list(std::string(kDatabasesDirectory));
    if (!names) return names.error();
    const bool has_databases = std::any_of(names->begin(), names->end(),
                                           [](const auto& name) { return name.ends_with(".db"); });
    if (!has_databases) return {};  // nothing was ever flushed
    return Error{code::kCorrupt,
                 (unreadable ? unreadable->message : "databases/manifest.0 and .1 are missing") +
                     ": let this node join anew with an empty directory"};
}

// An error only if the disk is full. After a failed sync nobody knows what is on the disk: fatal().
Status ManifestFile::write_slot(ByteView bytes) {
    const std::size_t slot = (sequence_ + 1) % slots_.size();
    const std::string name = slot_name(slot);
    const bool fresh = slots_[slot] == nullptr;
    Status status;
    if (fresh) {
        auto file = disk_.open(name, OpenMode::kCreate, false);
        if (file) {
            slots_[slot] = std::move(*file);
        } else {
            status = file.error();
        }
    }
    if (status) status = slots_[slot]->write(0, bytes);
    if (!status) {
        if (!is_full(status)) fatal("cannot write " + name + ": " + status.error().message);
        if (fresh) slots_[slot].reset();  // the next attempt must make the name durable
        return status;
    }
    status = slots_[slot]->sync();
    if (status && fresh) status = disk_.sync_directory(std::string(kDatabasesDirectory));
    if (!status) fatal("cannot sync " + name + ": " + status.error().message);
    return {};
}

Status ManifestFile::write(Manifest manifest) {
    Status status = write_slot(encode_manifest(manifest, sequence_ + 1));
    if (!status) return status;
    ++sequence_;
    manifest_ = std::move(manifest);
    return {};
}

Status ManifestFile::update(const Change& change) {
    const MutexLock lock(mutex_);
    Manifest manifest = manifest_;
    if (!change(manifest)) return {};
    return write(std::move(manifest));
}

std::uint64_t ManifestFile::epoch() const {
    const MutexLock lock(mutex_);
    return epoch_;
}

Status ManifestFile::update_in_epoch(std::uint64_t epoch, const Change& change) {
    return update([&](Manifest& manifest)
                      QUORLITE_REQUIRES(mutex_) { return epoch == epoch_ && change(manifest); });
}

Status ManifestFile::ensure() {
    const MutexLock lock(mutex_);
    return sequence_ > 0 ? Status() : write(manifest_);
}

Status ManifestFile::replace(Manifest manifest) {
    const MutexLock lock(mutex_);
    Status written = write(std::move(manifest));
    if (written) ++epoch_;
    return written;
}

}  // namespace quorlite::database
