// Connections for Asio: every operation takes a completion token.
//
// What: callbacks, asio::use_future, asio::use_awaitable and whatever else is a completion token
// work. Operations on one connection are sent without waiting for each other's answers, in order.
// A cancellation slot, if the token has one, stops its operation alone (an INTERRUPT goes to the
// node); every operation has a deadline. run_transaction() is for coroutines.
//
//     quorlite::async::connection db(executor, cluster, "app");
//     auto found = co_await db.query("SELECT name FROM people WHERE id = ?", {42},
//                                   asio::use_awaitable);
//
// Errors: the throwing form completes with void(std::exception_ptr, T); the exception is an error
// or in_doubt_error (coroutines and futures throw it). The form named try_... completes with
// void(result<T>). A cancelled operation fails as cancelled, unless it was done already.
//
// Exception safety: strong. Handlers are never called from within the call that starts them.
//
// The first operation loads the node store, on the executor: where that may take long (the DNS),
// call cluster::try_nodes() before.
//
// Lifetimes: texts and values are copied. Destroying the last copy of a connection cancels what is
// outstanding, its streams and bulk inserts too, and closes it; handlers are still called. The
// executor's context must outlive it.
//
// Thread safety: every function may be called from any thread. While a transaction is open, only
// who began it should use the connection.
//
// This header needs Asio (1.22 or newer, standalone), and code that uses it links quorlite::asio,
// which also tells old versions of Asio that Clang has coroutines.
#pragma once

#include <any>
#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "quorlite/cluster.h"
#include "quorlite/connection.h"
#include "quorlite/rows.h"

namespace quorlite::async {

// Arguments that are kept: {1, "two", named("three", 3)}.
class parameters {
public:
    parameters() = default;
    // Not a std::initializer_list: GCC 12 cannot keep one across a co_await.
    template <class... Bound>
        requires(sizeof...(Bound) > 0 && !(std::convertible_to<const Bound&, arguments> || ...) &&
                 !(std::same_as<Bound, parameters> || ...))
    parameters(const Bound&... bound) {
        (keep(argument(bound)), ...);
    }
    explicit parameters(arguments list) {
        for (const argument& each : list) keep(each);
    }
    std::vector<argument> view() const {
        std::vector<argument> list;
        list.reserve(kept_.size());
        for (const kept& each : kept_) {
            const argument bound = each.misfit ? *each.misfit : argument(each.bound);
            list.push_back(each.name.empty() ? bound : named(each.name, bound));
        }
        return list;
    }

private:
    struct kept {
        std::string name;
        value bound;
        std::optional<argument> misfit;  // in place of a value that is out of range
    };
    void keep(const argument& each) {
        kept_.push_back({std::string(each.name()), value(each.view()), {}});
        if (!each.fits()) kept_.back().misfit = each;
    }
    std::vector<kept> kept_;
};

namespace detail {

class session;

enum class op_kind {
    connect,
    execute,
    query,
    stream,
    next,
    begin,
    begin_read,
    commit,
    rollback,
    conclude,  // commit if a transaction is open
    tidy,      // roll back if one is
    ping,
    pause,
    acquire,
    add,  // rows to a bulk insert
    finish,
    administer,
};

struct request {
    op_kind kind = op_kind::execute;
    std::string sql = {};
    parameters bound = {};
    call_options chosen = {};
    std::shared_ptr<void> of = {};  // the stream, bulk insert or task that it is about
    std::chrono::milliseconds pause = {};
    std::vector<parameters> rows = {};
};

struct op_result {
    std::optional<error_info> error = {};
    execute_result done = {};
    rows found = {};
    bool more = false;
    std::shared_ptr<void> lent = {};  // by a pool
    std::any value = {};              // whatever else is answered
};

class completion {
public:
    virtual ~completion() = default;
    virtual void complete(op_result ended) = 0;
};

// An operation is named before it is started, so that it can be cancelled from then on.
std::shared_ptr<void> name(const std::shared_ptr<session>& session, const request& op);
void start(const std::shared_ptr<session>& session, const std::shared_ptr<void>& operation,
           request op, std::unique_ptr<completion> waiting);
void cancel(const std::shared_ptr<session>& session, const std::shared_ptr<void>& operation);

// How an answer is told to handlers of void(std::exception_ptr, T) and of void(result<T>).
template <class T, class Read>
struct throwing {
    using signature = void(std::exception_ptr, T);
    template <class Handler>
    static void deliver(Handler&& handler, op_result& ended) {
        if (ended.error) {
            std::forward<Handler>(handler)(make_exception(*std::move(ended.error)), T());
        } else {
            std::forward<Handler>(handler)(std::exception_ptr(), Read()(ended));
        }
    }
};
template <class Read>
struct throwing<void, Read> {
    using signature = void(std::exception_ptr);
    template <class Handler>
    static void deliver(Handler&& handler, op_result& ended) {
        std::forward<Handler>(handler)(ended.error ? make_exception(*std::move(ended.error))
                                                   : std::exception_ptr());
    }
};
template <class T, class Read>
struct quiet {
    using signature = void(result<T>);
    template <class Handler>
    static void deliver(Handler&& handler, op_result& ended) {
        if (ended.error) return std::forward<Handler>(handler)(result<T>(*std::move(ended.error)));
        if constexpr (std::is_void_v<T>) {
            std::forward<Handler>(handler)(result<void>());
        } else {
            std::forward<Handler>(handler)(result<T>(Read()(ended)));
        }
    }
};

template <class ErrorPolicy, class Handler>
class waiting : public completion {
public:
    waiting(Handler handler, const asio::any_io_executor& otherwise)
        : handler_(std::move(handler)), work_(asio::get_associated_executor(handler_, otherwise)) {}

