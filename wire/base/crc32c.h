// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of peer frames and of everything on
// disk. Uses the processor's instruction where there is one.
#pragma once

#include "wire/base/bytes.h"

namespace quorlite {

// The checksum of `bytes`, continuing from `seed` (the result of an earlier call, 0 at the start),
// so that crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

}  // namespace quorlite
