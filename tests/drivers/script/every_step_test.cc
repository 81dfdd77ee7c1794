// Every I/O step of every operation fails in turn, in each way that it can fail, in both front
// ends.
//
// Whatever fails, the call ends; what it says is true; and what is safe to retry does not fail at
// all, since the nodes themselves are well. The number of steps is found by counting: a run in
// which the chosen step was never reached is the last.
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include "drivers/asio/administration.h"
#include "drivers/asio/pool.h"
#include "drivers/sync/session.h"
#include "quorlite/asio.h"
#include "quorlite/quorlite.h"
#include "tests/drivers/script/transports.h"

namespace quorlite {
namespace {

using asio::use_awaitable;
using testing::Alarms;
using testing::Fault;
using testing::World;

// What an operation wants to have done: it adds these numbers, all or none; or it changes the
// membership; or it only reads.
struct Case {
    const char* name;
    std::vector<std::int64_t> adds;
    bool safe = false;  // must not fail
    std::function<void(cluster&)> blocking;
    std::function<asio::awaitable<void>(async::connection)> asynchronous = {};
    std::function<asio::awaitable<void>(async::pool)> pooled = {};
    std::vector<std::uint64_t> changes = {};  // of the membership, by the nodes' ids
    std::function<asio::awaitable<void>(async::administration)> administered = {};
};

void drain(rows all) {
    while (all.next()) all.get<std::int64_t>(0);
}

// The coroutines are functions, since a lambda's captures die before its coroutine does.
asio::awaitable<void> co_connect(async::connection db) {
    co_await db.connect(use_awaitable);
}
asio::awaitable<void> co_insert(async::connection db) {
    co_await db.execute("INSERT INTO t VALUES(?)", {1}, use_awaitable);
}
asio::awaitable<void> co_repeated(async::connection db) {
    for (int i = 1; i <= 3; ++i) {
        co_await db.execute("INSERT INTO t VALUES(?)", {i}, use_awaitable);
    }
}
asio::awaitable<void> co_returning(async::connection db) {
    rows back = co_await db.query("INSERT INTO t VALUES(?) RETURNING n", {1}, use_awaitable);
    drain(std::move(back));
}
asio::awaitable<void> co_read(async::connection db) {
    rows all = co_await db.query("SELECT n FROM t", {}, use_awaitable);
    drain(std::move(all));
}
asio::awaitable<void> co_stream(async::connection db) {
    async::row_stream stream = db.stream("SELECT n FROM t", {});
    while (auto batch = co_await stream.next(use_awaitable)) drain(*std::move(batch));
}
asio::awaitable<void> add_two(async::connection& db) {
    co_await db.execute("INSERT INTO t VALUES(?)", {1}, use_awaitable);
    co_await db.execute("INSERT INTO t VALUES(?)", {2}, use_awaitable);
}
asio::awaitable<void> co_transaction(async::connection db) {
    co_await async::run_transaction(db, [](async::connection& own) { return add_two(own); });
}

asio::awaitable<void> co_ping(async::connection db) {
    co_await db.ping(use_awaitable);
}
asio::awaitable<void> co_close_early(async::connection db) {
    {
        async::row_stream stream = db.stream("SELECT n FROM t", {});
        EXPECT_TRUE(co_await stream.next(use_awaitable));
    }
    co_await db.execute("INSERT INTO t VALUES(?)", {1}, use_awaitable);
}
asio::awaitable<void> add_and_roll_back(async::connection& db) {
    co_await db.execute("INSERT INTO t VALUES(?)", {1}, use_awaitable);
    co_await db.rollback(use_awaitable);
}
asio::awaitable<void> co_rolled_back(async::connection db) {
    co_await async::run_transaction(
        db, [](async::connection& own) { return add_and_roll_back(own); }, {},
        transaction_kind::read);
}
asio::awaitable<void> co_by_hand(async::connection db) {
    co_await db.begin(transaction_kind::write, use_awaitable);
    co_await add_two(db);
    co_await db.commit(use_awaitable);
}
asio::awaitable<result<void>> add_two_quietly(async::connection& db) {
    for (int i = 1; i <= 2; ++i) {
        const auto done = co_await db.try_execute("INSERT INTO t VALUES(?)", {i}, use_awaitable);
        if (!done) co_return done.error();
    }
    co_return result<void>();
}
asio::awaitable<void> co_quiet_transaction(async::connection db) {
    const auto body = [](async::connection& own) { return add_two_quietly(own); };
    (co_await async::try_run_transaction(db, body)).value();
}
asio::awaitable<void> co_read_repeatedly(async::connection db) {
    for (int i = 0; i < 3; ++i) {
        rows all = co_await db.query("SELECT n FROM t WHERE n > ?", {i}, use_awaitable);
        drain(std::move(all));
    }
}

asio::awaitable<void> co_pool(async::pool shared) {
    for (int i = 1; i <= 3; ++i) {
        async::pool::lease own = co_await shared.acquire(use_awaitable);
        co_await own->execute("INSERT INTO t VALUES(?)", {i}, use_awaitable);
    }
}
asio::awaitable<void> co_open_lease(async::pool shared) {
    {
        async::pool::lease own = co_await shared.acquire(use_awaitable);
        co_await own->begin(transaction_kind::read, use_awaitable);
    }
    async::pool::lease own = co_await shared.acquire(use_awaitable);
    co_await own->execute("INSERT INTO t VALUES(?)", {1}, use_awaitable);
}

asio::awaitable<void> add_in_bulk(async::connection& db) {
    async::bulk_insert bulk = db.bulk_insert("t", {"n"});
    for (int i = 1; i <= 3; ++i) co_await bulk.add({i}, use_awaitable);
    EXPECT_EQ(co_await bulk.finish(use_awaitable), 3u);
}
asio::awaitable<void> co_bulk(async::connection db) {
    co_await async::run_transaction(db, [](async::connection& own) { return add_in_bulk(own); });
}
std::vector<argument> wide_row(int number) {
    std::vector<argument> row(200, argument(nullptr));
    row.front() = argument(number);
    return row;
}
asio::awaitable<void> co_wide_bulk(async::connection db) {
    co_await db.begin(transaction_kind::write, use_awaitable);
    async::bulk_insert bulk = db.bulk_insert("t", std::vector<std::string>(200, "n"));
    std::vector<async::parameters> rows;
    for (int i = 1; i <= 5; ++i) rows.emplace_back(arguments(wide_row(i)));
    co_await bulk.add_range(rows, use_awaitable);
    co_await bulk.finish(use_awaitable);
    co_await db.commit(use_awaitable);
}

asio::awaitable<void> co_nodes(async::administration own) {
    EXPECT_EQ((co_await own.nodes(use_awaitable)).size(), 3u);
}
asio::awaitable<void> co_leader(async::administration own) {
    EXPECT_EQ((co_await own.leader(use_awaitable)).address, "a:1");
}
asio::awaitable<void> co_describe(async::administration own) {
    EXPECT_EQ((co_await own.describe("b:1", use_awaitable)).weight, 4u);
}
asio::awaitable<void> co_weight(async::administration own) {
    co_await own.set_weight("b:1", 7, use_awaitable);
}
asio::awaitable<void> co_status(async::administration own) {
    EXPECT_EQ((co_await own.status(use_awaitable)).size(), 3u);
}
asio::awaitable<void> co_add(async::administration own) {
    co_await own.add(4, "d:1", node_role::spare, use_awaitable);
}
asio::awaitable<void> co_add_voter(async::administration own) {
    co_await own.add(4, "d:1", node_role::voter, use_awaitable);
}
asio::awaitable<void> co_assign(async::administration own) {
    co_await own.assign(3, node_role::standby, use_awaitable);
}
asio::awaitable<void> co_remove(async::administration own) {
    co_await own.remove(3, use_awaitable);
}
asio::awaitable<void> co_transfer(async::administration own) {
    co_await own.transfer(2, use_awaitable);
}
asio::awaitable<void> co_dump(async::administration own) {
    async::dump_stream files = own.dump("db");
    std::size_t bytes = 0;
    while (const auto piece = co_await files.next(use_awaitable)) bytes += piece->bytes.size();
    EXPECT_EQ(bytes, 24u);
}
asio::awaitable<void> co_dump_stopped(async::administration own) {
    async::dump_stream files = own.dump("db");
    EXPECT_TRUE(co_await files.next(use_awaitable));
}

void insert(queries& into, std::int64_t number) {
    into.execute("INSERT INTO t VALUES(?)", number);
}

const std::vector<Case> kCases = {
    {"connect", {}, true, [](cluster& c) { c.connect("db"); }, co_connect},
    {"ping", {}, true, [](cluster& c) { c.connect("db").ping(); }, co_ping},
    {"insert",
     {1},
     false,
     [](cluster& c) {
         auto db = c.connect_lazily("db");
         insert(db, 1);
     },
     co_insert},
    {"repeated inserts",
     {1, 2, 3},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         for (int i = 1; i <= 3; ++i) insert(db, i);
     },
     co_repeated},
    {"returning",
     {1},
     false,
     [](cluster& c) { drain(c.connect("db").query("INSERT INTO t VALUES(?) RETURNING n", 1)); },
     co_returning},
    {"query value",
     {},
     true,
     [](cluster& c) {
         auto db = c.connect("db");
         EXPECT_EQ(db.query_value<int>("SELECT n FROM t"), 100);
     }},
    {"read",
     {},
     true,
     [](cluster& c) {
         auto db = c.connect("db");
         EXPECT_TRUE(db.query_row<int>("SELECT n FROM t").has_value());
     },
     co_read},
    {"stream",
     {},
     false,
     [](cluster& c) { drain(c.connect("db").query("SELECT n FROM t")); },
     co_stream},
    {"prepared",
     {5},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         auto statement = db.prepare("INSERT INTO t VALUES(?)");
         EXPECT_EQ(statement.parameter_count(), 1u);
         statement.execute(5);
     }},
    {"transaction",
     {1, 2},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         db.run_transaction([](transaction& tx) {
             insert(tx, 1);
             insert(tx, 2);
         });
     },
     co_transaction},
    {"rolled back",
     {},
     true,
     [](cluster& c) {
         auto db = c.connect("db");
         db.run_transaction(
             [](transaction& tx) {
                 insert(tx, 1);
                 tx.rollback();
             },
             {}, transaction_kind::read);
     },
     co_rolled_back},
    {"transaction by hand",
     {1, 2},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         transaction tx = db.begin();
         insert(tx, 1);
         insert(tx, 2);
         tx.commit();
     },
     co_by_hand},
    {"transaction without exceptions",
     {1, 2},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         const auto done = db.try_run_transaction([](transaction& tx) -> result<execute_result> {
             insert(tx, 1);
             return tx.try_execute("INSERT INTO t VALUES(?)", 2);
         });
         done.value();
     },
     co_quiet_transaction},
    {"transaction that is dropped",
     {},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         transaction tx = db.begin();
         insert(tx, 1);
     }},
    {"savepoint",
     {1},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         db.execute("SAVEPOINT a");
         insert(db, 1);
         db.execute("RELEASE a");
     }},
    {"stream that is closed early",
     {1},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         {
             rows all = db.query("SELECT n FROM t");
             EXPECT_TRUE(all.next());
         }
         insert(db, 1);
     },
     co_close_early},
    {"rows held for another statement",
     {1},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         rows all = db.query("SELECT n FROM t");
         insert(db, 1);
         drain(std::move(all));
     }},
    {"repeated reads",
     {},
     true,
     [](cluster& c) {
         auto db = c.connect("db");
         for (int i = 0; i < 3; ++i) {
             EXPECT_TRUE(db.query_row<int>("SELECT n FROM t WHERE n > ?", i).has_value());
         }
     },
     co_read_repeatedly},
    {"bulk",
     {1, 2, 3},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         db.run_transaction([](transaction& tx) {
             auto bulk = tx.bulk_insert("t", {"n"});
             for (int i = 1; i <= 3; ++i) bulk.add(i);
             EXPECT_EQ(bulk.finish(), 3u);
         });
     },
     co_bulk},
    {"batch of reads",
     {},
     true,
     [](cluster& c) {
         auto db = c.connect("db");
         batch both;
         both.add("SELECT n FROM t").add("SELECT n FROM t");
         for (auto& each : db.run(both)) drain(std::move(each).value());
     }},
    {"script",
     {},
     true,
     [](cluster& c) { c.connect("db").execute_script("SELECT 1; -- no more\n SELECT 2;"); }},
    {"bulk, many statements under way",
     {1, 2, 3, 4, 5},
     false,
     [](cluster& c) {
         auto db = c.connect("db");
         transaction tx = db.begin();
         auto bulk = tx.bulk_insert("t", std::vector<std::string>(200, "n"));
         for (int i = 1; i <= 5; ++i) bulk.add_list(wide_row(i));
         bulk.finish();
         tx.commit();
     },
     co_wide_bulk},
    {"nodes", {}, true, [](cluster& c) { EXPECT_EQ(c.nodes().size(), 3u); }, {}, {}, {}, co_nodes},
    {"leader",
     {},
     true,
     [](cluster& c) { EXPECT_EQ(c.leader().address, "a:1"); },
     {},
     {},
     {},
     co_leader},
    {"describe",
     {},
     false,
     [](cluster& c) { EXPECT_EQ(c.describe("b:1").weight, 4u); },
     {},
     {},
     {},
     co_describe},
    {"weight", {}, false, [](cluster& c) { c.set_weight("b:1", 7); }, {}, {}, {7}, co_weight},
    {"status",
     {},
     true,
     [](cluster& c) { EXPECT_EQ(c.status().size(), 3u); },
     {},
     {},
     {},
     co_status},
    {"add",
     {},
     false,
     [](cluster& c) { c.add({4, "d:1", node_role::spare}); },
     {},
     {},
     {4},
     co_add},
    {"add a voter",
     {},
     false,
     [](cluster& c) { c.add({4, "d:1", node_role::voter}); },
     {},
     {},
     {4, 4},
     co_add_voter},
    {"assign",
     {},
     false,
     [](cluster& c) { c.assign(3, node_role::standby); },
     {},
     {},
     {3},
     co_assign},
    {"remove", {}, false, [](cluster& c) { c.remove(3); }, {}, {}, {3}, co_remove},
    {"transfer", {}, false, [](cluster& c) { c.transfer(2); }, {}, {}, {2}, co_transfer},
    {"dump that is stopped",
     {},
     false,
     [](cluster& c) { c.dump("db", [](const dump_part&) { return false; }); },
     {},
     {},
     {},
     co_dump_stopped},
    {"dump",
     {},
     false,
     [](cluster& c) {
         std::size_t bytes = 0;
         c.dump("db", [&](const dump_part& part) {
             bytes += part.bytes.size();
             return true;
         });
         EXPECT_EQ(bytes, 24u);
     },
     {},
     {},
     {},
     co_dump},
    {"pool",
     {1, 2, 3},
     false,
     [](cluster& c) {
         pool shared(c, "db", {.check_after = std::chrono::milliseconds(0)});
         for (int i = 1; i <= 3; ++i) insert(*shared.acquire(), i);
     },
     {},
     co_pool},
    {"pool that gets a transaction back",
     {1},
     false,
     [](cluster& c) {
         pool shared(c, "db", {.size_max = 1});
         shared.acquire()->execute("BEGIN");
         insert(*shared.acquire(), 1);
     },
     {},
     co_open_lease},
};