    void complete(op_result ended) override {
        asio::post(work_.get_executor(),
                   [handler = std::move(handler_),
                    kept = std::make_shared<op_result>(std::move(ended))]() mutable {
                       ErrorPolicy::deliver(std::move(handler), *kept);
                   });
    }

private:
    Handler handler_;
    asio::executor_work_guard<asio::associated_executor_t<Handler, asio::any_io_executor>> work_;
};

asio::any_io_executor executor_of(const session& session);

// Asks a session, or a pool.
template <class ErrorPolicy, class To, class Token>
auto ask(const std::shared_ptr<To>& to, request op, Token&& token) {
    return asio::async_initiate<Token, typename ErrorPolicy::signature>(
        [to](auto handler, request started) {
            using Handler = decltype(handler);
            const std::shared_ptr<void> operation = name(to, started);
            // Once it is started the handler may run, on another thread, and the slot be gone.
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) {
                slot.assign([to = std::weak_ptr(to),
                             operation = std::weak_ptr(operation)](asio::cancellation_type) {
                    const auto asked_of = to.lock();
                    const auto stopped = operation.lock();
                    if (asked_of && stopped) cancel(asked_of, stopped);
                });
            }
            auto executor = executor_of(*to);
            start(to, operation, std::move(started),
                  std::make_unique<waiting<ErrorPolicy, Handler>>(std::move(handler), executor));
        },
        token, std::move(op));
}

struct read_result {
    execute_result operator()(op_result& ended) const { return ended.done; }
};
struct read_rows {
    rows operator()(op_result& ended) const { return std::move(ended.found); }
};
struct read_batch {
    std::optional<rows> operator()(op_result& ended) const {
        if (!ended.more) return std::nullopt;
        return std::move(ended.found);
    }
};
template <class T>
struct read_value {
    T operator()(op_result& ended) const { return std::any_cast<T>(std::move(ended.value)); }
};
struct read_nothing {};

}  // namespace detail

// Rows of any number, in batches as they come. Destroying it stops the query. Its batches need no
// waiting: rows::next() and typed access work as always.
class row_stream {
public:
    row_stream() = default;

    // A batch, or nothing at the end.
    template <class Token>
    auto next(Token&& token) {
        return detail::ask<detail::throwing<std::optional<rows>, detail::read_batch>>(
            session_, {.kind = detail::op_kind::next, .of = stream_}, std::forward<Token>(token));
    }
    template <class Token>
    auto try_next(Token&& token) {
        return detail::ask<detail::quiet<std::optional<rows>, detail::read_batch>>(
            session_, {.kind = detail::op_kind::next, .of = stream_}, std::forward<Token>(token));
    }

private:
    friend class connection;
    row_stream(std::shared_ptr<detail::session> session, std::shared_ptr<void> stream)
        : session_(std::move(session)), stream_(std::move(stream)) {}

