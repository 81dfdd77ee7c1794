#include "engine/session/execution.h"

#include <algorithm>
#include <new>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "wire/base/errors.h"

namespace quorlite::session {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// What SQLite binds for a value: it knows five types.
wire::Value bindable(const wire::Value& value) {
    if (const auto* date = std::get_if<wire::Iso8601>(&value)) return date->text;
    if (const auto* boolean = std::get_if<wire::Boolean>(&value)) {
        return std::int64_t{boolean->truth() ? 1 : 0};
    }
    return value;
}

}  // namespace

Execution::Execution(replica::Replica& replica, Executor& executor, const Options& options,
                     const Principal& principal, std::function<void()> resume)
    : replica_(replica),
      executor_(executor),
      options_(options),
      principal_(principal),
      resume_(std::move(resume)) {}

// --- the request ---

void Execution::start(DatabaseHandle& handle, Kind kind, const wire::Parameters& parameters) {
    QUORLITE_CHECK(!active());
    request_ = {.handle = &handle, .kind = kind, .values = wire::ParameterReader(parameters)};
    verdict_ = {};
    interrupt_ = Interrupt::kNone;
    abandoned_ = false;
    stop_.store(false, std::memory_order_relaxed);
}

void Execution::start(DatabaseHandle& handle, Kind kind, Prepared& prepared,
                      const wire::Parameters& parameters) {
    start(handle, kind, parameters);
    current_.prepared = &prepared;
    state_ = Binding{};
}

void Execution::start(DatabaseHandle& handle, Kind kind, std::string_view sql,
                      const wire::Parameters& parameters) {
    start(handle, kind, parameters);
    request_.sql = sql;
    state_ = Preparing{};
}

void Execution::prepare_only(DatabaseHandle& handle, std::string_view sql, std::uint8_t schema) {
    start(handle, Kind::kPrepare, sql, {});
    request_.stmt.schema = schema;
}

Execution::Progress Execution::advance(Output& output) {
    QUORLITE_CHECK(active());
    if (waiting()) return Progress::kWaiting;
    if (abandoned_ && !in<Stepped>()) {
        finish();
        return Progress::kDone;
    }
    if (streaming() && !output.has_room() && !stop_ && !is_void()) return Progress::kBlocked;
    // A move puts another state in the place of its own, which must not be used after that.
    std::visit(
        Overloaded{
            [&](Preparing) { prepare(); },
            [&](Compiled& state) { compiled(std::move(state.result)); }, [&](Binding) { bind(); },
            [&](Permitting& state) { permit(std::move(state.lock)); },
            [&](Stepped& state) { stepped(std::move(state.step)); },
            [&](Confirming& state) { confirm(std::move(state.outcome)); },
            [&](Answering& state) { answer(output, std::move(state.outcome)); },
            [&](Streaming) { continue_rows(); },
            [&](const auto&) {},  // the others wait, or are idle
        },
        state_);
    return active() ? Progress::kMoved : Progress::kDone;
}

bool Execution::waiting() const {
    return in<Compiling>() || in<AwaitingLock>() || in<Stepping>() || in<AwaitingCommit>() ||
           in<AwaitingConfirmation>();
}

bool Execution::is_void() const {
    return request_.handle->epoch() != replica_.leadership_epoch();
}

// --- the statement ---

void Execution::prepare() {
    if (stop_) return fail(interruption());
    if (request_.kind != Kind::kPrepare) {
        current_.prepared = request_.handle->cache().find(request_.sql);
        if (current_.prepared != nullptr) {
            request_.sql = {};
            state_ = Binding{};
            return;
        }
    }
    if (is_void()) return fail(not_leader());
    state_ = Compiling{};
    run([this] { std::get<Compiling>(state_).result = request_.handle->prepare(request_.sql); },
        [this] {
            connection().end_work();
            state_ = Compiled{*std::move(std::get<Compiling>(state_).result)};
        });
}

