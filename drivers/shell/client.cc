#include "drivers/shell/client.h"

#include <utility>

#include "drivers/shell/output.h"

namespace quorlite::shell {

Client::Client(std::shared_ptr<node_store> nodes, const options& chosen)
    : cluster_(std::move(nodes), chosen) {}

void Client::open(const std::string& database) {
    database_ = database;
    db_.emplace(cluster_.connect_lazily(database));
}

connection& Client::db() {
    if (!db_) fail("no database is open: name one on the command line, or by .open NAME");
    return *db_;
}

std::optional<std::string> Client::news() {
    const std::string now = db_ ? db_->node() : std::string();
    if (now.empty() || now == leader_) return std::nullopt;
    const std::string before = std::exchange(leader_, now);
    if (before.empty()) return std::nullopt;
    return now + " leads now; it was " + before;
}

}  // namespace quorlite::shell
