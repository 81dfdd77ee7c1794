// CaptureQueue: the transactions that are captured and not committed, oldest first: those that are
// proposed, those that were taken to be proposed, and new ones. Each is one or more commands.
//
// Not locked: the lock of whoever has it guards it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engine/database/client.h"
#include "engine/database/database.h"
#include "engine/database/wal_index.h"

namespace quorlite::database {

class CaptureQueue {
public:
    struct Transaction {
        std::size_t frames_end = 0;
        std::vector<SharedBytes> commands;
        std::weak_ptr<Client> writer;
        Index last;  // of its commands, once proposed; they are consecutive
        std::optional<WalIndexHeader> header;  // that shows it and nothing newer

        Index first() const { return Index(last.value() - commands.size() + 1); }
    };
    // Commands of a transaction of which only the first ones are committed: the next leader may
    // commit the rest.
    struct Part {
        Index first;
        std::vector<SharedBytes> commands;
    };

    bool empty() const { return transactions_.empty(); }
    void add(Transaction transaction) { transactions_.push_back(std::move(transaction)); }
    // Adds the new ones' commands to `capture`, and says in it whose they are.
    void take(Client& client, Capture& capture);
    // What was taken first is proposed, and its last command got this index.
    struct Proposed {
        Index first;
        Transaction& newest;
    };
    Proposed proposed(Index last);
    // The oldest, if all of it is committed up to there. It is in the queue no longer.
    std::optional<Transaction> pop_committed(Index committed);
    Part partly_committed(Index committed) const;

private:
    std::deque<Transaction> transactions_;
    std::size_t proposed_ = 0;         // of them
    std::deque<std::size_t> batches_;  // that each take() gave out, not proposed yet
};

}  // namespace quorlite::database