void Execution::compiled(Result<Prepared> prepared) {
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (!prepared.ok()) {
        // A missing table is something that was read.
        if (propose(true)) conclude({.error = std::move(prepared).error()});
        return;
    }
    const std::string_view rest = request_.sql.substr(prepared->sql_bytes);
    const std::string_view text = std::exchange(request_.sql, rest);
    if (!prepared->statement) {
        if (request_.kind != Kind::kExec) return fail({0, "empty statement"});
        return conclude({});
    }
    const bool alone = skip_blanks(rest).empty();
    const bool must_be_alone =
        is_query() || (request_.kind == Kind::kPrepare && request_.stmt.schema == 0);
    if (must_be_alone && !alone) return fail({code::kError, "nonempty statement tail"});
    if (request_.kind == Kind::kPrepare) return keep(std::move(*prepared));
    if (alone) request_.sql = {};
    if (alone && StatementCache::takes(text, *prepared)) {
        current_.prepared = request_.handle->cache().insert(text, std::move(*prepared));
    } else {
        current_.own = std::move(*prepared);
        current_.prepared = &current_.own;
    }
    state_ = Binding{};
}

void Execution::keep(Prepared prepared) {
    wire::StmtResponse& stmt = request_.stmt;
    stmt.parameter_count = static_cast<std::uint64_t>(prepared.statement->parameter_count());
    stmt.tail_offset = prepared.sql_bytes;
    const auto id = request_.handle->table().insert(std::move(prepared));
    if (!id.ok()) return fail(id.error());
    stmt.statement = *id;
    state_ = Answering{};
}

void Execution::bind() {
    current_.writes = statement().writes();
    request_.streams = is_query() && !current_.writes && statement().column_count() > 0;
    if (Status bound = bind_values(); !bound.ok()) return fail(std::move(bound).error());
    lock();
}

// Each statement of a text takes as many values as it has parameters. Fewer: the rest are NULL.
Status Execution::bind_values() {
    wire::ParameterReader& values = request_.values;
    const auto wanted = static_cast<std::size_t>(statement().parameter_count());
    const std::size_t given = std::min(wanted, values.remaining());
    for (std::size_t i = 0; i < given; ++i) {
        const auto value = values.next();
        if (!value.ok()) {
            return is_query() ? Error{code::kIo, "leader exec failed"}
                              : Error{code::kError, "bind parameters"};
        }
        Status bound = statement().bind(static_cast<int>(i) + 1, bindable(*value));
        if (!bound.ok()) return bound;
    }
    if (is_query() && values.remaining() > 0) return Error{code::kIo, "leader exec failed"};
    return {};
}

// --- the write lock ---

void Execution::lock() {
    if (!statement().takes_write_lock() || request_.handle->has_lock()) {
        state_ = Permitting{};
        return;
    }
    const Duration timeout = connection().busy_timeout().value_or(options_.busy_timeout);
    request_.handle->lock(principal_.description(), timeout,
                          [this](Status status) { granted(std::move(status)); });
    if (in<Binding>()) state_ = AwaitingLock{};
}

// Whoever gives the lock back grants it from inside its own move. A thousand writers in a queue
// must not become a thousand moves inside each other, so a grant that was waited for gets its own
// turn.
void Execution::granted(Status status) {
    auto* const state = std::get_if<AwaitingLock>(&state_);
    if (state == nullptr) {
        state_ = Permitting{std::move(status)};
        return;
    }
    state->granted = std::move(status);
    executor_.post([this] {
        state_ = Permitting{*std::move(std::get<AwaitingLock>(state_).granted)};
        resume_();
    });
}

void Execution::permit(Status lock) {
    if (!lock.ok()) request_.handle->lock_refused();
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (!lock.ok()) return fail(std::move(lock).error());
    // Under the lock a statement without columns may be the COMMIT.
    const bool may_commit = request_.handle->has_lock() && statement().column_count() == 0;
    if (statement().takes_write_lock() || may_commit) {
        if (Status writable = replica_.check_writable(); !writable.ok()) {
            return fail(std::move(writable).error());
        }
    }
    if (current_.prepared->idle_max) request_.handle->set_idle_max(*current_.prepared->idle_max);
    step({});
}

// --- running it ---

void Execution::step(Step step) {
    if (request_.streams && !step.continues) connection().prefer_committed();
    state_ = Stepping{std::move(step)};
    run([this] { work(std::get<Stepping>(state_).step); },
        [this] { state_ = Stepped{std::move(std::get<Stepping>(state_).step)}; });
}

