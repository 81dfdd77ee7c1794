// A pool for Asio: connections to one database, shared by coroutines and callbacks.
//
// What: the pool of pool.h, whose options and manners it has, for the connections of asio.h. Who
// waits for a connection waits without a thread.
//
//     quorlite::async::pool shared(executor, cluster, "app");
//     auto lease = co_await shared.acquire(asio::use_awaitable);
//     co_await lease->execute("DELETE FROM people", {}, asio::use_awaitable);
//
// Errors: acquire() fails as busy when its time is over, and as cancelled if its cancellation slot
// says so or the pool is destroyed. Otherwise as in asio.h.
//
// Exception safety: strong. Handlers are never called from within the call that starts them.
//
// Lifetimes: a lease gives its connection back when it is destroyed, an open transaction rolled
// back first; copies of the connection must not be used afterwards. A lease may outlive the pool.
// Destroying the last copy of a pool fails who still waits. The executor's context must outlive it.
//
// Thread safety: every function of a pool may be called from any thread; a lease is for one user at
// a time.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "quorlite/asio.h"
#include "quorlite/pool.h"

namespace quorlite::async {

namespace detail {

class lender;

std::shared_ptr<void> name(const std::shared_ptr<lender>& lender, const request& op);
void start(const std::shared_ptr<lender>& lender, const std::shared_ptr<void>& operation,
           const request& op, std::unique_ptr<completion> waiting);
void cancel(const std::shared_ptr<lender>& lender, const std::shared_ptr<void>& operation);
asio::any_io_executor executor_of(const lender& lender);

struct read_lease;

}  // namespace detail

class pool {
public:
    // Holds a connection, unless it was made by default or moved from.
    class lease {
    public:
        lease() = default;

        connection& operator*() { return *connection_; }
        connection* operator->() { return &*connection_; }

    private:
        friend detail::read_lease;
        explicit lease(std::shared_ptr<void> loan);

        std::optional<connection> connection_;
        std::unique_ptr<std::shared_ptr<void>> loan_;  // so that a lease cannot be copied
    };

    explicit pool(std::shared_ptr<detail::lender> lender);  // for tests
    pool(asio::any_io_executor executor, const cluster& owner, std::string_view database,
         const pool_options& chosen = {});

    asio::any_io_executor get_executor() const { return detail::executor_of(*lender_); }

    template <class Token>
    auto acquire(Token&& token) {
        return ask<detail::throwing>(std::forward<Token>(token));
    }
    template <class Token>
    auto try_acquire(Token&& token) {
        return ask<detail::quiet>(std::forward<Token>(token));
    }

    pool_usage usage() const;

private:
    template <template <class, class> class ErrorPolicy, class Token>
    auto ask(Token&& token);

    std::shared_ptr<detail::lender> lender_;
    std::shared_ptr<void> keeper_;  // closes the pool when its last copy goes
};

struct detail::read_lease {
    pool::lease operator()(op_result& ended) const { return pool::lease(std::move(ended.lent)); }
};

template <template <class, class> class ErrorPolicy, class Token>
auto pool::ask(Token&& token) {
    return detail::ask<ErrorPolicy<lease, detail::read_lease>>(
        lender_, {.kind = detail::op_kind::acquire}, std::forward<Token>(token));
}

#ifdef ASIO_HAS_CO_AWAIT
// On a connection of the pool: see run_transaction() in asio.h.
template <class Function>
auto run_transaction(pool shared, Function function, call_options chosen = {},
                     transaction_kind kind = transaction_kind::write)
    -> std::invoke_result_t<Function&, connection&> {
    pool::lease borrowed = co_await shared.acquire(asio::use_awaitable);
    co_return co_await run_transaction(*borrowed, std::move(function), chosen, kind);
}
template <class Function>
auto try_run_transaction(pool shared, Function function, call_options chosen = {},
                         transaction_kind kind = transaction_kind::write)
    -> std::invoke_result_t<Function&, connection&> {
    result<pool::lease> borrowed = co_await shared.try_acquire(asio::use_awaitable);
    if (!borrowed) co_return std::move(borrowed).error();
    co_return co_await try_run_transaction(**borrowed, std::move(function), chosen, kind);
}
#endif  // ASIO_HAS_CO_AWAIT

}  // namespace quorlite::async
