// Coroutines that write at the same time, and rows as a stream. Arguments: addresses of nodes.
#include <quorlite/asio_pool.h>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <iostream>

using asio::use_awaitable;
using namespace asio::experimental::awaitable_operators;

static asio::awaitable<void> insert(quorlite::async::pool pool, int n) {
    quorlite::async::pool::lease db = co_await pool.acquire(use_awaitable);
    co_await db->execute("INSERT INTO numbers VALUES(?)", {n}, use_awaitable);
}

static asio::awaitable<void> run(quorlite::async::pool pool) {
    {
        quorlite::async::pool::lease db = co_await pool.acquire(use_awaitable);
        co_await db->execute("CREATE TABLE IF NOT EXISTS numbers(n INTEGER)", {}, use_awaitable);
        co_await db->execute("DELETE FROM numbers", {}, use_awaitable);
    }
    // Each is a transaction of its own; together they share the waits for the disks.
    co_await (insert(pool, 1) && insert(pool, 2) && insert(pool, 3) && insert(pool, 4) &&
              insert(pool, 5));

    quorlite::async::pool::lease db = co_await pool.acquire(use_awaitable);
    quorlite::async::row_stream stream = db->stream("SELECT n FROM numbers WHERE n > ?", {2});
    int sum = 0;
    while (auto batch = co_await stream.next(use_awaitable)) {
        while (batch->next()) sum += batch->get<int>(0);
    }
    std::cout << "sum " << sum << '\n';
}

int main(int count, char** arguments) {
    const quorlite::cluster cluster({arguments + 1, arguments + count});
    asio::io_context context;
    std::exception_ptr failed;
    asio::co_spawn(context, run(quorlite::async::pool(context.get_executor(), cluster, "example")),
                   [&](const std::exception_ptr& problem) { failed = problem; });
    context.run();
    if (failed) std::rethrow_exception(failed);
}
