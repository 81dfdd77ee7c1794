#include "engine/session/execution.h"

#include <algorithm>
#include <new>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutants.h"
#include "wire/base/errors.h"

namespace quorlite::session {
namespace {

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

void Execution::start(Handle& handle, Kind kind, const wire::Parameters& parameters) {
    QUORLITE_CHECK(!active() && !waiting_);
    handle_ = &handle;
    kind_ = kind;
    values_ = wire::ParameterReader(parameters);
    reply_ = {};
    error_.reset();
    proposed_ = false;
    index_ = Index();
    sent_rows_ = must_confirm_ = confirming_ = false;
    interrupted_ = answered_interrupt_ = abandoned_ = false;
    streams_ = false;
    stop_.store(false, std::memory_order_relaxed);
}

void Execution::start(Handle& handle, Kind kind, Prepared& prepared,
                      const wire::Parameters& parameters) {
    start(handle, kind, parameters);
    sql_ = {};
    prepared_ = &prepared;
    phase_ = Phase::kBind;
}

void Execution::start(Handle& handle, Kind kind, std::string_view sql,
                      const wire::Parameters& parameters) {
    start(handle, kind, parameters);
    sql_ = sql;
    phase_ = Phase::kPrepare;
}

void Execution::prepare_only(Handle& handle, std::string_view sql, std::uint8_t schema) {
    start(handle, Kind::kPrepare, sql, {});
    kept_ = {.schema = schema};
}

Execution::Progress Execution::advance(Output& output) {
    QUORLITE_CHECK(active());
    if (waiting_) return Progress::kWaiting;
    if (abandoned_ && phase_ != Phase::kStepped) {
        finish();
        return Progress::kDone;
    }
    if (streaming() && !output.has_room() && !stop_ && !is_void()) return Progress::kBlocked;
    move(output);
    return active() ? Progress::kMoved : Progress::kDone;
}

void Execution::move(Output& output) {
    switch (phase_) {
        case Phase::kPrepare:
            return prepare();
        case Phase::kPrepared:
            return prepared();
        case Phase::kBind:
            return bind();
        case Phase::kLock:
            return lock();
        case Phase::kPermit:
            return permit();
        case Phase::kStep:
            return step();
        case Phase::kStepped:
            return stepped();
        case Phase::kCommit:
            return commit();
        case Phase::kConfirm:
            return confirm();
        case Phase::kAnswer:
            return answer(output);
        case Phase::kRoom:
            return continue_rows();
        case Phase::kIdle:
            break;
    }
}

// `start` is given what to call, once, now or later, when the next move can be made.
template <class Start>
void Execution::wait(Start start) {
    waiting_ = true;
    start([this](Status status) { resumed(std::move(status)); });
}

void Execution::resumed(Status status) {
    reply_ = std::move(status);
    waiting_ = false;
    resume_();
}

bool Execution::is_void() const {
    return handle_->epoch() != replica_.leadership_epoch();
}

// --- the statement ---

void Execution::prepare() {
    if (stop_) return fail(interruption());
    if (kind_ != Kind::kPrepare) {
        prepared_ = handle_->recall(sql_);
        if (prepared_ != nullptr) {
            sql_ = {};
            phase_ = Phase::kBind;
            return;
        }
    }
    if (is_void()) return fail(not_leader());
    phase_ = Phase::kPrepared;
    run([this] { compiled_ = handle_->prepare(sql_); });
}

void Execution::prepared() {
    Result<Prepared> prepared = *std::exchange(compiled_, std::nullopt);
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (!prepared.ok()) {
        error_ = std::move(prepared).error();
        if (propose()) conclude();
        return;
    }
    const std::string_view text = std::exchange(sql_, sql_.substr(prepared->sql_bytes));
    if (!prepared->statement) {
        if (kind_ != Kind::kExec) return fail({0, "empty statement"});
        return conclude();
    }
    const bool alone = skip_blanks(sql_).empty();
    if (!alone && (is_query() || (kind_ == Kind::kPrepare && kept_.schema == 0))) {
        return fail({code::kError, "nonempty statement tail"});
    }
    if (kind_ == Kind::kPrepare) return keep(std::move(*prepared));
    if (alone) sql_ = {};
    if (alone && handle_->remembers(text, *prepared)) {
        prepared_ = handle_->remember(text, std::move(*prepared));
    } else {
        own_ = std::move(*prepared);
        prepared_ = &own_;
    }
    phase_ = Phase::kBind;
}

void Execution::keep(Prepared prepared) {
    kept_.parameter_count = static_cast<std::uint64_t>(prepared.statement->parameter_count());
    kept_.tail_offset = prepared.sql_bytes;
    const auto id = handle_->keep(std::move(prepared));
    if (!id.ok()) return fail(id.error());
    kept_.statement = *id;
    phase_ = Phase::kAnswer;
}

void Execution::bind() {
    finished_ = false;
    writes_ = statement().writes();
    streams_ = is_query() && !writes_ && statement().column_count() > 0;
    if (Status bound = bind_values(); !bound.ok()) return fail(std::move(bound).error());
    phase_ = Phase::kLock;
}

// Each statement of a text takes as many values as it has parameters. Fewer: the rest are NULL.
Status Execution::bind_values() {
    const auto wanted = static_cast<std::size_t>(statement().parameter_count());
    const std::size_t given = std::min(wanted, values_.remaining());
    for (std::size_t i = 0; i < given; ++i) {
        const auto value = values_.next();
        if (!value.ok()) {
            return is_query() ? Error{code::kIo, "leader exec failed"}
                              : Error{code::kError, "bind parameters"};
        }
        Status bound = statement().bind(static_cast<int>(i) + 1, bindable(*value));
        if (!bound.ok()) return bound;
    }
    if (is_query() && values_.remaining() > 0) return Error{code::kIo, "leader exec failed"};
    return {};
}

// --- the write lock ---

void Execution::lock() {
    reply_ = {};
    phase_ = Phase::kPermit;
    if (!statement().takes_write_lock() || handle_->has_lock()) return;
    const Duration timeout = handle_->connection().busy_timeout().value_or(options_.busy_timeout);
    waiting_ = true;
    acquiring_ = true;
    grant_posted_ = false;
    handle_->lock(principal_.description(), timeout,
                  [this](Status status) { granted(std::move(status)); });
    acquiring_ = false;
}

// Whoever gives the lock back grants it from inside its own move. A thousand writers in a queue
// must not become a thousand moves inside each other, so a grant that was waited for gets its own
// turn.
void Execution::granted(Status status) {
    reply_ = std::move(status);
    if (acquiring_) {
        waiting_ = false;
        return;
    }
    grant_posted_ = true;
    executor_.post([this] {
        waiting_ = false;
        resume_();
    });
}

void Execution::leave_lock_queue() {
    handle_->unlock();
    if (!grant_posted_) waiting_ = false;
}

void Execution::permit() {
    if (!reply_.ok()) handle_->lock_refused();
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    if (!reply_.ok()) return fail(std::move(reply_).error());
    // Under the lock a statement without columns may be the COMMIT.
    const bool may_commit = handle_->has_lock() && statement().column_count() == 0;
    if (statement().takes_write_lock() || may_commit) {
        if (Status writable = replica_.check_writable(); !writable.ok()) {
            return fail(std::move(writable).error());
        }
    }
    if (prepared_->idle_max) handle_->set_idle_max(*prepared_->idle_max);
    phase_ = Phase::kStep;
}

// --- running it ---

void Execution::step() {
    phase_ = Phase::kStepped;
    if (streams_ && !sent_rows_) handle_->connection().prefer_committed();
    run([this] { work(); });
}

template <class Work>
void Execution::run(Work work) {
    waiting_ = stepping_ = true;
    ++steps_;
    handle_->connection().begin_work();
    executor_.step(std::move(work), [this] {
        stepping_ = false;
        if (phase_ == Phase::kPrepared) handle_->connection().end_work();
        resumed({});
    });
}

// Perhaps beside the loop: see the header for what it may touch.
void Execution::work() {
    if (stop_) {
        error_ = interruption();
        return;
    }
    try {
        is_query() ? fill_batch() : discard_rows();
    } catch (const std::bad_alloc&) {
        rows_.abandon_batch();
        undo_statement({code::kNoMemory, "out of memory: ask for smaller rows, or for fewer"});
    }
}

void Execution::discard_rows() {
    for (;;) {
        Result<bool> row = statement().step();
        if (!row.ok()) {
            error_ = std::move(row).error();
            return;
        }
        if (!*row) {
            finished_ = true;
            return;
        }
        if (!writes_ && !prepared_->pragma) {
            error_ = Error{code::kError, "rows yielded when none expected for EXEC request"};
            return;
        }
        if (stop_) return undo_statement(interruption());
    }
}

void Execution::fill_batch() {
    Result<bool> row = statement().step();
    if (row.ok()) {
        if (!sent_rows_) rows_.open(statement(), options_.legacy_null_types);
        rows_.begin_batch(batch_);
    }
    for (;; row = statement().step()) {
        if (!row.ok()) {
            rows_.abandon_batch();
            error_ = std::move(row).error();
            return;
        }
        if (!*row) {
            rows_.finish_batch(wire::RowsEnd::kDone);
            finished_ = true;
            return;
        }
        Status fits = stop_ ? Status(interruption()) : rows_.append_row();
        if (!fits.ok()) {
            rows_.abandon_batch();
            return undo_statement(std::move(fits).error());
        }
        if (!rows_.batch_full()) continue;
        rows_.finish_batch(wire::RowsEnd::kPart);
        if (streams_) return;
        if (batch_.size() > limits::kUncommittedRowsBytesMax) {
            return undo_statement(
                {code::kTooBig,
                 "the rows that a writing statement returns are too many to be kept "
                 "until it is committed: return fewer"});
        }
        rows_.begin_batch(batch_);
    }
}

// A writing statement that is reset between two rows would commit what it has done; one that fails
// is undone.
void Execution::undo_statement(Error error) {
    error_ = std::move(error);
    if (!writes_) return;
    handle_->connection().interrupt();
    const Result<bool> undone = statement().step();
    if (undone.ok() && !*undone) finished_ = true;
}

void Execution::stepped() {
    if (!propose()) return;
    if (error_) return conclude();
    if (streams_ && !finished_) {
        phase_ = Phase::kCommit;
    } else if (!is_query() && !sql_.empty()) {
        retire();
        phase_ = Phase::kPrepare;
    } else {
        conclude();
    }
}

// Also after a later batch, and whatever became of the statement: the call tells the database that
// this connection is at rest. False: this leadership is over, and the request has failed.
bool Execution::propose() {
    database::Capture capture = handle_->connection().take_capture();
    using Own = database::Capture::Own;
    const Own own = capture.own;
    const Result<Index> seen = replica_.propose(handle_->database(), std::move(capture));
    // What another connection took is proposed, or else the leadership is over.
    const bool wrote = own == Own::kTakenByOther || (own == Own::kIncluded && seen.ok());
    proposed_ = proposed_ || wrote;
    if (!seen.ok()) {
        fail(seen.error());
        return false;
    }
    if (sent_rows_) return true;  // the snapshot is the one that was confirmed with the first rows
    index_ = std::max(index_, *seen);
    // A missing table, too, is something that was read.
    const bool shows = writes_ || error_ || statement().column_count() > 0;
    if (!wrote && shows) must_confirm_ = true;
    return true;
}

// The statement's end. The lock goes after what it captured was proposed.
void Execution::retire() {
    if (handle_ == nullptr) return;
    compiled_.reset();
    if (prepared_ != nullptr) {
        statement().reset();
        if (statement().parameter_count() > 0) statement().clear_bindings();
        prepared_ = nullptr;
        own_ = {};
    }
    handle_->unlock_if_idle();
}

// "Not leader" says that nothing was done. Of a text whose earlier statements were proposed that
// would not be true.
void Execution::fail(Error error) {
    const bool lie = mutant(Mutant::kRefusalAfterProposal);
    if (error.code == code::kNotLeader && proposed_ && !lie) error = leadership_lost();
    error_ = std::move(error);
    conclude();
}

void Execution::conclude() {
    retire();
    last_insert_id_ = handle_->connection().last_insert_rowid();
    rows_affected_ = static_cast<std::uint64_t>(handle_->connection().changes());
    phase_ = Phase::kCommit;
}

// --- the answer ---

void Execution::commit() {
    reply_ = {};
    phase_ = Phase::kConfirm;
    if (!proposed_ || sent_rows_) return;
    wait([this](auto done) { replica_.when_committed(index_, done); });
}

void Execution::confirm() {
    phase_ = Phase::kAnswer;
    if (!reply_.ok()) return;
    if (!must_confirm_ || sent_rows_) return;
    if (mutant(Mutant::kTransactionReadsUnconfirmed) && handle_ != nullptr &&
        handle_->connection().in_transaction()) {
        return;
    }
    confirming_ = true;
    wait([this](auto done) { replica_.when_readable(index_, done); });
}

// As in fail(), for a wait that failed.
void Execution::in_doubt_if(bool proposed) {
    if (mutant(Mutant::kRefusalAfterProposal)) return;
    if (proposed && reply_.error().code == code::kNotLeader) reply_ = leadership_lost();
}

void Execution::answer(Output& output) {
    if (!reply_.ok()) {
        if (confirming_) in_doubt_if(proposed_);
        error_ = std::move(reply_).error();
    }
    const bool ended = error_ ? error_->code == code::kInterrupted : streams_;
    if (interrupted_ && ended) {
        answered_interrupt_ = true;
        output.answer(wire::EmptyResponse{});
        return finish();
    }
    if (error_) {
        output.answer(
            wire::FailureResponse{static_cast<std::uint64_t>(error_->code), error_->message});
        return finish();
    }
    if (kind_ == Kind::kPrepare) {
        output.answer(kept_);
        return finish();
    }
    if (kind_ == Kind::kExec) {
        output.answer(wire::ResultResponse{last_insert_id_, rows_affected_});
        return finish();
    }
    output.take(batch_);
    sent_rows_ = true;
    if (finished_) return finish();
    phase_ = Phase::kRoom;
}

void Execution::continue_rows() {
    if (is_void()) return fail(not_leader());
    if (stop_) return fail(interruption());
    phase_ = Phase::kStep;
}

void Execution::finish() {
    retire();
    batch_.clear();
    phase_ = Phase::kIdle;
}

// --- stopping ---

void Execution::stop() {
    stop_ = true;
    if (stepping_) {
        handle_->connection().interrupt();
    } else if (waiting_ && phase_ == Phase::kPermit) {
        leave_lock_queue();
    }
}

void Execution::interrupt() {
    if (!active() || interrupted_) return;
    interrupted_ = true;
    stop();
}

void Execution::abandon() {
    if (!holds_handle()) return;
    abandoned_ = true;
    stop();
    if (stepping_ || phase_ == Phase::kStepped) return;
    retire();
    handle_ = nullptr;
}

void Execution::leadership_changed() {
    if (holds_handle() && is_void()) stop();
}

}  // namespace quorlite::session
