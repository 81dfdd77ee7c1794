// Lifetime: for callbacks that may outlive whoever handed them out.
//
// An owner keeps a Lifetime. What it gives away by guard() does nothing once that has ended, which
// is at the latest with the owner. Guarded functions run where the owner ends, on the loop: a
// lifetime is no lock.
//
// What must live on until its callback has run (a connection, a transfer) is held by the callback
// instead, by a shared_ptr to itself.
#pragma once

#include <memory>
#include <utility>

namespace quorlite {

class Lifetime {
public:
    Lifetime() = default;
    Lifetime(const Lifetime&) = delete;
    Lifetime& operator=(const Lifetime&) = delete;

    void end() { token_.reset(); }

    template <class Function>
    auto guard(Function function) const {
        return [alive = std::weak_ptr<void>(token_),
                function = std::move(function)](auto&&... arguments) mutable {
            if (!alive.expired()) function(std::forward<decltype(arguments)>(arguments)...);
        };
    }

private:
    std::shared_ptr<void> token_ = std::make_shared<char>();
};

}  // namespace quorlite
