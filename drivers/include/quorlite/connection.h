// Connections, transactions and statements: SQL, blocking.
//
// What: a connection talks to whichever node leads and finds it again when that changes. It retries
// what is safe to retry (see README.md beside the sources, "What is retried") until the call's time
// is over; whatever it reports has a verdict. A transaction is rolled back by its destructor.
// run_transaction() runs a function in a transaction, again as a whole where that is safe.
//
// Errors: each call throws an error (in_doubt_error if nobody can know what became of the work);
// its form named try_... returns the error instead. No call takes longer than its timeout.
//
// Exception safety: strong for single statements that end as not_committed; after an error inside a
// transaction that was lost (see error::may_retry) every further call fails until it is rolled
// back.
//
// Lifetimes: everything made from a connection (transactions, statements, rows) keeps it open and
// may outlive the connection object and the cluster object. Reconnecting loses what SQLite keeps
// for a connection: temporary tables, last_insert_rowid(), settings made by PRAGMA.
//
// Thread safety: one thread at a time for a connection and everything made from it, except
// interrupt(), which may be called from any thread and from a signal handler. Use a pool to share.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "quorlite/error.h"
#include "quorlite/export.h"
#include "quorlite/options.h"
#include "quorlite/rows.h"
#include "quorlite/value.h"

namespace quorlite {

class statement;
class transaction;
class batch;
class bulk_insert;

enum class transaction_kind {
    write,  // takes the write lock at once: BEGIN IMMEDIATE
    read,   // a snapshot: BEGIN
};

namespace detail {

class session;

template <class T>
inline constexpr bool borrows =
    std::same_as<T, std::string_view> || std::same_as<T, blob_view> || std::same_as<T, value_view>;
template <class T>
inline constexpr bool borrows<std::optional<T>> = borrows<T>;

// What is left of the time for something that takes several calls, and when it is tried again.
class QUORLITE_EXPORT attempts {
public:
    attempts(const options& settings, const call_options& chosen);
    // For the calls of one attempt.
    call_options left() const;
    // How long to wait before the whole is tried again after this error; nothing if it must not be.
    std::optional<std::chrono::milliseconds> pause(const error_info& error);
    // Waits that long. False if it must not be tried again.
    bool again(const error_info& error);
    // What the whole failed with: in doubt if any of the attempts was.
    error_info summary(error_info last) const;
    // Throws it, from the handler of the last attempt's error.
    [[noreturn]] void rethrow(const error& last) const;

private:
    std::chrono::milliseconds pause_min_;
    std::chrono::milliseconds pause_max_;
    bool idempotent_;
    std::chrono::steady_clock::time_point deadline_;
    unsigned failures_ = 0;
    int losses_ = 0;  // of connections
    bool in_doubt_ = false;
};

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

}  // namespace detail

// How statements are executed; connections and transactions are this.
class QUORLITE_EXPORT queries {
public:
    // Exactly one statement. Arguments: see value.h.
    template <class... Argument>
    execute_result execute(std::string_view sql, const Argument&... bound) {
        return try_execute(sql, bound...).value();
    }
    template <class... Argument>
    result<execute_result> try_execute(std::string_view sql, const Argument&... bound) {
        const std::array<argument, sizeof...(Argument)> list{argument(bound)...};
        return try_execute_list(sql, list);
    }
    execute_result execute_list(std::string_view sql, arguments bound) {
        return try_execute_list(sql, bound).value();
    }
    result<execute_result> try_execute_list(std::string_view sql, arguments bound);

    // query<int, std::string>(...) gives typed_rows of those; query(...) gives rows. Also takes
    // statements that yield no rows.
    template <class... T, class... Argument>
    auto query(std::string_view sql, const Argument&... bound) {
        return try_query<T...>(sql, bound...).value();
    }
    template <class... T, class... Argument>
    auto try_query(std::string_view sql, const Argument&... bound) {
        const std::array<argument, sizeof...(Argument)> list{argument(bound)...};
        result<rows> untyped = try_query_list(sql, list);
        if constexpr (sizeof...(T) == 0) {
            return untyped;
        } else {
            if (!untyped) return result<typed_rows<T...>>(std::move(untyped).error());
            return result<typed_rows<T...>>(typed_rows<T...>(*std::move(untyped)));
        }
    }
    rows query_list(std::string_view sql, arguments bound) {
        return try_query_list(sql, bound).value();
    }
    result<rows> try_query_list(std::string_view sql, arguments bound);

