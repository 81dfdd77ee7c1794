#include "engine/session/session.h"

#include <new>
#include <utility>

#include "engine/base/address.h"
#include "engine/base/check.h"
#include "engine/session/database_handle.h"
#include "engine/session/dump.h"
#include "engine/session/execution.h"
#include "engine/session/output.h"

namespace quorlite::session {
namespace {

constexpr std::uint64_t kTimeoutMsMax = 365ull * 24 * 60 * 60 * 1000;  // a longer one is none

wire::FailureResponse failure(int code, std::string_view message) {
    return {static_cast<std::uint64_t>(code), message};
}

Error no_database() {
    return {code::kNotFound, "no database opened"};
}

Error no_statement() {
    return {code::kNotFound, "no statement with the given id"};
}

constexpr Task kExec{.form = Form::kResult, .text = Task::Text::kAll};
constexpr Task kQuery{.form = Form::kRows, .text = Task::Text::kSingle};

// By its schema the text is one statement, or the first of several.
Task task_of(const wire::PrepareRequest& request) {
    return {.form = Form::kStmt,
            .text = request.schema == 0 ? Task::Text::kSingle : Task::Text::kFirst,
            .runs = false,
            .keeps = true};
}

Task task_of(const wire::RunRequest& request) {
    const auto has = [&](std::uint64_t flag) { return (request.flags & flag) != 0; };
    Task task;
    if (has(wire::run::kSingle)) task.text = Task::Text::kSingle;
    if (has(wire::run::kScript)) task.text = Task::Text::kAll;
    task.runs = !has(wire::run::kPrepareOnly);
    task.keeps = has(wire::run::kKeep) && request.statement == 0;
    task.describes = has(wire::run::kDescribe);
    task.read_only = has(wire::run::kReadOnly);
    if (request.timeout_ms <= kTimeoutMsMax) {
        task.timeout = std::chrono::milliseconds(request.timeout_ms);
    }
    return task;
}

// What makes no sense.
Status check_run(const wire::RunRequest& request) {
    const auto has = [&](std::uint64_t flags) { return (request.flags & flags) == flags; };
    const auto refuse = [](const char* why) { return Error{code::kMisuse, why}; };
    if ((request.flags & ~wire::run::kAll) != 0) {
        return refuse("RUN has a flag that this node does not know");
    }
    if (has(wire::run::kScript | wire::run::kSingle)) {
        return refuse("a script is not a single statement");
    }
    if (has(wire::run::kScript | wire::run::kKeep)) {
        return refuse("the statements of a script cannot be kept");
    }
    if (request.statement != 0 && !request.sql.empty()) {
        return refuse("a kept statement has its text already");
    }
    if (request.statement != 0 && has(wire::run::kPrepareOnly)) {
        return refuse("a kept statement is prepared already: run it, or send its text");
    }
    return {};
}

wire::ElectionState election_state(raft::RoleName role) {
    if (role == raft::RoleName::kLeader) return wire::ElectionState::kLeader;
    return role == raft::RoleName::kFollower ? wire::ElectionState::kFollower
                                             : wire::ElectionState::kCandidate;
}

// Moves are made in pump(), one after the other, until there is nothing to do or something to wait
// for. Whatever ends a wait calls pump() again; a call from inside a move only leaves its trace,
// which the loop that is already running then sees. So nothing here is ever entered twice, even
// when a statement runs beside the loop and the owner calls in meanwhile. It has a function for
// each kind of request, which makes it large.
class Conversation final : public Session {
public:
    Conversation(replica::Replica& replica, Executor& executor, Clock& clock, Options options,
                 Principal principal, std::function<void()> changed);
    ~Conversation() override;

    void receive(ByteView bytes) override;
    void end_of_input() override;
    void end_is_near() override;
    bool wants_input() const override;
    ByteView output() const override { return output_.view(); }
    void consumed(std::size_t bytes) override;
    std::size_t buffer_bytes() const override {
        return reader_.memory_bytes() + output_.memory_bytes() + execution_.buffer_bytes();
    }
    std::uint64_t statement_running() const override {
        return activity_ == Activity::kExecution ? statements_ : 0;
    }
    bool finished() const override { return finished_; }
    void leadership_changed() override;
    void close() override;

private:
    enum class Activity { kNone, kExecution, kDump, kMembership };

