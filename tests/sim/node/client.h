// SimClient: a client of the simulated cluster, as a driver would be.
//
// What it runs it sends as RUN or as the requests of dqlite, in turn: they promise the same.
//
// It speaks the wire protocol to real sessions, finds the leader and runs one operation after the
// other. It follows protocol section 10: after an error it gives the connection up and looks for
// the leader again, and it knows which errors leave the outcome open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/check/outcome.h"
#include "tests/sim/node/world.h"
#include "wire/client.h"

namespace quorlite::sim {

// A connection to a node, as a socket would be: bytes in order, or the end.
class Link {
public:
    virtual ~Link() = default;
    virtual void send(Bytes bytes) = 0;
    virtual void close() = 0;
    std::function<void(ByteView)> on_bytes;
    std::function<void()> on_end;
};
using Dial = std::function<std::unique_ptr<Link>(NodeId)>;

using Row = std::vector<std::string>;  // the cells as text; a BLOB as its length

// What one request was answered with.
struct Reply {
    std::vector<Row> rows;
    std::uint64_t changed = 0;  // rows affected
};

struct Request {
    std::string sql;
    bool query = false;
    // Once this was sent, the operation may have been committed.
    bool commits = false;
    // A violated constraint counts as an answer: the statement is undone, and no more.
    bool may_fail = false;
    // The text is several transactions: an error is of one of them, and tells of the others only if
    // it is "not leader".
    bool several = false;
    // If set: makes the text from the replies so far.
    std::function<std::string(const std::vector<Reply>&)> make = {};
};

// How an operation ended. Times are of the one global clock.
struct Ended {
    check::Outcome outcome = check::Outcome::kInDoubt;
    std::vector<Reply> replies = {};
    std::vector<std::string> texts = {};  // that were sent
    std::int64_t began = 0;
    std::int64_t ended = 0;

    bool committed() const { return outcome == check::Outcome::kCommitted; }
};

struct Operation {
    std::vector<Request> requests;
    std::function<void(Ended)> done;
    bool patient = false;  // it is not given up early
    bool again = false;    // and run again until it is committed
};

class SimClient {
public:
    SimClient(World& world, std::function<std::vector<NodeId>()> nodes, Dial dial);

    // Precondition: idle(). `done` runs once, and may call run() again.
    void run(Operation operation);
    bool idle() const { return !current_; }
    void disconnect();
    // The chance that it waits long for the answer to an operation, and how long it waits
    // otherwise.
    double patience = 0.7;
    Duration impatience_max = std::chrono::seconds(2);

    // An error that no client should ever see, or an answer that makes no sense; else empty.
    const std::string& complaint() const { return complaint_; }
    // Errors of the disk are no surprise any more.
    std::function<bool()> disks_fail = [] { return false; };

private:
    struct Current {
        Operation operation;
        std::vector<Reply> replies = {};
        std::vector<std::string> texts = {};
        std::size_t sent = 0;
        std::int64_t began = 0;
        bool open = false;    // the request that commits was sent
        bool by_run = false;  // the request was sent as RUN
        bool partly = false;  // and some of its statements are done, others may not be
    };
    enum class Stage { kDisconnected, kAskingLeader, kOpening, kReady };

    bool expected(std::uint64_t code) const;
    void send_next();
    wire::Request message_of(const Request& request, std::string_view sql) const;
    void connect(NodeId node);
    void link_ended(std::uint64_t number);
    void look_elsewhere();
    void look_elsewhere_later();
    void receive(ByteView bytes);
    void handle(const wire::Response& response);
    void handle_failure(const wire::FailureResponse& failure);
    void handle_leader(const wire::ServerResponse& server);
    void handle_rows(const wire::RowsResponse& rows);
    void handle_ran(const wire::RanResponse& ran);
    void request_done();
    void failed(std::uint64_t code, std::string_view message);
    void finish(check::Outcome outcome);
    void arm_timeout();
    void later(Duration delay, std::function<void()> what);

    World& world_;
    const std::function<std::vector<NodeId>()> nodes_;
    const Dial dial_;

    Stage stage_ = Stage::kDisconnected;
    NodeId node_;
    std::unique_ptr<Link> link_;
    std::uint64_t link_number_ = 0;
    std::unique_ptr<wire::MessageReader> reader_;
    std::optional<Current> current_;
    std::uint64_t timeout_ = 0;
    std::string complaint_;
};

}  // namespace quorlite::sim
