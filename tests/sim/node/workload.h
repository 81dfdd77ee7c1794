// Workload: what the clients of a simulated cluster do, and the books that are kept of it.
//
// Several histories are written at once, over tables of one database:
//   history    every serial write transaction adds a row, so the order of the rows is the serial
//              order that the database claims (tests/check/history.h); a trigger counts them
//   accounts   money moves, in one text or by values that the client read and computed
//   lists      transactions of appends and reads over a few keys (tests/check/lists.h)
//   registers  reads, writes and compare-and-set (tests/check/registers.h)
//   counters   increments without a trace of their own
//   things, words, ...  whatever random SQL does; it belongs to the serial transactions, and is run
//              again on a plain SQLite in the order of the history (reference.h)
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/check/history.h"
#include "tests/check/lists.h"
#include "tests/check/registers.h"
#include "tests/check/totals.h"
#include "tests/sim/node/client.h"

namespace quorlite::sim {

struct WorkloadOptions {
    Duration pause_max = std::chrono::milliseconds(50);
    bool auto_vacuum = false;  // the database shrinks as rows go
};

class Workload {
public:
    Workload(World& world, WorkloadOptions options) : world_(world), options_(options) {}

    std::vector<std::string> schema() const;
    enum class Job {
        kAll,
        kWatch,   // it reads over one connection: what it reads from may lead no more
        kWander,  // it writes, each time over a new connection, and does not wait for long
    };
    // Keeps this client at work until stop().
    void employ(SimClient& client, Job job);
    void stop() { stopping_ = true; }

    // What reads found wrong so far.
    const std::string& complaint() const { return complaint_; }
    std::size_t acknowledged() const { return acknowledged_; }

    // The last reads, in one transaction, after all clients came to rest; and what they tell.
    static const std::vector<std::string>& final_queries();
    std::optional<std::string> verdict(const std::vector<std::vector<Row>>& answers);

private:
    struct Choice {
        unsigned weight;
        Operation (Workload::*make)();
    };

    void next(SimClient& client, Job job);
    Operation any_operation();
    Operation any_read();
    Operation short_write();
    Operation serial_write();
    Operation length_read();
    Operation long_read();
    Operation two_reads();
    Operation list_transaction();
    Operation register_operation();
    Operation increment();
    Operation two_statements();

    Operation watched_read(std::vector<Request> requests, std::function<void(const Ended&)> look);
    void note_length(const Row& row, const Ended& ended);
    void wrong(std::string what);
    Operation serial(std::uint64_t id, std::vector<Request> requests);
    void note_write(const Ended& ended);
    std::string begin_text();
    std::vector<Request> transfer_by_hand();
    std::string transfer_text();
    std::string some_bytes();
    std::string random_statement();
    std::string number(std::uint64_t bound) { return std::to_string(world_.random.below(bound)); }
    std::optional<std::string> compare_with_reference(const std::vector<std::uint64_t>& serial,
                                                      const std::vector<std::vector<Row>>& answers);

    World& world_;
    const WorkloadOptions options_;
    bool stopping_ = false;
    std::string complaint_;
    std::uint64_t last_id_ = 0;
    std::int64_t last_value_ = 0;
    std::size_t acknowledged_ = 0;

    check::History history_;
    check::Bank bank_{kTotalBalance};
    check::Lists lists_;
    check::Registers registers_{0};
    check::Counter counter_;
    std::map<std::uint64_t, std::vector<std::string>> serial_texts_;  // by id, as sent

    static constexpr int kAccounts = 8;
    static constexpr std::int64_t kTotalBalance = 800;
};

}  // namespace quorlite::sim