    void execution_started() {
        activity_ = Activity::kExecution;
        ++statements_;
    }
    void pump();
    bool advance();
    bool advance_execution();
    bool advance_dump();
    bool answer_membership();
    bool waiting() const { return paused_ || membership_waits_ || execution_.waiting(); }
    void pause();

    bool take_request();
    bool greet();
    void serve(const wire::Message& message);
    bool next_is_interrupt() const;
    bool look_for_interrupt();
    void end();
    void watch_half_closed();
    void watch_dump();
    void watch_transaction();
    void wait_for_rest(Duration time);
    void transaction_rests();

    void answer(const wire::Response& response) { output_.answer(response); }
    void fail(const Error& error) { answer(failure(error.code, error.message)); }
    bool check_leader();
    bool check_database(std::uint64_t id);
    bool check_transaction(Boundary next);
    Prepared* check_statement(std::uint64_t db, std::uint64_t id);
    Status begin(const wire::RunRequest& request);
    template <class Change>
    void change_membership(Change change);

    template <class Request>
    std::optional<ClusterId> cluster_id(const Request& request);  // if it is wanted
    void on(const wire::LeaderRequest&);
    void on(const wire::ClientRequest&);
    void on(const wire::OpenRequest&);
    void on(const wire::PrepareRequest&);
    void on(const wire::ExecRequest&);
    void on(const wire::QueryRequest&);
    void on(const wire::FinalizeRequest&);
    void on(const wire::ExecSqlRequest&);
    void on(const wire::QuerySqlRequest&);
    void on(const wire::InterruptRequest&);
    void on(const wire::ConnectRequest&);
    void on(const wire::AddRequest&);
    void on(const wire::AssignRequest&);
    void on(const wire::RemoveRequest&);
    void on(const wire::DumpRequest&);
    void on(const wire::ClusterRequest&);
    void on(const wire::TransferRequest&);
    void on(const wire::DescribeRequest&);
    void on(const wire::WeightRequest&);
    void on(const wire::StatusRequest&);
    void on(const wire::RunRequest&);

    replica::Replica& replica_;
    Executor& executor_;
    Clock& clock_;
    Options options_;
    const Principal principal_;
    const std::function<void()> changed_;

    wire::MessageReader reader_{limits::kRequestBytesMax};
    Output output_;
    std::unique_ptr<DatabaseHandle> handle_;  // outlives what execution_ holds of it
    Execution execution_;
    Dump dump_;

    Activity activity_ = Activity::kNone;
    bool greeted_ = false;
    bool legacy_ = false;
    bool input_ended_ = false;
    bool finished_ = false;
    bool closed_ = false;
    bool interrupt_answered_ = false;  // the INTERRUPT that comes next in the input

