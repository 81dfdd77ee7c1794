// Addresses of this machine that are free for now, for nodes that a test starts.
//
// The ports lie below the range from which the system gives ports to outgoing connections, so that
// none is taken before the node has it, and processes that run at the same time look in different
// places.
#pragma once

#include <string>

namespace quorlite::test {

std::string free_address();  // HOST:PORT; another one with each call

// A socket that is connected to such an address; -1 if it cannot be.
int connect_to(const std::string& address);

}  // namespace quorlite::test
