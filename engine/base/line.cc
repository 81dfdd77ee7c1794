#include "engine/base/line.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace quorlite {
namespace {

constexpr int kPrintPatienceMs = 1000;

// The length of the character that `text` begins with, in UTF-8; 0: it is a control character, or
// none.
std::size_t printable_bytes(std::string_view text) {
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0};
    };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return first >= ' ' && first != 0x7f ? 1 : 0;
    if (first < 0xc2 || first > 0xf4) return 0;  // no character begins so
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    std::uint32_t letter = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        letter = letter << 6 | (byte(i) & 0x3fu);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0xa0, 0x800, 0x10000};  // 0x80 to 0x9f are control
    const bool surrogate = letter >= 0xd800 && letter < 0xe000;
    const bool separator = letter == 0x2028 || letter == 0x2029;
    if (letter < kLeast[length] || letter > 0x10ffff || surrogate || separator) return 0;
    return length;
}

}  // namespace

std::string one_line(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string line;
    line.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = printable_bytes(text);
        if (length == 0) {
            const auto byte = static_cast<std::uint8_t>(text.front());
            line += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
        } else {
            line += text.substr(0, length);
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return line;
}

void print_line(std::string_view text) {
    const std::string line = one_line(text) + '\n';
    for (std::string_view left = line; !left.empty();) {
        pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
        if (::poll(&out, 1, kPrintPatienceMs) <= 0) return;
        // So much is taken at once by whatever can be written to.
        const ssize_t written =
            ::write(STDERR_FILENO, left.data(), std::min<std::size_t>(left.size(), PIPE_BUF));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        left.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace quorlite
