#include "engine/session/execution.h"

#include <algorithm>
#include <new>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
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

constexpr std::string_view kTimeOver =
    "interrupted: the time that the client has allowed is over, and the statement has done nothing";

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

void Execution::start(DatabaseHandle& handle, const Task& task, const Arguments& arguments) {
    QUORLITE_CHECK(!active());
    request_ = {.handle = &handle,
                .task = task,
                .values = wire::ParameterReader(arguments.values),
                .names = wire::TextsReader(arguments.names)};
    facts_ = {};
    verdict_ = {};
    answers_.start(task.form, options_.legacy_null_types);
    interrupt_ = Interrupt::kNone;
    abandoned_ = false;
    stop_.store(false, std::memory_order_relaxed);
    time_over_ = false;
    if (task.timeout > Duration::zero()) {
        timer_ = executor_.after(task.timeout, [this] { time_is_over(); });
    }
}

void Execution::start(DatabaseHandle& handle, const Task& task, std::uint32_t kept,
                      Prepared& prepared, const Arguments& arguments) {
    start(handle, task, arguments);
    current_.prepared = &prepared;
    facts_.kept = kept;
    state_ = Binding{};
}

void Execution::start(DatabaseHandle& handle, const Task& task, std::string_view sql,
                      const Arguments& arguments) {
    start(handle, task, arguments);
    request_.sql = sql;
    state_ = Preparing{};
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
            [&](Streaming state) { stream(state.next); },
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
    answers_.begin_statement();
    facts_ = {};
    request_.begin = request_.end;
    if (task().runs && !task().keeps) {
        current_.prepared = request_.handle->cache().find(request_.sql);
        if (current_.prepared != nullptr) {
            request_.end += request_.sql.size();
            request_.sql = {};
            state_ = Binding{};
            return;
        }
    }
    if (is_void()) return fail(not_leader());
    state_ = Compiling{};
    run([this] { std::get<Compiling>(state_).result = compile(); },
        [this] {
            connection().end_work();
            state_ = Compiled{*std::move(std::get<Compiling>(state_).result)};
        });
}

// Perhaps beside the loop. What runs is described when it runs: then it is known to be up to date.
Result<Prepared> Execution::compile() {
    Result<Prepared> prepared = request_.handle->prepare(request_.sql);
    if (!prepared.ok() || !prepared->statement || task().runs || !task().describes) return prepared;
    try {
        answers_.describe(*prepared->statement);
    } catch (const std::bad_alloc&) {
        return Error{code::kNoMemory,
                     "out of memory: the description of the statement is too long"};
    }
    return prepared;
}

void Execution::compiled(Result<Prepared> prepared) {
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (!prepared.ok()) {
        // A missing table is something that was read.
        if (propose(true)) conclude({.error = std::move(prepared).error()});
        return;
    }
    request_.end += prepared->sql_bytes;
    const std::string_view rest = request_.sql.substr(prepared->sql_bytes);
    const std::string_view text = std::exchange(request_.sql, rest);
    if (!prepared->statement) return found_nothing();
    const bool alone = skip_blanks(rest).empty();
    if (alone) request_.sql = {};
    if (!alone) facts_.flags |= wire::ran::kMore;
    if (!alone && task().text == Task::Text::kSingle) {
        return fail({code::kError, "nonempty statement tail"});
    }
    if (task().keeps) {
        if (Status kept = keep(std::move(*prepared)); !kept.ok()) return fail(kept.error());
    } else if (task().runs && alone && StatementCache::takes(text, *prepared)) {
        current_.prepared = request_.handle->cache().insert(text, std::move(*prepared));
    } else {
        current_.own = std::move(*prepared);
        current_.prepared = &current_.own;
    }
    state_ = Binding{};
}

void Execution::found_nothing() {
    if (!answers_.accepts_nothing()) return fail({0, "empty statement"});
    request_.sql = {};
    statement_ended();
}

Status Execution::keep(Prepared prepared) {
    const auto id = request_.handle->table().insert(std::move(prepared));
    if (!id.ok()) return id.error();
    facts_.kept = *id;
    facts_.kept_now = true;
    current_.prepared = request_.handle->table().find(*id);
    return {};
}

void Execution::bind() {
    current_.writes = statement().writes();
    current_.takes_rows = answers_.takes_rows(statement());
    facts_.flags |= wire::ran::kStatement;
    if (!current_.writes) facts_.flags |= wire::ran::kReadOnly;
    if (statement().explains()) facts_.flags |= wire::ran::kExplain;
    if (!task().runs) {
        // COLUMNS says what was read of the schema.
        if (task().form != Form::kRan || propose(true)) statement_ended();
        return;
    }
    if (task().read_only && current_.writes) {
        return fail(
            {code::kReadOnly, "the statement writes, and its client has asked for reads only"});
    }
    facts_.streams = current_.takes_rows && !current_.writes && statement().column_count() > 0;
    Status bound = task().form == Form::kRan ? bind_every_value() : bind_values();
    if (!bound.ok()) return fail(std::move(bound).error());
    lock();
}

