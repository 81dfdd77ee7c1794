// The leader is killed every three seconds under a load of counters, transfers and reads.
//
// Afterwards: no acknowledged write is lost, none is there twice, whatever was reported as not
// committed is not there, and nothing that is safe to retry has ever failed. With threads through
// the blocking front end, and with coroutines through Asio's.
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <thread>

#include "quorlite/asio.h"
#include "quorlite/quorlite.h"
#include "tests/drivers/live/ledger.h"

namespace quorlite {
namespace {

using asio::use_awaitable;
using std::chrono::milliseconds;
using testing::kAccounts;
using testing::kTotal;
using testing::Ledger;
using testing::Nodes;

constexpr milliseconds kPause{20};
constexpr const char* kWrite = "INSERT INTO writes VALUES(?)";
constexpr const char* kCount = "UPDATE counters SET n = n + 1 WHERE id = ?";
constexpr const char* kRegister = "INSERT OR IGNORE INTO counters VALUES(?, 0)";
constexpr const char* kBook = "INSERT OR IGNORE INTO transfers VALUES(?)";
constexpr const char* kMove = "UPDATE accounts SET amount = amount + ? WHERE id = ?";
constexpr const char* kSum = "SELECT sum(amount) FROM accounts";

// ---- Threads ----

// Can be done again, because it looks first whether it was done.
void transfer(transaction& tx, std::int64_t id) {
    if (tx.execute(kBook, id).rows_affected == 0) return;
    tx.execute(kMove, -1, id % kAccounts);
    tx.execute(kMove, 1, (id + 1) % kAccounts);
}

void step(connection& db, int client, std::int64_t id, Ledger& ledger) {
    ledger.wrote(id, db.try_execute(kWrite, id));
    ledger.counted(client, db.try_execute(kCount, client));
    try {
        db.run_transaction([&](transaction& tx) { transfer(tx, id); }, {.idempotent = true});
        EXPECT_EQ(db.query_value<std::int64_t>(kSum), kTotal);
    } catch (const error& failed) {
        ledger.forbid(failed.what());
    }
}

// Clients that work while leaders are killed, and what they were told.
struct Load {
    explicit Load(const std::string& name) : nodes(name) { testing::create_tables(db); }
    void kill_leaders() {
        testing::kill_leaders(nodes);
        over = true;
    }

    Nodes nodes;
    quorlite::cluster cluster{nodes.addresses()};
    connection db = cluster.connect("failover");
    Ledger ledger;
    std::atomic<bool> over = false;
};

TEST(Failover, Threads) {
    Load load("failover");
    std::vector<std::thread> threads;
    for (int client = 0; client < testing::clients(); ++client) {
        threads.emplace_back([&, client] {
            connection own = load.cluster.connect("failover");
            own.with({.idempotent = true}).execute(kRegister, client);
            for (std::int64_t id = client * 1'000'000; !load.over; ++id) {
                step(own, client, id, load.ledger);
                std::this_thread::sleep_for(kPause);
            }
        });
    }
    load.kill_leaders();
    for (std::thread& each : threads) each.join();
    load.ledger.check(load.db);
}

// ---- Coroutines ----

asio::awaitable<void> transfer(async::connection& db, std::int64_t id) {
    const execute_result booked = co_await db.execute(kBook, {id}, use_awaitable);
    if (booked.rows_affected == 0) co_return;
    co_await db.execute(kMove, {-1, id % kAccounts}, use_awaitable);
    co_await db.execute(kMove, {1, (id + 1) % kAccounts}, use_awaitable);
}

asio::awaitable<void> step(async::connection& db, int client, std::int64_t id, Ledger& ledger) {
    ledger.wrote(id, co_await db.try_execute(kWrite, {id}, use_awaitable));
    ledger.counted(client, co_await db.try_execute(kCount, {client}, use_awaitable));
    try {
        const auto body = [id](async::connection& own) { return transfer(own, id); };
        co_await async::run_transaction(db, body, {.idempotent = true});
        rows sum = co_await db.query(kSum, {}, use_awaitable);
        EXPECT_TRUE(sum.next());
        EXPECT_EQ(sum.get<std::int64_t>(0), kTotal);
    } catch (const error& failed) {
        ledger.forbid(failed.what());
    }
}

asio::awaitable<void> work(async::connection db, int client, const std::atomic<bool>& over,
                           Ledger& ledger) {
    co_await db.execute(kRegister, {client}, use_awaitable, {.idempotent = true});
    for (std::int64_t id = client * 1'000'000; !over; ++id) {
        co_await step(db, client, id, ledger);
        co_await db.pause(kPause, use_awaitable);
    }
}

TEST(Failover, Coroutines) {
    Load load("coroutines");
    asio::io_context context;
    for (int client = 0; client < testing::clients(); ++client) {
        async::connection own(context.get_executor(), load.cluster, "failover");
        asio::co_spawn(context, work(own, client, load.over, load.ledger),
                       [&](const std::exception_ptr& failed) {
                           if (failed) load.ledger.forbid("a coroutine ended by an exception");
                       });
    }
    std::thread runner([&] { context.run(); });
    load.kill_leaders();
    runner.join();
    load.ledger.check(load.db);
}

}  // namespace
}  // namespace quorlite