// How it ended: nothing, or the error.
using Ending = std::optional<error_info>;

Ending run_blocking(World& world, const Case& tried) {
    cluster c(world.addresses);
    detail::blocking_state_of(c)->make_transport = [&world] {
        return testing::make_scripted(world);
    };
    try {
        tried.blocking(c);
        return std::nullopt;
    } catch (const error& failed) {
        return failed.info();
    }
}

Ending run_asynchronous(World& world, const Case& tried) {
    asio::io_context context;
    Alarms alarms;
    cluster c(world.addresses);
    bool done = false;
    Ending ending;
    const async::MakeAsyncTransport transports = [&](const asio::any_io_executor& strand) {
        return testing::make_scripted(world, alarms, strand);
    };
    const auto begin = [&]() -> asio::awaitable<void> {
        const auto& state = detail::state_of(c);
        if (tried.administered) {
            return tried.administered(
                async::administration(std::make_shared<async::detail::administrator>(
                    context.get_executor(), state, transports)));
        }
        if (!tried.pooled) {
            return tried.asynchronous(async::connection(std::make_shared<async::detail::session>(
                context.get_executor(), state, core::Target{{}, "db"}, transports)));
        }
        const pool_options one{.size_max = 1, .check_after = std::chrono::milliseconds(0)};
        return tried.pooled(async::pool(std::make_shared<async::detail::lender>(
            context.get_executor(), state, "db", one, transports)));
    };
    asio::co_spawn(context, begin(), [&](const std::exception_ptr& failed) {
        done = true;
        try {
            if (failed) std::rethrow_exception(failed);
        } catch (const error& caught) {
            ending = caught.info();
        }
    });
    EXPECT_TRUE(alarms.run(context, world, [&] { return done; })) << "waits for ever";
    Alarms::settle(context);
    return ending;
}

