#include "engine/database/generation.h"

#include <sqlite3.h>

#include <algorithm>
#include <new>

#include "engine/base/check.h"
#include "engine/base/mutants.h"

namespace quorlite::database {
namespace {

// Locks of the wal-index, and offsets into it: SQLite's "WAL-mode file format", section 2.
constexpr int kWriterLock = 0;
constexpr int kCheckpointLock = 1;
constexpr int kRecoveryLock = 2;
constexpr int kReadLock = 3;  // and the four after it
static_assert(kReadLock + kReadMarks == kWalLocks);
constexpr std::size_t kNewestFrameOffset = 16;
constexpr std::size_t kBackfilledOffset = 96;
constexpr std::size_t kReadMarksOffset = 100;
constexpr std::size_t kBackfillAttemptedOffset = 128;
constexpr std::size_t kChecksumsOffset =
    8;  // in a frame's header, behind page number and commit size
constexpr std::uint32_t kReadMarkNotUsed = 0xffffffff;

constexpr std::uint8_t lock_bits(int first, int count) {
    return static_cast<std::uint8_t>(((1u << count) - 1) << first);
}
constexpr std::uint8_t kReadLockBits = lock_bits(kReadLock, kReadMarks);

}  // namespace

FrameTable::~FrameTable() {
    for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
}

FrameTable::Frame& FrameTable::grow_to(std::size_t frame) {
    const Place at = place(frame);
    Frame* chunk = chunks_[at.chunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) {
        chunk = new Frame[kFirstChunk << at.chunk];
        chunks_[at.chunk].store(chunk, std::memory_order_release);
    }
    return chunk[at.offset];
}

const FrameTable::Frame& FrameTable::operator[](std::size_t frame) const {
    const Place at = place(frame);
    return chunks_[at.chunk].load(std::memory_order_acquire)[at.offset];
}

void FrameTable::release_pages(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) grow_to(i).page = PageRef();
}

Generation::Generation(std::string database, std::shared_ptr<PageStore> pages, Limits limits)
    : database_(std::move(database)),
      pages_(std::move(pages)),
      limits_(limits),
      page_count_(pages_->page_count()) {}

// --- what SQLite reads and writes ---

