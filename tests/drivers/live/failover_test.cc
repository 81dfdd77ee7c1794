// The leader is killed every three seconds under a load of counters, transfers and reads.
//
// Afterwards: no acknowledged write is lost, none is there twice, whatever was reported as not
// committed is not there, and nothing that is safe to retry has ever failed. How long it runs is
// taken from $QUORLITE_FAILOVER_SECONDS, how many threads from $QUORLITE_FAILOVER_THREADS.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "quorlite/quorlite.h"
#include "tests/drivers/live/processes.h"

namespace quorlite {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Nodes;

constexpr int kAccounts = 32;
constexpr std::int64_t kTotal = kAccounts * 1000;

long from_environment(const char* name, long fallback) {
    const char* const text = std::getenv(name);
    return text ? std::strtol(text, nullptr, 10) : fallback;
}

// What the threads were told, to be compared with what is there.
struct Record {
    std::mutex mutex;
    std::map<std::int64_t, verdict> writes;
    std::map<int, std::int64_t> counted;   // acknowledged increments, by thread
    std::map<int, std::int64_t> in_doubt;  // by thread
    std::vector<std::string> forbidden;    // errors that should not have been

    void forbid(const error& failed) {
        const std::lock_guard lock(mutex);
        forbidden.emplace_back(failed.what());
    }
};

void create(connection& db) {
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

// An insert that must not happen twice.
void write(connection& db, std::int64_t id, Record& record) {
    const result<outcome> done = db.try_execute("INSERT INTO writes VALUES(?)", id);
    const std::lock_guard lock(record.mutex);
    record.writes[id] = done ? verdict::committed : done.error().verdict;
}

void count(connection& db, int thread, Record& record) {
    const result<outcome> done =
        db.try_execute("UPDATE counters SET n = n + 1 WHERE id = ?", thread);
    const std::lock_guard lock(record.mutex);
    if (done) ++record.counted[thread];
    if (!done && done.error().verdict == verdict::in_doubt) ++record.in_doubt[thread];
}

// Can be done again, because it looks first whether it was done.
void transfer(connection& db, std::int64_t id, Record& record) {
    try {
        db.run_transaction(
            [&](transaction& tx) {
                const auto done = tx.execute("INSERT OR IGNORE INTO transfers VALUES(?)", id);
                if (done.rows_affected == 0) return;
                tx.execute("UPDATE accounts SET amount = amount - 1 WHERE id = ?", id % kAccounts);
                tx.execute("UPDATE accounts SET amount = amount + 1 WHERE id = ?",
                           (id + 1) % kAccounts);
            },
            {.idempotent = true});
    } catch (const error& failed) {
        record.forbid(failed);
    }
}

void read(connection& db, Record& record) {
    try {
        const auto total = db.query_value<std::int64_t>("SELECT sum(amount) FROM accounts");
        EXPECT_EQ(total, kTotal);
    } catch (const error& failed) {
        record.forbid(failed);
    }
}

void work(const cluster& nodes, int thread, const std::atomic<bool>& over, Record& record) {
    connection db = cluster(nodes).connect("failover");
    db.with({.idempotent = true}).execute("INSERT OR IGNORE INTO counters VALUES(?, 0)", thread);
    for (std::int64_t step = 0; !over; ++step) {
        const std::int64_t id = thread * 1'000'000 + step;
        write(db, id, record);
        count(db, thread, record);
        transfer(db, id, record);
        read(db, record);
        std::this_thread::sleep_for(milliseconds(20));
    }
}

void check(connection& db, Record& record) {
    std::map<std::int64_t, int> found;
    for (const auto& [id, times] :
         db.query<std::int64_t, int>("SELECT id, count(*) FROM writes GROUP BY id")) {
        found[id] = times;
        EXPECT_EQ(times, 1) << "write " << id << " was applied twice";
    }
    for (const auto& [id, told] : record.writes) {
        const bool there = found.contains(id);
        EXPECT_TRUE(there || told != verdict::committed) << "lost: " << id;
        EXPECT_TRUE(!there || told != verdict::not_committed) << "untrue: " << id;
    }
    for (const auto& [thread, n] : db.query<int, std::int64_t>("SELECT id, n FROM counters")) {
        EXPECT_GE(n, record.counted[thread]);
        EXPECT_LE(n, record.counted[thread] + record.in_doubt[thread]);
    }
    read(db, record);
    for (const std::string& each : record.forbidden) ADD_FAILURE() << each;
}

TEST(Failover, NothingIsLostDoubledOrUntrue) {
    const long run_seconds = from_environment("QUORLITE_FAILOVER_SECONDS", 12);
    const long threads = from_environment("QUORLITE_FAILOVER_THREADS", 16);
    Nodes nodes("failover");
    const cluster cluster(nodes.addresses());
    connection db = quorlite::cluster(cluster).connect("failover");
    create(db);
    Record record;
    std::atomic<bool> over = false;
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) {
        workers.emplace_back([&, i] { work(cluster, i, over, record); });
    }
    const auto end = std::chrono::steady_clock::now() + seconds(run_seconds);
    int kills = 0;
    while (std::chrono::steady_clock::now() + seconds(3) < end) {
        std::this_thread::sleep_for(seconds(2));
        const std::size_t victim = nodes.leader();
        nodes.process(victim).kill();
        ++kills;
        std::this_thread::sleep_for(seconds(1));
        nodes.start(victim);
    }
    over = true;
    for (std::thread& each : workers) each.join();
    check(db, record);
    std::int64_t committed = 0;
    std::int64_t in_doubt = 0;
    for (const auto& [id, told] : record.writes) {
        committed += told == verdict::committed;
        in_doubt += told == verdict::in_doubt;
    }
    std::printf("%d leaders killed, %ld writes committed, %ld in doubt, %zu in all\n", kills,
                committed, in_doubt, record.writes.size());
    EXPECT_GT(committed, 0);
}

}  // namespace
}  // namespace quorlite
