#include "tests/support/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace quorlite::test {
namespace {

constexpr int kFirst = 12'000;
constexpr int kPerProcess = 12;
constexpr int kProcesses = 700;
constexpr int kLast = 32'000;

bool is_free(int port) {
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(port));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(probe, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
    ::close(probe);
    return free;
}

}  // namespace

std::string free_address() {
    static int next = kFirst + ::getpid() % kProcesses * kPerProcess;
    for (;;) {
        const int port = next;
        next = next + 1 < kLast ? next + 1 : kFirst;
        if (is_free(port)) return "127.0.0.1:" + std::to_string(port);
    }
}

int connect_to(const std::string& address) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port =
        htons(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int connected = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(connected, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) {
        return connected;
    }
    ::close(connected);
    return -1;
}

}  // namespace quorlite::test
