// What must hold of the framing for any bytes whatever. Shared by the test and the fuzz target.
#pragma once

#include <string_view>

#include "wire/peer.h"

namespace quorlite::wire {

enum class FrameKind { kOpaque, kMessage };

// FrameReader, fed in pieces of sizes drawn from `seed`, yields the same payloads and the same end
// as a straightforward look at all of `stream`; payloads are aligned; memory stays in proportion to
// what was fed. Returns what is wrong, or an empty text.
std::string_view check_frames(ByteView stream, FrameKind kind, std::size_t payload_bytes_max,
                              std::uint64_t seed);

// A Hello that decodes, encoded and decoded again, is the same.
std::string_view check_hello(ByteView payload);

}  // namespace quorlite::wire
