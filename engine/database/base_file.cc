#include "engine/database/base_file.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "engine/database/database.h"
#include "wire/base/crc32c.h"
#include "wire/base/mutex.h"

namespace quorlite::database {
namespace {

constexpr std::size_t kSumBytes = sizeof(std::uint32_t);

std::string file_name(std::uint64_t number, const char* ending) {
    std::array<char, 32> digits;
    std::snprintf(digits.data(), digits.size(), "/%06llu.",
                  static_cast<unsigned long long>(number));
    return std::string(kDatabasesDirectory) + digits.data() + ending;
}

class SummedFile final : public BaseFile {
public:
    SummedFile(std::string name, std::unique_ptr<File> pages, std::unique_ptr<File> sums,
               bool exact)
        : name_(std::move(name)), pages_(std::move(pages)), file_(std::move(sums)), exact_(exact) {}

    Status load() QUORLITE_UNCHECKED;  // nobody else has it yet

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
    Status write(std::uint64_t offset, ByteView bytes) override;
    Status sync() override;
    Status truncate(std::uint64_t size) override;
    Result<std::uint64_t> size() override { return pages_->size(); }
    void write_durable(std::uint64_t, BlockBuffer, Completion) override {
        fatal("a base file is not opened for this");
    }
    Result<bool> repair(PageNumber page, ConstPageBytes bytes, bool older) override;
    void check_all_but(const Layer& redone) override;

private:
    static std::uint64_t offset_of(PageNumber page) { return std::uint64_t{page - 1} * kPageSize; }
    void report_damage(std::uint64_t offset, std::uint64_t bytes);
    Result<std::size_t> read_checked(std::uint64_t offset, std::span<std::uint8_t> into);
    Status check(std::uint64_t offset, ByteView bytes) const;
    void note(std::size_t first, const std::vector<std::uint32_t>& sums)
        QUORLITE_REQUIRES(writing_);
    Status write_sums(std::size_t first, const std::vector<std::uint32_t>& sums)
        QUORLITE_REQUIRES(writing_);

    const std::string name_;
    const std::unique_ptr<File> pages_;
    const std::unique_ptr<File> file_;  // of the checksums

