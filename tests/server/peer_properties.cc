#include "tests/server/peer_properties.h"

#include <algorithm>
#include <random>
#include <vector>

#include "wire/base/crc32c.h"

namespace quorlite::wire {
namespace {

struct Frames {
    std::vector<Bytes> payloads;
    bool broken = false;
    friend bool operator==(const Frames&, const Frames&) = default;
};

// Cap'n Proto's segment table, as far as it is there: the number of segments but one, the words of
// each, and zeros up to a whole word.
bool agrees(ByteView arrived, std::size_t length) {
    std::vector<std::uint64_t> table;
    for (std::size_t at = 0; at + 4 <= arrived.size() && table.size() <= 512; at += 4) {
        table.push_back(load_little<std::uint32_t>(arrived.data() + at));
    }
    if (length == 0 || length % 8 != 0) return false;
    if (table.empty()) return true;
    const std::size_t segments = table[0] + 1;
    if (segments > 512) return false;
    std::size_t bytes = (segments / 2 + 1) * 8;
    if (bytes > length) return false;
    for (std::size_t i = 1; i < table.size() && i <= segments; ++i) bytes += 8 * table[i];
    return table.size() > segments ? bytes == length : bytes <= length;
}

Frames plainly(ByteView stream, FrameKind kind, std::size_t payload_bytes_max) {
    Frames frames;
    while (stream.size() >= kFrameHeaderBytes) {
        const std::size_t length = load_little<std::uint32_t>(stream.data());
        if (length > payload_bytes_max) {
            frames.broken = true;
            break;
        }
        const ByteView arrived =
            stream.subspan(kFrameHeaderBytes, std::min(length, stream.size() - kFrameHeaderBytes));
        if (kind == FrameKind::kMessage && !agrees(arrived, length)) {
            frames.broken = true;
            break;
        }
        const std::size_t whole = kFrameHeaderBytes + (length + 7) / 8 * 8;
        if (stream.size() < whole) break;
        if (crc32c(arrived) != load_little<std::uint32_t>(stream.data() + 4)) {
            frames.broken = true;
            break;
        }
        frames.payloads.emplace_back(arrived.begin(), arrived.end());
        stream = stream.subspan(whole);
    }
    return frames;
}

}  // namespace

std::string_view check_frames(ByteView stream, FrameKind kind, std::size_t payload_bytes_max,
                              std::uint64_t seed) {
    std::mt19937_64 random(seed);
    FrameReader reader(payload_bytes_max);
    if (kind == FrameKind::kMessage) reader.expect_messages(payload_bytes_max);
    Frames frames;
    std::size_t fed = 0;
    while (true) {
        const Result<std::optional<ByteView>> frame = reader.next();
        if (!frame.ok()) {
            frames.broken = true;
            if (reader.next().ok()) return "a broken stream is whole again";
            break;
        }
        if (frame->has_value()) {
            const ByteView payload = **frame;
            if (reinterpret_cast<std::uintptr_t>(payload.data()) % 8 != 0) {
                return "a payload is not aligned";
            }
            frames.payloads.emplace_back(payload.begin(), payload.end());
            continue;
        }
        if (fed == stream.size()) break;
        const std::size_t piece =
            std::min<std::size_t>(1 + random() % (random() % 2 ? 8 : 4096), stream.size() - fed);
        reader.feed(stream.subspan(fed, piece));
        fed += piece;
        if (reader.buffer_bytes() > 4 * fed + (256u << 10)) return "memory was announced, not sent";
    }
    if (frames != plainly(stream, kind, payload_bytes_max)) return "the frames are not the same";
    return {};
}

std::string_view check_hello(ByteView payload) {
    const Result<Hello> hello = decode_hello(payload);
    if (!hello.ok()) return {};
    Bytes opening;
    encode(*hello, opening);
    if (load_little<std::uint64_t>(opening.data()) != kPeerMagic) return "no magic word";
    FrameReader reader(kHelloBytesMax);
    reader.feed(ByteView(opening).subspan(sizeof kPeerMagic));
    const Result<std::optional<ByteView>> frame = reader.next();
    if (!frame.ok() || !frame->has_value()) return "the opening is no frame";
    const Result<Hello> again = decode_hello(**frame);
    if (!again.ok() || !(*again == *hello)) return "the hello has changed";
    return {};
}

}  // namespace quorlite::wire
