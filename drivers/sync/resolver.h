// Names to addresses. Numeric ones at once; others on a thread of their own, because there is no
// telling how long the system takes.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "wire/base/mutex.h"

namespace quorlite::sync {

struct SocketAddress {
    sockaddr_storage storage = {};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
};

struct Resolved {
    std::vector<SocketAddress> addresses;
    std::string problem;
};

// HOST:PORT, [V6]:PORT or @NAME. `numeric_only`: names are not looked up, and yield nothing at all.
Resolved resolve(const std::string& address, bool numeric_only);

// A look-up that is under way.
class Resolution {
public:
    // `done` is called on another thread when take() has something.
    static std::shared_ptr<Resolution> begin(const std::string& address,
                                             std::function<void()> done);
    // True once; then `into` is set.
    bool take(Resolved& into);

private:
    Mutex mutex_;
    bool done_ QUORLITE_GUARDED_BY(mutex_) = false;
    Resolved resolved_ QUORLITE_GUARDED_BY(mutex_);
};

}  // namespace quorlite::sync
