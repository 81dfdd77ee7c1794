// Addresses as people write them: HOST:PORT, where the host is a name, an IPv4 address or an IPv6
// address in brackets, of printable ASCII characters.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/limits.h"

namespace quorlite {

struct HostPort {
    std::string host;  // without brackets
    std::string port;
};

// Nothing if it is not of that form: too long, or with anything but visible ASCII in it.
inline std::optional<HostPort> parse_address(std::string_view text) {
    const auto visible = [](char c) { return c > ' ' && c <= '~'; };
    if (text.size() > limits::kAddressBytesMax || !std::ranges::all_of(text, visible)) {
        return std::nullopt;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return std::nullopt;
    }
    unsigned number = 0;
    const char* const end = port.data() + port.size();
    const auto [parsed, error] = std::from_chars(port.data(), end, number);
    if (error != std::errc() || parsed != end || number == 0 || number > 65535) return std::nullopt;
    const auto printable = [](char letter) { return letter > ' ' && letter < '\x7f'; };
    if (host.empty() || !std::all_of(host.begin(), host.end(), printable)) return std::nullopt;
    return HostPort{std::string(host), std::string(port)};
}

// The address stands for every interface of a machine: one can listen there, but not connect to it.
inline bool is_any_host(std::string_view address) {
    const std::optional<HostPort> parts = parse_address(address);
    return parts && (parts->host == "0.0.0.0" || parts->host == "::");
}

}  // namespace quorlite
