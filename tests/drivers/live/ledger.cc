#include "tests/drivers/live/ledger.h"

#include <cstdlib>
#include <thread>

namespace quorlite::testing {
namespace {

using std::chrono::seconds;

long from_environment(const char* name, long fallback) {
    const char* const text = std::getenv(name);
    return text ? std::strtol(text, nullptr, 10) : fallback;
}

}  // namespace

int clients() {
    return static_cast<int>(from_environment("QUORLITE_FAILOVER_CLIENTS", 16));
}

void create_tables(connection& db) {
    db.execute_script(
        "CREATE TABLE writes(id INTEGER); CREATE TABLE counters(id INTEGER PRIMARY KEY, n INTEGER);"
        "CREATE TABLE accounts(id INTEGER PRIMARY KEY, amount INTEGER);"
        "CREATE TABLE transfers(id INTEGER PRIMARY KEY)");
    db.run_transaction([](transaction& tx) {
        for (int i = 0; i < kAccounts; ++i) {
            tx.execute("INSERT INTO accounts VALUES(?, 1000)", i);
        }
    });
}

void Ledger::wrote(std::int64_t id, const result<execute_result>& told) {
    const std::lock_guard lock(mutex_);
    writes_[id] = told ? verdict::committed : told.error().verdict;
}

void Ledger::counted(int client, const result<execute_result>& told) {
    const std::lock_guard lock(mutex_);
    if (told) ++counted_[client];
    if (!told && told.error().verdict == verdict::in_doubt) ++in_doubt_[client];
}

void Ledger::forbid(const std::string& what) {
    const std::lock_guard lock(mutex_);
    forbidden_.push_back(what);
}

void Ledger::check(connection& db) {
    std::map<std::int64_t, int> found;
    for (const auto& [id, times] :
         db.query<std::int64_t, int>("SELECT id, count(*) FROM writes GROUP BY id")) {
        found[id] = times;
        EXPECT_EQ(times, 1) << "write " << id << " was applied twice";
    }
    std::map<verdict, int> summary;
    for (const auto& [id, told] : writes_) {
        const bool there = found.contains(id);
        EXPECT_TRUE(there || told != verdict::committed) << "lost: " << id;
        EXPECT_TRUE(!there || told != verdict::not_committed) << "untrue: " << id;
        ++summary[told];
    }
    for (const auto& [client, n] : db.query<int, std::int64_t>("SELECT id, n FROM counters")) {
        EXPECT_GE(n, counted_[client]);
        EXPECT_LE(n, counted_[client] + in_doubt_[client]);
    }
    EXPECT_EQ(db.query_value<std::int64_t>("SELECT sum(amount) FROM accounts"), kTotal);
    for (const std::string& each : forbidden_) ADD_FAILURE() << each;
    EXPECT_GT(summary[verdict::committed], 0);
    std::printf("%d writes committed, %d not committed, %d in doubt\n", summary[verdict::committed],
                summary[verdict::not_committed], summary[verdict::in_doubt]);
}

void kill_leaders(Nodes& nodes) {
    const auto end = std::chrono::steady_clock::now() +
                     seconds(from_environment("QUORLITE_FAILOVER_SECONDS", 10));
    while (std::chrono::steady_clock::now() + seconds(3) < end) {
        std::this_thread::sleep_for(seconds(2));
        const std::size_t victim = nodes.leader();
        nodes.process(victim).kill();
        std::this_thread::sleep_for(seconds(1));
        nodes.start(victim);
    }
}

}  // namespace quorlite::testing
