// SimClient: a client of the simulated cluster, as a driver would be.
//
// It speaks the wire protocol to real sessions, finds the leader, runs one operation after the
// other and keeps the books: what it was told of each write, and what each read saw. It follows
// protocol section 10: after an error it looks for the leader again, and it knows which errors
// leave the outcome open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/check/history.h"
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

// The SQL of the workload: the history table of tests/check/history.h, accounts whose sum is
// constant, and rows of all sizes that come and go.
inline constexpr int kAccounts = 8;
inline constexpr std::int64_t kTotalBalance = 800;
std::vector<std::string> workload_schema();

class SimClient {
public:
    SimClient(World& world, std::uint64_t id, std::vector<NodeId> nodes, Dial dial,
              check::History& history);

    // Runs these statements once each, in order, before anything else; `done` when all are
    // committed.
    void run_setup(std::vector<std::string> statements, std::function<void()> done);
    // Operations, each after the answer to the one before, until stop().
    void run_workload(Duration pause_max);
    void stop() { stopping_ = true; }
    bool idle() const { return !current_ && !setup_done_; }
    // One query, retried until answered; its first row's integers.
    void query(std::string sql, std::function<void(std::vector<std::vector<std::int64_t>>)> done);

    // What the workload itself found wrong (a sum that is off, an unexpected error), or empty.
    const std::string& complaint() const { return complaint_; }

private:
    // Requests of one operation; a write may be committed once request number `commit` has been
    // sent.
    struct Operation {
        std::uint64_t id = 0;  // 0: a read, or set-up
        std::vector<std::string> requests = {};
        std::size_t commit = 0;
        bool query = false;
        std::int64_t began = 0;
        std::size_t sent = 0;
        std::size_t answered = 0;
        std::vector<std::vector<std::int64_t>> rows = {};
    };
    enum class Stage { kDisconnected, kAskingLeader, kOpening, kReady };

    Operation make_write();
    Operation make_read();
    std::string random_work();
    std::string transfer();

    void next_operation();
    void begin(Operation operation);
    void send_next();
    void connect(NodeId node);
    void disconnect();
    void look_elsewhere();
    void receive(ByteView bytes);
    void handle(const wire::Response& response);
    void handle_leader(const wire::ServerResponse& server);
    void handle_rows(const wire::RowsResponse& rows);
    void request_done();
    void failed(std::uint64_t code, std::string_view message);
    void finish(check::Outcome outcome);
    void finish_read();
    void arm_timeout();
    std::int64_t now() const { return world_.now().count(); }
    void later(Duration delay, std::function<void()> what);

    World& world_;
    std::uint64_t id_;
    std::vector<NodeId> nodes_;
    Dial dial_;
    check::History& history_;

    Stage stage_ = Stage::kDisconnected;
    NodeId node_;
    std::unique_ptr<Link> link_;
    std::uint64_t link_number_ = 0;
    std::unique_ptr<wire::MessageReader> reader_;
    std::optional<Operation> current_;
    std::vector<std::string> setup_;
    std::function<void()> setup_done_;
    std::function<void(std::vector<std::vector<std::int64_t>>)> query_done_;
    bool working_ = false;
    bool stopping_ = false;
    Duration pause_max_{};
    std::uint64_t operations_ = 0;
    std::uint64_t timeout_ = 0;
    std::string complaint_;
};

}  // namespace quorlite::sim
