#include "engine/database/flush.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/database/base_file.h"

namespace quorlite::database {
namespace {

Status full_or_fatal(Status status, const std::string& file) {
    if (status || status.error().code == code::kFull) return status;
    fatal("cannot write " + file + ": " + status.error().message);
}

// Writes pages in ascending order, joining neighbours.
class PageWriter {
public:
    explicit PageWriter(File& file) : file_(file) { pending_.reserve(limits::kFlushWriteBytesMax); }

    Status add(PageNumber page, ConstPageBytes bytes) {
        const PageNumber next = first_ + static_cast<PageNumber>(pending_.size() / kPageSize);
        if (!pending_.empty() && (page != next || pending_.size() >= limits::kFlushWriteBytesMax)) {
            Status status = finish();
            if (!status) return status;
        }
        if (pending_.empty()) first_ = page;
        pending_.insert(pending_.end(), bytes.begin(), bytes.end());
        return {};
    }

    Status finish() {
        if (pending_.empty()) return {};
        Status status = file_.write(std::uint64_t{first_ - 1} * kPageSize, pending_);
        pending_.clear();
        return status;
    }

private:
    File& file_;
    Bytes pending_;
    PageNumber first_ = 0;
};

// What was cut off must not come back when the database grows again; nor may what an interrupted
// flush wrote beyond the end.
Status cut_file(const FlushItem& item, PageNumber kept) {
    const auto size = item.file->size();
    if (!size) return size.error();
    const std::uint64_t kept_bytes = std::uint64_t{kept} * kPageSize;
    return *size > kept_bytes ? item.file->truncate(kept_bytes) : Status();
}

// For those who still read the old state.
void keep_old_pages(const FlushItem& item, const std::vector<PageNumber>& overwritten,
                    PageNumber kept) {
    const auto keep = [&item](PageNumber number) {
        std::shared_ptr<const KeptPage> copy;
        for (const auto& image : item.images) image->keep(number, copy);
    };
    if (item.images.empty()) return;
    for (const PageNumber number : overwritten) keep(number);
    for (PageNumber number = kept + 1; number <= item.before.page_count; ++number) keep(number);
}

Status write_pages(const FlushItem& item) {
    const Layer& layer = *item.layer;
    const PageNumber kept = item.before.file ? std::min(layer.floor, item.before.page_count) : 0;
    std::vector<PageNumber> numbers;
    numbers.reserve(layer.pages.size());
    for (const auto& [number, page] : layer.pages) numbers.push_back(number);
    std::sort(numbers.begin(), numbers.end());
    keep_old_pages(item, numbers, kept);
    Status cut = cut_file(item, kept);
    if (!cut) return cut;
    PageWriter writer(*item.file);
    // A new file needs its first page even if nobody wrote it; and every file its last one, for the
    // file's size is the database's.
    static constexpr std::array<std::uint8_t, kPageSize> kZeros{};
    if (!item.before.file && !layer.pages.contains(1)) {
        Status status = writer.add(1, initial_page());
        if (!status) return status;
    }
    for (const PageNumber number : numbers) {
        Status status = writer.add(number, layer.pages.at(number).bytes());
        if (!status) return status;
    }
    const PageNumber written = std::max(kept, PageNumber{1});
    if (item.page_count > written && !layer.pages.contains(item.page_count)) {
        Status status = writer.add(item.page_count, kZeros);
        if (!status) return status;
    }
    return writer.finish();
}

Status flush_file(Disk& disk, FlushItem& item, bool& created) {
    const std::string name = base_file_name(item.number);
    if (!item.file && item.before.file) item.file = item.before.file;
    if (!item.file) {
        auto file = create_base_file(disk, item.number);
        if (!file) return full_or_fatal(file.error(), name);
        item.file = std::move(*file);
    }
    created = created || !item.before.file;
    Status written = full_or_fatal(write_pages(item), name);
    if (!written) return written;
    if (mutant(Mutant::kFlushUnsynced)) return {};
    Status synced = item.file->sync();
    if (!synced && mutant(Mutant::kFailedSyncRetried)) synced = item.file->sync();
    if (!synced) fatal("cannot sync " + name + ": " + synced.error().message);
    return {};
}

void note_begin(Manifest& manifest, const FlushJob& job) {
    manifest.next_number = std::max(manifest.next_number, job.next_number);
    for (const FlushItem& item : job.items) {
        ManifestEntry* entry = manifest.find(item.name);
        if (entry == nullptr) {
            entry = &manifest.entries.emplace_back();
            entry->name = item.name;
            entry->number = item.number;
        }
        QUORLITE_CHECK(entry->number == item.number);
        entry->at = item.from;
        if (!mutant(Mutant::kFlushNotAnnounced)) entry->flushing_to = item.to;
    }
}

void note_end(Manifest& manifest, const FlushJob& job) {
    for (const FlushItem& item : job.items) {
        ManifestEntry* const entry = manifest.find(item.name);
        QUORLITE_CHECK(entry != nullptr);
        entry->at = item.to;
        entry->flushing_to = Index();
        entry->page_count = item.page_count;
    }
}

Status flush_all(Disk& disk, ManifestFile& manifest, FlushJob& job) {
    bool current = false;
    Status status = manifest.update_in_epoch(job.epoch, [&](Manifest& content) {
        note_begin(content, job);
        return current = true;
    });
    if (!status || !current) return status;
    bool created = false;
    for (FlushItem& item : job.items) {
        status = flush_file(disk, item, created);
        if (!status) return status;
    }
    if (created) {
        const Status synced = disk.sync_directory(std::string(kDatabasesDirectory));
        if (!synced) fatal("cannot sync the databases: " + synced.error().message);
    }
    return manifest.update_in_epoch(job.epoch, [&](Manifest& content) {
        note_end(content, job);
        return true;
    });
}

}  // namespace

void run_flush(Disk& disk, ManifestFile& manifest, FlushJob& job) {
    job.result = flush_all(disk, manifest, job);
}

}  // namespace quorlite::database
