// Execution: one PREPARE, EXEC, QUERY, EXEC_SQL or QUERY_SQL, from its text to its last answer.
//
// A small state machine. advance() makes one move; where a move has to wait (for the write lock, a
// statement that runs beside the loop, the quorum, the lease) the wait ends by calling `resume`,
// and the owner calls advance() again.
//
//              ┌────────────── next statement of the text ─────────────┐
//              ▼                                                       │
//   prepare ─▶ lock ─▶ permit ─▶ step ─▶ stepped ──▶ commit ─▶ confirm ─▶ answer
//                                  ▲        (a batch of rows is full)       │
//                                  └───────────── room ◀────────────────────┘
//
//   prepare  Compiles the statement, in a step like the one that runs it.
//   lock     Only statements that write wait for it.
//   step     Runs SQLite. It may leave the loop, and touches only the handle's
//            connection and this object's statement, result set and batch.
//   stepped  What was captured is proposed, in order, before the write lock is given back.
//   commit   What was proposed is committed by the quorum.
//   confirm  For whatever reveals what a read saw, errors included: everything that it could have
//            seen is committed, and this node was leader after it.
//
// A reading query sends its rows as they come, a batch at a time while there is room; its later
// batches show the snapshot that was confirmed with the first. The rows of a writing query are kept
// until their transaction is committed by the quorum, and are therefore bounded.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "engine/base/executor.h"
#include "engine/replica/replica.h"
#include "engine/session/handle.h"
#include "engine/session/output.h"
#include "engine/session/result_set.h"
#include "engine/session/session.h"

namespace quorlite::session {

class Execution {
public:
    enum class Kind { kPrepare, kExec, kQuery };
    enum class Progress {
        kMoved,    // call again
        kWaiting,  // `resume` will be called
        kBlocked,  // rows wait until the output has room
        kDone,
    };

    // Everything outlives it. `resume` runs on the loop.
    Execution(replica::Replica& replica, Executor& executor, const Options& options,
              const Principal& principal, std::function<void()> resume);

    // The handle, and what the request's text and parameters borrow from, stay until it is done. A
    // zero byte follows the text, as it does in a message.
    void start(Handle& handle, Kind kind, Prepared& prepared, const wire::Parameters& parameters);
    void start(Handle& handle, Kind kind, std::string_view sql, const wire::Parameters& parameters);

    // PREPARE: by its schema the text is one statement, or the first of several.
    void prepare_only(Handle& handle, std::string_view sql, std::uint8_t schema);

    Progress advance(Output& output);
    bool active() const { return phase_ != Phase::kIdle; }
    bool waiting() const { return waiting_; }
    bool holds_handle() const { return active() && handle_ != nullptr; }
    // SQLite is at work, perhaps beside the loop.
    bool stepping() const { return stepping_; }
    // Rows have been sent and more will follow.
    bool streaming() const { return phase_ == Phase::kRoom; }
    // Grows with each step, to tell a statement that is stuck from one that is not.
    std::uint64_t steps() const { return steps_; }

    // The client no longer wants the answer: stop soon. Until kDone, was_interrupted() says whether
    // the answer became the EMPTY that the INTERRUPT is owed.
    void interrupt();
    bool interrupted() const { return interrupted_; }
    bool was_interrupted() const { return answered_interrupt_; }
    // The client is gone: stop soon and answer nothing. The handle is let go at once, unless SQLite
    // is at work, or has been and nobody has looked at what it committed.
    void abandon();
    // Rows wait for a client that takes none: it gets this error instead. Precondition:
    // streaming().
    void give_up(Error error) { fail(std::move(error)); }
    // The handle may have become void: stop soon if so.
    void leadership_changed();

    void shrink_idle() { shrink(batch_); }
    // Of rows that were read and not sent; not known while SQLite is at work on them.
    std::size_t buffer_bytes() const { return stepping_ ? 0 : batch_.capacity(); }

private:
    enum class Phase {
        kIdle,
        kPrepare,
        kPrepared,
        kBind,
        kLock,
        kPermit,
        kStep,
        kStepped,
        kCommit,
        kConfirm,
        kAnswer,
        kRoom,
    };

    void start(Handle& handle, Kind kind, const wire::Parameters& parameters);
    void move(Output& output);
    void prepare();
    void prepared();
    void keep(Prepared prepared);
    void bind();
    Status bind_values();
    void lock();
    void granted(Status status);
    void leave_lock_queue();
    void permit();
    void step();
    template <class Work>
    void run(Work work);
    void work();
    void discard_rows();
    void fill_batch();
    void undo_statement(Error error);
    void stepped();
    bool propose();
    void retire();
    void commit();
    void confirm();
    void answer(Output& output);
    void continue_rows();

    void fail(Error error);
    void conclude();
    void finish();
    template <class Start>
    void wait(Start start);
    void in_doubt_if(bool proposed);
    void stop();
    void resumed(Status status);

    bool is_query() const { return kind_ == Kind::kQuery; }
    bool is_void() const;
    database::Statement& statement() { return *prepared_->statement; }

    replica::Replica& replica_;
    Executor& executor_;
    const Options& options_;
    const Principal& principal_;
    const std::function<void()> resume_;

    // The request.
    Handle* handle_ = nullptr;
    Kind kind_ = Kind::kExec;
    std::string_view sql_;     // what is left of the text
    wire::StmtResponse kept_;  // PREPARE: its answer
    wire::ParameterReader values_;

    // The statement at hand: one of the handle's, or own_.
    Prepared* prepared_ = nullptr;
    Prepared own_;
    std::optional<Result<Prepared>> compiled_;  // between prepare() and prepared()
    bool writes_ = false;
    bool streams_ = false;   // its rows are sent as they come
    bool finished_ = false;  // it has run to its end
    ResultSet rows_;
    Bytes batch_;

    // What happened so far.
    Phase phase_ = Phase::kIdle;
    bool waiting_ = false;
    bool stepping_ = false;
    bool sent_rows_ = false;
    bool acquiring_ = false;      // the lock is being asked for right now
    bool grant_posted_ = false;   // it was granted later, and resume will be called
    Status reply_;                // of the last wait
    std::optional<Error> error_;  // the answer will be this
    std::uint64_t steps_ = 0;
    bool proposed_ = false;  // something of this request is surely in the log
    Index index_;            // the newest that the answer has to wait for
    bool must_confirm_ = false;
    bool confirming_ = false;
    std::int64_t last_insert_id_ = 0;
    std::uint64_t rows_affected_ = 0;

    bool interrupted_ = false;
    bool answered_interrupt_ = false;
    bool abandoned_ = false;
    std::atomic<bool> stop_ = false;  // read by work(), which may be beside the loop
};

}  // namespace quorlite::session
