// The Asio front end: completion tokens, cancellation of single operations, transactions of
// coroutines that do not get to their end, bulk inserts, administration, and the pool.
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <future>

#include "drivers/asio/administration.h"
#include "drivers/asio/pool.h"
#include "tests/drivers/script/transports.h"

namespace quorlite::async {
namespace {

using namespace std::chrono_literals;
using asio::use_awaitable;
using testing::World;

constexpr const char* kInsert = "INSERT INTO t VALUES(?)";
constexpr const char* kSelect = "SELECT n FROM t";
constexpr const char* kSlow = "SELECT slow FROM t";

class Asio : public ::testing::Test {
protected:
    // What was left is closed.
    void TearDown() override { settle(); }

    connection connect() {
        return connection(std::make_shared<detail::session>(context_.get_executor(),
                                                            quorlite::detail::state_of(cluster_),
                                                            core::Target{{}, "db"}, transports_));
    }
    pool make_pool(const pool_options& chosen) {
        return pool(std::make_shared<detail::lender>(context_.get_executor(),
                                                     quorlite::detail::state_of(cluster_), "db",
                                                     chosen, transports_));
    }
    administration administer() {
        return administration(std::make_shared<detail::administrator>(
            context_.get_executor(), quorlite::detail::state_of(cluster_), transports_));
    }
    // Runs until `done`, and time goes on.
    void run(const std::function<bool()>& done) {
        ASSERT_TRUE(alarms_.run(context_, world_, done)) << "waits for ever";
    }
    // Whatever can happen now.
    void settle() { testing::Alarms::settle(context_); }

    template <class T>
    auto keep(std::optional<result<T>>& into) {
        return [&into](result<T> given) { into.emplace(std::move(given)); };
    }
    // Ends a coroutine, and says how.
    std::optional<error_info> finish(asio::awaitable<void> work) {
        std::optional<error_info> error;
        bool over = false;
        const auto told = [&](const std::exception_ptr& failed) {
            over = true;
            error = info_of(failed);
        };
        asio::co_spawn(context_, std::move(work), told);
        run([&] { return over; });
        settle();
        return error;
    }
    static std::optional<error_info> info_of(const std::exception_ptr& failed) {
        try {
            if (failed) std::rethrow_exception(failed);
        } catch (const error& caught) {
            return caught.info();
        }
        return std::nullopt;
    }
    std::int64_t count(const std::string& request) const {
        return std::count(world_.requests.begin(), world_.requests.end(), request);
    }
    // Connected, so that what follows is told apart from connecting.
    connection connected() {
        connection db = connect();
        std::optional<result<void>> done;
        db.try_connect(keep(done));
        run([&] { return done.has_value(); });
        EXPECT_TRUE(done->ok());
        return db;
    }

    // Connected, with a transaction open.
    connection begun() {
        connection db = connect();
        std::optional<result<void>> done;
        db.try_begin(transaction_kind::write, keep(done));
        run([&] { return done.has_value(); });
        EXPECT_TRUE(done->ok());
        world_.requests.clear();
        return db;
    }
    // The connection is as good as before, the transaction apart.
    void expect_usable(connection db) {
        std::optional<result<void>> tidied;
        std::optional<result<execute_result>> after;
        db.try_tidy(keep(tidied));
        db.try_execute(kInsert, {77}, keep(after));
        run([&] { return after.has_value(); });
        EXPECT_TRUE(tidied->ok() && after->ok());
        EXPECT_EQ(world_.database, std::vector<std::int64_t>{77});
        EXPECT_EQ(count("OPEN"), 0) << "it was connected anew";
    }

