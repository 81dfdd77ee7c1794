// Properties of what comes from disk and from other nodes, for any bytes whatever. Shared by the
// tests and the fuzz targets. Each returns what is wrong, or an empty text.
#pragma once

#include <string_view>

#include "wire/base/bytes.h"

namespace quorlite::database {

// A store applies a command or refuses it; applying it twice gives the same as applying it once.
std::string_view check_command(ByteView bytes);

// A manifest decodes or is refused; one that decodes says the same after being encoded again.
std::string_view check_manifest(ByteView bytes);

}  // namespace quorlite::database