// Each statement of a text takes as many values as it has parameters. Fewer: the rest are NULL.
Status Execution::bind_values() {
    const bool query = task().form == Form::kRows;
    wire::ParameterReader& values = request_.values;
    const auto wanted = static_cast<std::size_t>(statement().parameter_count());
    const std::size_t given = std::min(wanted, values.remaining());
    for (std::size_t i = 0; i < given; ++i) {
        const auto value = values.next();
        if (!value.ok()) {
            return query ? Error{code::kIo, "leader exec failed"}
                         : Error{code::kError, "bind parameters"};
        }
        Status bound = statement().bind(static_cast<int>(i) + 1, bindable(*value));
        if (!bound.ok()) return bound;
    }
    if (query && values.remaining() > 0) return Error{code::kIo, "leader exec failed"};
    return {};
}

// The same, and every parameter needs a value, and every value a parameter.
Status Execution::bind_every_value() {
    wire::ParameterReader& values = request_.values;
    const auto wanted = static_cast<std::size_t>(statement().parameter_count());
    const std::size_t given = is_last() ? values.remaining() : std::min(wanted, values.remaining());
    if (request_.names.remaining() > 0) return bind_by_name(given);
    if (given < wanted) return missing_value(static_cast<int>(given) + 1);
    if (given > wanted) {
        return Error{code::kError, "the statement has " + std::to_string(wanted) +
                                       " parameters, and there are " + std::to_string(given) +
                                       " values"};
    }
    for (std::size_t i = 0; i < given; ++i) {
        const auto value = values.next();
        if (!value.ok()) return value.error();
        Status bound = statement().bind(static_cast<int>(i) + 1, bindable(*value));
        if (!bound.ok()) return bound;
    }
    return {};
}

// A value without a name belongs to the parameter at its own position. The numbers that a ?NNN
// leaves out are no parameters, but SQLite does not tell them from a ? without a number: below a
// ?NNN nothing is missed.
Status Execution::bind_by_name(std::size_t given) {
    const int wanted = statement().parameter_count();
    if (wanted > limits::kNamedParametersMax) {
        return Error{code::kTooBig, "a statement whose values have names may have " +
                                        std::to_string(limits::kNamedParametersMax) +
                                        " parameters: give them by position"};
    }
    std::vector<bool> bound(static_cast<std::size_t>(wanted) + 1);
    for (std::size_t i = 0; i < given; ++i) {
        const auto value = request_.values.next();
        if (!value.ok()) return value.error();
        const std::string name(request_.names.remaining() > 0 ? request_.names.next() : "");
        const auto place =
            name.empty() ? i + 1 : static_cast<std::size_t>(statement().parameter_index(name));
        const std::string called = name.empty() ? std::to_string(place) : name;
        if (place == 0 || place >= bound.size()) {
            return Error{code::kError, "the statement has no parameter " + called};
        }
        if (bound[place]) return Error{code::kError, "parameter " + called + " has two values"};
        bound[place] = true;
        Status done = statement().bind(static_cast<int>(place), bindable(*value));
        if (!done.ok()) return done;
    }
    if (is_last() && request_.names.remaining() > 0) {
        return Error{code::kError,
                     "the name " + std::string(request_.names.next()) + " is given, and no value"};
    }
    bool missed = true;
    for (int parameter = wanted; parameter > 0; --parameter) {
        const std::string_view name = statement().parameter_name(parameter);
        if (name.starts_with('?')) missed = false;
        if (bound[static_cast<std::size_t>(parameter)]) continue;
        if (!name.empty() || missed) return missing_value(parameter);
    }
    return {};
}

Error Execution::missing_value(int parameter) {
    const std::string_view name = statement().parameter_name(parameter);
    return {code::kError, "parameter " +
                              (name.empty() ? std::to_string(parameter) : std::string(name)) +
                              " has no value"};
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
    // What this request has seen or written itself it must not lose sight of.
    const bool first = !verdict_.proposed && !verdict_.shows;
    if (facts_.streams && !step.continues && first) connection().prefer_committed();
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
        current_.takes_rows ? fill_batch(step) : discard_rows(step);
    } catch (const std::bad_alloc&) {
        answers_.rows().abandon_batch();
        if (step.finished && current_.writes) {
            step.error = Error{code::kLeadershipLost,
                               "out of memory: the statement is done, but its answer is lost",
                               quorlite::Verdict::kInDoubt};
        } else {
            undo_statement(step,
                           {code::kNoMemory, "out of memory: ask for smaller rows, or for fewer"});
        }
    }
}

// False at the end, or after an error.
bool Execution::next_row(Step& step) {
    Result<bool> row = statement().step();
    if (!row.ok()) step.error = std::move(row).error();
    step.finished = row.ok() && !*row;
    return row.ok() && *row;
}

