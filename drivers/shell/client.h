// Client: the shell's cluster, and its one connection to the database that is open.
//
// The driver follows the leader by itself; the client notices, and has news for whoever sits there.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "quorlite/quorlite.h"

namespace quorlite::shell {

class Client {
public:
    Client(std::shared_ptr<node_store> nodes, const options& chosen);

    quorlite::cluster& cluster() { return cluster_; }
    // Connects when it is needed. The transaction that is open, if any, is rolled back.
    void open(const std::string& database);
    const std::string& database() const { return database_; }
    // Throws an error of kind usage if no database is open.
    connection& db();

    bool in_transaction() const { return db_ && db_->in_transaction(); }
    // The open transaction is gone, and everything fails until it is rolled back.
    bool transaction_lost() const { return db_ && db_->transaction_lost(); }
    // That another node leads than last time, if so.
    std::optional<std::string> news();

private:
    quorlite::cluster cluster_;
    std::string database_;
    std::optional<connection> db_;
    std::string leader_;
};

}  // namespace quorlite::shell
