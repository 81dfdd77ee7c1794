#include "core/session.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>

#include "core/errors.h"
#include "core/signals.h"
#include "drivers/sync/session.h"

namespace quorlite::python {
namespace {

using std::chrono::milliseconds;

std::atomic<unsigned> fork_count = 0;

// Rows that are read at once when they are asked for one by one.
constexpr std::size_t kRowsAhead = 64;
// Of one execute_many(), under way.
constexpr std::size_t kStatementsUnderWay = 512;
constexpr std::size_t kBytesUnderWay = 1u << 20;

class Ownership {
public:
    explicit Ownership(std::atomic<std::thread::id>& owner) : owner_(owner) {
        owner_.store(std::this_thread::get_id());
    }
    ~Ownership() { owner_.store({}); }
    Ownership(const Ownership&) = delete;
    Ownership& operator=(const Ownership&) = delete;

private:
    std::atomic<std::thread::id>& owner_;
};

// Left as they are: the parent's.
template <class T>
void leak(T& abandoned) {
    static_cast<void>(new T(std::move(abandoned)));
}

}  // namespace

unsigned forks() {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); });
    static_cast<void>(registered);
    return fork_count.load();
}

void check_process(unsigned made_at) {
    if (made_at == forks()) return;
    throw_misuse(
        "this was made before the process forked, and belongs to the parent: connect "
        "again in the child");
}

std::chrono::duration<double> seconds_of(py::handle value) {
    const double seconds = PyFloat_AsDouble(value.ptr());
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (!(seconds >= 0) || seconds > 1e9) throw_misuse("a time is a number of seconds from 0 on");
    return std::chrono::duration<double>(seconds);
}

std::uint64_t node_id_of(py::handle value) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
    if (!number) throw py::error_already_set();
    const std::uint64_t id = PyLong_AsUnsignedLongLong(number.ptr());
    if (PyErr_Occurred() == nullptr) return id;
    PyErr_Clear();
    throw_misuse("a node's id is a number from 1 to 2^64-1, not " + std::string(py::str(number)));
}

call_options chosen(py::handle timeout, bool idempotent) {
    call_options options;
    if (!timeout.is_none()) options.timeout = time_of<milliseconds>(timeout);
    options.idempotent = idempotent;
    return options;
}

// ---- Session ----

Session::Session(connection own) : own_(std::move(own)) {}
Session::Session(pool::lease borrowed) : own_(std::move(borrowed)) {}

Session::~Session() {
    if (made_at_ != forks()) {
        leak(own_);
        leak(dropped_);
        return;
    }
    const py::gil_scoped_release released;
    dropped_.clear();
    own_ = std::monostate();
}

connection& Session::used() {
    if (auto* const own = std::get_if<connection>(&own_)) return *own;
    if (auto* const borrowed = std::get_if<pool::lease>(&own_)) return **borrowed;
    throw_misuse("the connection is closed");
}

void Session::check_thread() const {
    if (owner_.load() != std::this_thread::get_id()) return;
    throw_misuse("the connection is in a call that this signal handler has interrupted");
}

template <class Function>
auto Session::call(Function function) {
    check_process(made_at_);
    check_thread();
    const py::gil_scoped_release released;
    const MutexLock lock(mutex_);
    const Ownership ownership(owner_);
    std::vector<rows> dropped;
    {
        const MutexLock list(dropped_mutex_);
        dropped.swap(dropped_);
    }
    dropped.clear();
    connection& db = used();
    return interruptibly([&] { return function(db); });
}

void Session::drop(rows unread) {
    if (made_at_ != forks()) return leak(unread);
    const py::gil_scoped_release released;
    if (owner_.load() != std::this_thread::get_id()) {
        if (mutex_.try_lock()) {
            const MutexLock lock(mutex_, std::adopt_lock);
            const rows gone = std::move(unread);
            return;
        }
    }
    const MutexLock list(dropped_mutex_);
    dropped_.push_back(std::move(unread));
}

void Session::discard(std::optional<rows>& unread) {
    if (made_at_ != forks()) return leak(unread);
    const py::gil_scoped_release released;
    if (owner_.load() == std::this_thread::get_id()) return;  // in a signal handler
    const MutexLock lock(mutex_);
    unread.reset();
}

std::shared_ptr<Result> Session::execute(std::string_view sql, py::handle bound,
                                         const call_options& options) {
    const Parameters parameters(sql, bound);
    rows found =
        call([&](connection& db) { return db.with(options).query_list(sql, parameters.view()); });
    return std::make_shared<Result>(shared_from_this(), std::move(found));
}