    World world_;
    const options cluster_options_;
    cluster cluster_{world_.addresses, cluster_options_};
    asio::io_context context_;
    testing::Alarms alarms_;
    MakeAsyncTransport transports_ = [this](const asio::any_io_executor& strand) {
        return testing::make_scripted(world_, alarms_, strand);
    };
};

// ---- Completion tokens ----

TEST_F(Asio, CallbacksAreCalledInOrderAndNeverAtOnce) {
    connection db = connect();
    std::vector<int> told;
    for (int i = 0; i < 20; ++i) {
        db.execute(kInsert, {i}, [&told, i](const std::exception_ptr& failed, execute_result done) {
            EXPECT_FALSE(failed);
            EXPECT_EQ(done.rows_affected, 1u);
            told.push_back(i);
        });
    }
    EXPECT_TRUE(told.empty());
    EXPECT_TRUE(world_.requests.empty());
    run([&] { return told.size() == 20; });
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_TRUE(std::is_sorted(world_.database.begin(), world_.database.end()));
}

TEST_F(Asio, FuturesHoldValuesAndExceptions) {
    connection db = connect();
    std::future<execute_result> done = db.execute(kInsert, {5}, asio::use_future);
    std::future<rows> found = db.query(kSelect, {}, asio::use_future);
    settle();  // they become ready on a thread of Asio's
    EXPECT_EQ(done.get().rows_affected, 1u);
    rows all = found.get();
    ASSERT_TRUE(all.next());
    EXPECT_EQ(all.get<int>(0), 5);
    world_.refusals = {{19, "UNIQUE constraint failed", false}};
    std::future<execute_result> refused = db.execute(kInsert, {5}, asio::use_future);
    settle();
    EXPECT_THROW(refused.get(), error);
}

TEST_F(Asio, SaysWhyItWaits) {
    world_.leader = 99;
    std::vector<std::string> said;
    options waiting;
    waiting.timeout = 1s;
    waiting.waiting = [&](const std::string& trouble) { said.push_back(trouble); };
    cluster_ = cluster(world_.addresses, waiting);
    connection db = connect();
    std::optional<result<void>> done;
    db.try_connect(keep(done));
    run([&] { return done.has_value(); });
    ASSERT_FALSE(*done);
    EXPECT_NE(done->error().message.find("a:1: knows no leader"), std::string::npos)
        << done->error().message;
    ASSERT_FALSE(said.empty());
    EXPECT_NE(said.front().find("a:1: knows no leader"), std::string::npos);
}

TEST_F(Asio, EndingATransactionThatIsNotThereIsNoError) {
    connection db = connected();
    const auto requests = world_.requests.size();
    std::optional<result<void>> concluded;
    std::optional<result<void>> tidied;
    db.try_conclude(keep(concluded));
    db.try_tidy(keep(tidied));
    run([&] { return concluded && tidied; });
    EXPECT_TRUE(concluded->ok() && tidied->ok());
    EXPECT_EQ(world_.requests.size(), requests) << "the node was asked";
    std::optional<result<void>> committed;
    world_.refusals = {{1, "cannot commit - no transaction is active", false}};
    db.try_commit(keep(committed));
    run([&] { return committed.has_value(); });
    EXPECT_FALSE(committed->ok());
}

// ---- Cancellation ----

TEST_F(Asio, ACancelledStatementIsInterruptedAndItsConnectionStays) {
    for (const char* sql : {"SELECT slow FROM t", "UPDATE t SET slow = 1"}) {
        connection db = connected();
        world_.requests.clear();
        asio::cancellation_signal stop;
        std::optional<result<execute_result>> stopped;
        db.try_execute(sql, {}, asio::bind_cancellation_slot(stop.slot(), keep(stopped)));
        settle();
        EXPECT_FALSE(stopped);
        const auto before = world_.now();
        stop.emit(asio::cancellation_type::total);
        run([&] { return stopped.has_value(); });
        ASSERT_FALSE(stopped->ok());
        EXPECT_EQ(stopped->error().kind, error_kind::cancelled);
        EXPECT_EQ(stopped->error().verdict, verdict::not_committed);
        EXPECT_EQ(count("INTERRUPT"), 1);
        EXPECT_EQ(world_.now(), before);
        EXPECT_FALSE(finish([](connection own) -> asio::awaitable<void> {
            co_await own.execute(kInsert, {1}, use_awaitable);
        }(db)));
        EXPECT_EQ(count("OPEN"), 0) << "it was connected anew";
    }
}

TEST_F(Asio, CancellingOneLeavesTheOthersAlone) {
    connection db = connected();
    asio::cancellation_signal stop;
    std::optional<result<execute_result>> first;
    std::optional<result<rows>> second;
    std::optional<result<execute_result>> third;
    db.try_execute(kInsert, {1}, keep(first));
    db.try_query(kSlow, {}, asio::bind_cancellation_slot(stop.slot(), keep(second)));
    settle();
    ASSERT_TRUE(first && first->ok());
    db.try_execute(kInsert, {2}, keep(third), {.idempotent = true});
    settle();
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(second && !second->ok());
    EXPECT_EQ(second->error().kind, error_kind::cancelled);
    run([&] { return third.has_value(); });
    EXPECT_TRUE(third->ok());
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(Asio, ACancellationThatComesTooLateDoesNothing) {
    connection db = connected();
    asio::cancellation_signal stop;
    std::optional<result<execute_result>> done;
    db.try_execute(kInsert, {1}, asio::bind_cancellation_slot(stop.slot(), keep(done)));
    run([&] { return done.has_value(); });
    EXPECT_TRUE(done->ok());
    std::optional<result<rows>> next;
    db.try_query(kSelect, {}, keep(next));
    stop.emit(asio::cancellation_type::total);
    run([&] { return next.has_value(); });
    EXPECT_TRUE(next->ok());
    EXPECT_EQ(count("INTERRUPT"), 0);
}

TEST_F(Asio, WhatHasNotBegunIsCancelledAtOnce) {
    world_.leader = 99;
    connection db = connect();
    asio::cancellation_signal stop;
    std::optional<result<execute_result>> cancelled;
    db.try_execute(kInsert, {1}, asio::bind_cancellation_slot(stop.slot(), keep(cancelled)));
    settle();
    EXPECT_FALSE(cancelled);
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(cancelled && !cancelled->ok());
    EXPECT_EQ(cancelled->error().kind, error_kind::cancelled);
    EXPECT_EQ(cancelled->error().verdict, verdict::not_committed);
    EXPECT_TRUE(world_.database.empty());
}

TEST_F(Asio, APauseCanBeCancelled) {
    connection db = connect();
    asio::cancellation_signal stop;
    std::optional<result<void>> first;
    std::optional<result<void>> second;
    db.try_pause(1h, asio::bind_cancellation_slot(stop.slot(), keep(first)));
    db.try_pause(1h, keep(second));
    settle();
    const auto before = world_.now();
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(first && !first->ok());
    EXPECT_EQ(first->error().kind, error_kind::cancelled);
    EXPECT_FALSE(second);
    run([&] { return second.has_value(); });
    EXPECT_TRUE(second->ok());
    EXPECT_EQ(world_.now() - before, 1h);
}

TEST_F(Asio, AStreamThatIsCancelledEndsAlone) {
    connection db = connected();
    asio::cancellation_signal stop;
    std::optional<result<std::optional<rows>>> batch;
    row_stream stream = db.stream(kSlow, {});
    stream.try_next(asio::bind_cancellation_slot(stop.slot(), keep(batch)));
    settle();
    stop.emit(asio::cancellation_type::total);
    run([&] { return batch.has_value(); });
    ASSERT_FALSE(batch->ok());
    EXPECT_EQ(batch->error().kind, error_kind::cancelled);
    std::optional<result<execute_result>> after;
    db.try_execute(kInsert, {1}, keep(after));
    run([&] { return after.has_value(); });
    EXPECT_TRUE(after->ok());
    EXPECT_EQ(count("OPEN"), 1);
}

TEST_F(Asio, AStreamWhoseConnectionIsGoneEnds) {
    row_stream stream;
    {
        connection db = connected();
        stream = db.stream(kSlow, {});
        settle();
    }
    settle();
    std::optional<result<std::optional<rows>>> batch;
    stream.try_next(keep(batch));
    run([&] { return batch.has_value(); });
    ASSERT_FALSE(batch->ok());
    EXPECT_EQ(batch->error().kind, error_kind::cancelled);
}

// ---- Transactions ----

asio::awaitable<void> insert_and_stay(connection& db) {
    co_await db.execute(kInsert, {1}, use_awaitable);
    co_await db.execute("UPDATE t SET slow = 1", {}, use_awaitable);
}
asio::awaitable<void> insert_and_throw(connection& db) {
    co_await db.execute(kInsert, {1}, use_awaitable);
    throw std::runtime_error("of the caller");
}
asio::awaitable<void> insert_and_roll_back(connection& db) {
    co_await db.execute(kInsert, {1}, use_awaitable);
    co_await db.rollback(use_awaitable);
}
asio::awaitable<result<int>> insert_quietly(connection& db) {
    const result<execute_result> done = co_await db.try_execute(kInsert, {1}, use_awaitable);
    if (!done) co_return done.error();
    co_return 7;
}
asio::awaitable<void> insert_alone(connection db) {
    co_await db.execute(kInsert, {2}, use_awaitable);
}

TEST_F(Asio, ACancelledTransactionIsRolledBack) {
    connection db = connected();
    asio::cancellation_signal stop;
    bool over = false;
    asio::co_spawn(context_, run_transaction(db, insert_and_stay),
                   asio::bind_cancellation_slot(stop.slot(), [&](const std::exception_ptr& failed) {
                       over = true;
                       EXPECT_TRUE(failed);
                   }));
    settle();
    EXPECT_EQ(count("INTERRUPT"), 0);
    stop.emit(asio::cancellation_type::total);
    run([&] { return over; });
    EXPECT_EQ(count("INTERRUPT"), 1);
    EXPECT_FALSE(finish(insert_alone(db)));
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{2}) << "not outside of the transaction";
    EXPECT_EQ(count("OPEN"), 1);
}

TEST_F(Asio, ATransactionThatThrowsIsRolledBack) {
    connection db = connected();
    bool thrown = false;
    asio::co_spawn(context_, run_transaction(db, insert_and_throw),
                   [&](const std::exception_ptr& failed) {
                       EXPECT_THROW(std::rethrow_exception(failed), std::runtime_error);
                       thrown = true;
                   });
    run([&] { return thrown; });
    EXPECT_FALSE(finish(insert_alone(db)));
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{2});
}

TEST_F(Asio, ATransactionMayEndItself) {
    connection db = connected();
    EXPECT_FALSE(finish(run_transaction(db, insert_and_roll_back)));
    EXPECT_TRUE(world_.database.empty());
}

asio::awaitable<void> run_quietly(connection db, std::optional<result<int>>& into) {
    into.emplace(co_await try_run_transaction(db, insert_quietly));
}
asio::awaitable<void> run_quietly_in_pool(pool shared, std::optional<result<int>>& into) {
    into.emplace(co_await try_run_transaction(shared, insert_quietly));
}

TEST_F(Asio, ATransactionWithoutExceptionsIsRetriedAsWell) {
    connection db = connected();
    std::optional<result<int>> value;
    world_.refusals = {{}, {10506, "leadership lost", false}};  // BEGIN goes well
    EXPECT_FALSE(finish(run_quietly(db, value)));
    ASSERT_TRUE(value && value->ok());
    EXPECT_EQ(**value, 7);
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
    world_.refusals = {{}, {19, "UNIQUE constraint failed", false}};
    EXPECT_FALSE(finish(run_quietly(db, value)));
    ASSERT_FALSE(value->ok());
    EXPECT_EQ(value->error().code(), 19);
}

// ---- Bulk inserts ----

using Counted = std::optional<result<std::uint64_t>>;
const std::vector<std::string> kWide(200, "n");  // one row fills a statement

TEST(Parameters, KeepThatAnArgumentDoesNotFit) {
    const parameters kept{1, UINT64_MAX, named("n", 3)};
    const std::vector<argument> bound = kept.view();
    ASSERT_EQ(bound.size(), 3u);
    EXPECT_TRUE(bound[0].fits());
    EXPECT_FALSE(bound[1].fits());
    EXPECT_NE(bound[1].problem().find("18446744073709551615"), std::string::npos);
    EXPECT_EQ(bound[2].name(), "n");
}

parameters wide_row(int number) {
    std::vector<argument> row(kWide.size(), argument(nullptr));
    row.front() = argument(number);
    return parameters(arguments(row));
}

TEST_F(Asio, RowsAreInsertedInFewStatementsInOrder) {
    connection db = begun();
    bulk_insert bulk = db.bulk_insert("t", {"n"});
    std::vector<std::int64_t> numbers(600);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
    std::future<void> added = bulk.add_range(numbers, asio::use_future);
    bulk.add({600}, [](const std::exception_ptr& failed) { EXPECT_FALSE(failed); });
    Counted finished;
    bulk.try_finish(keep(finished));
    std::optional<result<void>> committed;
    db.try_commit(keep(committed));
    run([&] { return committed.has_value(); });
    settle();
    added.get();
    ASSERT_TRUE(finished && finished->ok());
    EXPECT_EQ(**finished, 601u);
    numbers.push_back(600);
    EXPECT_EQ(world_.database, numbers);
    EXPECT_EQ(count("PREPARE"), 1);
    EXPECT_EQ(count("EXEC") + count("EXEC_SQL"), 4) << "three statements and the COMMIT";
}

TEST_F(Asio, AProducerOfRowsWaitsForRoom) {
    options tight;
    tight.pipelined_bytes_max = 1;
    cluster_ = cluster(world_.addresses, tight);
    connection db = begun();
    bulk_insert bulk = db.bulk_insert("slow", kWide);
    asio::cancellation_signal stop;
    std::optional<result<void>> first;
    std::optional<result<void>> second;
    Counted finished;
    bulk.try_add(wide_row(1), asio::bind_cancellation_slot(stop.slot(), keep(first)));
    bulk.try_add(wide_row(2), keep(second));
    settle();
    EXPECT_FALSE(first || second) << "there is no room";
    EXPECT_EQ(count("EXEC"), 1);
    stop.emit(asio::cancellation_type::total);
    bulk.try_finish(keep(finished));
    settle();
    ASSERT_TRUE(first && second && finished);
    for (const error_info& each : {first->error(), second->error(), finished->error()}) {
        EXPECT_EQ(each.kind, error_kind::cancelled);
        EXPECT_EQ(each.verdict, verdict::not_committed);
    }
    EXPECT_EQ(count("EXEC"), 1) << "the second row was sent nevertheless";
    EXPECT_EQ(count("INTERRUPT"), 1);
    expect_usable(db);
}

TEST_F(Asio, ABulkInsertThatIsCancelledStopsEverythingUnderWay) {
    connection db = begun();
    bulk_insert bulk = db.bulk_insert("slow", kWide);
    std::optional<result<void>> added;
    bulk.try_add_range(std::vector{wide_row(1), wide_row(2)}, keep(added));
    asio::cancellation_signal stop;
    Counted finished;
    bulk.try_finish(asio::bind_cancellation_slot(stop.slot(), keep(finished)));
    settle();
    EXPECT_TRUE(added && added->ok());
    EXPECT_FALSE(finished);
    const auto before = world_.now();
    stop.emit(asio::cancellation_type::total);
    run([&] { return finished.has_value(); });
    ASSERT_FALSE(finished->ok());
    EXPECT_EQ(finished->error().kind, error_kind::cancelled);
    EXPECT_LE(world_.now() - before, cluster_options_.interrupt_timeout);
    std::optional<result<void>> late;
    bulk.try_add(wide_row(3), keep(late));
    settle();
    EXPECT_TRUE(late && !late->ok()) << "it goes on without what was stopped";
}

TEST_F(Asio, ABulkInsertHasADeadline) {
    connection db = begun();
    bulk_insert bulk = db.bulk_insert("slow", {"n"});
    std::optional<result<void>> added;
    Counted finished;
    bulk.try_add({1}, keep(added));
    const auto before = world_.now();
    bulk.try_finish(keep(finished), {.timeout = 2s});
    run([&] { return finished.has_value(); });
    ASSERT_FALSE(finished->ok());
    EXPECT_EQ(finished->error().kind, error_kind::deadline);
    EXPECT_EQ(world_.now() - before, 2s);
}

TEST_F(Asio, ARowThatDoesNotFitIsRefusedAlone) {
    connection db = begun();
    bulk_insert bulk = db.bulk_insert("t", {"n"});
    std::optional<result<void>> refused;
    std::optional<result<void>> added;
    Counted finished;
    bulk.try_add({1, 2}, keep(refused));
    bulk.try_add({3}, keep(added));
    bulk.try_finish(keep(finished));
    run([&] { return finished.has_value(); });
    EXPECT_EQ(refused->error().kind, error_kind::usage);
    EXPECT_TRUE(added->ok());
    EXPECT_EQ(finished->value(), 1u);
}

TEST_F(Asio, ABulkInsertNeedsATransactionAndColumns) {
    std::optional<result<void>> outside;
    connected().bulk_insert("t", {"n"}).try_add({1}, keep(outside));
    Counted empty;
    begun().bulk_insert("t", {}).try_finish(keep(empty));
    run([&] { return outside && empty; });
    EXPECT_EQ(outside->error().kind, error_kind::usage);
    EXPECT_EQ(empty->error().kind, error_kind::usage);
}

TEST_F(Asio, ABulkInsertWhoseConnectionIsGoneEnds) {
    Counted finished;
    std::optional<result<void>> late;
    std::optional<bulk_insert> bulk;
    {
        connection db = begun();
        bulk.emplace(db.bulk_insert("slow", {"n"}));
        bulk->add({1}, asio::detached);
        bulk->try_finish(keep(finished));
        settle();
    }
    settle();
    bulk->try_add({2}, keep(late));
    settle();
    ASSERT_TRUE(finished && late);
    EXPECT_EQ(finished->error().kind, error_kind::cancelled);
    EXPECT_EQ(late->error().kind, error_kind::cancelled);
}

// ---- Administration ----

TEST_F(Asio, AdministrationTakesEveryToken) {
    administration own = administer();
    std::future<std::vector<node_info>> nodes = own.nodes(asio::use_future);
    std::optional<std::uint64_t> weight;
    own.describe("b:1", [&](const std::exception_ptr& failed, node_description found) {
        EXPECT_FALSE(failed);
        weight = found.weight;
    });
    settle();
    EXPECT_EQ(nodes.get().size(), 3u);
    EXPECT_EQ(weight, 4u);
    EXPECT_FALSE(finish([](administration used) -> asio::awaitable<void> {
        EXPECT_EQ((co_await used.leader(use_awaitable)).id, 1u);
    }(own)));
}

TEST_F(Asio, AChangeOfTheMembershipThatIsCancelledIsInDoubt) {
    administration own = administer();
    world_.silent_about = "ADD";
    asio::cancellation_signal stop;
    std::optional<result<void>> added;
    own.try_add(4, "d:1", node_role::voter, asio::bind_cancellation_slot(stop.slot(), keep(added)));
    settle();
    EXPECT_FALSE(added);
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(added && !added->ok());
    EXPECT_EQ(added->error().kind, error_kind::cancelled);
    EXPECT_EQ(added->error().verdict, verdict::in_doubt);
    EXPECT_EQ(count("ASSIGN"), 0);
}

TEST_F(Asio, AStatusThatIsCancelledIsNoStatus) {
    administration own = administer();
    world_.silent_about = "DESCRIBE";
    asio::cancellation_signal stop;
    std::optional<result<std::vector<node_status>>> found;
    own.try_status(asio::bind_cancellation_slot(stop.slot(), keep(found)));
    settle();
    EXPECT_FALSE(found);
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(found && !found->ok());
    EXPECT_EQ(found->error().kind, error_kind::cancelled);
    EXPECT_EQ(count("DESCRIBE"), 0) << "the world answered";
}

TEST_F(Asio, NodesThatDoNotAnswerArePartOfTheStatus) {
    administration own = administer();
    world_.silent_about = "DESCRIBE";
    std::optional<result<std::vector<node_status>>> found;
    const auto before = world_.now();
    own.try_status(keep(found));
    run([&] { return found.has_value(); });
    ASSERT_EQ(found->value().size(), 3u);
    for (const node_status& each : found->value()) {
        EXPECT_FALSE(each.reachable);
        EXPECT_FALSE(each.trouble.empty());
    }
    EXPECT_EQ(world_.now() - before, 3 * cluster_options_.connect_timeout);
}

// ---- The pool ----

using Lease = std::optional<result<pool::lease>>;

TEST_F(Asio, APoolIsBoundedAndFair) {
    pool shared = make_pool({.size_max = 2});
    std::vector<Lease> leases(5);
    std::vector<int> served;
    for (int i = 0; i < 5; ++i) {
        shared.try_acquire([&, i](result<pool::lease> given) {
            served.push_back(i);
            leases[static_cast<std::size_t>(i)].emplace(std::move(given));
        });
    }
    settle();
    EXPECT_EQ(served, (std::vector{0, 1}));
    EXPECT_EQ(shared.usage().in_use, 2u);
    EXPECT_EQ(shared.usage().waiting, 3u);
    leases[1].reset();
    settle();
    leases[0].reset();
    settle();
    EXPECT_EQ(served, (std::vector{0, 1, 2, 3}));
    for (Lease& each : leases) each.reset();
    settle();
    EXPECT_EQ(shared.usage().in_use, 1u) << "the last one, whose answer came when nobody was there";
}

TEST_F(Asio, AcquiringHasADeadlineAndCanBeCancelled) {
    pool shared = make_pool({.size_max = 1, .acquire_timeout = 3s});
    Lease first;
    Lease late;
    Lease stopped;
    asio::cancellation_signal stop;
    shared.try_acquire(keep(first));
    shared.try_acquire(keep(late));
    shared.try_acquire(asio::bind_cancellation_slot(stop.slot(), keep(stopped)));
    settle();
    ASSERT_TRUE(first && first->ok());
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(stopped && !stopped->ok());
    EXPECT_EQ(stopped->error().kind, error_kind::cancelled);
    const auto before = world_.now();
    run([&] { return late.has_value(); });
    ASSERT_FALSE(late->ok());
    EXPECT_EQ(late->error().kind, error_kind::busy);
    EXPECT_EQ(world_.now() - before, 3s);
    EXPECT_EQ(shared.usage().waiting, 0u);
}

asio::awaitable<void> use_lease(pool shared, int number, bool leave_open) {
    pool::lease own = co_await shared.acquire(use_awaitable);
    if (leave_open) co_await own->begin(transaction_kind::write, use_awaitable);
    co_await own->execute(kInsert, {number}, use_awaitable);
}

TEST_F(Asio, AConnectionComesBackWarmAndWithoutATransaction) {
    pool shared = make_pool({});
    EXPECT_FALSE(finish(use_lease(shared, 1, true)));
    EXPECT_EQ(shared.usage().idle, 1u);
    EXPECT_TRUE(world_.database.empty());
    for (int i = 2; i <= 4; ++i) EXPECT_FALSE(finish(use_lease(shared, i, false)));
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{2, 3, 4}));
    EXPECT_EQ(count("OPEN"), 1);
    EXPECT_EQ(count("PREPARE"), 1);
    EXPECT_EQ(count("ROLLBACK"), 0);
}

