// Bytes: bounded reading and appending of little-endian fields.
//
// ByteReader never reads past its end: a read that does not fit fails, sets failed(), and every
// later read fails too, so a decoder may read a whole layout and check once. ByteWriter appends to
// a buffer that the caller owns. Neither knows any message; layouts live with the codecs.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace quorlite {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
// Immutable bytes with many holders: a log entry's payload is written, sent and kept without
// copies.
using SharedBytes = std::shared_ptr<const Bytes>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class Unsigned>
Unsigned load_little(const std::uint8_t* from) {
    Unsigned value = 0;
    if constexpr (std::endian::native == std::endian::little) {
        std::memcpy(&value, from, sizeof value);
    } else {
        for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
            value = static_cast<Unsigned>(value | Unsigned{from[i]} << (8 * i));
        }
    }
    return value;
}

template <class Unsigned>
void store_little(std::uint8_t* to, Unsigned value) {
    if constexpr (std::endian::native == std::endian::little) {
        std::memcpy(to, &value, sizeof value);
    } else {
        for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
            to[i] = static_cast<std::uint8_t>(value >> (8 * i));
        }
    }
}

template <class Unsigned>
Unsigned load_big(const std::uint8_t* from) {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
        value = static_cast<Unsigned>(static_cast<Unsigned>(value << 8) | from[i]);
    }
    return value;
}

class ByteReader {
public:
    explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

    std::size_t remaining() const { return bytes_.size() - position_; }
    std::size_t position() const { return position_; }
    bool failed() const { return failed_; }
    // All that remains, borrowed; not consumed.
    ByteView rest() const { return bytes_.subspan(position_); }

    std::uint8_t u8() { return number<std::uint8_t>(); }
    std::uint16_t u16() { return number<std::uint16_t>(); }
    std::uint32_t u32() { return number<std::uint32_t>(); }
    std::uint64_t u64() { return number<std::uint64_t>(); }

    // The next `count` bytes, borrowed from the input; empty, with failed() set, if there are
    // fewer.
    ByteView take(std::uint64_t count) {
        if (failed_ || count > remaining()) {
            failed_ = true;
            return {};
        }
        const ByteView taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
        position_ += static_cast<std::size_t>(count);
        return taken;
    }

    void fail() { failed_ = true; }

private:
    template <class Unsigned>
    Unsigned number() {
        const ByteView taken = take(sizeof(Unsigned));
        return failed_ ? Unsigned{0} : load_little<Unsigned>(taken.data());
    }

    ByteView bytes_;
    std::size_t position_ = 0;
    bool failed_ = false;
};

class ByteWriter {
public:
    explicit ByteWriter(Bytes& out) : out_(out) {}

    std::size_t position() const { return out_.size(); }
    void u8(std::uint8_t value) { out_.push_back(value); }
    void u16(std::uint16_t value) { number(value); }
    void u32(std::uint32_t value) { number(value); }
    void u64(std::uint64_t value) { number(value); }
    void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
    void zeros(std::size_t count) { out_.resize(out_.size() + count); }

    // Overwrites a field written earlier, for lengths that are known only at the end.
    template <class Unsigned>
    void patch(std::size_t position, Unsigned value) {
        store_little(out_.data() + position, value);
    }

private:
    template <class Unsigned>
    void number(Unsigned value) {
        const std::size_t at = out_.size();
        out_.resize(at + sizeof(Unsigned));
        store_little(out_.data() + at, value);
    }

    Bytes& out_;
};

}  // namespace quorlite
