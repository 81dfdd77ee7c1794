// Addresses of nodes that a server names: checked before they are dialled, shown or stored.
#pragma once

#include <string_view>

namespace quorlite::core {

// HOST:PORT in printable ASCII letters; or "@name", a Unix socket of this machine, if `local`.
bool is_address(std::string_view text, bool local);

// "@name", which no server may lead a client to unless the client was given one itself.
inline bool is_local(std::string_view address) {
    return address.starts_with('@');
}

// What follows the last colon.
std::string_view port_of(std::string_view address);

}  // namespace quorlite::core
