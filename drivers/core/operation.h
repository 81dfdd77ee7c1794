// Operation: one thing that a caller wants of a connection, and what became of it.
//
// The caller fills in the request and shares the object with the connection, which fills in the
// result. Until `finished`, rows (or parts of a dump) may come in pieces; the caller takes them
// with take_piece(). What lies between is the connection's.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/core/rules.h"
#include "drivers/core/time.h"
#include "quorlite/error.h"
#include "quorlite/node_store.h"
#include "quorlite/value.h"
#include "wire/client.h"

namespace quorlite::core {

enum class OperationKind : std::uint8_t {
    kConnect,  // be connected, with the database open
    kExecute,
    kQuery,
    kPrepare,  // compile and keep; answers how many parameters there are
    kAdmin,
    kDump,
};

enum class Preparing : std::uint8_t {
    kNo,
    kWhenRepeated,  // the second time that the text comes
    kAlways,
};

// A request about the cluster; the fields that its type has.
struct AdminRequest {
    wire::RequestType type = wire::RequestType::kLeader;
    NodeId id = {};
    std::string address;
    std::uint64_t number = 0;
};

struct Metadata {
    std::uint64_t failure_domain = 0;
    std::uint64_t weight = 0;
};

// One batch of rows, as it lies in its message; or a part of a file of a dump.
struct Piece {
    Bytes bytes;
    std::string file;
    std::uint64_t file_bytes = 0;
    bool tells_null = false;  // see Channel
};

struct Operation {
    // ---- The request ----
    OperationKind kind = OperationKind::kExecute;
    std::string sql;
    Effect effect = Effect::kWrite;
    bool yields_rows = false;
    std::string savepoint;
    Bytes tuple;  // the parameters, encoded
    std::size_t values = 0;
    Preparing preparing = Preparing::kWhenRepeated;
    bool idempotent = false;
    bool whole =
        false;  // no piece is taken before it is finished, so it may be run again until then
    AdminRequest admin;
    Time deadline = kNever;

    // ---- The result ----
    bool finished = false;
    std::optional<error_info> error;
    std::int64_t last_insert_id = 0;
    std::uint64_t rows_affected = 0;
    std::uint64_t parameters = 0;
    std::vector<node_info> nodes;
    node_info leader;  // an empty address if the node knows none
    Metadata metadata;
    std::optional<node_progress> progress;
    std::deque<Piece> pieces;
    std::string node;  // that answered, or failed to

    // The next piece, if it has come.
    std::optional<Piece> take_piece() {
        if (pieces.empty()) return std::nullopt;
        Piece piece = std::move(pieces.front());
        pieces.pop_front();
        held_bytes -= piece.bytes.size();
        delivered = true;
        return piece;
    }

    // ---- The connection's ----
    enum class State : std::uint8_t { kQueued, kInFlight, kDone };
    State state = State::kQueued;
    bool delivered = false;
    bool in_transaction = false;
    bool interrupted = false;  // an INTERRUPT was sent after it
    bool in_doubt = false;     // an attempt before this one may have been carried out
    int losses = 0;            // connections that broke while it ran
    std::size_t held_bytes = 0;
    Time not_before = {};
    Time busy_until = kNever;
    std::optional<Backoff> backoff;
    Effect standing = Effect::kWrite;  // its effect where it stood: SAVEPOINT may begin, or not

    RetryContext context() const { return {standing, in_transaction, idempotent, delivered}; }
    bool barrier() const { return effect >= Effect::kBegin; }
    bool is_statement() const {
        return kind == OperationKind::kExecute || kind == OperationKind::kQuery;
    }
    // Whether its transaction is over afterwards, whatever becomes of it.
    bool ends_transaction() const {
        return standing == Effect::kCommit || standing == Effect::kRollback;
    }
    void drop_pieces() {
        pieces.clear();
        held_bytes = 0;
    }
};

using OperationPtr = std::shared_ptr<Operation>;

// Operations ready to be started; an error if the text or the arguments make no sense.
result<OperationPtr> make_statement(OperationKind kind, std::string_view sql, arguments values);
OperationPtr make_admin(AdminRequest request);

}  // namespace quorlite::core
