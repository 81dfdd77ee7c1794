#include "drivers/sync/resolver.h"

#include <netdb.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <thread>

namespace quorlite::sync {
namespace {

Resolved failed(const std::string& address, const std::string& why) {
    return {{}, address + ": " + why};
}

Resolved abstract_unix(const std::string& address) {
    sockaddr_un name = {};
    if (address.size() > sizeof name.sun_path) return failed(address, "too long a name");
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path + 1, address.data() + 1, address.size() - 1);
    SocketAddress found;
    std::memcpy(&found.storage, &name, sizeof name);
    found.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    return {{found}, {}};
}

}  // namespace

Resolved resolve(const std::string& address, bool numeric_only) {
    if (address.starts_with('@')) return abstract_unix(address);
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return failed(address, "not HOST:PORT");
    std::string host = address.substr(0, colon);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    addrinfo hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0);
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &list);
    if (status == EAI_NONAME && numeric_only) return {};
    if (status != 0) return failed(address, ::gai_strerror(status));
    Resolved resolved;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        SocketAddress found;
        std::memcpy(&found.storage, each->ai_addr, each->ai_addrlen);
        found.size = each->ai_addrlen;
        resolved.addresses.push_back(found);
    }
    ::freeaddrinfo(list);
    return resolved;
}

std::shared_ptr<Resolution> Resolution::begin(const std::string& address,
                                              std::function<void()> done) {
    auto resolution = std::make_shared<Resolution>();
    std::thread([resolution, address, done = std::move(done)] {
        Resolved resolved = resolve(address, false);
        {
            const MutexLock lock(resolution->mutex_);
            resolution->resolved_ = std::move(resolved);
            resolution->done_ = true;
        }
        done();
    }).detach();
    return resolution;
}

bool Resolution::take(Resolved& into) {
    const MutexLock lock(mutex_);
    if (!done_) return false;
    into = std::move(resolved_);
    return true;
}

}  // namespace quorlite::sync
