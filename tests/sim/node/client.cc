#include "tests/sim/node/client.h"

namespace quorlite::sim {
namespace {

constexpr Duration kAnswerMax = std::chrono::seconds(20);
constexpr Duration kImpatienceMin = std::chrono::milliseconds(50);
constexpr Duration kRetryMax = std::chrono::milliseconds(100);
constexpr Duration kHandshakeMax = std::chrono::seconds(2);

// FAILURE codes after which nothing of the request took effect.
bool surely_not_committed(std::uint64_t code, bool several) {
    return several ? code == code::kNotLeader : code != code::kLeadershipLost;
}

bool is_constraint(std::uint64_t code) {
    return (code & 0xff) == code::kConstraint;
}

std::string text_of(const wire::Value& value) {
    struct Text {
        std::string operator()(wire::Null) const { return "NULL"; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return std::to_string(number); }
        std::string operator()(std::string_view text) const { return std::string(text); }
        std::string operator()(ByteView blob) const { return std::to_string(blob.size()); }
        std::string operator()(wire::UnixTime time) const { return std::to_string(time.seconds); }
        std::string operator()(wire::Iso8601 date) const { return std::string(date.text); }
        std::string operator()(wire::Boolean boolean) const { return boolean.truth() ? "1" : "0"; }
    };
    return std::visit(Text{}, value);
}

}  // namespace

SimClient::SimClient(World& world, std::function<std::vector<NodeId>()> nodes, Dial dial)
    : world_(world), nodes_(std::move(nodes)), dial_(std::move(dial)) {}

// Errors that a client may meet; all others are bugs.
bool SimClient::expected(std::uint64_t code) const {
    return code == code::kNotLeader || code == code::kLeadershipLost || code == code::kBusy ||
           code == code::kBusySnapshot || code == code::kFull || code == code::kNotFound ||
           (code == code::kInterrupted && current_ && current_->by_run) ||
           (disks_fail() && (code & 0xff) == code::kIo);
}

// --- operations ---

void SimClient::run(Operation operation) {
    current_ = Current{.operation = std::move(operation), .began = world_.now().count()};
    arm_timeout();
    if (stage_ == Stage::kReady) {
        send_next();
    } else {
        look_elsewhere();
    }
}

void SimClient::send_next() {
    const Request& request = current_->operation.requests[current_->sent++];
    current_->open = current_->open || request.commits;
    const std::string sql = request.make ? request.make(current_->replies) : request.sql;
    current_->replies.emplace_back();
    current_->by_run = (link_number_ + current_->sent) % 2 == 0;
    current_->partly = false;
    Bytes bytes;
    const Status encoded = wire::encode(message_of(request, sql), bytes);
    if (!encoded.ok()) complaint_ = encoded.error().message;
    current_->texts.push_back(sql);
    link_->send(std::move(bytes));
}

wire::Request SimClient::message_of(const Request& request, std::string_view sql) const {
    if (current_->by_run) {
        // Some have little time: what the node then says it has not done, it must not have done.
        const bool hurried = current_->sent % 3 == 0 && !current_->operation.patient;
        return wire::RunRequest{.flags = request.query ? wire::run::kSingle : wire::run::kScript,
                                .timeout_ms = hurried ? 1 + link_number_ * 7 % 100 : 0,
                                .sql = sql};
    }
    if (request.query) return wire::QuerySqlRequest{.sql = sql};
    return wire::ExecSqlRequest{.sql = sql};
}

void SimClient::request_done() {
    if (current_->sent < current_->operation.requests.size()) {
        send_next();
    } else {
        finish(check::Outcome::kCommitted);
    }
}

void SimClient::finish(check::Outcome outcome) {
    Current ended = std::move(*current_);
    current_.reset();
    world_.cancel(timeout_);
    world_.note(ended.sent * 3 + static_cast<std::uint64_t>(outcome));
    ended.operation.done({outcome, std::move(ended.replies), std::move(ended.texts), ended.began,
                          world_.now().count()});
}

// A request failed, or its connection broke (code 0): the connection is given up, and with it an
// open transaction.
void SimClient::failed(std::uint64_t code, std::string_view message) {
    if (code != 0 && !expected(code)) {
        complaint_ = "unexpected error " + std::to_string(code) + ": " + std::string(message);
    }
    disconnect();
    if (!current_) return;
    if (current_->operation.again) {
        current_->sent = 0;
        current_->open = false;
        current_->replies.clear();
        return look_elsewhere_later();
    }
    const bool several =
        current_->sent > 0 && current_->operation.requests[current_->sent - 1].several;
    const bool sure = surely_not_committed(code, several) && !(several && current_->partly);
    const bool open = current_->open && (code == 0 || !sure);
    finish(open ? check::Outcome::kInDoubt : check::Outcome::kNotCommitted);
}

void SimClient::arm_timeout() {
    world_.cancel(timeout_);
    const bool waits_long = current_->operation.patient || world_.random.chance(patience);
    const Duration wait =
        waits_long ? kAnswerMax : world_.random.between(kImpatienceMin, impatience_max);
    timeout_ = world_.schedule(world_.now() + wait, [this] {
        if (!current_) return;
        const bool again = current_->operation.again;
        failed(0, "timeout");
        if (again && current_) arm_timeout();
    });
}

// --- finding the leader ---

void SimClient::later(Duration delay, std::function<void()> what) {
    world_.schedule(world_.now() + delay, std::move(what));
}

void SimClient::look_elsewhere() {
    if (stage_ != Stage::kDisconnected || !current_) return;
    const std::vector<NodeId> nodes = nodes_();
    connect(nodes[world_.random.below(nodes.size())]);
}

void SimClient::look_elsewhere_later() {
    later(world_.random.between(Duration(1), kRetryMax), [this] { look_elsewhere(); });
}

void SimClient::connect(NodeId node) {
    disconnect();
    node_ = node;
    link_ = dial_(node);
    const std::uint64_t number = ++link_number_;
    if (!link_) return look_elsewhere_later();
    stage_ = Stage::kAskingLeader;
    reader_ = std::make_unique<wire::MessageReader>(wire::kBodyBytesMax);
    link_->on_bytes = [this](ByteView bytes) { receive(bytes); };
    link_->on_end = [this, number] { link_ended(number); };
    Bytes bytes;
    ByteWriter(bytes).u64(wire::kProtocolVersion);
    (void)wire::encode(wire::LeaderRequest{}, bytes);
    link_->send(std::move(bytes));
    // A node that never answers: try another.
    later(kHandshakeMax, [this, number] {
        if (number != link_number_ || stage_ == Stage::kReady) return;
        disconnect();
        look_elsewhere_later();
    });
}

void SimClient::link_ended(std::uint64_t number) {
    if (number != link_number_ || stage_ == Stage::kDisconnected) return;
    const bool running = stage_ == Stage::kReady && current_;
    disconnect();
    if (running) {
        failed(0, "connection lost");
    } else {
        look_elsewhere_later();
    }
}

void SimClient::disconnect() {
    stage_ = Stage::kDisconnected;
    ++link_number_;
    if (link_) link_->close();
    link_.reset();
}

// --- answers ---

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
        handle_failure(*failure);
    } else if (const auto* server = std::get_if<wire::ServerResponse>(&response)) {
        handle_leader(*server);
    } else if (std::holds_alternative<wire::DbResponse>(response)) {
        stage_ = Stage::kReady;
        if (current_) send_next();
    } else if (const auto* result = std::get_if<wire::ResultResponse>(&response)) {
        if (!current_) return;
        current_->replies.back().changed = result->rows_affected;
        request_done();
    } else if (const auto* rows = std::get_if<wire::RowsResponse>(&response)) {
        if (current_) handle_rows(*rows);
    } else if (const auto* ran = std::get_if<wire::RanResponse>(&response)) {
        if (current_) handle_ran(*ran);
    } else {
        complaint_ = "an answer of a wrong type";
    }
}