int Generation::read_main(std::uint64_t offset, std::span<std::uint8_t> into) const {
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

std::string Generation::read_error() const {
    const MutexLock lock(read_error_mutex_);
    return read_error_;
}

std::uint64_t Generation::main_size() const {
    return std::uint64_t{pages_->page_count()} * kPageSize;
}

std::uint64_t Generation::wal_size() const {
    if (!wal_begun_.load(std::memory_order_acquire)) return 0;
    return kWalHeaderBytes + written_.load(std::memory_order_acquire) * kFrameBytes;
}

int Generation::read_wal(std::uint64_t offset, std::span<std::uint8_t> into) const {
    if (retired()) return SQLITE_IOERR_READ;
    const std::uint64_t size = wal_size();
    while (!into.empty()) {
        if (offset >= size) {
            std::memset(into.data(), 0, into.size());
            return SQLITE_IOERR_SHORT_READ;
        }
        ByteView piece;
        if (offset < kWalHeaderBytes) {
            piece = ByteView(wal_header_).subspan(offset);
        } else {
            const std::size_t within = (offset - kWalHeaderBytes) % kFrameBytes;
            const auto& frame = frames_[(offset - kWalHeaderBytes) / kFrameBytes];
            if (within < kFrameHeaderBytes) {
                piece = ByteView(frame.header).subspan(within);
            } else {
                if (!frame.page) return SQLITE_IOERR_READ;
                piece = ByteView(frame.page.bytes()).subspan(within - kFrameHeaderBytes);
            }
        }
        piece = piece.first(std::min(piece.size(), into.size()));
        std::memcpy(into.data(), piece.data(), piece.size());
        offset += piece.size();
        into = into.subspan(piece.size());
    }
    return SQLITE_OK;
}

int Generation::write_wal(Client& client, std::uint64_t offset, ByteView bytes) {
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
int Generation::begin_wal(ByteView header) {
    const MutexLock writer(writer_mutex_);
    const MutexLock lock(mutex_);
    if (retired() || captured_ != moved_) return SQLITE_IOERR_WRITE;
    std::memcpy(wal_header_.data(), header.data(), kWalHeaderBytes);
    newest_.clear();
    captured_ = committed_ = moved_ = 0;
    // SQLite has just published an empty WAL; all that came before is committed and lies below it.
    committed_header_.reset();
    if (wal_index_word(kNewestFrameOffset) == 0) committed_header_ = shown_header();
    // What was written stays readable, as in a file. After a ROLLBACK TO to where nothing was
    // written SQLite (3.40; corrected since) still looks for a checksum there when the transaction
    // commits.
    wal_begun_.store(true, std::memory_order_release);
    return SQLITE_OK;
}

int Generation::write_frame_header(Client& client, std::size_t frame, ByteView header) {
    if (frame > written_.load(std::memory_order_relaxed)) return SQLITE_IOERR_WRITE;
    const std::size_t captured = captured_by_writer();
    auto& target = frames_.grow_to(frame).header;
    if (frame < captured) {
        // SQLite corrects the checksums of a transaction that wrote some page twice, after its last
        // frame.
        if (std::memcmp(target.data(), header.data(), kChecksumsOffset) != 0) {
            return SQLITE_IOERR_WRITE;
        }
        std::memcpy(target.data() + kChecksumsOffset, header.data() + kChecksumsOffset,
                    kFrameHeaderBytes - kChecksumsOffset);
        return SQLITE_OK;
    }
    if (frame - captured >= limits_.transaction_frames_max) {
        client.transaction_too_large = true;
        return SQLITE_FULL;
    }
    std::memcpy(target.data(), header.data(), kFrameHeaderBytes);
    return SQLITE_OK;
}

int Generation::write_frame_page(Client& client, std::size_t frame, ByteView page) {
    const std::size_t written = written_.load(std::memory_order_relaxed);
    if (frame < captured_by_writer() || frame > written) return SQLITE_IOERR_WRITE;
    FrameTable::Frame& target = frames_.grow_to(frame);
    if (!target.page || !target.page.unique()) {
        const bool more = !target.page;
        try {
            target.page = PageRef::make();
        } catch (const std::bad_alloc&) {
            return SQLITE_IOERR_NOMEM;  // SQLite is C: nothing may be thrown through it
        }
        if (more) frames_held_.fetch_add(1, std::memory_order_relaxed);
    }
    std::memcpy(target.page.mutable_bytes().data(), page.data(), kPageSize);
    if (frame == written) written_.store(frame + 1, std::memory_order_release);
    if (target.commit_size() != 0 && !capture(client, frame)) return SQLITE_IOERR_WRITE;
    return SQLITE_OK;
}

// --- capture ---

// The newest frame of each page that the transaction leaves in the database, by page.
std::vector<std::pair<PageNumber, std::uint32_t>> Generation::transaction_pages(
    std::size_t first, std::size_t commit_frame) {
    const PageNumber page_count = frames_[commit_frame].commit_size();
    std::vector<std::pair<PageNumber, std::uint32_t>> pages;
    pages.reserve(commit_frame - first + 1);
    for (std::size_t i = first; i <= commit_frame; ++i) {
        const PageNumber number = frames_[i].number();
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

std::vector<SharedBytes> Generation::encode(
    const std::vector<std::pair<PageNumber, std::uint32_t>>& pages, PageNumber page_count) {
    const PageNumber floor = std::min(page_count_, page_count);
    CommandEncoder encoder(database_, floor, page_count, limits_.command_bytes_max);
    std::array<std::uint8_t, kPageSize> below;
    for (const auto& [number, frame] : pages) {
        const std::uint8_t* before = nullptr;
        if (number <= floor) {
            const auto newest = newest_.find(number);
            if (newest != newest_.end()) {
                before = frames_[newest->second].page.bytes().data();
            } else if (number <= floor_ && pages_->read(number, below)) {
                // A page that cannot be read is sent whole: the transaction does not depend on it.
                before = below.data();
            }
        }
        encoder.add(number, before, frames_[frame].page.bytes().data());
    }
    return encoder.finish();
}

bool Generation::capture(Client& client, std::size_t commit_frame) {
    const MutexLock writer(writer_mutex_);
    const auto pages = transaction_pages(captured_by_writer(), commit_frame);
    const PageNumber page_count = frames_[commit_frame].commit_size();
    Record record;
    record.frames_end = commit_frame + 1;
    try {
        record.commands = encode(pages, page_count);
    } catch (const std::bad_alloc&) {
        return false;  // it is large, and nothing has changed yet
    }
    record.writer = client.weak_from_this();

    if (page_count < page_count_) {
        std::erase_if(newest_, [&](const auto& entry) { return entry.first > page_count; });
        floor_ = std::min(floor_, page_count);
    }
    for (const auto& [number, frame] : pages) newest_[number] = frame;
    page_count_ = page_count;

    const MutexLock lock(mutex_);
    if (retired()) return false;
    captured_ = record.frames_end;
    records_.push_back(std::move(record));
    client.captured = true;
    return true;
}

bool Generation::published() const {
    const MutexLock lock(mutex_);
    return captured_ == 0 || wal_index_word(kNewestFrameOffset) >= captured_;
}

Capture Generation::take_capture(Client& client) {
    const MutexLock lock(mutex_);
    Capture capture;
    capture.read_committed = client.read_committed.load(std::memory_order_relaxed);
    capture.current = !retired();
    if (client.taken_by_other.exchange(false)) capture.own = Capture::Own::kTakenByOther;
    std::size_t begin = proposed_records_;
    for (const std::size_t batch : batches_) begin += batch;
    if (begin == records_.size() || !capture.current) return capture;
    batches_.push_back(records_.size() - begin);
    for (std::size_t i = begin; i < records_.size(); ++i) {
        const auto& commands = records_[i].commands;
        capture.commands.insert(capture.commands.end(), commands.begin(), commands.end());
        const auto writer = records_[i].writer.lock();
        if (writer.get() != &client) {
            if (writer) writer->taken_by_other = true;
        } else if (capture.own == Capture::Own::kNone) {
            capture.own = Capture::Own::kIncluded;
        }
    }
    return capture;
}

void Generation::proposed(Index index) {
    const MutexLock lock(mutex_);
    QUORLITE_CHECK(!batches_.empty());
    Index last = index;
    for (std::size_t i = proposed_records_ + batches_.front(); i-- > proposed_records_;) {
        records_[i].last = last;
        last = records_[i].first().previous();
    }
    if (!first_unmoved_) first_unmoved_ = records_[proposed_records_].first();
    proposed_records_ += batches_.front();
    batches_.pop_front();
    Record& newest = records_[proposed_records_ - 1];
    newest.header = header_showing(newest.frames_end);
}

void Generation::committed(Index index) {
    const MutexLock lock(mutex_);
    while (proposed_records_ > 0 && records_.front().last <= index) {
        committed_ = records_.front().frames_end;
        if (!mutant(Mutant::kPrefixFallsBehind) || !committed_header_) {
            committed_header_ = records_.front().header;
        }
        records_.pop_front();
        --proposed_records_;
    }
}

bool Generation::has_uncommitted() const {
    const MutexLock lock(mutex_);
    return !records_.empty() && !mutant(Mutant::kUncommittedMoved);
}

// A reader needs a read mark that is not beyond its snapshot, or a free one to set. Among readers
// of the newest there is always one, and SQLite would wait for one.
bool Generation::can_begin_at(const WalIndexHeader& header) const {
    std::uint32_t newest = 0;
    std::memcpy(&newest, header.data() + kNewestFrameOffset, sizeof newest);
    for (std::size_t mark = 1; mark < kReadMarks; ++mark) {
        const bool free = shared_[kReadLock + mark] == 0 && exclusive_[kReadLock + mark] == nullptr;
        if (free || wal_index_word(kReadMarksOffset + 4 * mark) <= newest) return true;
    }
    return false;
}

bool Generation::show_committed(const Client& client) {
    if (at_work_.load(std::memory_order_acquire) != 1) return false;
    const MutexLock lock(mutex_);
    if (retired()) return false;
    const MutexLock locks(locks_mutex_);
    QUORLITE_CHECK(shown_to_ == nullptr);
    // With nothing under way the newest is committed, and with no one else at work it stays so.
    if (!records_.empty()) {
        if (!committed_header_ || !can_begin_at(*committed_header_)) return false;
        newest_header_ = shown_header();
        show_header(*committed_header_);
    }
    shown_to_ = &client;
    return true;
}

void Generation::hide_committed() {
    if (shown_to_ == nullptr) return;
    const MutexLock locks(locks_mutex_);
    if (newest_header_) show_header(*newest_header_);
    newest_header_.reset();
    shown_to_ = nullptr;
}

Generation::Part Generation::partly_committed(Index committed) const {
    const MutexLock lock(mutex_);
    Part part;
    if (proposed_records_ == 0 || records_.front().first() > committed) return part;
    const Record& record = records_.front();
    part.first = record.first();
    const std::size_t count = committed.value() - record.first().value() + 1;
    part.commands.assign(record.commands.begin(),
                         record.commands.begin() + static_cast<std::ptrdiff_t>(count));
    return part;
}

Index Generation::first_unmoved() const {
    const MutexLock lock(mutex_);
    return first_unmoved_;
}

// --- from the WAL to the page store ---

// Transaction by transaction: the size first, then the pages that it leaves in the database.
template <class Resize, class Put>
void Generation::scan_committed(Resize resize, Put put) const {
    for (std::size_t begin = moved_; begin < committed_;) {
        std::size_t end = begin;
        while (frames_[end].commit_size() == 0) ++end;
        const PageNumber page_count = frames_[end].commit_size();
        resize(page_count);
        for (; begin <= end; ++begin) {
            const FrameTable::Frame& frame = frames_[begin];
            if (frame.number() <= page_count) put(frame.number(), frame.page);
        }
    }
}

bool Generation::pins(int mark, std::uint32_t newest) const {
    const int lock = kReadLock + mark;
    if (shared_[static_cast<std::size_t>(lock)] == 0) return false;
    if (mark == 0) return true;
    return wal_index_word(kReadMarksOffset + 4 * static_cast<std::size_t>(mark)) < newest;
}

// As SQLite's walCheckpoint(): readers of the whole WAL may go on, all others are in the way.
bool Generation::take_read_marks(std::uint32_t newest) {
    for (const int lock : {kWriterLock, kCheckpointLock, kRecoveryLock}) {
        if (exclusive_[static_cast<std::size_t>(lock)] != nullptr) return false;
    }
    for (int mark = 0; mark < kReadMarks; ++mark) {
        if (pins(mark, newest)) return false;
        if (exclusive_[static_cast<std::size_t>(kReadLock + mark)] != nullptr) return false;
    }
    for (std::size_t mark = 1; mark < kReadMarks; ++mark) {
        const std::size_t offset = kReadMarksOffset + 4 * mark;
        if (wal_index_word(offset) >= newest) continue;
        set_wal_index_word(offset, mark == 1 ? newest : kReadMarkNotUsed);
    }
    return true;
}

bool Generation::move() {
    if (!writer_mutex_.try_lock()) return false;
    const MutexLock writer(writer_mutex_, std::adopt_lock);
    const MutexLock lock(mutex_);
    if (retired() || (!records_.empty() && !mutant(Mutant::kUncommittedMoved))) return false;
    if (captured_ == moved_) return true;
    hide_committed();
    const std::uint32_t newest = wal_index_word(kNewestFrameOffset);
    if (newest != captured_) return false;  // a writer on another thread is just showing its commit
    // While this mutex is held no one can take or give back a lock: as good as holding them all.
    const MutexLock locks(locks_mutex_);
    if (!take_read_marks(newest)) return false;
    move_pages();
    set_wal_index_word(kBackfillAttemptedOffset, newest);
    set_wal_index_word(kBackfilledOffset, newest);
    return true;
}

void Generation::move_pages() {
    pages_->resize(std::min(floor_, page_count_), page_count_);
    for (const auto& [number, frame] : newest_) {
        if (frame >= moved_) pages_->put(number, frames_[frame].page);
    }
    floor_ = kNoFloor;
    moved_ = captured_;
    first_unmoved_ = Index();
}

std::size_t Generation::frames_captured() const {
    const MutexLock lock(mutex_);
    return captured_;
}

std::size_t Generation::frames_to_move() const {
    const MutexLock lock(mutex_);
    return captured_ - moved_;
}

void Generation::release_moved() {
    if (!writer_mutex_.try_lock()) return;
    const MutexLock writer(writer_mutex_, std::adopt_lock);
    const MutexLock lock(mutex_);
    if (captured_ != moved_ || frames_held() == 0) return;
    const MutexLock locks(locks_mutex_);
    if (exclusive_[kWriterLock] != nullptr) return;
    for (int mark = 1; mark < kReadMarks; ++mark) {
        if (shared_[static_cast<std::size_t>(kReadLock + mark)] != 0) return;
    }
    // `newest_` would lead to these images; what it says is in the page store too.
    newest_.clear();
    frames_.release_pages(moved_);
    frames_held_.store(0, std::memory_order_relaxed);
}

bool Generation::pinned() const {
    const auto newest = static_cast<std::uint32_t>(frames_captured());
    const MutexLock locks(locks_mutex_);
    for (int mark = 0; mark < kReadMarks; ++mark) {
        if (pins(mark, newest)) return true;
    }
    return false;
}

std::vector<std::shared_ptr<Client>> Generation::pinning() const {
    std::vector<std::shared_ptr<Client>> found;
    if (frames_to_move() == 0) return found;
    const auto newest = static_cast<std::uint32_t>(frames_captured());
    const MutexLock locks(locks_mutex_);
    for (const auto& weak : clients_) {
        const auto client = weak.lock();
        if (!client) continue;
        for (int mark = 0; mark < kReadMarks; ++mark) {
            const bool holds = (client->shared_locks & lock_bits(kReadLock + mark, 1)) != 0;
            if (holds && pins(mark, newest)) {
                found.push_back(client);
                break;
            }
        }
    }
    return found;
}

void Generation::retire() {
    const MutexLock lock(mutex_);
    retired_.store(true, std::memory_order_release);
    scan_committed(
        [&](PageNumber size) { pages_->resize(std::min(size, pages_->page_count()), size); },
        [&](PageNumber number, const PageRef& page) { pages_->put(number, page); });
    moved_ = committed_;
}

void Generation::overlay_committed(PageSet& set) const {
    const MutexLock lock(mutex_);
    scan_committed(
        [&](PageNumber size) {
            if (size < set.page_count) set.active.shrink(size);
            set.page_count = size;
        },
        [&](PageNumber number, const PageRef& page) { set.active.pages[number] = page; });
}

Status Generation::read_committed(PageNumber page, PageBytes into) const {
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

// --- the wal-index and its locks ---

std::uint32_t Generation::wal_index_word(std::size_t offset) const {
    Region* const region = first_region_.load(std::memory_order_acquire);
    if (region == nullptr) return 0;
    auto* const word = reinterpret_cast<std::uint32_t*>(region->bytes.data() + offset);
    return std::atomic_ref(*word).load(std::memory_order_acquire);
}

void Generation::set_wal_index_word(std::size_t offset, std::uint32_t value) {
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    auto* const word = reinterpret_cast<std::uint32_t*>(region->bytes.data() + offset);
    std::atomic_ref(*word).store(value, std::memory_order_release);
}

WalIndexHeader Generation::shown_header() const {
    WalIndexHeader header;
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    std::memcpy(header.data(), region->bytes.data(), header.size());
    return header;
}

// A writer on another thread may not have published that yet, or may have published more, or may be
// in the middle: it writes the second copy first, so what it has not finished differs from that.
std::optional<WalIndexHeader> Generation::header_showing(std::size_t frames) const {
    if (wal_index_word(kNewestFrameOffset) != frames) return std::nullopt;
    const WalIndexHeader header = shown_header();
    std::atomic_thread_fence(std::memory_order_acquire);
    const Region* const region = first_region_.load(std::memory_order_acquire);
    const std::uint8_t* const second = region->bytes.data() + kWalIndexHeaderBytes;
    if (std::memcmp(header.data(), second, header.size()) != 0) return std::nullopt;
    return header;
}

void Generation::show_header(const WalIndexHeader& header) {
    Region* const region = first_region_.load(std::memory_order_acquire);
    QUORLITE_CHECK(region != nullptr);
    std::memcpy(region->bytes.data() + kWalIndexHeaderBytes, header.data(), header.size());
    std::memcpy(region->bytes.data(), header.data(), header.size());
}

int Generation::map_region(std::size_t region, bool extend, void volatile** address) {
    const MutexLock lock(regions_mutex_);
    *address = nullptr;
    if (region >= regions_.size()) {
        if (!extend) return SQLITE_OK;
        while (regions_.size() <= region) regions_.push_back(std::make_unique<Region>());
        first_region_.store(regions_.front().get(), std::memory_order_release);
    }
    *address = regions_[region]->bytes.data();
    return SQLITE_OK;
}

// A reader that finds the wal-index half written takes the writer's lock for a moment, holding no
// other. The queue of writers knows nothing of that, so a writer waits here; a real writer holds a
// read lock too.
bool Generation::lock(Client& client, int first, int count, bool exclusive) {
    const std::uint8_t bits = lock_bits(first, count);
    MutexLock lock(locks_mutex_);
    if (first == kWriterLock && exclusive) {
        unlocked_.wait(lock.native(), [&]() QUORLITE_REQUIRES(locks_mutex_) {
            const Client* const holder = exclusive_[kWriterLock];
            return holder == nullptr || (holder->shared_locks & kReadLockBits) != 0;
        });
    }
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive_[i] != nullptr && exclusive_[i] != &client) return false;
        const std::uint32_t mine = (client.shared_locks >> i) & 1;
        if (exclusive && shared_[i] > mine) return false;
    }
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive) {
            exclusive_[i] = &client;
        } else if (((client.shared_locks >> i) & 1) == 0) {
            ++shared_[i];
        }
    }
    if (!exclusive && (bits & kReadLockBits) != 0) {
        client.read_committed.store(shown_to_ == &client, std::memory_order_relaxed);
    }
    std::uint8_t& held = exclusive ? client.exclusive_locks : client.shared_locks;
    held = static_cast<std::uint8_t>(held | bits);
    return true;
}

void Generation::unlock(Client& client, int first, int count) {
    const MutexLock lock(locks_mutex_);
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count);
         ++i) {
        if (exclusive_[i] == &client) exclusive_[i] = nullptr;
        if (((client.shared_locks >> i) & 1) != 0) --shared_[i];
    }
    const auto others = static_cast<std::uint8_t>(~lock_bits(first, count));
    client.shared_locks &= others;
    client.exclusive_locks &= others;
    if (first == kWriterLock) unlocked_.notify_all();
}

void Generation::barrier() {
    barriers_.fetch_add(1, std::memory_order_seq_cst);
}

void Generation::add_client(const std::shared_ptr<Client>& client) {
    const MutexLock lock(locks_mutex_);
    if (clients_.size() >= sweep_at_) {
        constexpr std::size_t kSweepAtLeast = 64;
        std::erase_if(clients_, [](const auto& weak) { return weak.expired(); });
        sweep_at_ = 2 * clients_.size() + kSweepAtLeast;
    }
    clients_.push_back(client);
}

}  // namespace quorlite::database