// Whether what was told is what happened.
void judge(const World& world, const Case& tried, const Ending& ending) {
    std::vector<std::int64_t> added(world.database.begin() + 5, world.database.end());
    std::size_t found = 0;
    for (const std::int64_t each : tried.adds) {
        const auto times = std::count(added.begin(), added.end(), each);
        EXPECT_LE(times, 1) << each << " was added twice";
        found += static_cast<std::size_t>(times);
    }
    EXPECT_EQ(added.size(), found) << "something else was added";
    if (!ending) {
        EXPECT_EQ(found, tried.adds.size()) << "an acknowledged write is lost";
        EXPECT_EQ(world.changes, tried.changes);
        return;
    }
    SCOPED_TRACE(ending->message + ", " + to_string(ending->verdict));
    EXPECT_FALSE(tried.safe) << "what is safe to retry has failed";
    EXPECT_FALSE(ending->message.empty());
    EXPECT_FALSE(ending->node.empty());
    const bool changes = !tried.adds.empty() || !tried.changes.empty();
    EXPECT_TRUE(ending->verdict != verdict::in_doubt || changes);
    EXPECT_TRUE(ending->verdict != verdict::not_committed || world.changes.empty());
    // Of several statements the earlier ones may be done.
    const bool untouched = ending->verdict == verdict::not_committed && tried.adds.size() != 3;
    EXPECT_TRUE(!untouched || found == 0);
}

