// No operation waits for ever, nor longer than it may: nodes that fall silent, in both front ends.
#include <gtest/gtest.h>

#include <asio/io_context.hpp>

#include "drivers/asio/pool.h"
#include "drivers/sync/session.h"
#include "quorlite/quorlite.h"
#include "tests/drivers/script/transports.h"

namespace quorlite {
namespace {

using namespace std::chrono_literals;
using testing::World;

constexpr const char* kInsert = "INSERT INTO t VALUES(?)";
constexpr const char* kSelect = "SELECT n FROM t";

options hurried() {
    options chosen;
    chosen.timeout = 2s;
    chosen.connect_timeout = 1s;
    chosen.interrupt_timeout = 500ms;
    return chosen;
}
// What ends an operation that is late may take the time of an interrupt on top.
constexpr auto kLongest = 2s + 500ms;

template <class T>
std::optional<error_info> error_of(result<T> given) {
    if (given) return std::nullopt;
    return std::move(given).error();
}

void expect_late(const char* name, const std::optional<error_info>& error, World& world,
                 core::Time begun) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(error) << "it went well";
    EXPECT_TRUE(error->kind == error_kind::deadline || error->kind == error_kind::unavailable ||
                error->kind == error_kind::connection)
        << to_string(error->kind) << ": " << error->message;
    EXPECT_LE(world.now() - begun, kLongest);
}

// ---- The blocking front end ----

struct Blocking {
    const char* name;
    std::function<std::optional<error_info>(cluster&, connection&)> work;
};

const std::vector<Blocking> kBlocking = {
    {"connect", [](cluster& c, connection&) { return error_of(c.try_connect("other")); }},
    {"ping", [](cluster&, connection& db) { return error_of(db.try_ping()); }},
    {"execute", [](cluster&, connection& db) { return error_of(db.try_execute(kInsert, 1)); }},
    {"query", [](cluster&, connection& db) { return error_of(db.try_query(kSelect)); }},
    {"value", [](cluster&, connection& db) { return error_of(db.try_query_value<int>(kSelect)); }},
    {"prepare", [](cluster&, connection& db) { return error_of(db.try_prepare(kSelect)); }},
    {"script", [](cluster&, connection& db) { return error_of(db.try_execute_script(kSelect)); }},
    {"batch",
     [](cluster&, connection& db) {
         batch two;
         two.add(kSelect).add(kInsert, 1);
         auto results = db.run(two);
         EXPECT_FALSE(results.front().ok());
         return error_of(std::move(results.back()));
     }},
    {"begin", [](cluster&, connection& db) { return error_of(db.try_begin()); }},
    {"nodes", [](cluster& c, connection&) { return error_of(c.try_nodes()); }},
    {"leader", [](cluster& c, connection&) { return error_of(c.try_leader()); }},
    {"add", [](cluster& c, connection&) { return error_of(c.try_add({4, "d:1"})); }},
    {"assign", [](cluster& c, connection&) { return error_of(c.try_assign(2, node_role::spare)); }},
    {"remove", [](cluster& c, connection&) { return error_of(c.try_remove(2)); }},
    {"transfer", [](cluster& c, connection&) { return error_of(c.try_transfer()); }},
    {"describe", [](cluster& c, connection&) { return error_of(c.try_describe("b:1")); }},
    {"weight", [](cluster& c, connection&) { return error_of(c.try_set_weight("b:1", 1)); }},
    {"status", [](cluster& c, connection&) { return error_of(c.try_status()); }},
    {"dump",
     [](cluster& c, connection&) {
         return error_of(c.try_dump("db", [](const dump_part&) { return true; }));
     }},
};

// What falls silent in the middle of something.
const std::vector<Blocking> kInTransaction = {
    {"execute", [](cluster&, connection& db) { return error_of(db.try_execute(kInsert, 1)); }},
    {"commit", [](cluster&, connection& db) { return error_of(db.try_execute("COMMIT")); }},
};

class Deadlines : public ::testing::Test {
protected:
    void try_all(const std::vector<Blocking>& operations, bool connected, const char* before) {
        for (const Blocking& each : operations) {
            World world;
            world.database = {1, 2, 3};
            cluster c(world.addresses, hurried());
            detail::blocking_state_of(c)->make_transport = [&] {
                return testing::make_scripted(world);
            };
            connection db = connected ? c.connect("db") : c.connect_lazily("db");
            if (before) db.execute(before);
            world.silent = true;
            const core::Time begun = world.now();
            expect_late(each.name, each.work(c, db), world, begun);
        }
    }
};

TEST_F(Deadlines, NodesThatNeverSaidAnything) {
    try_all(kBlocking, false, nullptr);
}

TEST_F(Deadlines, NodesThatFallSilent) {
    try_all(kBlocking, true, nullptr);
}

TEST_F(Deadlines, NodesThatFallSilentInATransaction) {
    try_all(kInTransaction, true, "BEGIN");
}

TEST_F(Deadlines, ATransactionThatCannotBeRolledBackIsLeftInTime) {
    World world;
    cluster c(world.addresses, hurried());
    detail::blocking_state_of(c)->make_transport = [&] { return testing::make_scripted(world); };
    connection db = c.connect("db");
    core::Time begun{};
    {
        transaction tx = db.begin();
        tx.execute(kInsert, 1);
        world.silent = true;
        begun = world.now();
    }
    EXPECT_LE(world.now() - begun, 500ms);
    world.silent = false;
    db.execute(kInsert, 2);
    EXPECT_EQ(world.database, std::vector<std::int64_t>{2});
}

TEST_F(Deadlines, ABulkInsertIsGivenUpInTime) {
    World world;
    cluster c(world.addresses, hurried());
    detail::blocking_state_of(c)->make_transport = [&] { return testing::make_scripted(world); };
    connection db = c.connect("db");
    transaction tx = db.begin();
    auto bulk = tx.bulk_insert("t", {"n"});
    for (int i = 0; i < 2000; ++i) bulk.add(i);
    world.silent = true;
    const core::Time begun = world.now();
    for (int i = 0; i < 2000; ++i) static_cast<void>(bulk.try_add(i));
    expect_late("bulk", error_of(bulk.try_finish()), world, begun);
}

// One is sent again, one behind it is never answered, and one waits behind both: each has a
// deadline of its own. The world comes back so late that who forgets one shows it.
TEST_F(Deadlines, AreKeptBesideOneThatIsSentAgain) {
    World world;
    core::Time begun{};
    options chosen = hurried();
    chosen.waiting = [&](const std::string&) {
        if (world.now() - begun > 20s) world.silent = false;
    };
    cluster c(world.addresses, chosen);
    detail::blocking_state_of(c)->make_transport = [&] { return testing::make_scripted(world); };
    const auto session =
        std::make_shared<detail::session>(detail::blocking_state_of(c), core::Target{{}, "db"});
    const auto start = [&](core::OperationKind kind, const char* sql, auto timeout) {
        const auto operation = core::make_statement(kind, sql, {}).value();
        session->start(operation, {.timeout = timeout});
        return operation;
    };
    session->run(core::make_statement(core::OperationKind::kExecute, "INSERT", {}).value(), {});
    world.refusals = {{10250, "not leader"}};
    world.silent_about = "QUERY_SQL";
    begun = world.now();
    const auto again = start(core::OperationKind::kExecute, "INSERT INTO t", 1500ms);
    const auto silent = start(core::OperationKind::kQuery, kSelect, 700ms);
    session->push();
    const auto behind = start(core::OperationKind::kExecute, "BEGIN", 2000ms);  // never overtakes
    session->await(silent);
    world.silent = true;
    for (const auto& each : {silent, again, behind}) {
        session->await(each);
        ASSERT_TRUE(each->error) << each->sql << " went well";
        EXPECT_LE(world.now(), each->deadline) << each->sql;
    }
}

// ---- The Asio front end ----

using Tell = std::function<void(const std::optional<error_info>&)>;

struct Asynchronous {
    const char* name;
    std::function<void(async::connection, Tell)> start;
};

template <class T>
auto telling(Tell tell) {
    return [tell = std::move(tell)](result<T> given) { tell(error_of(std::move(given))); };
}

const std::vector<Asynchronous> kAsynchronous = {
    {"connect",
     [](async::connection db, Tell tell) { db.try_connect(telling<void>(std::move(tell))); }},
    {"ping", [](async::connection db, Tell tell) { db.try_ping(telling<void>(std::move(tell))); }},
    {"execute",
     [](async::connection db, Tell tell) {
         db.try_execute(kInsert, {1}, telling<execute_result>(std::move(tell)));
     }},
    {"query", [](async::connection db,
                 Tell tell) { db.try_query(kSelect, {}, telling<rows>(std::move(tell))); }},
    {"stream",
     [](async::connection db, Tell tell) {
         auto stream = std::make_shared<async::row_stream>(db.stream(kSelect, {}));
         stream->try_next([stream, tell = std::move(tell)](result<std::optional<rows>> given) {
             tell(error_of(std::move(given)));
         });
     }},
    {"begin",
     [](async::connection db, Tell tell) {
         db.try_begin(transaction_kind::write, telling<void>(std::move(tell)));
     }},
    {"commit",
     [](async::connection db, Tell tell) { db.try_commit(telling<void>(std::move(tell))); }},
    {"rollback",
     [](async::connection db, Tell tell) { db.try_rollback(telling<void>(std::move(tell))); }},
};

void try_asynchronous(bool connected) {
    for (const Asynchronous& each : kAsynchronous) {
        if (connected && each.name == std::string("connect")) continue;
        World world;
        cluster c(world.addresses, hurried());
        asio::io_context context;
        testing::Alarms alarms;
        std::optional<async::connection> db(std::make_shared<async::detail::session>(
            context.get_executor(), detail::state_of(c), core::Target{{}, "db"},
            [&](const auto& strand) { return testing::make_scripted(world, alarms, strand); }));
        if (connected) {
            bool ready = false;
            db->try_connect([&](const result<void>& done) { ready = done.ok(); });
            ASSERT_TRUE(alarms.run(context, world, [&] { return ready; }));
        }
        world.silent = true;
        const core::Time begun = world.now();
        bool over = false;
        std::optional<error_info> error;
        each.start(*db, [&](const std::optional<error_info>& told) {
            over = true;
            error = told;
        });
        ASSERT_TRUE(alarms.run(context, world, [&] { return over; })) << each.name;
        expect_late(each.name, error, world, begun);
        db.reset();
        testing::Alarms::settle(context);
    }
}

TEST(AsioDeadlines, NodesThatNeverSaidAnything) {
    try_asynchronous(false);
}

TEST(AsioDeadlines, NodesThatFallSilent) {
    try_asynchronous(true);
}

}  // namespace
}  // namespace quorlite