// Both run SQLite, `then` on the loop.
template <class Work, class Then>
void Execution::run(Work work, Then then) {
    ++steps_;
    connection().begin_work();
    executor_.step(std::move(work), [this, then] {
        then();
        resume_();
    });
}

// Perhaps beside the loop: see the header for what it may touch.
void Execution::work(Step& step) {
    if (stop_) {
        step.error = interruption();
        return;
    }
    try {
        is_query() ? fill_batch(step) : discard_rows(step);
    } catch (const std::bad_alloc&) {
        rows_.abandon_batch();
        undo_statement(step,
                       {code::kNoMemory, "out of memory: ask for smaller rows, or for fewer"});
    }
}

void Execution::discard_rows(Step& step) {
    for (;;) {
        Result<bool> row = statement().step();
        if (!row.ok()) {
            step.error = std::move(row).error();
            return;
        }
        if (!*row) {
            step.finished = true;
            return;
        }
        if (!current_.writes && !current_.prepared->pragma) {
            step.error = Error{code::kError, "rows yielded when none expected for EXEC request"};
            return;
        }
        if (stop_) return undo_statement(step, interruption());
    }
}

void Execution::fill_batch(Step& step) {
    Result<bool> row = statement().step();
    if (row.ok()) {
        if (!step.continues) rows_.open(statement(), options_.legacy_null_types);
        rows_.begin_batch(batch_);
    }
    for (;; row = statement().step()) {
        if (!row.ok()) {
            rows_.abandon_batch();
            step.error = std::move(row).error();
            return;
        }
        if (!*row) {
            rows_.finish_batch(wire::RowsEnd::kDone);
            step.finished = true;
            return;
        }
        Status fits = stop_ ? Status(interruption()) : rows_.append_row();
        if (!fits.ok()) {
            rows_.abandon_batch();
            return undo_statement(step, std::move(fits).error());
        }
        if (!rows_.batch_full()) continue;
        rows_.finish_batch(wire::RowsEnd::kPart);
        if (request_.streams) return;
        if (batch_.size() > limits::kUncommittedRowsBytesMax) {
            return undo_statement(
                step, {code::kTooBig,
                       "the rows that a writing statement returns are too many to be kept "
                       "until it is committed: return fewer"});
        }
        rows_.begin_batch(batch_);
    }
}

// A writing statement that is reset between two rows would commit what it has done; one that fails
// is undone.
void Execution::undo_statement(Step& step, Error error) {
    step.error = std::move(error);
    if (!current_.writes) return;
    connection().interrupt();
    const Result<bool> undone = statement().step();
    if (undone.ok() && !*undone) step.finished = true;
}

void Execution::stepped(Step step) {
    // Later rows are of the snapshot that was confirmed with the first ones.
    const bool shows =
        !step.continues && (current_.writes || step.error || statement().column_count() > 0);
    if (!propose(shows)) return;
    if (step.error) return conclude({.error = std::move(step.error)});
    if (request_.streams && !step.finished) return commit({.more_rows = true});
    if (is_query() || request_.sql.empty()) return conclude({});
    retire();
    state_ = Preparing{};
}

// After every step, whatever became of it: the call tells the database that this connection is at
// rest. False: the leadership is over, and the request has failed.
bool Execution::propose(bool shows) {
    using Own = database::Capture::Own;
    database::Capture capture = connection().take_capture();
    const Own own = capture.own;
    const Result<Index> seen = replica_.propose(request_.handle->database(), std::move(capture));
    // Whoever took it proposed it.
    const bool wrote = own == Own::kTakenByOther || (own == Own::kIncluded && seen.ok());
    verdict_.proposed = verdict_.proposed || wrote;
    if (!seen.ok()) {
        fail(seen.error());
        return false;
    }
    verdict_.index = std::max(verdict_.index, *seen);
    verdict_.shows = verdict_.shows || (shows && !wrote);
    return true;
}

