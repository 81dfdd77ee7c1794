#include "engine/database/wal_file.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace quorlite::database {
namespace {

// In a frame's header, behind page number and commit size.
constexpr std::size_t kChecksumsOffset = 8;

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

std::uint64_t WalFile::size() const {
    if (!begun_.load(std::memory_order_acquire)) return 0;
    return kWalHeaderBytes + written_.load(std::memory_order_acquire) * kFrameBytes;
}

int WalFile::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    const std::uint64_t end = size();
    while (!into.empty()) {
        if (offset >= end) {
            std::memset(into.data(), 0, into.size());
            return SQLITE_IOERR_SHORT_READ;
        }
        ByteView piece;
        if (offset < kWalHeaderBytes) {
            piece = ByteView(header_).subspan(offset);
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

// After a ROLLBACK TO to where nothing was written SQLite (3.40; corrected since) still looks for a
// checksum there when the transaction commits.
void WalFile::begin(ByteView header) {
    std::memcpy(header_.data(), header.data(), kWalHeaderBytes);
    begun_.store(true, std::memory_order_release);
}

void WalFile::write_header(std::size_t frame, ByteView header) {
    std::memcpy(frames_.grow_to(frame).header.data(), header.data(), kFrameHeaderBytes);
}

int WalFile::correct_header(std::size_t frame, ByteView header) {
    auto& target = frames_.grow_to(frame).header;
    if (std::memcmp(target.data(), header.data(), kChecksumsOffset) != 0) {
        return SQLITE_IOERR_WRITE;
    }
    std::memcpy(target.data() + kChecksumsOffset, header.data() + kChecksumsOffset,
                kFrameHeaderBytes - kChecksumsOffset);
    return SQLITE_OK;
}

int WalFile::write_page(std::size_t frame, ByteView page) {
    FrameTable::Frame& target = frames_.grow_to(frame);
    if (!target.page || !target.page.unique()) {
        const bool more = !target.page;
        try {
            target.page = PageRef::make();
        } catch (const std::bad_alloc&) {
            return SQLITE_IOERR_NOMEM;  // SQLite is C: nothing may be thrown through it
        }
        if (more) held_.fetch_add(1, std::memory_order_relaxed);
    }
    std::memcpy(target.page.mutable_bytes().data(), page.data(), kPageSize);
    if (frame == frames_written()) written_.store(frame + 1, std::memory_order_release);
    return SQLITE_OK;
}

void WalFile::release_pages(std::size_t count) {
    frames_.release_pages(count);
    held_.store(0, std::memory_order_relaxed);
}

}  // namespace quorlite::database
