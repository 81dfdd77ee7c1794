// WalFile: the WAL as SQLite reads and writes it, a header and frames, in memory.
//
// Frames are appended, and never move, so any thread may read what is below size() without a lock.
// Everything else is for the one writer. Results are SQLite's codes.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "engine/database/pages.h"

namespace quorlite::database {

inline constexpr std::size_t kWalHeaderBytes = 32;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kFrameBytes = kFrameHeaderBytes + kPageSize;

// Frames by number, in chunks that double in size.
class FrameTable {
public:
    struct Frame {
        std::array<std::uint8_t, kFrameHeaderBytes> header{};
        PageRef page;

        PageNumber number() const { return load_big<PageNumber>(header.data()); }
        // Not zero in the last frame of a transaction: the size of the database afterwards, in
        // pages.
        PageNumber commit_size() const { return load_big<PageNumber>(header.data() + 4); }
    };

    FrameTable() = default;
    FrameTable(const FrameTable&) = delete;
    FrameTable& operator=(const FrameTable&) = delete;
    ~FrameTable();

    Frame& grow_to(std::size_t frame);  // one writer
    // Precondition: grow_to(frame) happened before.
    const Frame& operator[](std::size_t frame) const;
    void release_pages(std::size_t count);  // forgets the images of the first `count` frames

private:
    static constexpr std::size_t kFirstChunk = 64;
    static constexpr std::size_t kChunks = 32;
    struct Place {
        std::size_t chunk;
        std::size_t offset;
    };
    static Place place(std::size_t frame) {
        const std::size_t chunk =
            static_cast<std::size_t>(std::bit_width(frame / kFirstChunk + 1)) - 1;
        return {chunk, frame - kFirstChunk * ((std::size_t{1} << chunk) - 1)};
    }

    std::array<std::atomic<Frame*>, kChunks> chunks_{};
};

class WalFile {
public:
    int read(std::uint64_t offset, std::span<std::uint8_t> into) const;
    std::uint64_t size() const;
    const FrameTable::Frame& operator[](std::size_t frame) const { return frames_[frame]; }

    // What was written stays readable, as in a file.
    void begin(ByteView header);
    void write_header(std::size_t frame, ByteView header);
    // Nothing but the checksums may differ from the header that is there.
    int correct_header(std::size_t frame, ByteView header);
    // Completes the frame, which is the next one or one that is written already.
    int write_page(std::size_t frame, ByteView page);
    std::size_t frames_written() const { return written_.load(std::memory_order_relaxed); }

    void release_pages(std::size_t count);  // of the first frames; these are all that have any
    std::size_t frames_held() const { return held_.load(std::memory_order_relaxed); }

private:
    FrameTable frames_;
    std::array<std::uint8_t, kWalHeaderBytes> header_{};
    std::atomic<std::size_t> held_{0};  // frames that have an image
    std::atomic<std::size_t> written_{0};
    std::atomic<bool> begun_{false};
};

}  // namespace quorlite::database