// The statement's end. The lock goes after what it captured was proposed.
void Execution::retire() {
    if (request_.handle == nullptr) return;
    if (current_.prepared != nullptr) {
        statement().reset();
        if (statement().parameter_count() > 0) statement().clear_bindings();
        current_ = {};
    }
    request_.handle->unlock_if_idle();
}

// --- the answer ---

// "Not leader" reveals nothing that was read, and what was proposed is in doubt: neither is waited
// for.
void Execution::fail(Error error) {
    if (error.code != code::kNotLeader) return conclude({.error = std::move(error)});
    retire();
    state_ = Answering{{.error = honest(std::move(error))}};
}

// "Not leader" says that nothing was done. Of a request that has something in the log that would
// not be true.
Error Execution::honest(Error error) const {
    const bool lie = mutant(Mutant::kRefusalAfterProposal);
    const bool untrue = error.code == code::kNotLeader && verdict_.proposed && !lie;
    return untrue ? leadership_lost() : error;
}

void Execution::conclude(Outcome outcome) {
    retire();
    commit(std::move(outcome));
}

void Execution::commit(Outcome outcome) {
    if (!verdict_.proposed) {
        state_ = Confirming{std::move(outcome)};
        return;
    }
    state_ = AwaitingCommit{std::move(outcome)};
    replica_.when_committed(verdict_.index, [this](Status status) {
        Outcome due = std::move(std::get<AwaitingCommit>(state_).outcome);
        if (status.ok()) {
            state_ = Confirming{std::move(due)};
        } else {
            state_ = Answering{{.error = std::move(status).error()}};
        }
        resume_();
    });
}

void Execution::confirm(Outcome outcome) {
    const bool unconfirmed =
        mutant(Mutant::kTransactionReadsUnconfirmed) && connection().in_transaction();
    if (!verdict_.shows || unconfirmed) {
        state_ = Answering{std::move(outcome)};
        return;
    }
    state_ = AwaitingConfirmation{std::move(outcome)};
    replica_.when_readable(verdict_.index, [this](Status status) {
        Outcome due = std::move(std::get<AwaitingConfirmation>(state_).outcome);
        if (!status.ok()) due = {.error = honest(std::move(status).error())};
        state_ = Answering{std::move(due)};
        resume_();
    });
}

void Execution::answer(Output& output, Outcome outcome) {
    const std::optional<Error>& error = outcome.error;
    const bool ended = error ? error->code == code::kInterrupted : request_.streams;
    if (interrupt_ == Interrupt::kWanted && ended) {
        interrupt_ = Interrupt::kAnswered;
        output.answer(wire::EmptyResponse{});
    } else if (error) {
        output.answer(
            wire::FailureResponse{static_cast<std::uint64_t>(error->code), error->message});
    } else {
        respond(output);
        if (outcome.more_rows) {
            verdict_ = {};
            state_ = Streaming{};
            return;
        }
    }
    finish();
}

void Execution::respond(Output& output) {
    switch (request_.kind) {
        case Kind::kPrepare:
            return output.answer(request_.stmt);
        case Kind::kExec:
            return output.answer(
                wire::ResultResponse{connection().last_insert_rowid(),
                                     static_cast<std::uint64_t>(connection().changes())});
        case Kind::kQuery:
            return output.take(batch_);
    }
}

void Execution::continue_rows() {
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    step({.continues = true});
}

void Execution::finish() {
    retire();
    batch_.clear();
    state_ = Idle{};
}

// --- stopping ---

void Execution::stop() {
    stop_ = true;
    if (stepping()) {
        connection().interrupt();
    } else if (const auto* state = std::get_if<AwaitingLock>(&state_)) {
        request_.handle->unlock();
        if (!state->granted) state_ = Permitting{};
    }
}

void Execution::interrupt() {
    if (!active() || interrupted()) return;
    interrupt_ = Interrupt::kWanted;
    stop();
}

void Execution::abandon() {
    if (!holds_handle()) return;
    abandoned_ = true;
    stop();
    if (stepping() || in<Stepped>()) return;
    if (in<Compiled>()) state_ = Preparing{};  // no statement may outlive the handle
    retire();
    request_.handle = nullptr;
}

void Execution::leadership_changed() {
    if (holds_handle() && is_void()) stop();
}

}  // namespace quorlite::session