TEST_F(Asio, APoolFollowsTheLeaderAndChecksWhatWasIdle) {
    pool shared = make_pool({.check_after = 1s, .idle_max = 10s});
    EXPECT_FALSE(finish(use_lease(shared, 1, false)));
    world_.requests.clear();
    EXPECT_FALSE(finish(use_lease(shared, 2, false)));
    EXPECT_EQ(count("LEADER"), 0);
    world_.wait_until(world_.now() + 2s);
    EXPECT_FALSE(finish(use_lease(shared, 3, false)));
    EXPECT_EQ(count("LEADER"), 1) << "nobody asked whether it was well";
    world_.leader = 1;
    EXPECT_FALSE(finish(use_lease(shared, 4, false)));
    world_.wait_until(world_.now() + 20s);
    world_.requests.clear();
    EXPECT_FALSE(finish(use_lease(shared, 5, false)));
    EXPECT_EQ(count("OPEN"), 1) << "it should have been closed";
    EXPECT_EQ(world_.database, (std::vector<std::int64_t>{1, 2, 3, 4, 5}));
}

TEST_F(Asio, ACheckCanBeCancelled) {
    pool shared = make_pool({.check_after = 0s});
    EXPECT_FALSE(finish(use_lease(shared, 1, false)));
    world_.silent = true;
    Lease stopped;
    asio::cancellation_signal stop;
    shared.try_acquire(asio::bind_cancellation_slot(stop.slot(), keep(stopped)));
    settle();
    EXPECT_FALSE(stopped);
    stop.emit(asio::cancellation_type::total);
    settle();
    ASSERT_TRUE(stopped && !stopped->ok());
    EXPECT_EQ(stopped->error().kind, error_kind::cancelled);
    run([&] { return shared.usage().in_use == 0; });
}

TEST_F(Asio, WhoWaitsForAPoolThatGoesIsTold) {
    Lease first;
    Lease second;
    {
        pool shared = make_pool({.size_max = 1});
        shared.try_acquire(keep(first));
        shared.try_acquire(keep(second));
        settle();
    }
    settle();
    ASSERT_TRUE(second && !second->ok());
    EXPECT_EQ(second->error().kind, error_kind::cancelled);
    ASSERT_TRUE(first->ok());
    std::optional<result<execute_result>> done;
    (**first)->try_execute(kInsert, {1}, keep(done));
    run([&] { return done.has_value(); });
    EXPECT_TRUE(done->ok()) << "a lease may outlive its pool";
}

TEST_F(Asio, APoolRunsTransactions) {
    pool shared = make_pool({});
    EXPECT_FALSE(finish(run_transaction(shared, insert_and_roll_back)));
    std::optional<result<int>> value;
    EXPECT_FALSE(finish(run_quietly_in_pool(shared, value)));
    ASSERT_TRUE(value && value->ok());
    EXPECT_EQ(world_.database, std::vector<std::int64_t>{1});
    EXPECT_EQ(shared.usage().in_use, 0u);
}

}  // namespace
}  // namespace quorlite::async
