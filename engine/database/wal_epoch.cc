#include "engine/database/wal_epoch.h"

#include <sqlite3.h>

#include <algorithm>
#include <new>

#include "engine/base/check.h"
#include "engine/base/mutants.h"

namespace quorlite::database {

WalEpoch::WalEpoch(std::string database, std::shared_ptr<PageStore> pages, Limits limits)
    : database_(std::move(database)),
      pages_(std::move(pages)),
      limits_(limits),
      page_count_(pages_->page_count()) {}

// --- what SQLite reads and writes ---

int WalEpoch::read_main(std::uint64_t offset, std::span<std::uint8_t> into) const {
    if (retired()) return SQLITE_IOERR_READ;
    const std::uint64_t page = offset / kPageSize + 1;
    const std::size_t within = offset % kPageSize;
    if (page > pages_->page_count() || within + into.size() > kPageSize) {
        std::memset(into.data(), 0, into.size());
        return SQLITE_IOERR_SHORT_READ;
    }
    const auto number = static_cast<PageNumber>(page);
    std::array<std::uint8_t, kPageSize> whole;
    const bool is_page = into.size() == kPageSize;
    const Status read = pages_->read(number, is_page ? into.first<kPageSize>() : PageBytes(whole));
    if (!read) {
        const MutexLock lock(read_error_mutex_);
        read_error_ = read.error().message;
        return SQLITE_IOERR_READ;
    }
    if (is_page) return SQLITE_OK;
    std::memcpy(into.data(), whole.data() + within, into.size());
    return SQLITE_OK;
}

std::string WalEpoch::read_error() const {
    const MutexLock lock(read_error_mutex_);
    return read_error_;
}

std::uint64_t WalEpoch::main_size() const {
    return std::uint64_t{pages_->page_count()} * kPageSize;
}

int WalEpoch::read_wal(std::uint64_t offset, std::span<std::uint8_t> into) const {
    return retired() ? SQLITE_IOERR_READ : wal_.read(offset, into);
}

int WalEpoch::write_wal(Client& client, std::uint64_t offset, ByteView bytes) {
    if (retired()) return SQLITE_IOERR_WRITE;
    if (offset == 0 && bytes.size() == kWalHeaderBytes) return begin_wal(bytes);
    if (offset < kWalHeaderBytes) return SQLITE_IOERR_WRITE;
    const std::size_t frame = (offset - kWalHeaderBytes) / kFrameBytes;
    const std::size_t within = (offset - kWalHeaderBytes) % kFrameBytes;
    if (within == 0 && bytes.size() == kFrameHeaderBytes)
        return write_frame_header(client, frame, bytes);
    if (within == kFrameHeaderBytes && bytes.size() == kPageSize) {
        return write_frame_page(client, frame, bytes);
    }
    return SQLITE_IOERR_WRITE;
}

// SQLite starts the WAL from the beginning: it holds the locks that say no one reads what was
// there.
int WalEpoch::begin_wal(ByteView header) {
    const MutexLock writer(writer_mutex_);
    const MutexLock lock(mutex_);
    if (retired() || captured_ != checkpointed_) return SQLITE_IOERR_WRITE;
    wal_.begin(header);
    newest_.clear();
    captured_ = committed_ = checkpointed_ = 0;
    // SQLite has just published an empty WAL; all that came before is committed and lies below it.
    committed_header_.reset();
    if (index_.newest_frame() == 0) committed_header_ = index_.header();
    return SQLITE_OK;
}

int WalEpoch::write_frame_header(Client& client, std::size_t frame, ByteView header) {
    if (frame > wal_.frames_written()) return SQLITE_IOERR_WRITE;
    const std::size_t captured = captured_by_writer();
    // SQLite corrects the checksums of a transaction that wrote some page twice, after its last
    // frame.
    if (frame < captured) return wal_.correct_header(frame, header);
    if (frame - captured >= limits_.transaction_frames_max) {
        client.transaction_too_large = true;
        return SQLITE_FULL;
    }
    wal_.write_header(frame, header);
    return SQLITE_OK;
}

int WalEpoch::write_frame_page(Client& client, std::size_t frame, ByteView page) {
    if (frame < captured_by_writer() || frame > wal_.frames_written()) return SQLITE_IOERR_WRITE;
    if (const int written = wal_.write_page(frame, page); written != SQLITE_OK) return written;
    const bool commits = wal_[frame].commit_size() != 0;
    return commits && !capture(client, frame) ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

// --- capture ---

// The newest frame of each page that the transaction leaves in the database, by page.
std::vector<std::pair<PageNumber, std::uint32_t>> WalEpoch::transaction_pages(
    std::size_t first, std::size_t commit_frame) {
    const PageNumber page_count = wal_[commit_frame].commit_size();
    std::vector<std::pair<PageNumber, std::uint32_t>> pages;
    pages.reserve(commit_frame - first + 1);
    for (std::size_t i = first; i <= commit_frame; ++i) {
        const PageNumber number = wal_[i].number();
        if (number <= page_count) pages.emplace_back(number, static_cast<std::uint32_t>(i));
    }
    if (pages.size() < 2) return pages;
    std::sort(pages.begin(), pages.end());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < pages.size(); ++i) {
        const bool superseded = mutant(Mutant::kPageImageStale)
                                    ? i > 0 && pages[i - 1].first == pages[i].first
                                    : i + 1 < pages.size() && pages[i + 1].first == pages[i].first;
        if (!superseded) pages[kept++] = pages[i];
    }
    constexpr std::size_t kMany = 4;
    if (mutant(Mutant::kCommitSkipsPage) && kept > kMany) --kept;
    pages.resize(kept);
    return pages;
}

std::vector<SharedBytes> WalEpoch::encode(
    const std::vector<std::pair<PageNumber, std::uint32_t>>& pages, PageNumber page_count) {
    const PageNumber floor = std::min(page_count_, page_count);
    CommandEncoder encoder(database_, floor, page_count, limits_.command_bytes_max);
    std::array<std::uint8_t, kPageSize> below;
    for (const auto& [number, frame] : pages) {
        const std::uint8_t* before = nullptr;
        if (number <= floor) {
            const auto newest = newest_.find(number);
            if (newest != newest_.end()) {
                before = wal_[newest->second].page.bytes().data();
            } else if (number <= floor_ && pages_->read(number, below)) {
                // A page that cannot be read is sent whole: the transaction does not depend on it.
                before = below.data();
            }
        }
        encoder.add(number, before, wal_[frame].page.bytes().data());
    }
    return encoder.finish();
}

bool WalEpoch::capture(Client& client, std::size_t commit_frame) {
    const MutexLock writer(writer_mutex_);
    const auto pages = transaction_pages(captured_by_writer(), commit_frame);
    const PageNumber page_count = wal_[commit_frame].commit_size();
    CaptureQueue::Transaction transaction;
    transaction.frames_end = commit_frame + 1;
    try {
        transaction.commands = encode(pages, page_count);
    } catch (const std::bad_alloc&) {
        return false;  // it is large, and nothing has changed yet
    }
    transaction.writer = client.weak_from_this();

    if (page_count < page_count_) {
        std::erase_if(newest_, [&](const auto& entry) { return entry.first > page_count; });
        floor_ = std::min(floor_, page_count);
    }
    for (const auto& [number, frame] : pages) newest_[number] = frame;
    page_count_ = page_count;

    const MutexLock lock(mutex_);
    if (retired()) return false;
    captured_ = transaction.frames_end;
    queue_.add(std::move(transaction));
    client.captured = true;
    return true;
}

bool WalEpoch::published() const {
    const MutexLock lock(mutex_);
    return captured_ == 0 || index_.newest_frame() >= captured_;
}

Capture WalEpoch::take_capture(Client& client) {
    const MutexLock lock(mutex_);
    Capture capture;
    capture.read_committed = client.read_committed.load(std::memory_order_relaxed);
    capture.current = !retired();
    if (client.taken_by_other.exchange(false)) capture.own = Capture::Own::kTakenByOther;
    if (capture.current) queue_.take(client, capture);
    return capture;
}

void WalEpoch::proposed(Index index) {
    const MutexLock lock(mutex_);
    const CaptureQueue::Proposed proposed = queue_.proposed(index);
    if (!first_in_wal_) first_in_wal_ = proposed.first;
    proposed.newest.header = index_.header_showing(proposed.newest.frames_end);
}

void WalEpoch::committed(Index index) {
    const MutexLock lock(mutex_);
    while (const auto oldest = queue_.pop_committed(index)) {
        committed_ = oldest->frames_end;
        if (!mutant(Mutant::kPrefixFallsBehind) || !committed_header_) {
            committed_header_ = oldest->header;
        }
    }
}

bool WalEpoch::has_uncommitted() const {
    const MutexLock lock(mutex_);
    return !queue_.empty() && !mutant(Mutant::kUncommittedMoved);
}

bool WalEpoch::show_committed(const Client& client) {
    if (at_work_.load(std::memory_order_acquire) != 1) return false;
    const MutexLock lock(mutex_);
    if (retired()) return false;
    // With nothing under way the newest is committed, and with no one else at work it stays so.
    if (queue_.empty()) return index_.show_committed(client, std::nullopt);
    return committed_header_ && index_.show_committed(client, committed_header_);
}

CaptureQueue::Part WalEpoch::partly_committed(Index committed) const {
    const MutexLock lock(mutex_);
    return queue_.partly_committed(committed);
}

Index WalEpoch::first_in_wal() const {
    const MutexLock lock(mutex_);
    return first_in_wal_;
}

// --- from the WAL to the page store ---

// Transaction by transaction: the size first, then the pages that it leaves in the database.
template <class Resize, class Put>
void WalEpoch::scan_committed(Resize resize, Put put) const {
    for (std::size_t begin = checkpointed_; begin < committed_;) {
        std::size_t end = begin;
        while (wal_[end].commit_size() == 0) ++end;
        const PageNumber page_count = wal_[end].commit_size();
        resize(page_count);
        for (; begin <= end; ++begin) {
            const FrameTable::Frame& frame = wal_[begin];
            if (frame.number() <= page_count) put(frame.number(), frame.page);
        }
    }
}

bool WalEpoch::checkpoint() {
    if (!writer_mutex_.try_lock()) return false;
    const MutexLock writer(writer_mutex_, std::adopt_lock);
    const MutexLock lock(mutex_);
    if (retired() || (!queue_.empty() && !mutant(Mutant::kUncommittedMoved))) return false;
    if (captured_ == checkpointed_) return true;
    index_.hide_committed();
    const std::uint32_t newest = index_.newest_frame();
    if (newest != captured_) return false;  // a writer on another thread is just showing its commit
    return index_.checkpoint(
        newest, [this]() QUORLITE_REQUIRES(writer_mutex_, mutex_) { checkpoint_pages(); });
}

void WalEpoch::checkpoint_pages() {
    pages_->resize(std::min(floor_, page_count_), page_count_);
    for (const auto& [number, frame] : newest_) {
        if (frame >= checkpointed_) pages_->put(number, wal_[frame].page);
    }
    floor_ = kNoFloor;
    checkpointed_ = captured_;
    first_in_wal_ = Index();
}

std::uint32_t WalEpoch::frames_captured() const {
    const MutexLock lock(mutex_);
    return static_cast<std::uint32_t>(captured_);
}

std::size_t WalEpoch::frames_to_checkpoint() const {
    const MutexLock lock(mutex_);
    return captured_ - checkpointed_;
}

void WalEpoch::release_checkpointed() {
    if (!writer_mutex_.try_lock()) return;
    const MutexLock writer(writer_mutex_, std::adopt_lock);
    const MutexLock lock(mutex_);
    if (captured_ != checkpointed_ || frames_held() == 0) return;
    index_.run_unread([this]() QUORLITE_REQUIRES(writer_mutex_, mutex_) {
        // `newest_` would lead to these images; what it says is in the page store too.
        newest_.clear();
        wal_.release_pages(checkpointed_);
    });
}

bool WalEpoch::pinned() const {
    return index_.pinned(frames_captured());
}

std::vector<std::shared_ptr<Client>> WalEpoch::pinning() const {
    if (frames_to_checkpoint() == 0) return {};
    return index_.pinning(frames_captured());
}

void WalEpoch::retire() {
    const MutexLock lock(mutex_);
    retired_.store(true, std::memory_order_release);
    scan_committed(
        [&](PageNumber size) { pages_->resize(std::min(size, pages_->page_count()), size); },
        [&](PageNumber number, const PageRef& page) { pages_->put(number, page); });
    checkpointed_ = committed_;
}

void WalEpoch::overlay_committed(PageSet& set) const {
    const MutexLock lock(mutex_);
    scan_committed(
        [&](PageNumber size) {
            if (size < set.page_count) set.active.shrink(size);
            set.page_count = size;
        },
        [&](PageNumber number, const PageRef& page) { set.active.pages[number] = page; });
}

Status WalEpoch::read_committed(PageNumber page, PageBytes into) const {
    PageRef newest;
    bool cut_off = false;
    {
        const MutexLock lock(mutex_);
        scan_committed(
            [&](PageNumber size) {
                if (page <= size) return;
                cut_off = true;
                newest = PageRef();
            },
            [&](PageNumber number, const PageRef& image) {
                if (number == page) newest = image;
            });
    }
    if (!newest && !cut_off) return pages_->read(page, into);
    if (newest) {
        std::ranges::copy(newest.bytes(), into.begin());
    } else {
        std::ranges::fill(into, std::uint8_t{0});
    }
    return {};
}

}  // namespace quorlite::database
