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

#include "drivers/asio/session.h"
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

void insert(queries& into, std::int64_t number) {
    into.execute("INSERT INTO t VALUES(?)", number);
}

const std::vector<Case> kCases = {
    {"connect", {}, true, [](cluster& c) { c.connect("db"); }, co_connect},
    {"ping", {}, true, [](cluster& c) { c.connect("db").ping(); }},
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
     }},
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
     }},
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
    {"nodes", {}, true, [](cluster& c) { EXPECT_EQ(c.nodes().size(), 3u); }},
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
     }},
    {"pool",
     {1},
     false,
     [](cluster& c) {
         pool shared(c, "db");
         auto lease = shared.acquire();
         insert(*lease, 1);
     }},
};

// How it ended: nothing, or the error.
using Ending = std::optional<error_info>;

Ending run_blocking(World& world, const Case& tried) {
    cluster c(world.addresses);
    detail::state_of(c)->make_transport = [&world] { return testing::make_scripted(world); };
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
    {
        auto session = std::make_shared<async::detail::session>(
            context.get_executor(), detail::state_of(c), core::Target{{}, "db"},
            [&](const auto& strand) { return testing::make_scripted(world, alarms, strand); });
        asio::co_spawn(context, tried.asynchronous(async::connection(session)),
                       [&](const std::exception_ptr& failed) {
                           done = true;
                           try {
                               if (failed) std::rethrow_exception(failed);
                           } catch (const error& caught) {
                               ending = caught.info();
                           }
                       });
    }
    EXPECT_TRUE(alarms.run(context, world, [&] { return done; })) << "waits for ever";
    context.restart();
    context.poll();
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
        return;
    }
    SCOPED_TRACE(ending->message + ", " + to_string(ending->verdict));
    EXPECT_FALSE(tried.safe) << "what is safe to retry has failed";
    EXPECT_FALSE(ending->message.empty());
    EXPECT_FALSE(ending->node.empty());
    EXPECT_TRUE(ending->verdict != verdict::in_doubt || !tried.adds.empty());
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
            EXPECT_GT(step, 3) << "nothing was tried";
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
        if (each.asynchronous) fail_every_step(run_asynchronous, each, GetParam());
    }
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryStep,
                         ::testing::Values(Fault::kBefore, Fault::kAfter, Fault::kGarbage));

}  // namespace
}  // namespace quorlite