    std::uint64_t statements_ = 0;  // that were started
    bool pumping_ = false;
    bool paused_ = false;
    bool membership_waits_ = false;
    Status membership_result_;
    int owner_calls_ = 0;            // of the owner's that are running
    std::shared_ptr<Session> self_;  // while something that was started will call back
    TimerId half_closed_timer_ = TimerId::kNone;
    TimerId dump_timer_ = TimerId::kNone;
    TimerId transaction_timer_ = TimerId::kNone;
    TimePoint transaction_due_{};
    TimePoint lock_used_{};  // when something was last done by whoever holds the write lock
    std::uint64_t steps_seen_ = 0;
};

Conversation::Conversation(replica::Replica& replica, Executor& executor, Clock& clock,
                           Options options, Principal principal, std::function<void()> changed)
    : replica_(replica),
      executor_(executor),
      clock_(clock),
      options_(options),
      principal_(std::move(principal)),
      changed_(std::move(changed)),
      execution_(replica_, executor_, options_, principal_, [this] { pump(); }) {}

Conversation::~Conversation() {
    executor_.cancel(half_closed_timer_);
    executor_.cancel(dump_timer_);
    executor_.cancel(transaction_timer_);
}

// --- the owner's calls ---

void Conversation::receive(ByteView bytes) {
    if (closed_ || finished_ || input_ended_) return;
    ++owner_calls_;
    try {
        reader_.feed(bytes);
    } catch (const std::bad_alloc&) {
        end();  // what has come cannot be told from what is missing
    }
    if (activity_ == Activity::kExecution) look_for_interrupt();
    pump();
    --owner_calls_;
}

void Conversation::end_of_input() {
    if (closed_ || finished_ || input_ended_) return;
    ++owner_calls_;
    input_ended_ = true;
    end_is_near();
    pump();
    --owner_calls_;
}

void Conversation::end_is_near() {
    if (!finished_ && half_closed_timer_ == TimerId::kNone) watch_half_closed();
}

bool Conversation::wants_input() const {
    if (finished_ || input_ended_) return false;
    const bool starving = activity_ == Activity::kNone && !paused_ && output_.has_room();
    return starving || reader_.unread().size() < limits::kSessionReadAheadBytes;
}

void Conversation::consumed(std::size_t bytes) {
    if (closed_) return;
    ++owner_calls_;
    output_.consumed(bytes);
    pump();
    --owner_calls_;
}

void Conversation::leadership_changed() {
    if (closed_) return;
    execution_.leadership_changed();
    pump();
}

void Conversation::close() {
    if (closed_) return;
    ++owner_calls_;
    closed_ = finished_ = true;
    output_.clear();
    dump_.abandon();
    execution_.abandon();
    pump();
    --owner_calls_;
}

// --- moves ---

void Conversation::pump() {
    if (pumping_) return;
    const std::shared_ptr<Session> self = shared_from_this();
    pumping_ = true;
    for (int moves = 0; advance(); ++moves) {
        if (moves == limits::kSessionMovesPerTurn) {
            pause();
            break;
        }
    }
    pumping_ = false;
    if (activity_ == Activity::kNone) {
        execution_.shrink_idle();
        output_.shrink_idle();
    }
    if (finished_ && !execution_.holds_handle()) handle_.reset();
    if (handle_ && handle_->has_lock()) watch_transaction();
    self_ = waiting() ? self : nullptr;
    if (owner_calls_ == 0 && !closed_ && changed_) changed_();
}

// Makes one move. False: nothing can be done before somebody calls pump() again.
bool Conversation::advance() {
    if (paused_) return false;
    switch (activity_) {
        case Activity::kNone:
            return take_request();
        case Activity::kExecution:
            return advance_execution();
        case Activity::kDump:
            return advance_dump();
        case Activity::kMembership:
            return answer_membership();
    }
    return false;
}

bool Conversation::advance_execution() {
    const Execution::Progress progress = execution_.advance(output_);
    if (progress == Execution::Progress::kDone) {
        interrupt_answered_ = execution_.was_interrupted();
        activity_ = Activity::kNone;
        return true;
    }
    const bool moved = progress == Execution::Progress::kMoved;
    if (moved && !execution_.streaming()) return true;
    // The INTERRUPT may have come together with the request that it is for.
    return look_for_interrupt() || moved;
}

bool Conversation::advance_dump() {
    if (finished_) {
        dump_.abandon();
    } else if (!output_.has_room()) {
        return false;
    } else if (!dump_.advance(output_).ok()) {
        end();  // the message has begun: there is no way left to tell
    }
    if (!dump_.active()) {
        executor_.cancel(dump_timer_);
        activity_ = Activity::kNone;
    } else {
        pause();
    }
    return true;
}

bool Conversation::answer_membership() {
    if (membership_waits_) return false;
    activity_ = Activity::kNone;
    if (finished_) return true;
    if (membership_result_.ok()) {
        answer(wire::EmptyResponse{});
    } else {
        fail(membership_result_.error());
    }
    return true;
}

// Others have their turn.
void Conversation::pause() {
    paused_ = true;
    executor_.post([this] {
        paused_ = false;
        pump();
    });
}

// --- requests ---

bool Conversation::take_request() {
    if (finished_) return false;
    if (handle_ && handle_->epoch() != replica_.leadership_epoch()) handle_.reset();
    if (!output_.has_room()) return false;
    if (!greeted_) return greet();
    const auto message = reader_.next();
    if (!message.ok()) {
        end();
        return false;
    }
    if (!message->has_value()) {
        if (input_ended_) end();
        return false;
    }
    // What is ready need not wait for a request that may take long.
    if (output_.size() > 0 && changed_) changed_();
    if (interrupt_answered_) {
        interrupt_answered_ = false;
    } else {
        serve(**message);
    }
    return true;
}

bool Conversation::greet() {
    const std::optional<std::uint64_t> version = reader_.take_word();
    if (!version) {
        if (input_ended_) end();
        return false;
    }
    greeted_ = true;
    legacy_ = *version == wire::kLegacyProtocolVersion;
    if (!legacy_ && *version != wire::kProtocolVersion) end();
    return true;
}

void Conversation::serve(const wire::Message& message) {
    const wire::DecodedRequest decoded = wire::decode_request(message.header, message.body);
    if (const auto* request = std::get_if<wire::Request>(&decoded)) {
        std::visit([this](const auto& any) { on(any); }, *request);
    } else if (const auto* refusal = std::get_if<wire::FailureResponse>(&decoded)) {
        answer(*refusal);
    } else {
        end();
    }
}

// Whether the next message is a whole INTERRUPT. It is looked at in place: the message before it is
// still in use.
bool Conversation::next_is_interrupt() const {
    const ByteView ahead = reader_.unread();
    if (ahead.size() < wire::kHeaderBytes) return false;
    const auto header = wire::Header::parse(ahead.first<wire::kHeaderBytes>());
    return header.type == static_cast<std::uint8_t>(wire::RequestType::kInterrupt) &&
           header.schema == 0 && header.words > 0 &&
           ahead.size() - wire::kHeaderBytes >= header.body_bytes();
}

// True if the execution was interrupted just now.
bool Conversation::look_for_interrupt() {
    if (execution_.interrupted() || !next_is_interrupt()) return false;
    execution_.interrupt();
    return true;
}

// Nothing more is done for this client; it gets what has been answered.
void Conversation::end() {
    finished_ = true;
}

// A client that half-closed may wait for its answer or be gone; nothing tells which. A statement
// that still runs after a while is taken to run for nobody.
void Conversation::watch_half_closed() {
    steps_seen_ = execution_.steps();
    half_closed_timer_ = executor_.after(options_.half_closed_patience, [this] {
        if (finished_) return;
        if (execution_.stepping() && execution_.steps() == steps_seen_) {
            end();
            execution_.abandon();
            pump();
        } else {
            watch_half_closed();
        }
    });
}

void Conversation::watch_dump() {
    const std::uint64_t offset = dump_.offset();
    dump_timer_ = executor_.after(options_.dump_patience, [this, offset] {
        if (activity_ != Activity::kDump) return;
        if (dump_.offset() == offset) {
            end();
            pump();
        } else {
            watch_dump();
        }
    });
}

// Each move begins the time anew; the timer finds out when it ends, so that nothing is set and
// cancelled with each transaction.
void Conversation::watch_transaction() {
    lock_used_ = clock_.now();
    const TimePoint due = lock_used_ + handle_->idle_max();
    if (transaction_timer_ != TimerId::kNone && transaction_due_ <= due) return;
    executor_.cancel(transaction_timer_);
    wait_for_rest(handle_->idle_max());
}

void Conversation::wait_for_rest(Duration time) {
    transaction_due_ = clock_.now() + time;
    transaction_timer_ = executor_.after(time, [this] { transaction_rests(); });
}

void Conversation::transaction_rests() {
    transaction_timer_ = TimerId::kNone;
    if (closed_ || !handle_ || !handle_->has_lock()) return;
    const bool rows_wait = activity_ == Activity::kExecution && execution_.streaming();
    const bool rests = rows_wait || activity_ == Activity::kNone || activity_ == Activity::kDump;
    const Duration left = lock_used_ + handle_->idle_max() - clock_.now();
    if (!rests || left > Duration::zero()) {
        return wait_for_rest(rests ? left : handle_->idle_max());
    }
    if (rows_wait) execution_.give_up(handle_->rested());
    handle_->expire();
    pump();
}

bool Conversation::check_leader() {
    const Status leading = replica_.check_leader();
    if (!leading.ok()) fail(leading.error());
    return leading.ok();
}

bool Conversation::check_database(std::uint64_t id) {
    const bool there = handle_ && id == 0;
    if (!there) fail(no_database());
    return there;
}

bool Conversation::check_transaction(Boundary next) {
    const Status admitted = handle_->admit(next);
    if (!admitted.ok()) fail(admitted.error());
    return admitted.ok();
}

Prepared* Conversation::check_statement(std::uint64_t db, std::uint64_t id) {
    if (!check_database(db)) return nullptr;
    Prepared* const prepared = handle_->table().find(id);
    if (prepared == nullptr) fail(no_statement());
    return prepared;
}

template <class Request>
std::optional<ClusterId> Conversation::cluster_id(const Request& request) {
    if (!request.wants_cluster_id) return std::nullopt;
    // Whoever asks that tells NULL from an empty time.
    options_.legacy_null_types = false;
    return replica_.cluster_id();
}

void Conversation::on(const wire::LeaderRequest& request) {
    const replica::Leader leader = replica_.leader();
    if (legacy_) {
        answer(wire::LegacyServerResponse{leader.address});
    } else {
        answer(wire::ServerResponse{leader.id, leader.address, cluster_id(request)});
    }
}

void Conversation::on(const wire::ClientRequest& request) {
    answer(wire::WelcomeResponse{options_.heartbeat_timeout_ms, cluster_id(request)});
}

void Conversation::on(const wire::OpenRequest& request) {
    if (!check_leader()) return;
    if (handle_) {
        return answer(failure(code::kBusy, "a database for this connection is already open"));
    }
    if (request.name.size() > wire::kDatabaseNameBytesMax) return end();
    auto opened = DatabaseHandle::open(replica_, request.name, options_.idle_transaction);
    if (!opened.ok()) return fail(opened.error());
    handle_ = std::move(*opened);
    answer(wire::DbResponse{});
}

void Conversation::on(const wire::PrepareRequest& request) {
    if (!check_leader() || !check_database(request.db)) return;
    execution_.start(*handle_, task_of(request), request.sql, {});
    execution_started();
}

void Conversation::on(const wire::ExecRequest& request) {
    if (!check_leader()) return;
    Prepared* const prepared = check_statement(request.db, request.statement);
    if (prepared == nullptr || !check_transaction(prepared->boundary)) return;
    execution_.start(*handle_, kExec, request.statement, *prepared, {request.parameters});
    execution_started();
}

void Conversation::on(const wire::QueryRequest& request) {
    if (!check_leader()) return;
    Prepared* const prepared = check_statement(request.db, request.statement);
    if (prepared == nullptr || !check_transaction(prepared->boundary)) return;
    execution_.start(*handle_, kQuery, request.statement, *prepared, {request.parameters});
    execution_started();
}

void Conversation::on(const wire::FinalizeRequest& request) {
    if (check_statement(request.db, request.statement) == nullptr) return;
    handle_->table().erase(request.statement);
    answer(wire::EmptyResponse{});
}

void Conversation::on(const wire::ExecSqlRequest& request) {
    if (!check_leader() || !check_database(request.db)) return;
    if (!check_transaction(boundary_of(request.sql))) return;
    execution_.start(*handle_, kExec, request.sql, {request.parameters});
    execution_started();
}

void Conversation::on(const wire::QuerySqlRequest& request) {
    if (!check_leader() || !check_database(request.db)) return;
    if (!check_transaction(boundary_of(request.sql))) return;
    execution_.start(*handle_, kQuery, request.sql, {request.parameters});
    execution_started();
}

void Conversation::on(const wire::RunRequest& request) {
    const Status begun = begin(request);
    if (begun.ok()) return execution_started();
    const bool open = handle_ && handle_->connection().in_transaction();
    answer(wire::FailureResponse{.code = static_cast<std::uint64_t>(begun.error().code),
                                 .message = begun.error().message,
                                 .schema = 1,
                                 .flags = open ? wire::ran::kInTransaction : 0});
}

Status Conversation::begin(const wire::RunRequest& request) {
    if (Status leading = replica_.check_leader(); !leading.ok()) return leading;
    if (!handle_) return no_database();
    if (Status sense = check_run(request); !sense.ok()) return sense;
    const Task task = task_of(request);
    const Arguments arguments{request.parameters, request.names};
    Prepared* prepared = nullptr;
    if (request.statement != 0) {
        prepared = handle_->table().find(request.statement - 1);
        if (prepared == nullptr) return no_statement();
    }
    if (task.runs) {
        const Boundary next = prepared == nullptr ? boundary_of(request.sql) : prepared->boundary;
        if (Status admitted = handle_->admit(next); !admitted.ok()) return admitted;
    }
    if (prepared == nullptr) {
        execution_.start(*handle_, task, request.sql, arguments);
    } else {
        const auto number = static_cast<std::uint32_t>(request.statement - 1);
        execution_.start(*handle_, task, number, *prepared, arguments);
    }
    return {};
}

void Conversation::on(const wire::InterruptRequest&) {
    answer(wire::EmptyResponse{});  // nothing runs: requests are worked on one at a time
}

// A real dqlite node: the two kinds of nodes share no cluster.
void Conversation::on(const wire::ConnectRequest&) {
    end();
}

// --- the cluster ---

// `change` is given what to call when the change is done or refused.
template <class Change>
void Conversation::change_membership(Change change) {
    activity_ = Activity::kMembership;
    membership_waits_ = true;
    change([this](Status result) {
        membership_result_ = std::move(result);
        membership_waits_ = false;
        pump();
    });
}

void Conversation::on(const wire::AddRequest& request) {
    if (!check_leader()) return;
    if (!request.id) return answer(failure(code::kError, "server ID is not valid"));
    // The other nodes could never connect to anything else.
    if (request.address.size() > limits::kAddressBytesMax || !parse_address(request.address)) {
        return answer(failure(code::kError, "server address is not valid: HOST:PORT is wanted"));
    }
    if (is_any_host(request.address)) {
        return answer(failure(code::kError, "nobody can reach a server at this address"));
    }
    change_membership(
        [&](auto done) { replica_.add(request.id, std::string(request.address), done); });
}

void Conversation::on(const wire::AssignRequest& request) {
    if (!check_leader()) return;
    raft::Role role = raft::Role::kVoter;
    switch (request.role.value_or(wire::Role::kVoter)) {
        case wire::Role::kVoter:
            break;
        case wire::Role::kStandby:
            role = raft::Role::kStandby;
            break;
        case wire::Role::kSpare:
            role = raft::Role::kSpare;
            break;
        default:
            return answer(failure(code::kError, "server role is not valid"));
    }
    if (!request.id) return answer(failure(code::kError, "Resource not found"));
    change_membership([&](auto done) { replica_.assign(request.id, role, done); });
}

void Conversation::on(const wire::RemoveRequest& request) {
    if (!check_leader()) return;
    if (!request.id) return answer(failure(code::kError, "server ID is not valid"));
    change_membership([&](auto done) { replica_.remove(request.id, done); });
}

void Conversation::on(const wire::TransferRequest& request) {
    if (!check_leader()) return;
    change_membership([&](auto done) { replica_.transfer(request.id, done); });
}

void Conversation::on(const wire::DumpRequest& request) {
    const Status begun = dump_.start(replica_.store(), request.name, output_);
    if (!begun.ok()) return fail(begun.error());
    activity_ = Activity::kDump;
    watch_dump();
}

void Conversation::on(const wire::ClusterRequest& request) {
    if (request.format != wire::ServersFormat::kAddresses &&
        request.format != wire::ServersFormat::kRoles) {
        return answer(failure(code::kParse, "unrecognized cluster format"));
    }
    wire::ServersResponse response{.format = request.format};
    for (const raft::Server& server : replica_.configuration().servers) {
        wire::Role role = wire::Role::kVoter;
        if (server.role == raft::Role::kStandby) role = wire::Role::kStandby;
        if (server.role == raft::Role::kSpare) role = wire::Role::kSpare;
        response.servers.push_back({server.id, server.address, role});
    }
    answer(response);
}

void Conversation::on(const wire::DescribeRequest& request) {
    if (request.format != 0) return answer(failure(code::kProtocol, "bad format version"));
    answer(wire::MetadataResponse{options_.failure_domain, replica_.weight()});
}

void Conversation::on(const wire::WeightRequest& request) {
    replica_.set_weight(request.weight);
    answer(wire::EmptyResponse{});
}

void Conversation::on(const wire::StatusRequest& request) {
    if (request.format != 0) return answer(failure(code::kProtocol, "bad format version"));
    const replica::ReplicaStatus status = replica_.status();
    const std::vector<std::string> names = replica_.store().names();
    wire::StatusResponse response;
    response.id = replica_.id();
    response.state = election_state(status.role);
    response.term = status.term.value();
    response.leader = status.leader.id;
    response.first = status.first.value();
    response.last = status.last.value();
    response.durable = status.durable.value();
    response.committed = status.committed.value();
    response.applied = status.applied.value();
    response.flushed = status.flushed.value();
    response.log_bytes = status.log_bytes;
    response.memory_bytes = status.memory_bytes;
    response.databases.assign(names.begin(), names.end());
    response.cluster = replica_.cluster_id();
    answer(response);
}

}  // namespace

std::shared_ptr<Session> Session::open(replica::Replica& replica, Executor& executor, Clock& clock,
                                       Options options, Principal principal,
                                       std::function<void()> changed) {
    return std::make_shared<Conversation>(replica, executor, clock, options, std::move(principal),
                                          std::move(changed));
}

}  // namespace quorlite::session
