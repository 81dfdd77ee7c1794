// Clients of one node, driven by bytes: what they send, in which pieces, how far the node gets
// between two moves, when they read, close and come back. Whatever they do, the node serves a
// well-behaved client afterwards, or the process aborts.
//
// The input is a list of moves: one byte says which client and what, the next how much.
#pragma once

#include "wire/base/bytes.h"

namespace quorlite::test {

void run_moves(ByteView input);

}  // namespace quorlite::test
