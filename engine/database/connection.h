// Connections: SQLite behind the interfaces of database.h. Everything specific to SQLite's C API is
// here and in the VFS.
#pragma once

#include <memory>

#include "engine/base/executor.h"
#include "engine/database/database.h"
#include "engine/database/vfs.h"

namespace quorlite::database {

// A Connection that the database can end when its snapshot is in the way of a checkpoint.
class PinningConnection : public Connection {
public:
    // Ends its read transaction. What it runs, or would run next, fails with SQLITE_BUSY_SNAPSHOT.
    virtual void evict() = 0;
    virtual const std::shared_ptr<Client>& client() const = 0;
    // Its page cache gives up what is above this: at once, or when the connection is at rest.
    virtual void limit_page_cache(std::size_t bytes) = 0;
};

struct ConnectionContext {
    Vfs& vfs;
    Executor& executor;
    std::size_t page_cache_bytes = 0;
    int operations_per_yield = 0;
    // Runs when the connection is destroyed.
    std::function<void(PinningConnection&)> on_closed;
};

Result<std::unique_ptr<PinningConnection>> open_connection(ConnectionContext context,
                                                           std::shared_ptr<WalEpoch> epoch);

}  // namespace quorlite::database