    Mutex writing_;              // held while pages and their checksums need not match
    mutable SharedMutex mutex_;  // never held for long
    std::vector<std::uint32_t> sums_ QUORLITE_GUARDED_BY(mutex_);  // of page 1 and so on
    bool exact_ QUORLITE_GUARDED_BY(mutex_);
};

Status SummedFile::load() {
    const auto pages_size = pages_->size();
    if (!pages_size) return pages_size.error();
    const auto size = file_->size();
    if (!size) return size.error();
    const std::uint64_t pages = *pages_size / kPageSize;
    if (exact_ && *size != pages * kSumBytes) {
        return Error{code::kCorrupt, name_ + " has " + std::to_string(pages) +
                                         " pages, but there are checksums of " +
                                         std::to_string(*size / kSumBytes)};
    }
    Bytes bytes(static_cast<std::size_t>(std::min(*size / kSumBytes, pages) * kSumBytes));
    const auto got = file_->read(0, bytes);
    if (!got) return got.error();
    bytes.resize(*got / kSumBytes * kSumBytes);
    for (std::size_t at = 0; at < bytes.size(); at += kSumBytes) {
        sums_.push_back(load_little<std::uint32_t>(bytes.data() + at));
    }
    // The rest may be of pages that were cut off, and can come back as zeros.
    return exact_ ? Status() : file_->truncate(sums_.size() * kSumBytes);
}

Result<std::size_t> SummedFile::read(std::uint64_t offset, std::span<std::uint8_t> into) {
    auto got = read_checked(offset, into);
    if (got) return got;
    {
        // Perhaps they were being written just now.
        const MutexLock lock(writing_);
        got = read_checked(offset, into);
    }
    if (!got) report_damage(offset, into.size());
    return got;
}

void SummedFile::report_damage(std::uint64_t offset, std::uint64_t bytes) {
    if (!on_damage) return;
    std::array<std::uint8_t, kPageSize> whole;
    for (std::uint64_t at = offset / kPageSize; at * kPageSize < offset + bytes; ++at) {
        if (!read_checked(at * kPageSize, whole)) on_damage(static_cast<PageNumber>(at + 1));
    }
}

Result<std::size_t> SummedFile::read_checked(std::uint64_t offset, std::span<std::uint8_t> into) {
    auto got = pages_->read(offset, into);
    if (!got) return got;
    std::fill(into.begin() + static_cast<std::ptrdiff_t>(*got), into.end(), std::uint8_t{0});
    const Status whole = check(offset, into);
    if (!whole) return whole.error();
    return got;
}

// Pages of which only a part was asked for are not checked.
Status SummedFile::check(std::uint64_t offset, ByteView bytes) const {
    const ReaderLock lock(mutex_);
    if (!exact_ || mutant(Mutant::kDamageNotNoticed)) return {};
    std::uint64_t page = (offset + kPageSize - 1) / kPageSize;
    for (; (page + 1) * kPageSize <= offset + bytes.size() && page < sums_.size(); ++page) {
        const std::uint32_t sum = sums_[page];
        const auto at = static_cast<std::size_t>(page * kPageSize - offset);
        if (sum == 0 || sum == crc32c(bytes.subspan(at, kPageSize))) continue;
        return Error{code::kCorrupt, "page " + std::to_string(page + 1) + " of " + name_ +
                                         " does not match its checksum"};
    }
    return {};
}

// The checksums are written at once, not by sync(): a full disk is an error of write(), but in
// sync() it would end the node.
Status SummedFile::write(std::uint64_t offset, ByteView bytes) {
    QUORLITE_CHECK(offset % kPageSize == 0 && bytes.size() % kPageSize == 0);
    const auto first = static_cast<std::size_t>(offset / kPageSize);
    std::vector<std::uint32_t> sums;
    for (std::size_t at = 0; at < bytes.size(); at += kPageSize) {
        sums.push_back(crc32c(bytes.subspan(at, kPageSize)));
    }
    const MutexLock lock(writing_);
    note(first, sums);
    Status status = write_sums(first, sums);
    if (status) status = pages_->write(offset, bytes);
    if (!status) note(first, std::vector<std::uint32_t>(sums.size()));  // some of it may be there
    return status;
}

Status SummedFile::write_sums(std::size_t first, const std::vector<std::uint32_t>& sums) {
    Bytes encoded;
    ByteWriter out(encoded);
    for (const std::uint32_t sum : sums) out.u32(sum);
    return file_->write(first * kSumBytes, encoded);
}

void SummedFile::note(std::size_t first, const std::vector<std::uint32_t>& sums) {
    const WriterLock lock(mutex_);
    sums_.resize(std::max(sums_.size(), first + sums.size()));
    std::copy(sums.begin(), sums.end(), sums_.begin() + static_cast<std::ptrdiff_t>(first));
}

Result<bool> SummedFile::repair(PageNumber page, ConstPageBytes bytes, bool older) {
    const MutexLock lock(writing_);
    std::array<std::uint8_t, kPageSize> own;
    if (read_checked(offset_of(page), own)) return true;  // it was written meanwhile
    const std::uint32_t sum = crc32c(bytes);
    std::uint32_t known = 0;
    {
        const ReaderLock reading(mutex_);
        if (page > sums_.size()) return false;
        known = sums_[page - 1];
    }
    Status written;
    if (sum == known) {
        written = pages_->write(offset_of(page), bytes);
    } else {
        const auto got = pages_->read(offset_of(page), own);
        if (older || !got || !std::ranges::equal(own, bytes)) return false;
        note(page - 1, {sum});
        written = write_sums(page - 1, {sum});
    }
    if (!written) return written.error();
    return read_checked(offset_of(page), own).ok();
}

void SummedFile::check_all_but(const Layer& redone) {
    const WriterLock lock(mutex_);
    if (exact_) return;
    for (const auto& [page, image] : redone.pages) {
        if (page <= sums_.size()) sums_[page - 1] = 0;
    }
    const auto cut_off = std::min<std::size_t>(redone.floor, sums_.size());
    std::fill(sums_.begin() + static_cast<std::ptrdiff_t>(cut_off), sums_.end(), 0u);
    exact_ = true;
}

Status SummedFile::sync() {
    Status status = file_->sync();
    if (status) status = pages_->sync();
    const WriterLock lock(mutex_);
    exact_ = exact_ || status.ok();
    return status;
}

Status SummedFile::truncate(std::uint64_t size) {
    const MutexLock writing(writing_);
    auto kept = static_cast<std::size_t>(size / kPageSize);
    {
        const WriterLock lock(mutex_);
        kept = std::min(kept, sums_.size());
        sums_.resize(kept);
    }
    const Status cut = file_->truncate(kept * kSumBytes);
    return cut ? pages_->truncate(size) : cut;
}

Result<std::unique_ptr<BaseFile>> open(Disk& disk, std::uint64_t number, OpenMode mode,
                                       bool exact) {
    auto pages = disk.open(base_file_name(number), mode, false);
    if (!pages) return std::move(pages).error();
    auto sums = disk.open(sums_file_name(number), mode, false);
    if (!sums) return std::move(sums).error();
    auto file = std::make_unique<SummedFile>(base_file_name(number), std::move(*pages),
                                             std::move(*sums), exact);
    const Status loaded = file->load();
    if (!loaded) return loaded.error();
    return std::unique_ptr<BaseFile>(std::move(file));
}

}  // namespace

std::string base_file_name(std::uint64_t number) {
    return file_name(number, "db");
}

std::string sums_file_name(std::uint64_t number) {
    return file_name(number, "sums");
}

Result<std::unique_ptr<BaseFile>> create_base_file(Disk& disk, std::uint64_t number) {
    return open(disk, number, OpenMode::kCreateEmpty, true);
}

Result<std::unique_ptr<BaseFile>> open_base_file(Disk& disk, std::uint64_t number, bool exact) {
    return open(disk, number, OpenMode::kExisting, exact);
}

}  // namespace quorlite::database
