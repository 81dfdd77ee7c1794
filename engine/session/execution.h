// Execution: one PREPARE, EXEC, QUERY, EXEC_SQL, QUERY_SQL or RUN, from its text to its last
// answer. What these differ in is said by a Task, and by Answers; here they are one.
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
//                   and this object's statement, answers and step.
//   Stepped         What was captured is proposed, in order, before the write lock is given back.
//   AwaitingCommit  Until the quorum has committed what was proposed.
//   AwaitingConfirmation
//                   For whatever reveals what a read saw, errors included: until everything that
//                   it could have seen is committed, and this node was leader after it.
//   Streaming       Until the output has room. A long script comes here, too, and goes on with its
//                   next statement.
//
// A reading query sends its rows as they come, a batch at a time while there is room; its later
// batches show the snapshot that was confirmed with the first. The rows of a writing query are kept
// until their transaction is committed by the quorum, and are therefore bounded. So are the answers
// to the statements of a script: they do not wait for each other's commits.
//
// The class is large because each state, and each way out of one, is a short function of its own,
// and all of them read the same request and verdict.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "engine/base/executor.h"
#include "engine/replica/replica.h"
#include "engine/session/answers.h"
#include "engine/session/database_handle.h"
#include "engine/session/output.h"
#include "engine/session/principal.h"
#include "engine/session/session.h"

namespace quorlite::session {

// What a request wants.
struct Task {
    enum class Text {
        kSingle,  // one statement, and no more may be there
        kFirst,   // of those of the text
        kAll,
    };
    Form form = Form::kRan;
    Text text = Text::kFirst;
    bool runs = true;  // else it is compiled, and that is all
    bool keeps = false;
    bool describes = false;
    bool read_only = false;  // what writes is refused
    Duration timeout{};      // 0: none
};

// What the statements are given. Borrows from the request.
struct Arguments {
    wire::Parameters values{};
    wire::Texts names{};  // of the first values
};

class Execution {
public:
    enum class Progress {
        kMoved,    // call again
        kWaiting,  // `resume` will be called
        kBlocked,  // rows wait until the output has room
        kDone,
    };

    // Everything outlives it. `resume` runs on the loop.
    Execution(replica::Replica& replica, Executor& executor, const Options& options,
              const Principal& principal, std::function<void()> resume);
    ~Execution() { executor_.cancel(timer_); }
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    // The handle, and what the request's text and arguments borrow from, stay until it is done. A
    // zero byte follows the text, as it does in a message. `kept`: the number of the statement, for
    // the answer.
    void start(DatabaseHandle& handle, const Task& task, std::uint32_t kept, Prepared& prepared,
               const Arguments& arguments);
    void start(DatabaseHandle& handle, const Task& task, std::string_view sql,
               const Arguments& arguments);

    Progress advance(Output& output);
    bool active() const { return !in<Idle>(); }
    bool waiting() const;
    bool holds_handle() const { return active() && request_.handle != nullptr; }
    // SQLite is at work, perhaps beside the loop.
    bool stepping() const { return in<Compiling>() || in<Stepping>(); }
    // Rows, or answers to statements of a script, have been sent and more will follow.
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
    // What follows waits for a client that takes nothing: it gets this error instead. Precondition:
    // streaming().
    void give_up(Error error) { fail(std::move(error)); }
    // The handle may have become void: stop soon if so.
    void leadership_changed();

    void shrink_idle() { answers_.shrink_idle(); }
    // Of answers that were not sent; not known while SQLite is at work on them.
    std::size_t buffer_bytes() const { return stepping() ? 0 : answers_.capacity(); }

private:
    // What one run of SQLite came to: to the statement's end, or to a full batch of rows.
    struct Step {
        bool continues = false;  // rows of this statement have been sent already
        bool finished = false;   // the statement has run to its end
        std::optional<Error> error{};
    };
    // What follows the answers that are held.
    enum class Next { kNothing, kRows, kStatement };
    // What the client gets, once whatever it depends on has come.
    struct Outcome {
        std::optional<Error> error{};
        Next next = Next::kNothing;
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
    struct Streaming {
        Next next;
    };
    using State = std::variant<Idle, Preparing, Compiling, Compiled, Binding, AwaitingLock,
                               Permitting, Stepping, Stepped, AwaitingCommit, Confirming,
                               AwaitingConfirmation, Answering, Streaming>;

    // What was asked for.
    struct Request {
        DatabaseHandle* handle = nullptr;
        Task task{};
        std::string_view sql{};  // what is left of the text
        wire::ParameterReader values{};
        wire::TextsReader names{};
        // Of the text, in bytes: where the statement at hand begins and ends, and up to where the
        // client has its answers.
        std::size_t begin = 0;
        std::size_t end = 0;
        std::size_t answered = 0;
    };
    // The statement at hand: one of the handle's, or `own`.
    struct Current {
        Prepared* prepared = nullptr;
        Prepared own;
        bool writes = false;
        bool takes_rows = false;
    };
    // What is known of the statement, and stays known when it is gone.
    struct Facts {
        std::uint64_t flags = 0;              // of wire::ran
        std::optional<std::uint32_t> kept{};  // its number
        bool kept_now = false;                // by this request
        bool streams = false;                 // its rows are sent as they come
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

    void start(DatabaseHandle& handle, const Task& task, const Arguments& arguments);
    void prepare();
    Result<Prepared> compile();
    void compiled(Result<Prepared> result);
    void found_nothing();
    Status keep(Prepared prepared);
    void bind();
    Status bind_values();
    Status bind_every_value();
    Status bind_by_name(std::size_t given);
    Error missing_value(int parameter);
    void lock();
    void granted(Status status);
    void permit(Status lock);
    void step(Step step);
    template <class Work, class Then>
    void run(Work work, Then then);
    void work(Step& step);
    bool next_row(Step& step);
    void discard_rows(Step& step);
    void fill_batch(Step& step);
    void undo_statement(Step& step, Error error);
    void stepped(Step step);
    void statement_ended();
    bool propose(bool shows);
    void retire();
    void fail(Error error);
    Error honest(Error error) const;
    void conclude(Outcome outcome);
    void commit(Outcome outcome);
    void confirm(Outcome outcome);
    void answer(Output& output, Outcome outcome);
    wire::FailureResponse failure(const Error& error);
    void forget_answers();
    void forget_kept();
    void stream(Next next);
    void finish();
    void stop();
    void time_is_over();

    const Task& task() const { return request_.task; }
    bool is_last() const { return task().text != Task::Text::kAll || request_.sql.empty(); }
    bool is_void() const;
    bool in_transaction() { return !is_void() && connection().in_transaction(); }
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
    Facts facts_;
    Verdict verdict_;
    Answers answers_;
    std::uint64_t steps_ = 0;
    Interrupt interrupt_ = Interrupt::kNone;
    bool abandoned_ = false;
    TimerId timer_ = TimerId::kNone;
    bool time_over_ = false;
    std::atomic<bool> stop_ = false;  // read by work(), which may be beside the loop
};

}  // namespace quorlite::session
