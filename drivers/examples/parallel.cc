// Coroutines on Asio that share a pool. Arguments: addresses of nodes.
#include <quorlite/asio_pool.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <iostream>

using asio::use_awaitable;

static asio::awaitable<void> fill(quorlite::async::connection& db) {
    quorlite::async::bulk_insert bulk = db.bulk_insert("numbers", {"n"});
    for (int i = 1; i <= 5; ++i) co_await bulk.add({i}, use_awaitable);
    co_await bulk.finish(use_awaitable);
}

static asio::awaitable<void> run(quorlite::async::pool pool) {
    quorlite::async::pool::lease db = co_await pool.acquire(use_awaitable);
    co_await db->execute("CREATE TABLE IF NOT EXISTS numbers(n INTEGER)", {}, use_awaitable);
    co_await db->execute("DELETE FROM numbers", {}, use_awaitable);
    co_await quorlite::async::run_transaction(
        pool, [](quorlite::async::connection& own) { return fill(own); });

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
