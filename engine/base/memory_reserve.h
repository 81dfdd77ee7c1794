// Memory reserve: some memory is set aside, so that small things can still be had when large ones
// have taken the rest. Whoever asked for much gets std::bad_alloc, and can be told so.
//
// For the whole process: a program that a node is only a part of decides on this itself.
#pragma once

#include <cstddef>

namespace quorlite {

void keep_memory_reserve(std::size_t bytes);

// The reserve has been used: what can be given back should be now, and then renew_memory_reserve().
// Never without keep_memory_reserve().
bool memory_is_short();
void renew_memory_reserve();

}  // namespace quorlite
