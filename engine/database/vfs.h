// Vfs: what SQLite takes for the operating system. One per store, registered under a name of its
// own.
//
// Every connection opens a "file" named by its client number; behind it is the WAL epoch that was
// current then. SQLite opens three things by that name: the database (pages below the WAL), the WAL
// (frames) and the wal-index (shared memory). Nothing else can be opened by name, whatever SQL
// says; files without a name (temporary tables, sorters, VACUUM) are the operating system's,
// within a limit.
//
// The database file is never written: SQLite's checkpoint is not used, and the journal mode cannot
// change.
#pragma once

#include <memory>
#include <string>

#include "engine/base/clock.h"
#include "engine/database/wal_epoch.h"

namespace quorlite::database {

class Vfs {
public:
    Vfs(const Clock& clock, Random& random, std::size_t temporary_bytes_max,
        std::size_t temporary_files_max);
    Vfs(const Vfs&) = delete;
    Vfs& operator=(const Vfs&) = delete;
    ~Vfs();  // precondition: all connections are closed

    const std::string& name() const;
    // A client of `epoch`, and the file name that opens it.
    std::shared_ptr<Client> make_client(std::shared_ptr<WalEpoch> epoch);
    static std::string file_name(const Client& client);

    struct State;

private:
    std::unique_ptr<State> state_;
};

}  // namespace quorlite::database
