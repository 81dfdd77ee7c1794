// A pool: connections to one database, shared by threads.
//
// What: at most `size_max` connections, made when they are needed. Who asks first is served first.
// The connection used last is handed out first, with its prepared statements; one that was idle is
// asked whether it is well before it is handed out. Each finds the leader by itself, and what one
// learns of the leader all know.
//
// Errors: acquire() waits up to the timeout and then fails as busy. Otherwise as in connection.h.
//
// Exception safety: strong.
//
// Lifetimes: a lease gives its connection back when it is destroyed, an open transaction rolled
// back first; it must not outlive what it was used for, but may outlive the pool.
//
// Thread safety: every function of a pool may be called from any thread; a lease is for one thread
// at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "quorlite/cluster.h"
#include "quorlite/connection.h"

namespace quorlite {

struct pool_options {
    std::size_t size_max = 8;
    std::chrono::milliseconds acquire_timeout{30'000};
    std::chrono::milliseconds check_after{2'000};  // idle for so long: asked before use
    std::chrono::milliseconds idle_max{300'000};   // idle for so long: closed
};

struct pool_usage {
    std::size_t in_use = 0;
    std::size_t idle = 0;
    std::size_t waiting = 0;
};

class QUORLITE_EXPORT pool {
    struct impl;

public:
    class QUORLITE_EXPORT lease {
    public:
        lease(lease&& other) noexcept;
        lease& operator=(lease&& other) noexcept;
        ~lease();

        connection& operator*() { return *connection_; }
        connection* operator->() { return connection_.get(); }

    private:
        friend class pool;
        lease(std::shared_ptr<impl> owner, std::size_t slot, std::unique_ptr<connection> borrowed);
        void give_back() noexcept;

        std::shared_ptr<impl> owner_;
        std::size_t slot_ = 0;
        std::unique_ptr<connection> connection_;
    };

    pool(const cluster& owner, std::string_view database, const pool_options& chosen = {});
    pool(pool&& other) noexcept;
    ~pool();

    lease acquire() { return try_acquire().value(); }
    result<lease> try_acquire();

    // On a connection of the pool: see connection::run_transaction().
    template <class Function>
    auto run_transaction(Function&& function, const call_options& changed = {},
                         transaction_kind kind = transaction_kind::write) {
        lease borrowed = acquire();
        return borrowed->run_transaction(std::forward<Function>(function), changed, kind);
    }
    template <class Function>
    auto try_run_transaction(Function&& function, const call_options& changed = {},
                             transaction_kind kind = transaction_kind::write)
        -> std::invoke_result_t<Function&, transaction&> {
        result<lease> borrowed = try_acquire();
        if (!borrowed) return std::move(borrowed).error();
        return (*borrowed)->try_run_transaction(std::forward<Function>(function), changed, kind);
    }

    pool_usage usage() const;

private:
    std::shared_ptr<impl> impl_;
};

}  // namespace quorlite
