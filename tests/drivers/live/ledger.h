// The ledger: what the clients of a failover test were told, to be compared with what is there.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "quorlite/quorlite.h"
#include "tests/drivers/live/processes.h"

namespace quorlite::testing {

inline constexpr int kAccounts = 32;
inline constexpr std::int64_t kTotal = kAccounts * 1000;

// The tables of the load: writes (an id each), counters, accounts and transfers.
void create_tables(connection& db);

class Ledger {
public:
    void wrote(std::int64_t id, const result<execute_result>& told);
    void counted(int client, const result<execute_result>& told);
    // Something failed that should not have.
    void forbid(const std::string& what);

    // Compares with the database, and prints a summary.
    void check(connection& db);

private:
    std::mutex mutex_;
    std::map<std::int64_t, verdict> writes_;
    std::map<int, std::int64_t> counted_;   // acknowledged increments, by client
    std::map<int, std::int64_t> in_doubt_;  // by client
    std::vector<std::string> forbidden_;
};

// Kills the leader every three seconds, and starts it again a second later. For how long is taken
// from $QUORLITE_FAILOVER_SECONDS.
void kill_leaders(Nodes& nodes);

// How many clients: $QUORLITE_FAILOVER_CLIENTS.
int clients();

}  // namespace quorlite::testing