void SimClient::handle_failure(const wire::FailureResponse& failure) {
    const bool running = stage_ == Stage::kReady && current_;
    if (running && failure.schema != (current_->by_run ? 1 : 0)) {
        complaint_ = "a failure has the form of another request";
    }
    if (running && is_constraint(failure.code) &&
        current_->operation.requests[current_->sent - 1].may_fail) {
        return request_done();
    }
    if (running) {
        failed(failure.code, failure.message);
        return;
    }
    if (!expected(failure.code)) {
        complaint_ = "unexpected error " + std::to_string(failure.code) + ": " +
                     std::string(failure.message);
    }
    disconnect();
    look_elsewhere_later();
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
            if (!current_->by_run) request_done();
            return;
        }
        Row& cells = current_->replies.back().rows.emplace_back();
        for (const wire::Value& value : row) cells.push_back(text_of(value));
    }
    complaint_ = "rows do not decode";
}

void SimClient::handle_ran(const wire::RanResponse& ran) {
    const Request& request = current_->operation.requests[current_->sent - 1];
    if ((ran.flags & wire::ran::kReadOnly) == 0) {
        current_->replies.back().changed = ran.rows_affected;
    }
    if ((ran.flags & wire::ran::kMore) != 0) {
        current_->partly = true;
        return;
    }
    if (request.commits && (ran.flags & wire::ran::kInTransaction) != 0) {
        complaint_ = "a transaction is open behind its COMMIT";
    }
    request_done();
}

}  // namespace quorlite::sim