py::tuple Session::execute_many(std::string_view sql, py::handle sets,
                                const call_options& options) {
    execute_result last;
    std::uint64_t changed = 0;
    py::iterator each = py::iter(sets);
    while (each != py::iterator::sentinel()) {
        std::deque<Parameters> parameters;
        batch statements;
        std::size_t bytes = 0;
        while (each != py::iterator::sentinel() && statements.size() < kStatementsUnderWay &&
               bytes < kBytesUnderWay) {
            const Parameters& next = parameters.emplace_back(sql, *each);
            statements.add_list(sql, next.view());
            bytes += next.bytes();
            ++each;
        }
        call([&](connection& db) {
            for (result<rows>& done : db.with(options).run(statements)) {
                rows found = std::move(done).value();
                // RETURNING yields a row for each that was changed.
                while (found.column_count() > 0 && found.next()) ++changed;
                last = found.executed();
                changed += last.rows_affected;
            }
        });
    }
    return py::make_tuple(changed, last.last_insert_id);
}

void Session::execute_script(std::string_view sql, const call_options& options) {
    call([&](connection& db) { db.with(options).execute_script(sql); });
}

void Session::interrupt() noexcept {
    if (made_at_ != forks()) return;
    const MutexLock lock(interruption_);
    if (closed_) return;
    if (auto* const own = std::get_if<connection>(&own_)) own->interrupt();
    if (auto* const borrowed = std::get_if<pool::lease>(&own_)) (*borrowed)->interrupt();
}

void Session::ping() {
    call([](connection& db) { db.ping(); });
}

bool Session::in_transaction() {
    return call([](connection& db) { return db.in_transaction(); });
}

std::string Session::node() {
    return call([](connection& db) { return db.node(); });
}

bool Session::closed() const {
    return closed_;
}

void Session::close() {
    check_process(made_at_);
    check_thread();
    const py::gil_scoped_release released;
    const MutexLock lock(mutex_);
    {
        const MutexLock interruption(interruption_);
        closed_ = true;
    }
    {
        const MutexLock list(dropped_mutex_);
        dropped_.clear();
    }
    own_ = std::monostate();
}

// ---- Result ----

Result::Result(std::shared_ptr<Session> session, rows found)
    : session_(std::move(session)), columns_(column_names(found)), done_(found.executed()) {
    over_ = columns_.empty();
    if (!over_) rows_.emplace(std::move(found));
}

Result::~Result() {
    if (rows_) session_->drop(std::move(*rows_));
}

void Result::close() {
    over_ = true;
    buffers_.clear();
    session_->discard(rows_);
}

template <class Take>
void Result::read(Take take) {
    if (over_) return;
    bool more = false;
    std::optional<execute_result> ended;
    try {
        session_->call([&](connection&) {
            if (!rows_) return;  // another thread has read the rest
            try {
                more = take(*rows_);
            } catch (...) {
                rows_.reset();
                throw;
            }
            if (more) return;
            ended = rows_->executed();
            rows_.reset();
        });
    } catch (...) {
        over_ = true;
        throw;
    }
    over_ = !more;
    if (ended) done_ = *ended;
}

std::shared_ptr<RowBuffer> Result::ahead() {
    while (!buffers_.empty() && buffers_.front()->size() == 0) buffers_.pop_front();
    return buffers_.empty() ? nullptr : buffers_.front();
}

std::shared_ptr<RowBuffer> Result::filled(std::size_t rows_max) {
    while (!over_ && !ahead()) {
        const auto fresh = std::make_shared<RowBuffer>();
        read([&](rows& from) { return fresh->fill(from, rows_max); });
        if (fresh->size() > 0) buffers_.push_back(fresh);
    }
    return ahead();
}

py::list Result::fetch(const Decoding& decoding, std::optional<std::size_t> limit) {
    const std::size_t rows_max = limit.value_or(std::numeric_limits<std::size_t>::max());
    py::list found;
    while (found.size() < rows_max) {
        const auto buffer = filled(std::min(rows_max - found.size(), kRowsTaken));
        if (!buffer) break;
        while (found.size() < rows_max && buffer->size() > 0) found.append(buffer->take(decoding));
    }
    return found;
}

py::list Result::fetch_inserts(const std::string& insert, bool paired, std::size_t rows_max) {
    py::list found;
    while (found.size() < rows_max) {
        const auto buffer = filled(std::min(rows_max - found.size(), kRowsTaken));
        if (!buffer) break;
        while (found.size() < rows_max && buffer->size() > 0) {
            found.append(py::str(buffer->take(insert, paired)));
        }
    }
    return found;
}

void Result::fetch_into(Columns& columns, std::size_t rows_max) {
    while (columns.row_count() < rows_max) {
        const auto buffer = ahead();
        if (!buffer) break;
        buffer->take(columns);
    }
    if (columns.row_count() < rows_max) {
        read([&](rows& from) { return columns.fill(from, rows_max); });
    }
}

py::object Result::next(const Decoding& decoding) {
    const auto buffer = filled(kRowsAhead);
    return buffer ? buffer->take(decoding) : py::none();
}

}  // namespace quorlite::python
