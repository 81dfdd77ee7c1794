// What the database tests share: a node's store on a simulated disk, a log that several nodes
// apply, and a plain SQLite to compare with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/database/database.h"
#include "tests/base/test_executor.h"
#include "tests/sim/disk.h"
#include "tests/sim/seeded.h"

namespace quorlite::database {

// Index i is entry i - 1.
using Log = std::vector<SharedBytes>;

// All rows of a query as text, one per line.
Result<std::string> query(Connection& connection, std::string_view sql);
Result<std::string> rows_of(Statement& statement);
// The same at the committed prefix, as sessions read outside of transactions.
Result<std::string> query_committed(Connection& connection, std::string_view sql);
// Runs every statement of a text to its end.
Status execute(Connection& connection, std::string_view sql);
// The schema and all rows of a database, by queries that need nothing but `run`.
std::string dump(const std::function<Result<std::string>(std::string_view)>& run);
std::string dump(Connection& connection);

// SQLite as it is, in memory.
class Reference {
public:
    Reference();
    ~Reference();
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;

    Status execute(std::string_view sql);
    Result<std::string> query(std::string_view sql);
    std::string dump();

private:
    void* db_ = nullptr;
};

// A node without consensus: its disk, its loop, its store.
class Node {
public:
    explicit Node(std::uint64_t seed = 1, Options options = {});
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    Status open();
    // The process ends, or the machine; then open() begins another life.
    void kill();
    void crash(const sim::Tail& tail);
    // Applies the log's entries from the first that the store does not have, up to `last`.
    void catch_up(const Log& log, std::uint64_t last);
    void flush();  // everything that is committed
    std::unique_ptr<Connection> connect(std::string_view name = "test");
    std::uint64_t checksum(std::string_view name = "test");

    Options options;
    test::TestExecutor executor;
    sim::Seeded random;
    std::unique_ptr<sim::SimDisk> disk;
    std::unique_ptr<Disk> real_disk;  // if set, used instead
    std::unique_ptr<Store> store;
};

// A connection of a leader, whose captures go to a log.
class Writer {
public:
    Writer(Node& node, Log& log, std::string name = "test");

    // Runs a text, statement by statement, each under the write lock if it needs it.
    Status run(std::string_view sql);
    std::string must_query(std::string_view sql);
    void commit() { commit(log_.size()); }
    void commit(std::uint64_t index);
    std::uint64_t committed() const { return committed_; }
    void reconnect();

    Connection& connection() { return *connection_; }
    Database& database() { return *database_; }

private:
    Status run_one(Statement& statement);
    void propose();

    Node& node_;
    Log& log_;
    const std::string name_;
    Database* database_ = nullptr;
    std::unique_ptr<Connection> connection_;
    WriterQueue::Ticket ticket_ = WriterQueue::Ticket::kNone;
    std::uint64_t committed_ = 0;
};

// A node that leads, and is open: what its writer captures goes to the log.
struct Leading {
    explicit Leading(std::uint64_t seed = 1, Options options = {});

    Node node;
    Log log;
    Writer writer;
};

// Statements of all kinds, the same for the same seed. Each text is complete: no transaction stays
// open.
class SqlWorkload {
public:
    explicit SqlWorkload(std::uint64_t seed) : random_(seed) {}
    static std::string setup();
    std::string next();

private:
    std::string change();
    std::string number(std::uint64_t below) { return std::to_string(random_.below(below)); }
    std::string text(std::size_t bytes_max);

    sim::Seeded random_;
};

// fatal() throws this while a FatalGuard lives.
struct Died {
    std::string what;
};

class FatalGuard {
public:
    FatalGuard();
    ~FatalGuard();
};

#define ASSERT_OK(expression)                                 \
    do {                                                      \
        const auto& status_ = (expression);                   \
        ASSERT_TRUE(status_.ok()) << status_.error().message; \
    } while (false)
#define EXPECT_OK(expression)                                 \
    do {                                                      \
        const auto& status_ = (expression);                   \
        EXPECT_TRUE(status_.ok()) << status_.error().message; \
    } while (false)

}  // namespace quorlite::database