    std::shared_ptr<detail::session> session_;
    std::shared_ptr<void> stream_;
};

// Inserts rows into one table as they are added, many per statement, and many statements under way
// at once; within a transaction. add() completes when there is room for more, so a producer that
// waits for it holds no more than options::pipelined_bytes_max and what it adds at once. Errors may
// be those of rows added earlier; after one every call fails with it, and the transaction is to be
// rolled back; only a row that does not fit is refused alone. Cancelling add() or finish() ends the
// whole. Nothing is certain before finish(). The timeout is that of each statement. Calls that are
// not waited for are served in order.
class bulk_insert {
public:
    template <class Token>
    auto add(parameters row, Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(rows_of(std::move(row), chosen), std::forward<Token>(token));
    }
    template <class Token>
    auto try_add(parameters row, Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(rows_of(std::move(row), chosen), std::forward<Token>(token));
    }
    // A range of rows, each of them something that makes parameters. It is copied.
    template <std::ranges::input_range Rows, class Token>
        requires std::constructible_from<parameters, std::ranges::range_reference_t<Rows>>
    auto add_range(Rows&& rows, Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(all_of(std::forward<Rows>(rows), chosen),
                                     std::forward<Token>(token));
    }
    template <std::ranges::input_range Rows, class Token>
        requires std::constructible_from<parameters, std::ranges::range_reference_t<Rows>>
    auto try_add_range(Rows&& rows, Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(all_of(std::forward<Rows>(rows), chosen),
                                  std::forward<Token>(token));
    }
    // Waits for everything; tells how many rows were inserted.
    template <class Token>
    auto finish(Token&& token, const call_options& chosen = {}) {
        return detail::ask<detail::throwing<std::uint64_t, detail::read_value<std::uint64_t>>>(
            session_, {.kind = detail::op_kind::finish, .chosen = chosen, .of = bulk_},
            std::forward<Token>(token));
    }
    template <class Token>
    auto try_finish(Token&& token, const call_options& chosen = {}) {
        return detail::ask<detail::quiet<std::uint64_t, detail::read_value<std::uint64_t>>>(
            session_, {.kind = detail::op_kind::finish, .chosen = chosen, .of = bulk_},
            std::forward<Token>(token));
    }

private:
    friend class connection;
    bulk_insert(std::shared_ptr<detail::session> session, std::shared_ptr<void> bulk)
        : session_(std::move(session)), bulk_(std::move(bulk)) {}

    template <template <class, class> class ErrorPolicy, class Token>
    auto ask(detail::request op, Token&& token) {
        return detail::ask<ErrorPolicy<void, detail::read_nothing>>(session_, std::move(op),
                                                                    std::forward<Token>(token));
    }
    detail::request rows_of(parameters row, const call_options& chosen) const {
        detail::request op{.kind = detail::op_kind::add, .chosen = chosen, .of = bulk_};
        op.rows.push_back(std::move(row));
        return op;
    }
    template <class Rows>
    detail::request all_of(Rows&& rows, const call_options& chosen) const {
        detail::request op{.kind = detail::op_kind::add, .chosen = chosen, .of = bulk_};
        for (auto&& row : rows) op.rows.emplace_back(std::forward<decltype(row)>(row));
        return op;
    }

    std::shared_ptr<detail::session> session_;
    std::shared_ptr<void> bulk_;
};

class connection {
public:
    explicit connection(std::shared_ptr<detail::session> session);  // for tests
    // Connects with the first operation.
    connection(asio::any_io_executor executor, const cluster& owner, std::string_view database);
    connection(const connection&) = default;
    connection& operator=(const connection&) = default;

    asio::any_io_executor get_executor() const { return detail::executor_of(*session_); }

