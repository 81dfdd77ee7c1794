// Session and Result: a connection of the driver, and the rows of one statement, as Python objects.
//
// A call on a session gives up the GIL, takes the session's lock and waits; so threads may share a
// session, one call at a time, and other threads run meanwhile. Of Python's code only handlers of
// signals run under the lock (see signals.h); what they raise interrupts the call. Rows that are
// not read to the end are dropped when their Result is; if another thread is in a call just then,
// by the next call.
//
// After a fork the child must not touch what its parent is using: every call fails, and what would
// speak to a server when it is destroyed is left alone instead.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/values.h"
#include "quorlite/pool.h"
#include "quorlite/quorlite.h"
#include "wire/base/mutex.h"

namespace quorlite::python {

// Counts the forks that this process has come from.
unsigned forks();
// Fails in a child of the process that made something when forks() was `made_at`.
void check_process(unsigned made_at);

// Any number of Python's. Fails if it is negative, or no time that anybody would wait.
std::chrono::duration<double> seconds_of(py::handle value);

template <class Time>
Time time_of(py::handle seconds) {
    return std::chrono::ceil<Time>(seconds_of(seconds));
}

// `timeout`: in seconds; None: as the cluster has it.
call_options chosen(py::handle timeout, bool idempotent);
std::uint64_t node_id_of(py::handle value);

// Rows that are taken off a result before they are made into Python's.
inline constexpr std::size_t kRowsTaken = 4096;

class Result;

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(connection own);
    explicit Session(pool::lease borrowed);
    ~Session();

    std::shared_ptr<Result> execute(std::string_view sql, py::handle bound,
                                    const call_options& chosen);
    // One statement for each set of parameters, sent without waiting for each other's answers; ends
    // at the first that fails. Returns how many rows were changed, and the last id.
    py::tuple execute_many(std::string_view sql, py::handle sets, const call_options& chosen);
    void execute_script(std::string_view sql, const call_options& chosen);
    // Does not wait for a call that is under way: own_ stays as it is until closed_ is set.
    void interrupt() noexcept QUORLITE_UNCHECKED;
    void ping();
    bool in_transaction();
    std::string node();
    bool closed() const;
    // Ends an open transaction, and gives a borrowed connection back to its pool.
    void close();

private:
    friend class Result;

    connection& used() QUORLITE_REQUIRES(mutex_);
    // Fails if the lock is this thread's already: in a signal handler.
    void check_thread() const;
    // Calls function(connection&) under the lock, without the GIL.
    template <class Function>
    auto call(Function function);
    // Destroys rows now, or leaves them to the next call.
    void drop(rows unread);
    // Destroys rows that another thread may be reading.
    void discard(std::optional<rows>& unread);

    const unsigned made_at_ = forks();
    Mutex mutex_;
    std::atomic<std::thread::id> owner_ = {};  // of mutex_
    std::variant<std::monostate, connection, pool::lease> own_ QUORLITE_GUARDED_BY(mutex_);
    Mutex interruption_;  // held by who interrupts, and by who says that own_ is to be closed
    std::atomic<bool> closed_ = false;
    Mutex dropped_mutex_;
    std::vector<rows> dropped_ QUORLITE_GUARDED_BY(dropped_mutex_);
};

// Threads may share a result as well: each row goes to one of them.
class Result {
public:
    Result(std::shared_ptr<Session> session, rows found);
    ~Result();

    py::tuple columns() const { return columns_; }
    // All rows that are left as tuples, or so many.
    py::list fetch(const Decoding& decoding, std::optional<std::size_t> limit);
    // So many rows at most, each as a statement that inserts it: see core::Dump.
    py::list fetch_inserts(const std::string& insert, bool paired, std::size_t rows_max);
    // Adds all rows that are left, or so many.
    void fetch_into(Columns& columns, std::size_t rows_max);
    // The next row; None at the end.
    py::object next(const Decoding& decoding);
    execute_result done() const { return done_; }
    void close();

private:
    // Has a row that was read before; null if there is none.
    std::shared_ptr<RowBuffer> ahead();
    // Has a row; null at the end.
    std::shared_ptr<RowBuffer> filled(std::size_t rows_max);
    // Calls take(rows&) without the GIL, unless the result is over, which it is when that returns
    // false.
    template <class Take>
    void read(Take take);

    const std::shared_ptr<Session> session_;
    std::optional<rows> rows_;  // under the session's lock, the rest under the GIL
    py::tuple columns_;
    execute_result done_;
    bool over_ = false;
    // One, unless several threads have filled theirs at the same time. Shared: what converts a row
    // may let another thread run, which may drop the buffer.
    std::deque<std::shared_ptr<RowBuffer>> buffers_;
};

void define_connections(py::module_& module);
void define_dump(py::module_& module);
void define_node(py::module_& module);

}  // namespace quorlite::python
