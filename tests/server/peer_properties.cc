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

Frames plainly(ByteView stream, std::size_t payload_bytes_max) {
    Frames frames;
    while (stream.size() >= kFrameHeaderBytes) {
        const std::size_t length = load_little<std::uint32_t>(stream.data());
        if (length > payload_bytes_max) {
            frames.broken = true;
            break;
        }
        const std::size_t whole = kFrameHeaderBytes + (length + 7) / 8 * 8;
        if (stream.size() < whole) break;
        const ByteView payload = stream.subspan(kFrameHeaderBytes, length);
        if (crc32c(payload) != load_little<std::uint32_t>(stream.data() + 4)) {
            frames.broken = true;
            break;
        }
        frames.payloads.emplace_back(payload.begin(), payload.end());
        stream = stream.subspan(whole);
    }
    return frames;
}

}  // namespace

std::string_view check_frames(ByteView stream, std::size_t payload_bytes_max, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    FrameReader reader(payload_bytes_max);
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
    if (frames != plainly(stream, payload_bytes_max)) return "the frames are not the same";
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
