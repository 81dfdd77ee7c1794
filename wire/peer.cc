#include "wire/peer.h"

#include <algorithm>
#include <cstring>

#include "wire/base/crc32c.h"

namespace quorlite::wire {
namespace {

constexpr std::size_t kRoomBytes = 64u << 10;   // offered to each read
constexpr std::size_t kKeptBytes = 256u << 10;  // a larger buffer is given back once it is empty
constexpr std::size_t kOriginBytes = 24;        // of a Hello: cluster and incarnation

Error malformed(const char* what) {
    return {code::kProtocol, what};
}

}  // namespace

void encode(const Hello& hello, Bytes& out) {
    Bytes payload;
    ByteWriter fields(payload);
    fields.u16(hello.version);
    fields.u16(hello.version_min);
    fields.u16(hello.version_max);
    fields.u8(hello.channel);
    fields.u8(0);
    fields.u64(hello.id.value());
    fields.u16(static_cast<std::uint16_t>(hello.address.size()));
    fields.bytes(as_bytes(hello.address));
    fields.u64(hello.cluster.high);
    fields.u64(hello.cluster.low);
    fields.u64(hello.incarnation);

    ByteWriter stream(out);
    stream.u64(kPeerMagic);
    stream.bytes(frame_header(payload));
    stream.bytes(payload);
    stream.zeros(frame_padding(payload.size()));
}

Result<Hello> decode_hello(ByteView payload) {
    ByteReader in(payload);
    Hello hello;
    hello.version = in.u16();
    hello.version_min = in.u16();
    hello.version_max = in.u16();
    hello.channel = in.u8();
    in.u8();
    hello.id = NodeId(in.u64());
    const std::uint16_t address_bytes = in.u16();
    hello.address = as_text(in.take(address_bytes));
    if (in.failed()) return malformed("the hello is too short");
    if (hello.version < kPeerVersionMin || hello.version > kPeerVersionMax) {
        return malformed("the peer speaks a version that this node does not know");
    }
    if (!hello.id) return malformed("the peer's id is 0");
    if (address_bytes > kPeerAddressBytesMax) return malformed("the peer's address is too long");
    if (in.remaining() >= kOriginBytes) {
        hello.cluster = {.high = in.u64(), .low = in.u64()};
        hello.incarnation = in.u64();
    }
    return hello;  // what a later version put behind them is not looked at
}

std::array<std::uint8_t, kFrameHeaderBytes> frame_header(ByteView payload) {
    std::array<std::uint8_t, kFrameHeaderBytes> header{};
    store_little(header.data(), static_cast<std::uint32_t>(payload.size()));
    store_little(header.data() + 4, crc32c(payload));
    return header;
}

std::span<std::uint8_t> FrameReader::prepare() {
    if (begin_ == end_) {
        begin_ = end_ = 0;
        if (buffer_.size() > kKeptBytes) {
            buffer_.clear();
            buffer_.shrink_to_fit();
        }
    }
    if (buffer_.size() - end_ < kRoomBytes && begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.size() - end_ < kRoomBytes) {
        buffer_.resize(std::max(end_ + kRoomBytes, end_ * 2));
    }
    return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameReader::commit(std::size_t count) {
    end_ += count;
}

void FrameReader::feed(ByteView bytes) {
    while (!bytes.empty()) {
        const std::span<std::uint8_t> room = prepare();
        const std::size_t count = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), count);
        commit(count);
        bytes = bytes.subspan(count);
    }
}

Result<std::optional<ByteView>> FrameReader::next() {
    if (broken_) return *broken_;
    if (end_ - begin_ < kFrameHeaderBytes) return std::optional<ByteView>();
    const std::uint8_t* header = buffer_.data() + begin_;
    const std::size_t length = load_little<std::uint32_t>(header);
    if (length > payload_bytes_max_) {
        broken_ = malformed("the frame is longer than the limit");
        return *broken_;
    }
    const std::size_t whole = kFrameHeaderBytes + length + frame_padding(length);
    if (end_ - begin_ < whole) return std::optional<ByteView>();
    const ByteView payload(header + kFrameHeaderBytes, length);
    if (crc32c(payload) != load_little<std::uint32_t>(header + 4)) {
        broken_ = malformed("the frame's checksum does not match");
        return *broken_;
    }
    begin_ += whole;
    return std::optional<ByteView>(payload);
}

}  // namespace quorlite::wire
