#include "wire/peer.h"

#include <algorithm>
#include <cstring>

#include "wire/base/crc32c.h"

namespace quorlite::wire {
namespace {

constexpr std::size_t kRoomBytes = 64u << 10;   // offered to each read
constexpr std::size_t kKeptBytes = 256u << 10;  // a larger buffer is given back once it is empty
constexpr std::uint64_t kSegmentsMax = 512;  // of a message, as Cap'n Proto's own readers have it
constexpr std::size_t kOriginBytes = 24;     // of a Hello: cluster and incarnation

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

bool may_begin_message(ByteView beginning, std::size_t payload_bytes) {
    constexpr std::uint64_t kField = sizeof(std::uint32_t);
    if (payload_bytes % kPeerWordBytes != 0) return false;
    if (beginning.size() < kField) return payload_bytes > 0;
    const std::uint64_t segments = load_little<std::uint32_t>(beginning.data()) + std::uint64_t{1};
    if (segments > kSegmentsMax) return false;
    std::uint64_t bytes = (kField + segments * kField + 7) / 8 * 8;
    for (std::uint64_t i = 1; i <= segments; ++i) {
        if (bytes > payload_bytes) return false;
        if (beginning.size() < (i + 1) * kField) return true;
        bytes += kPeerWordBytes * load_little<std::uint32_t>(beginning.data() + i * kField);
    }
    return bytes == payload_bytes;
}

void FrameReader::expect_messages(std::size_t payload_bytes_max) {
    messages_ = true;
    payload_bytes_max_ = payload_bytes_max;
}

bool FrameReader::reserve(std::size_t capacity) {
    auto* const moved = static_cast<std::uint8_t*>(std::realloc(buffer_.get(), capacity));
    if (moved == nullptr) return false;
    static_cast<void>(buffer_.release());
    buffer_.reset(moved);
    capacity_ = capacity;
    return true;
}

void FrameReader::rest() {
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ <= kKeptBytes) return;
    buffer_.reset();
    capacity_ = 0;
}

std::span<std::uint8_t> FrameReader::prepare() {
    rest();
    if (capacity_ - end_ < kRoomBytes && begin_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (capacity_ - end_ < kRoomBytes && !reserve(std::max(end_ + kRoomBytes, end_ * 2))) {
        return {};
    }
    return {buffer_.get() + end_, capacity_ - end_};
}

void FrameReader::commit(std::size_t count) {
    end_ += count;
}

bool FrameReader::feed(ByteView bytes) {
    while (!bytes.empty()) {
        const std::span<std::uint8_t> room = prepare();
        if (room.empty()) return false;
        const std::size_t count = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), count);
        commit(count);
        bytes = bytes.subspan(count);
    }
    return true;
}

Error FrameReader::broken(const char* what) {
    broken_ = malformed(what);
    return *broken_;
}

Result<std::optional<ByteView>> FrameReader::next() {
    if (broken_) return *broken_;
    if (unread_bytes() < kFrameHeaderBytes) return std::optional<ByteView>();
    const std::uint8_t* header = buffer_.get() + begin_;
    const std::size_t length = load_little<std::uint32_t>(header);
    if (length > payload_bytes_max_) return broken("the frame is longer than the limit");
    const ByteView arrived(header + kFrameHeaderBytes,
                           std::min(length, unread_bytes() - kFrameHeaderBytes));
    if (messages_ && !may_begin_message(arrived, length)) {
        return broken("the frame's length is not that of the message in it");
    }
    const std::size_t whole = kFrameHeaderBytes + length + frame_padding(length);
    if (unread_bytes() < whole) return std::optional<ByteView>();
    if (crc32c(arrived) != load_little<std::uint32_t>(header + 4)) {
        return broken("the frame's checksum does not match");
    }
    begin_ += whole;
    return std::optional<ByteView>(arrived);
}

}  // namespace quorlite::wire
