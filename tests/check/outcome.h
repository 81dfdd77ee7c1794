// What a client knows of an operation of its own.
#pragma once

namespace quorlite::check {

enum class Outcome { kCommitted, kNotCommitted, kInDoubt };

}  // namespace quorlite::check
