#include "drivers/core/address.h"

#include <algorithm>
#include <charconv>

#include "drivers/core/limits.h"

namespace quorlite::core {
namespace {

// A slash would make it a path, somewhere.
bool is_printable(char c) {
    return c > ' ' && c < '\x7f' && c != '/';
}

}  // namespace

std::string_view port_of(std::string_view address) {
    const std::size_t colon = address.rfind(':');
    return colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
}

bool is_address(std::string_view text, bool local) {
    const bool printable = std::all_of(text.begin(), text.end(), is_printable);
    if (!printable || text.size() > limits::kAddressBytesMax) return false;
    if (is_local(text)) return local && text.size() > 1;
    const std::string_view port = port_of(text);
    unsigned number = 0;
    const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool numeric = read.ec == std::errc() && read.ptr == port.data() + port.size();
    return numeric && number >= 1 && number <= 65'535 && port.size() + 1 < text.size();
}

}  // namespace quorlite::core
