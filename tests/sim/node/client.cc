#include "tests/sim/node/client.h"

namespace quorlite::sim {
namespace {

constexpr Duration kAnswerMax = std::chrono::seconds(20);
constexpr Duration kImpatienceMin = std::chrono::milliseconds(50);
constexpr Duration kRetryMax = std::chrono::milliseconds(100);

// FAILURE codes after which nothing of the request took effect.
bool surely_not_committed(std::uint64_t code) {
    return code != code::kLeadershipLost;
}

// Errors that a client of this workload may meet; all others are bugs.
bool expected(std::uint64_t code) {
    return code == code::kNotLeader || code == code::kLeadershipLost || code == code::kBusy ||
           code == 517 || code == code::kFull || code == code::kNotFound;
}

}  // namespace

std::vector<std::string> workload_schema() {
    std::vector<std::string> schema = {
        "CREATE TABLE history (place INTEGER PRIMARY KEY, op INTEGER NOT NULL)",
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
        "CREATE TABLE things (k INTEGER PRIMARY KEY, t TEXT, b BLOB)",
        "CREATE INDEX things_t ON things (t)"};
    for (int i = 0; i < kAccounts; ++i) {
        schema.push_back("INSERT INTO accounts VALUES (" + std::to_string(i) + ", " +
                         std::to_string(kTotalBalance / kAccounts) + ")");
    }
    return schema;
}

SimClient::SimClient(World& world, std::uint64_t id, std::vector<NodeId> nodes, Dial dial,
                     check::History& history)
    : world_(world), id_(id), nodes_(std::move(nodes)), dial_(std::move(dial)), history_(history) {}

void SimClient::run_setup(std::vector<std::string> statements, std::function<void()> done) {
    setup_ = std::move(statements);
    setup_done_ = std::move(done);
    next_operation();
}

void SimClient::run_workload(Duration pause_max) {
    working_ = true;
    pause_max_ = pause_max;
    next_operation();
}

void SimClient::query(std::string sql,
                      std::function<void(std::vector<std::vector<std::int64_t>>)> done) {
    query_done_ = std::move(done);
    begin({.requests = {std::move(sql)}, .query = true, .began = now()});
}

// --- operations
// --------------------------------------------------------------------------------------

std::string SimClient::transfer() {
    const auto from = std::to_string(world_.random.below(kAccounts));
    const auto to = std::to_string(world_.random.below(kAccounts));
    const auto amount = std::to_string(world_.random.below(10));
    return "UPDATE accounts SET balance = balance - " + amount + " WHERE id = " + from +
           "; UPDATE accounts SET balance = balance + " + amount + " WHERE id = " + to;
}

std::string SimClient::random_work() {
    const auto key = std::to_string(world_.random.below(200));
    const auto size = std::to_string(world_.random.below(20) == 0 ? world_.random.below(60000)
                                                                  : world_.random.below(300));
    switch (world_.random.below(8)) {
        case 0:
            return "DELETE FROM things WHERE k = " + key;
        case 1:
            return "DELETE FROM things WHERE k BETWEEN " + key + " AND " + key + " + 20";
        case 2:
            return "UPDATE things SET t = t || 'x' WHERE k % 7 = " + key + " % 7";
        case 3:
            return "UPDATE things SET b = zeroblob(" + size + ") WHERE k = " + key;
        case 4:
            return transfer();
        default:
            return "INSERT OR REPLACE INTO things VALUES (" + key + ", 'thing " +
                   std::to_string(world_.random.below(1000)) + "', zeroblob(" + size + "))";
    }
}

SimClient::Operation SimClient::make_write() {
    Operation operation{.id = id_ << 32 | ++operations_, .began = now()};
    const std::string insert =
        "INSERT INTO history (op) VALUES (" + std::to_string(operation.id) + ")";
    const bool immediate = world_.random.chance(0.7);
    const std::string begin = immediate ? "BEGIN IMMEDIATE" : "BEGIN";
    switch (world_.random.below(4)) {
        case 0:
            operation.requests = {insert};
            break;
        case 1:
            operation.requests = {begin + "; " + transfer() + "; " + insert + "; COMMIT"};
            break;
        case 2:
            operation.requests = {begin, random_work(), insert, "COMMIT"};
            operation.commit = 3;
            break;
        default:
            operation.requests = {begin, insert, transfer(), random_work(), "COMMIT"};
            operation.commit = 4;
    }
    return operation;
}

SimClient::Operation SimClient::make_read() {
    return {.requests = {"SELECT count(*), coalesce(max(place), 0), (SELECT sum(balance) FROM "
                         "accounts) FROM history"},
            .query = true,
            .began = now()};
}

void SimClient::next_operation() {
    if (current_) return;
    if (setup_done_) {
        if (setup_.empty()) {
            std::exchange(setup_done_, nullptr)();
            return;
        }
        begin({.requests = {setup_.front()}, .began = now()});
        return;
    }
    if (!working_ || stopping_) return;
    const Duration pause = world_.random.between(Duration(0), pause_max_);
    later(pause, [this] {
        if (current_ || stopping_) return;
        // Some operations come over a new connection, which may find another leader.
        if (world_.random.chance(0.1)) disconnect();
        begin(world_.random.chance(0.6) ? make_write() : make_read());
    });
}

void SimClient::begin(Operation operation) {
    current_ = std::move(operation);
    arm_timeout();
    if (stage_ == Stage::kReady) {
        send_next();
    } else if (stage_ == Stage::kDisconnected) {
        look_elsewhere();
    }
}

void SimClient::send_next() {
    const std::string& sql = current_->requests[current_->sent++];
    Bytes bytes;
    const Status encoded = current_->query ? wire::encode(wire::QuerySqlRequest{.sql = sql}, bytes)
                                           : wire::encode(wire::ExecSqlRequest{.sql = sql}, bytes);
    if (!encoded.ok()) complaint_ = encoded.error().message;
    link_->send(std::move(bytes));
}

void SimClient::request_done() {
    ++current_->answered;
    if (current_->answered < current_->requests.size()) {
        send_next();
    } else if (current_->query) {
        finish_read();
    } else {
        finish(check::Outcome::kCommitted);
    }
}

void SimClient::finish_read() {
    Operation operation = std::move(*current_);
    current_.reset();
    world_.cancel(timeout_);
    if (query_done_) {
        std::exchange(query_done_, nullptr)(std::move(operation.rows));
        return;
    }
    const auto& row = operation.rows.at(0);
    if (row[0] != row[1]) complaint_ = "a read found a gap in the history";
    if (row[2] != kTotalBalance) {
        complaint_ = "a read found a total of " + std::to_string(row[2]) + " in the accounts";
    }
    history_.add(check::Read{static_cast<std::uint64_t>(row[0]), operation.began, now()});
    next_operation();
}

void SimClient::finish(check::Outcome outcome) {
    Operation operation = std::move(*current_);
    current_.reset();
    world_.cancel(timeout_);
    world_.note(operation.id * 3 + static_cast<std::uint64_t>(outcome));
    if (operation.id != 0) {
        history_.add(check::Write{operation.id, operation.began, now(), outcome});
    } else if (setup_done_ && outcome == check::Outcome::kCommitted) {
        setup_.erase(setup_.begin());
    } else if (setup_done_ && outcome == check::Outcome::kInDoubt) {
        complaint_ = "the set-up, which runs without faults, was left in doubt";
    }
    next_operation();
}

// A request failed, or its connection broke (code 0): the connection is given up, and with it an
// open transaction.
void SimClient::failed(std::uint64_t code, std::string_view message) {
    if (code != 0 && !expected(code)) {
        complaint_ = "unexpected error " + std::to_string(code) + ": " + std::string(message);
    }
    disconnect();
    if (!current_) return;
    if (current_->query) {  // a read may simply be asked again
        current_->sent = current_->answered = 0;
        current_->rows.clear();
        later(world_.random.between(Duration(0), kRetryMax), [this] { look_elsewhere(); });
        return;
    }
    const bool commit_sent = current_->sent > current_->commit;
    const bool open = commit_sent && (code == 0 || !surely_not_committed(code));
    finish(open ? check::Outcome::kInDoubt : check::Outcome::kNotCommitted);
}

void SimClient::arm_timeout() {
    world_.cancel(timeout_);
    const Duration patience = stopping_ || setup_done_ || world_.random.chance(0.7)
                                  ? kAnswerMax
                                  : world_.random.between(kImpatienceMin, kAnswerMax / 10);
    timeout_ = world_.schedule(world_.now() + patience, [this] {
        if (current_) failed(0, "timeout");
    });
}

// --- finding the leader
// ------------------------------------------------------------------------------

void SimClient::later(Duration delay, std::function<void()> what) {
    world_.schedule(world_.now() + delay, std::move(what));
}

void SimClient::look_elsewhere() {
    if (stage_ == Stage::kDisconnected && current_) {
        connect(nodes_[world_.random.below(nodes_.size())]);
    }
}

void SimClient::connect(NodeId node) {
    disconnect();
    node_ = node;
    link_ = dial_(node);
    const std::uint64_t number = ++link_number_;
    auto retry = [this] {
        later(world_.random.between(Duration(1), kRetryMax), [this] { look_elsewhere(); });
    };
    if (!link_) {
        retry();
        return;
    }
    stage_ = Stage::kAskingLeader;
    reader_ = std::make_unique<wire::MessageReader>(wire::kBodyBytesMax);
    link_->on_bytes = [this](ByteView bytes) { receive(bytes); };
    link_->on_end = [this, number, retry] {
        if (number != link_number_ || stage_ == Stage::kDisconnected) return;
        const bool running = stage_ == Stage::kReady;
        disconnect();
        if (running && current_) {
            failed(0, "connection lost");
        } else {
            retry();
        }
    };
    Bytes bytes;
    ByteWriter(bytes).u64(wire::kProtocolVersion);
    (void)wire::encode(wire::LeaderRequest{}, bytes);
    link_->send(std::move(bytes));
    // A node that never answers: try another.
    later(std::chrono::seconds(2), [this, number, retry] {
        if (number != link_number_ || stage_ == Stage::kReady) return;
        disconnect();
        retry();
    });
}

void SimClient::disconnect() {
    stage_ = Stage::kDisconnected;
    ++link_number_;
    if (link_) link_->close();
    link_.reset();
}

void SimClient::receive(ByteView bytes) {
    const std::uint64_t number = link_number_;
    reader_->feed(bytes);
    while (number == link_number_) {
        auto message = reader_->next();
        if (!message.ok()) {
            complaint_ = "the node sent what is no message";
            return;
        }
        if (!message->has_value()) return;
        auto response = wire::decode_response((*message)->header, (*message)->body);
        if (!response.ok()) {
            complaint_ = "an answer does not decode: " + response.error().message;
            return;
        }
        handle(*response);
    }
}

void SimClient::handle(const wire::Response& response) {
    if (const auto* failure = std::get_if<wire::FailureResponse>(&response)) {
        failed(failure->code, failure->message);
        if (current_)
            later(world_.random.between(Duration(0), kRetryMax), [this] { look_elsewhere(); });
    } else if (const auto* server = std::get_if<wire::ServerResponse>(&response)) {
        handle_leader(*server);
    } else if (std::holds_alternative<wire::DbResponse>(response)) {
        stage_ = Stage::kReady;
        if (current_) send_next();
    } else if (std::holds_alternative<wire::ResultResponse>(response)) {
        if (current_) request_done();
    } else if (const auto* rows = std::get_if<wire::RowsResponse>(&response)) {
        if (current_) handle_rows(*rows);
    } else {
        complaint_ = "an answer of a wrong type";
    }
}

void SimClient::handle_leader(const wire::ServerResponse& server) {
    if (server.id == node_) {
        stage_ = Stage::kOpening;
        Bytes bytes;
        (void)wire::encode(wire::OpenRequest{.name = "test", .vfs = "volatile"}, bytes);
        link_->send(std::move(bytes));
        return;
    }
    const NodeId leader = server.id;
    disconnect();
    later(world_.random.between(Duration(1), kRetryMax), [this, leader] {
        if (stage_ != Stage::kDisconnected || !current_) return;
        if (leader) {
            connect(leader);
        } else {
            look_elsewhere();
        }
    });
}

void SimClient::handle_rows(const wire::RowsResponse& rows) {
    auto reader = wire::RowsReader::open(rows.content);
    std::vector<wire::Value> row;
    while (reader.ok()) {
        auto step = reader->next(row);
        if (!step.ok()) break;
        if (*step == wire::RowsReader::Step::kPart) return;
        if (*step == wire::RowsReader::Step::kDone) {
            request_done();
            return;
        }
        std::vector<std::int64_t> integers;
        for (const wire::Value& value : row) {
            const auto* integer = std::get_if<std::int64_t>(&value);
            const auto* text = std::get_if<std::string_view>(&value);
            // integrity_check answers with a text: its "ok" counts as 1.
            integers.push_back(integer != nullptr ? *integer : text != nullptr && *text == "ok");
        }
        current_->rows.push_back(std::move(integers));
    }
    complaint_ = "rows do not decode";
}

}  // namespace quorlite::sim