    // The first row, or nothing if there is none.
    template <class... T, class... Argument>
    std::optional<std::tuple<T...>> query_row(std::string_view sql, const Argument&... bound) {
        return try_query_row<T...>(sql, bound...).value();
    }
    template <class... T, class... Argument>
    result<std::optional<std::tuple<T...>>> try_query_row(std::string_view sql,
                                                          const Argument&... bound) {
        static_assert((!detail::borrows<T> && ...), "a view would outlive its row");
        const std::array<argument, sizeof...(Argument)> list{argument(bound)...};
        result<rows> found = try_query_whole(sql, list);
        if (!found) return std::move(found).error();
        result<bool> more = found->try_next();
        if (!more) return std::move(more).error();
        if (!*more) return std::optional<std::tuple<T...>>();
        result<std::tuple<T...>> row = found->template try_get_row<T...>();
        if (!row) return std::move(row).error();
        return std::optional<std::tuple<T...>>(*std::move(row));
    }

    // The first value of the first row; that there is none is an error of kind usage.
    template <class T, class... Argument>
    T query_value(std::string_view sql, const Argument&... bound) {
        return try_query_value<T>(sql, bound...).value();
    }
    template <class T, class... Argument>
    result<T> try_query_value(std::string_view sql, const Argument&... bound) {
        auto row = try_query_row<T>(sql, bound...);
        if (!row) return std::move(row).error();
        if (!*row) return no_row();
        return std::get<0>(*std::move(*row));
    }

    // Compiles a statement and keeps it: where it is used often, the server need not parse it
    // again. Statements used through the calls above are kept as well, from their second use on.
    statement prepare(std::string_view sql);
    result<statement> try_prepare(std::string_view sql);

    // Statements, one after the other, until the first that fails. Returns how many bytes of the
    // text were executed; all of them if nothing failed.
    void execute_script(std::string_view sql) { try_execute_script(sql).value(); }
    result<void> try_execute_script(std::string_view sql, std::size_t* done = nullptr);

    // All statements of the batch, sent without waiting for each other's answers. The results are
    // in the order of the batch; each statement succeeds or fails by itself.
    std::vector<result<rows>> run(batch& statements);

    // The same with other call options: db.with({.idempotent = true}).execute(...).
    queries with(const call_options& changed) const;

    // HOST:PORT of the node in use; empty if there is none at the moment.
    std::string node() const;
    // Whether a transaction is open, begun in whichever way.
    bool in_transaction() const;
    // Whether that transaction is gone, and everything will fail until it is rolled back.
    bool transaction_lost() const;

    queries(const queries& other);
    queries(queries&& other) noexcept;
    queries& operator=(queries&& other) noexcept;
    ~queries();

protected:
    friend class statement;
    friend class transaction;
    friend class bulk_insert;

    queries();
    queries(std::shared_ptr<detail::session> session, const call_options& changed);

    result<rows> try_query_whole(std::string_view sql, arguments bound);
    error_info no_row() const;
    call_options merged(const call_options& changed) const;
    const options& settings() const;

    std::shared_ptr<detail::session> session_;
    call_options options_;
};

// Statements for queries::run(). Errors: those of execute(), reported by run(). Lifetimes:
// arguments are copied. Thread safety: none.
class QUORLITE_EXPORT batch {
public:
    batch();
    batch(batch&& other) noexcept;
    batch& operator=(batch&& other) noexcept;
    ~batch();

    template <class... Argument>
    batch& add(std::string_view sql, const Argument&... bound) {
        const std::array<argument, sizeof...(Argument)> list{argument(bound)...};
        return add_list(sql, list);
    }
    batch& add_list(std::string_view sql, arguments bound);
    std::size_t size() const;

private:
    friend class queries;
    struct impl;
    std::unique_ptr<impl> impl_;
};

// A statement that was compiled. Stays usable when the connection moves to another node.
class QUORLITE_EXPORT statement {
public:
    template <class... Argument>
    execute_result execute(const Argument&... bound) {
        return try_execute(bound...).value();
    }
    template <class... Argument>
    result<execute_result> try_execute(const Argument&... bound) {
        return queries_.try_execute(sql_, bound...);
    }
    template <class... T, class... Argument>
    auto query(const Argument&... bound) {
        return queries_.template query<T...>(sql_, bound...);
    }
    template <class... T, class... Argument>
    auto try_query(const Argument&... bound) {
        return queries_.template try_query<T...>(sql_, bound...);
    }
    template <class T, class... Argument>
    T query_value(const Argument&... bound) {
        return queries_.template query_value<T>(sql_, bound...);
    }
    template <class T, class... Argument>
    result<T> try_query_value(const Argument&... bound) {
        return queries_.template try_query_value<T>(sql_, bound...);
    }

    std::size_t parameter_count() const { return parameter_count_; }
    const std::string& sql() const { return sql_; }

private:
    friend class queries;
    statement(queries own, std::string sql, std::size_t parameter_count);

    queries queries_;
    std::string sql_;
    std::size_t parameter_count_;
};

// Rolls back when it is destroyed, unless it was committed.
class QUORLITE_EXPORT transaction : public queries {
public:
    transaction(transaction&& other) noexcept;
    transaction& operator=(transaction&& other) noexcept;
    ~transaction();