void Execution::discard_rows(Step& step) {
    while (next_row(step)) {
        if (!current_.writes && !current_.prepared->pragma) {
            step.error = Error{code::kError, "rows yielded when none expected for EXEC request"};
            return;
        }
        if (stop_) return undo_statement(step, interruption());
    }
    if (!step.error && task().describes) answers_.describe(statement());
}

void Execution::fill_batch(Step& step) {
    bool row = next_row(step);
    if (step.error) return;
    if (!step.continues) {
        if (task().describes) answers_.describe(statement());
        answers_.open_rows(statement());
    }
    ResultSet& rows = answers_.rows();
    answers_.begin_batch();
    for (; row; row = next_row(step)) {
        Status fits = stop_ ? Status(interruption()) : rows.append_row();
        if (!fits.ok()) {
            rows.abandon_batch();
            return undo_statement(step, std::move(fits).error());
        }
        if (!rows.batch_full()) continue;
        rows.finish_batch(wire::RowsEnd::kPart);
        if (facts_.streams) return;
        if (answers_.size() > limits::kUncommittedRowsBytesMax) {
            return undo_statement(
                step, {code::kTooBig,
                       "the rows that a writing statement returns are too many to be kept "
                       "until it is committed: return fewer"});
        }
        answers_.begin_batch();
    }
    if (step.error) return rows.abandon_batch();
    rows.finish_batch(wire::RowsEnd::kDone);
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
    if (!step.finished) return commit({.next = Next::kRows});
    statement_ended();
}

// Its answer is held with those before it. A batch of them waits for what they depend on.
void Execution::statement_ended() {
    if (in_transaction()) facts_.flags |= wire::ran::kInTransaction;
    answers_.end_statement({.prepared = current_.prepared,
                            .flags = facts_.flags,
                            .text_bytes = request_.end,
                            .kept = facts_.kept,
                            .changes = task().runs ? connection().changes() : 0,
                            .last_insert_id = connection().last_insert_rowid(),
                            .last = is_last()},
                           task().text == Task::Text::kFirst ? 1 : 0);
    if (is_last()) return conclude({});
    retire();
    if (answers_.size() >= limits::kResultBatchBytes) return commit({.next = Next::kStatement});
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
    forget_answers();
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
            forget_answers();
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
        if (!status.ok()) {
            forget_answers();
            due = {.error = honest(std::move(status).error())};
        }
        state_ = Answering{std::move(due)};
        resume_();
    });
}

void Execution::answer(Output& output, Outcome outcome) {
    const std::optional<Error>& error = outcome.error;
    const bool ended = error ? error->code == code::kInterrupted : facts_.streams;
    const bool interrupted = interrupt_ == Interrupt::kWanted && ended;
    if (error || interrupted) {
        answers_.take_back();
        forget_kept();
    }
    answers_.send(output);
    if (interrupted) {
        interrupt_ = Interrupt::kAnswered;
        output.answer(wire::EmptyResponse{});
    } else if (error) {
        output.answer(failure(*error));
    } else if (outcome.next != Next::kNothing) {
        verdict_ = {};
        request_.answered = outcome.next == Next::kRows ? request_.begin : request_.end;
        state_ = Streaming{outcome.next};
        return;
    }
    finish();
}

wire::FailureResponse Execution::failure(const Error& error) {
    wire::FailureResponse response{static_cast<std::uint64_t>(error.code), error.message};
    if (time_over_ && error.code == code::kInterrupted) response.message = kTimeOver;
    if (task().form != Form::kRan) return response;
    response.schema = 1;
    response.flags = facts_.flags;
    if (in_transaction()) response.flags |= wire::ran::kInTransaction;
    response.offset = request_.begin;
    return response;
}

// What was to be said may not be true: the failure is of everything that was not answered.
void Execution::forget_answers() {
    answers_.clear();
    request_.begin = request_.answered;
    facts_.flags = 0;
}

// Nobody will learn its number.
void Execution::forget_kept() {
    if (!facts_.kept_now) return;
    retire();
    request_.handle->table().erase(*facts_.kept);
    facts_.kept_now = false;
}

void Execution::stream(Next next) {
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (next == Next::kRows) return step({.continues = true});
    state_ = Preparing{};
}

void Execution::finish() {
    retire();
    answers_.clear();
    executor_.cancel(std::exchange(timer_, TimerId::kNone));
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

// What has been proposed is decided by its outcome.
void Execution::time_is_over() {
    timer_ = TimerId::kNone;
    time_over_ = true;
    auto* const proposed = std::get_if<AwaitingCommit>(&state_);
    if (mutant(Mutant::kTimeOverAfterProposal) && proposed != nullptr) {
        proposed->outcome.error = interruption();
    }
    stop();
    resume_();
}

void Execution::abandon() {
    if (!holds_handle()) return;
    abandoned_ = true;
    executor_.cancel(std::exchange(timer_, TimerId::kNone));
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
