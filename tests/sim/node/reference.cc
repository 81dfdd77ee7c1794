#include "tests/sim/node/reference.h"

#include <sqlite3.h>

#include "engine/base/check.h"

namespace quorlite::sim {

struct Reference::Database {
    sqlite3* handle = nullptr;
};

Reference::Reference() : database_(std::make_unique<Database>()) {
    QUORLITE_CHECK(sqlite3_open(":memory:", &database_->handle) == SQLITE_OK);
    run("PRAGMA foreign_keys=ON");
}

Reference::~Reference() {
    sqlite3_close(database_->handle);
}

void Reference::run(const std::string& sql) {
    sqlite3_exec(database_->handle, sql.c_str(), nullptr, nullptr, nullptr);
}

std::vector<Row> Reference::query(const std::string& sql) {
    std::vector<Row> rows;
    const auto add = [](void* to, int count, char** cells, char**) {
        Row& row = static_cast<std::vector<Row>*>(to)->emplace_back();
        for (int i = 0; i < count; ++i) row.emplace_back(cells[i] == nullptr ? "NULL" : cells[i]);
        return 0;
    };
    sqlite3_exec(database_->handle, sql.c_str(), add, &rows, nullptr);
    return rows;
}

}  // namespace quorlite::sim