    template <class Token>
    auto connect(Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(detail::op_kind::connect, chosen), token);
    }
    template <class Token>
    auto try_connect(Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(detail::op_kind::connect, chosen), token);
    }
    // Connects if need be and asks the node whether it is well.
    template <class Token>
    auto ping(Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(detail::op_kind::ping, chosen), token);
    }
    template <class Token>
    auto try_ping(Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(detail::op_kind::ping, chosen), token);
    }

    template <class Token>
    auto execute(std::string sql, parameters bound, Token&& token,
                 const call_options& chosen = {}) {
        return detail::ask<detail::throwing<execute_result, detail::read_result>>(
            session_, {detail::op_kind::execute, std::move(sql), std::move(bound), chosen},
            std::forward<Token>(token));
    }
    template <class Token>
    auto try_execute(std::string sql, parameters bound, Token&& token,
                     const call_options& chosen = {}) {
        return detail::ask<detail::quiet<execute_result, detail::read_result>>(
            session_, {detail::op_kind::execute, std::move(sql), std::move(bound), chosen},
            std::forward<Token>(token));
    }

    // All rows, held in memory up to options::rows_held_bytes_max.
    template <class Token>
    auto query(std::string sql, parameters bound, Token&& token, const call_options& chosen = {}) {
        return detail::ask<detail::throwing<rows, detail::read_rows>>(
            session_, {detail::op_kind::query, std::move(sql), std::move(bound), chosen},
            std::forward<Token>(token));
    }
    template <class Token>
    auto try_query(std::string sql, parameters bound, Token&& token,
                   const call_options& chosen = {}) {
        return detail::ask<detail::quiet<rows, detail::read_rows>>(
            session_, {detail::op_kind::query, std::move(sql), std::move(bound), chosen},
            std::forward<Token>(token));
    }

    // Rows as they come, in bounded memory; the timeout is that of each batch.
    row_stream stream(std::string sql, parameters bound, const call_options& chosen = {}) const {
        return {session_,
                open_stream({detail::op_kind::stream, std::move(sql), std::move(bound), chosen})};
    }

    // Rows into one table, in few round trips. That there are no columns is told by its calls.
    async::bulk_insert bulk_insert(std::string_view table,
                                   const std::vector<std::string>& columns) const;

    template <class Token>
    auto begin(transaction_kind kind, Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(beginning(kind), chosen), token);
    }
    template <class Token>
    auto try_begin(transaction_kind kind, Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(beginning(kind), chosen), token);
    }
    template <class Token>
    auto commit(Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(detail::op_kind::commit, chosen), token);
    }
    template <class Token>
    auto try_commit(Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(detail::op_kind::commit, chosen), token);
    }
    template <class Token>
    auto rollback(Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(detail::op_kind::rollback, chosen), token);
    }
    template <class Token>
    auto try_rollback(Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(detail::op_kind::rollback, chosen), token);
    }
    // Commits if a transaction is open when its turn comes; otherwise nothing is done.
    template <class Token>
    auto conclude(Token&& token, const call_options& chosen = {}) {
        return ask<detail::throwing>(plain(detail::op_kind::conclude, chosen), token);
    }
    template <class Token>
    auto try_conclude(Token&& token, const call_options& chosen = {}) {
        return ask<detail::quiet>(plain(detail::op_kind::conclude, chosen), token);
    }
    // Rolls back if a transaction is open when its turn comes; otherwise nothing is done. Takes no
    // longer than options::interrupt_timeout.
    template <class Token>
    auto tidy(Token&& token) {
        return ask<detail::throwing>(plain(detail::op_kind::tidy, patience()), token);
    }
    template <class Token>
    auto try_tidy(Token&& token) {
        return ask<detail::quiet>(plain(detail::op_kind::tidy, patience()), token);
    }

    // Completes after so long: what a retry waits for. Cannot fail but by being cancelled.
    template <class Token>
    auto pause(std::chrono::milliseconds length, Token&& token) {
        return ask<detail::throwing>({.kind = detail::op_kind::pause, .pause = length}, token);
    }
    template <class Token>
    auto try_pause(std::chrono::milliseconds length, Token&& token) {
        return ask<detail::quiet>({.kind = detail::op_kind::pause, .pause = length}, token);
    }

    // What is left of options::timeout or of the given one, for run_transaction().
    quorlite::detail::attempts attempts(const call_options& chosen) const;

