// The same SQL to a session of ours and to the SQLite library: both say the same.
#pragma once

#include <optional>
#include <string>

#include "wire/base/bytes.h"

namespace quorlite::test {

// Runs what the bytes choose (tests/session/sql_grammar.h) on both. The first difference, with all
// that led to it; nothing if there is none.
std::optional<std::string> difference(ByteView choices);

}  // namespace quorlite::test
