// Client: what one connection holds of a WAL epoch. Shared by the connection and its open files.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace quorlite::database {

class WalEpoch;

struct Client : std::enable_shared_from_this<Client> {
    std::shared_ptr<WalEpoch> epoch;
    std::uint64_t number = 0;
    std::uint8_t shared_locks = 0;     // bits by lock; guarded by the wal-index
    std::uint8_t exclusive_locks = 0;  // the same
    // What the last write met; for the connection, which must clear them.
    bool captured = false;
    bool transaction_too_large = false;
    // The statement that runs must end: the next page that it reads is an error, once. For
    // operations that SQLite itself does not interrupt. It has to look like a failed read: only
    // after one of those SQLite knows that an undoing may have stopped half way, and forgets the
    // pages that it has.
    std::atomic<bool> stop{false};
    bool stopped = false;   // that read has happened; for the connection, which must clear it
    bool stepping = false;  // a statement runs
    // Another connection's take_capture() gave out what this one has committed.
    std::atomic<bool> taken_by_other{false};
    // Its read transaction began while the committed prefix was shown to it.
    std::atomic<bool> read_committed{false};
};

}  // namespace quorlite::database
