// A plain SQLite, in memory, to compare with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/node/client.h"

namespace quorlite::sim {

class Reference {
public:
    Reference();
    ~Reference();

    // Errors are ignored, as the clients ignore those that they may meet.
    void run(const std::string& sql);
    std::vector<Row> query(const std::string& sql);

private:
    struct Database;
    std::unique_ptr<Database> database_;
};

}  // namespace quorlite::sim