using Run = Ending (*)(World&, const Case&);

void fail_every_step(Run run, const Case& tried, Fault fault) {
    constexpr int kStepsMax = 500;
    for (int step = 0; step < kStepsMax; ++step) {
        World world;
        world.database = {100, 101, 102, 103, 104};
        world.fail_step = step;
        world.fault = fault;
        SCOPED_TRACE(std::string(tried.name) + ", step " + std::to_string(step) + ", fault " +
                     std::to_string(static_cast<int>(fault)));
        const Ending ending = run(world, tried);
        judge(world, tried, ending);
        if (world.steps() <= step) {
            EXPECT_FALSE(ending.has_value());
            EXPECT_GE(step, 3) << "nothing was tried";
            return;
        }
    }
    ADD_FAILURE() << tried.name << " never ends";
}

class EveryStep : public ::testing::TestWithParam<Fault> {};

TEST_P(EveryStep, Blocking) {
    for (const Case& each : kCases) fail_every_step(run_blocking, each, GetParam());
}

TEST_P(EveryStep, Asynchronous) {
    for (const Case& each : kCases) {
        const bool has = each.asynchronous || each.pooled || each.administered;
        if (has) fail_every_step(run_asynchronous, each, GetParam());
    }
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryStep,
                         ::testing::Values(Fault::kBefore, Fault::kAfter, Fault::kGarbage));

}  // namespace
}  // namespace quorlite
