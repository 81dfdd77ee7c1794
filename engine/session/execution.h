// Execution: one PREPARE, EXEC, QUERY, EXEC_SQL or QUERY_SQL, from its text to its last answer.
//
// A state machine whose states own what only they need. advance() makes one move; in a state that
// waits (for SQLite, which may run beside the loop, the write lock, the quorum, the lease) there is
// none to make: the wait ends by calling `resume`, and the owner calls advance() again.
//
//   Preparing ─▶ Compiling* ─▶ Compiled ─▶ Binding ─▶ AwaitingLock* ─▶ Permitting
//       ▲                                                                  │
//       │ the next statement of the text                                   ▼
//       └──────────────────────── Stepped ◀─────────────────────────── Stepping*
//                                    │                                     ▲
//                                    ▼                                     │ room for more rows
//   Confirming ◀──────────── AwaitingCommit*                           Streaming
//       │                                                                  ▲
//       └─────▶ AwaitingConfirmation* ─────────▶ Answering ────────────────┘
//                                                    │
//   * waits                                          └─▶ Idle
//
//   Compiling       Runs SQLite, as Stepping does. Skipped by a statement that is at hand.
//   AwaitingLock    Only statements that write wait for the write lock.
//   Stepping        Runs SQLite. It may leave the loop, and touches only the handle's connection
//                   and this object's statement, result set, batch and step.
//   Stepped         What was captured is proposed, in order, before the write lock is given back.
//   AwaitingCommit  Until the quorum has committed what was proposed.
//   AwaitingConfirmation
//                   For whatever reveals what a read saw, errors included: until everything that
//                   it could have seen is committed, and this node was leader after it.
//
// A reading query sends its rows as they come, a batch at a time while there is room; its later
// batches show the snapshot that was confirmed with the first. The rows of a writing query are kept
// until their transaction is committed by the quorum, and are therefore bounded.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "engine/base/executor.h"
#include "engine/replica/replica.h"
#include "engine/session/database_handle.h"
#include "engine/session/output.h"
#include "engine/session/principal.h"
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
    void start(DatabaseHandle& handle, Kind kind, Prepared& prepared,
               const wire::Parameters& parameters);
    void start(DatabaseHandle& handle, Kind kind, std::string_view sql,
               const wire::Parameters& parameters);

    // PREPARE: by its schema the text is one statement, or the first of several.
    void prepare_only(DatabaseHandle& handle, std::string_view sql, std::uint8_t schema);

    Progress advance(Output& output);
    bool active() const { return !in<Idle>(); }
    bool waiting() const;
    bool holds_handle() const { return active() && request_.handle != nullptr; }
    // SQLite is at work, perhaps beside the loop.
    bool stepping() const { return in<Compiling>() || in<Stepping>(); }
    // Rows have been sent and more will follow.
    bool streaming() const { return in<Streaming>(); }
    // Grows with each step, to tell a statement that is stuck from one that is not.
    std::uint64_t steps() const { return steps_; }

    // The client no longer wants the answer: stop soon. Until the next start, was_interrupted()
    // says whether the answer became the EMPTY that the INTERRUPT is owed.
    void interrupt();
    bool interrupted() const { return interrupt_ != Interrupt::kNone; }
    bool was_interrupted() const { return interrupt_ == Interrupt::kAnswered; }
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
    std::size_t buffer_bytes() const { return stepping() ? 0 : batch_.capacity(); }

private:
    // What one run of SQLite came to: to the statement's end, or to a full batch of rows.
    struct Step {
        bool continues = false;  // rows of this statement have been sent already
        bool finished = false;   // the statement has run to its end
        std::optional<Error> error{};
    };
    // What the client gets, once whatever it depends on has come.
    struct Outcome {
        std::optional<Error> error{};
        bool more_rows = false;
    };

    struct Idle {};
    struct Preparing {};
    struct Compiling {
        std::optional<Result<Prepared>> result;
    };
    struct Compiled {
        Result<Prepared> result;
    };
    struct Binding {};
    struct AwaitingLock {
        std::optional<Status> granted;  // and `resume` is about to be called
    };
    struct Permitting {
        Status lock;
    };
    struct Stepping {
        Step step;
    };
    struct Stepped {
        Step step;
    };
    struct AwaitingCommit {
        Outcome outcome;
    };
    struct Confirming {
        Outcome outcome;
    };
    struct AwaitingConfirmation {
        Outcome outcome;
    };
    struct Answering {
        Outcome outcome;
    };
    struct Streaming {};
    using State = std::variant<Idle, Preparing, Compiling, Compiled, Binding, AwaitingLock,
                               Permitting, Stepping, Stepped, AwaitingCommit, Confirming,
                               AwaitingConfirmation, Answering, Streaming>;

    // What was asked for.
    struct Request {
        DatabaseHandle* handle = nullptr;
        Kind kind = Kind::kExec;
        std::string_view sql{};  // what is left of the text
        wire::ParameterReader values{};
        wire::StmtResponse stmt{};  // PREPARE: its schema, and then its answer
        bool streams = false;       // its rows are sent as they come
    };
    // The statement at hand: one of the handle's, or `own`.
    struct Current {
        Prepared* prepared = nullptr;
        Prepared own;
        bool writes = false;
    };
    // What the answer depends on, and what may be said without it. Of all statements of the text.
    struct Verdict {
        Index index;            // of the newest transaction that the answer shows or reports
        bool proposed = false;  // some of the request is in the log: "nothing was done" is untrue
        bool shows = false;     // something that was read and not written: it must be confirmed
    };
    enum class Interrupt { kNone, kWanted, kAnswered };

    template <class Some>
    bool in() const {
        return std::holds_alternative<Some>(state_);
    }

    void start(DatabaseHandle& handle, Kind kind, const wire::Parameters& parameters);
    void prepare();
    void compiled(Result<Prepared> result);
    void keep(Prepared prepared);
    void bind();
    Status bind_values();
    void lock();
    void granted(Status status);
    void permit(Status lock);
    void step(Step step);
    template <class Work, class Then>
    void run(Work work, Then then);
    void work(Step& step);
    void discard_rows(Step& step);
    void fill_batch(Step& step);
    void undo_statement(Step& step, Error error);
    void stepped(Step step);
    bool propose(bool shows);
    void retire();
    void fail(Error error);
    Error honest(Error error) const;
    void conclude(Outcome outcome);
    void commit(Outcome outcome);
    void confirm(Outcome outcome);
    void answer(Output& output, Outcome outcome);
    void respond(Output& output);
    void continue_rows();
    void finish();
    void stop();

    bool is_query() const { return request_.kind == Kind::kQuery; }
    bool is_void() const;
    database::Connection& connection() { return request_.handle->connection(); }
    database::Statement& statement() { return *current_.prepared->statement; }

    replica::Replica& replica_;
    Executor& executor_;
    const Options& options_;
    const Principal& principal_;
    const std::function<void()> resume_;

    State state_;
    Request request_;
    Current current_;
    Verdict verdict_;
    ResultSet rows_;
    Bytes batch_;
    std::uint64_t steps_ = 0;
    Interrupt interrupt_ = Interrupt::kNone;
    bool abandoned_ = false;
    std::atomic<bool> stop_ = false;  // read by work(), which may be beside the loop
};

}  // namespace quorlite::session