    void commit() { try_commit().value(); }
    result<void> try_commit();
    void rollback() { try_rollback().value(); }
    result<void> try_rollback();
    // Neither committed nor rolled back yet.
    bool open() const { return open_; }

    // Rows into one table, in few round trips.
    quorlite::bulk_insert bulk_insert(std::string_view table, std::vector<std::string> columns);
    result<quorlite::bulk_insert> try_bulk_insert(std::string_view table,
                                                  std::vector<std::string> columns);

private:
    friend class connection;
    transaction(std::shared_ptr<detail::session> session, const call_options& changed);

    bool open_ = true;
};

// Inserts rows as they are added, many per statement, and many statements under way at once. Errors
// may be those of rows added earlier; after one every call fails with it, and the transaction is to
// be rolled back. Nothing is certain before finish(). Memory is bounded by
// options::pipelined_bytes_max.
class QUORLITE_EXPORT bulk_insert {
public:
    bulk_insert(bulk_insert&& other) noexcept;
    ~bulk_insert();

    template <class... Argument>
    void add(const Argument&... bound) {
        try_add(bound...).value();
    }
    template <class... Argument>
    result<void> try_add(const Argument&... bound) {
        const std::array<argument, sizeof...(Argument)> list{argument(bound)...};
        return try_add_list(list);
    }
    void add_list(arguments row) { try_add_list(row).value(); }
    result<void> try_add_list(arguments row);
    // Waits for everything; returns how many rows were inserted.
    std::uint64_t finish() { return try_finish().value(); }
    result<std::uint64_t> try_finish();

private:
    friend class transaction;
    struct impl;
    explicit bulk_insert(std::unique_ptr<impl> state);
    std::unique_ptr<impl> impl_;
};

class QUORLITE_EXPORT connection : public queries {
public:
    connection(connection&& other) noexcept;
    connection& operator=(connection&& other) noexcept;
    ~connection();

    transaction begin(transaction_kind kind = transaction_kind::write) {
        return try_begin(kind).value();
    }
    result<transaction> try_begin(transaction_kind kind = transaction_kind::write,
                                  const call_options& changed = {});

    // Calls function(transaction&) in a transaction and commits, unless the function has ended the
    // transaction itself; returns what it returned. If that
    // ends as not_committed for a reason that may pass, everything is done again: the function must
    // have no other effects than those in the database. Its exceptions roll back and pass through.
    // A function that returns a result<T> is called by try_run_transaction() without exceptions.
    template <class Function>
    auto run_transaction(Function&& function, const call_options& changed = {},
                         transaction_kind kind = transaction_kind::write) {
        using Value = std::invoke_result_t<Function&, transaction&>;
        detail::attempts attempts(settings(), changed);
        while (true) {
            try {
                transaction tx = try_begin(kind, attempts.left()).value();
                if constexpr (std::is_void_v<Value>) {
                    function(tx);
                    if (tx.open()) tx.commit();
                    return;
                } else {
                    Value value = function(tx);  // NOLINT(misc-const-correctness): it is moved out
                    if (tx.open()) tx.commit();
                    return value;
                }
            } catch (const error& failed) {
                if (!attempts.again(failed.info())) attempts.rethrow(failed);
            }
        }
    }
    template <class Function>
    auto try_run_transaction(Function&& function, const call_options& changed = {},
                             transaction_kind kind = transaction_kind::write)
        -> std::invoke_result_t<Function&, transaction&> {
        using Value = std::invoke_result_t<Function&, transaction&>;
        static_assert(detail::is_result<Value>, "the function must return a quorlite::result");
        detail::attempts attempts(settings(), changed);
        while (true) {
            Value value = attempt<Value>(function, kind, attempts.left());
            if (value.ok()) return value;
            if (!attempts.again(value.error())) return attempts.summary(std::move(value).error());
        }
    }

    // Stops the call under way on this connection, or the rows that are being read: these fail as
    // cancelled, unless they were done already. Safe in signal handlers and from other threads.
    void interrupt() noexcept;

    // Connects if need be and asks the node whether it is well.
    void ping() { try_ping().value(); }
    result<void> try_ping();

private:
    friend class cluster;
    friend class pool;
    connection(std::shared_ptr<detail::session> session, const call_options& changed);

    template <class Value, class Function>
    Value attempt(Function& function, transaction_kind kind, const call_options& left) {
        result<transaction> tx = try_begin(kind, left);
        if (!tx) return std::move(tx).error();
        Value value = function(*tx);
        if (!value.ok() || !tx->open()) return value;
        result<void> committed = tx->try_commit();
        if (!committed) return std::move(committed).error();
        return value;
    }
};

}  // namespace quorlite