private:
    // An operation that answers nothing.
    template <template <class, class> class ErrorPolicy, class Token>
    auto ask(detail::request op, Token&& token) {
        return detail::ask<ErrorPolicy<void, detail::read_nothing>>(session_, std::move(op),
                                                                    std::forward<Token>(token));
    }
    static detail::request plain(detail::op_kind kind, const call_options& chosen) {
        return {.kind = kind, .chosen = chosen};
    }
    static detail::op_kind beginning(transaction_kind kind) {
        return kind == transaction_kind::write ? detail::op_kind::begin
                                               : detail::op_kind::begin_read;
    }
    call_options patience() const;
    std::shared_ptr<void> open_stream(detail::request op) const;

    std::shared_ptr<detail::session> session_;
    std::shared_ptr<void> keeper_;  // closes the session when its last copy goes
};

#ifdef ASIO_HAS_CO_AWAIT
namespace detail {

// Drops the transaction of an attempt that does not get to its end, for whatever reason.
class unfinished {
public:
    explicit unfinished(connection& db) : db_(&db) {}
    unfinished(const unfinished&) = delete;
    unfinished& operator=(const unfinished&) = delete;
    ~unfinished() {
        if (db_) db_->try_tidy(asio::detached);
    }
    void dismiss() { db_ = nullptr; }

private:
    connection* db_;
};

template <class Value, class Function>
asio::awaitable<Value> attempt(connection& db, Function& function, transaction_kind kind,
                               const quorlite::detail::attempts& attempts) {
    unfinished guard(db);
    result<void> begun = co_await db.try_begin(kind, asio::use_awaitable, attempts.left());
    if (!begun) co_return std::move(begun).error();
    Value value = co_await function(db);
    if (!value) co_return value;
    result<void> committed = co_await db.try_conclude(asio::use_awaitable, attempts.left());
    if (!committed) co_return std::move(committed).error();
    guard.dismiss();
    co_return value;
}

}  // namespace detail

// co_await run_transaction(db, function): calls function(connection&), a coroutine that returns
// asio::awaitable<T>, in a transaction and commits, unless the function has ended the transaction
// itself; returns what it returned. If that ends as not_committed for a reason that may pass,
// everything is done again. Whatever else ends it, a cancellation too, rolls back.
template <class Function>
auto run_transaction(connection db, Function function, call_options chosen = {},
                     transaction_kind kind = transaction_kind::write)
    -> std::invoke_result_t<Function&, connection&> {
    using Value = typename std::invoke_result_t<Function&, connection&>::value_type;
    auto attempts = db.attempts(chosen);
    while (true) {
        std::optional<std::chrono::milliseconds> pause;
        try {
            detail::unfinished guard(db);
            co_await db.begin(kind, asio::use_awaitable, attempts.left());
            if constexpr (std::is_void_v<Value>) {
                co_await function(db);
                co_await db.conclude(asio::use_awaitable, attempts.left());
                guard.dismiss();
                co_return;
            } else {
                Value value = co_await function(db);
                co_await db.conclude(asio::use_awaitable, attempts.left());
                guard.dismiss();
                co_return value;
            }
        } catch (const error& failed) {
            pause = attempts.pause(failed.info());
            if (!pause) attempts.rethrow(failed);
        }
        const result<void> paused = co_await db.try_pause(*pause, asio::use_awaitable);
        if (!paused) throw_error(attempts.summary(paused.error()));
    }
}

// The same for a function that returns asio::awaitable<result<T>>, without exceptions.
template <class Function>
auto try_run_transaction(connection db, Function function, call_options chosen = {},
                         transaction_kind kind = transaction_kind::write)
    -> std::invoke_result_t<Function&, connection&> {
    using Value = typename std::invoke_result_t<Function&, connection&>::value_type;
    static_assert(quorlite::detail::is_result<Value>, "it must return a quorlite::result");
    auto attempts = db.attempts(chosen);
    while (true) {
        Value value = co_await detail::attempt<Value>(db, function, kind, attempts);
        if (value) co_return value;
        const auto pause = attempts.pause(value.error());
        if (!pause) co_return attempts.summary(std::move(value).error());
        const result<void> paused = co_await db.try_pause(*pause, asio::use_awaitable);
        if (!paused) co_return attempts.summary(paused.error());
    }
}
#endif  // ASIO_HAS_CO_AWAIT

}  // namespace quorlite::async
