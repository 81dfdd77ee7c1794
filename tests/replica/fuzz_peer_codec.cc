// The payload of a frame from another node: Cap'n Proto that anybody may have written. What is
// accepted must be sayable again, and mean the same.
#include <cstring>

#include "engine/base/check.h"
#include "engine/replica/peer_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    using namespace quorlite::replica;
    std::vector<std::uint64_t> aligned((size + 7) / 8);  // as FrameReader gives it
    if (size > 0) std::memcpy(aligned.data(), data, size);
    const ByteView frame(reinterpret_cast<const std::uint8_t*>(aligned.data()), size);
    const auto message = decode_peer_message(frame);
    if (!message) return 0;
    const Bytes again = encode(*message);
    const auto second = decode_peer_message(again);
    QUORLITE_CHECK(second.has_value());
    QUORLITE_CHECK(encode(*second) == again);
    return 0;
}
