#include "core/connection.h"

#include <pthread.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <fstream>
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
// Rows that are taken off a result before they are made into Python's.
constexpr std::size_t kRowsTaken = 4096;
// Of one execute_many(), under way.
constexpr std::size_t kStatementsUnderWay = 512;
constexpr std::size_t kBytesUnderWay = 1u << 20;

call_options chosen(std::optional<double> timeout, bool idempotent) {
    call_options options;
    if (timeout) options.timeout = milliseconds_of(*timeout);
    options.idempotent = idempotent;
    return options;
}

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
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); });
    static_cast<void>(registered);
    return fork_count.load();
}

void check_process(unsigned made_at) {
    if (made_at == forks()) return;
    throw_misuse("this was made before the process forked, and belongs to the parent: connect "
                 "again in the child");
}

milliseconds milliseconds_of(double seconds) {
    if (!(seconds >= 0) || seconds > 1e9) throw_misuse("a time is a number of seconds from 0 on");
    return milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
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
    const std::lock_guard lock(mutex_);
    const Ownership ownership(owner_);
    std::vector<rows> dropped;
    {
        const std::lock_guard list(dropped_mutex_);
        dropped.swap(dropped_);
    }
    dropped.clear();
    connection& db = used();
    Waiting waiting([&db] { db.interrupt(); });
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Function, connection&>>) {
            function(db);
            waiting.rethrow();
        } else {
            auto value = function(db);
            waiting.rethrow();
            return value;
        }
    } catch (const error&) {
        waiting.rethrow();
        throw;
    }
}

void Session::drop(rows unread) {
    if (made_at_ != forks()) return leak(unread);
    const py::gil_scoped_release released;
    if (owner_.load() != std::this_thread::get_id()) {
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (lock.owns_lock()) {
            const rows gone = std::move(unread);
            return;
        }
    }
    const std::lock_guard list(dropped_mutex_);
    dropped_.push_back(std::move(unread));
}

std::shared_ptr<Result> Session::execute(std::string_view sql, py::handle bound,
                                         const call_options& options) {
    const Parameters parameters(sql, bound);
    rows found = call([&](connection& db) {
        return db.with(options).query_list(sql, parameters.view());
    });
    return std::make_shared<Result>(shared_from_this(), std::move(found));
}

py::tuple Session::execute_many(std::string_view sql, py::handle sets,
                                const call_options& options) {
    outcome last;
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
                last = std::move(done).value().outcome();
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
    const std::lock_guard lock(interruption_);
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
    const std::lock_guard lock(mutex_);
    {
        const std::lock_guard interruption(interruption_);
        closed_ = true;
    }
    {
        const std::lock_guard list(dropped_mutex_);
        dropped_.clear();
    }
    own_ = std::monostate();
}

// ---- Result ----

Result::Result(std::shared_ptr<Session> session, rows found)
    : session_(std::move(session)), columns_(column_names(found)), outcome_(found.outcome()) {
    if (columns_.size() > 0) rows_.emplace(std::move(found));
}

Result::~Result() {
    if (rows_) session_->drop(std::move(*rows_));
}

void Result::close() {
    if (!rows_) return;
    rows unread = std::move(*rows_);
    rows_.reset();
    session_->drop(std::move(unread));
}

// False if there is no row left.
bool Result::refill(std::size_t rows_max) {
    if (buffer_.size() > 0) return true;
    if (!rows_) return false;
    bool more = false;
    try {
        session_->call([&](connection&) { more = buffer_.fill(*rows_, rows_max); });
    } catch (...) {
        buffer_ = {};
        close();
        throw;
    }
    if (!more) {
        outcome_ = rows_->outcome();
        rows_.reset();
    }
    return buffer_.size() > 0;
}

py::list Result::fetch(const Decoding& decoding, std::optional<std::size_t> limit) {
    const std::size_t rows_max = limit.value_or(std::numeric_limits<std::size_t>::max());
    py::list found;
    while (found.size() < rows_max) {
        const std::size_t wanted = rows_max - found.size();
        if (!refill(std::min(wanted, kRowsTaken))) break;
        for (std::size_t i = std::min(buffer_.size(), wanted); i > 0; --i) {
            found.append(buffer_.take(decoding));
        }
    }
    return found;
}

py::object Result::next(const Decoding& decoding) {
    return refill(kRowsAhead) ? buffer_.take(decoding) : py::none();
}

// ---- What Python sees ----

namespace {

using Timeout = std::optional<double>;

options make_options(double timeout, double connect_timeout, double busy_timeout) {
    options made;
    made.timeout = milliseconds_of(timeout);
    made.connect_timeout = milliseconds_of(connect_timeout);
    made.busy_timeout = milliseconds_of(busy_timeout);
    return made;
}

// A cluster object may be used from every thread by itself.
class Cluster {
public:
    explicit Cluster(cluster own) : nodes_(std::move(own)) {
        detail::state_of(nodes_)->make_transport = make_interruptible_sockets;
    }

    cluster& nodes() {
        check_process(made_at_);
        return nodes_;
    }

    // Connects at once: what is wrong with the name or the nodes should be known here.
    std::shared_ptr<Session> connect(const std::string& database) {
        if (database.empty() || database.size() > wire::kDatabaseNameBytesMax) {
            throw_misuse("a database's name has 1 to " +
                         std::to_string(wire::kDatabaseNameBytesMax) + " bytes");
        }
        auto made = std::make_shared<Session>(nodes().connect_lazily(database));
        made->ping();
        return made;
    }

    // Calls function(cluster&) without the GIL.
    template <class Function>
    auto call(Function function) {
        cluster& used = nodes();
        const py::gil_scoped_release released;
        return function(used);
    }

private:
    cluster nodes_;
    const unsigned made_at_ = forks();
};

struct Pool {
    Pool(Cluster& owner, const std::string& database, std::size_t size_max,
         double acquire_timeout)
        : connections(owner.nodes(), database, settings(size_max, acquire_timeout)) {}

    static pool_options settings(std::size_t size_max, double acquire_timeout) {
        pool_options made;
        made.size_max = size_max;
        made.acquire_timeout = milliseconds_of(acquire_timeout);
        return made;
    }

    std::shared_ptr<Session> acquire() {
        check_process(made_at);
        const py::gil_scoped_release released;
        return std::make_shared<Session>(connections.acquire());
    }

    py::tuple usage() const {
        const pool_usage now = connections.usage();
        return py::make_tuple(now.in_use, now.idle, now.waiting);
    }

    pool connections;
    const unsigned made_at = forks();
};

py::tuple described(const node_info& node) {
    return py::make_tuple(node.id, node.address, to_string(node.role));
}

py::list described(const std::vector<node_info>& nodes) {
    py::list all;
    for (const node_info& each : nodes) all.append(described(each));
    return all;
}

py::list described(const std::vector<node_status>& nodes) {
    py::list all;
    for (const node_status& each : nodes) {
        all.append(py::make_tuple(
            each.node.id, each.node.address, to_string(each.node.role), each.reachable, each.leader,
            static_cast<double>(each.latency.count()) / 1e6, each.trouble));
    }
    return all;
}

node_role role_named(const std::string& name) {
    for (const node_role each : {node_role::voter, node_role::standby, node_role::spare}) {
        if (name == to_string(each)) return each;
    }
    throw_misuse("a role is voter, standby or spare, not " + name);
}

// The database's file as `path`, its WAL beside it.
void dump(cluster& nodes, const std::string& database, const std::string& path) {
    std::string problem;
    std::ofstream file;
    nodes.dump(database, [&](const dump_part& part) {
        const bool is_wal = part.file.ends_with("-wal");
        if (part.bytes.empty()) {
            file.close();
            file.clear();
            file.open(is_wal ? path + "-wal" : path, std::ios::binary | std::ios::trunc);
        }
        file.write(reinterpret_cast<const char*>(part.bytes.data()),
                   static_cast<std::streamsize>(part.bytes.size()));
        if (!file) problem = path + " cannot be written";
        return problem.empty();
    });
    file.close();
    if (!problem.empty() || !file) throw_misuse(path + " cannot be written");
}

void define_results(py::module_& module) {
    py::class_<Decoding>(module, "Decoding")
        .def(py::init([](py::object text_factory, std::vector<py::object> by_column,
                         py::object time, bool booleans) {
                 return Decoding{std::move(text_factory), std::move(by_column), std::move(time),
                                 booleans};
             }),
             py::arg("text_factory") = py::none(), py::arg("by_column") = std::vector<py::object>(),
             py::arg("time") = py::none(), py::arg("booleans") = false);
    py::class_<Result, std::shared_ptr<Result>>(module, "Result")
        .def_property_readonly("columns", &Result::columns)
        .def_property_readonly("rows_affected",
                               [](const Result& self) { return self.done().rows_affected; })
        .def_property_readonly("last_insert_id",
                               [](const Result& self) { return self.done().last_insert_id; })
        .def("fetch", &Result::fetch, py::arg("decoding"), py::arg("rows_max") = py::none())
        .def("next", &Result::next, py::arg("decoding"))
        .def("close", &Result::close);
}

}  // namespace

void define_connections(py::module_& module) {
    define_results(module);
    py::class_<Session, std::shared_ptr<Session>>(module, "Session")
        .def(
            "execute",
            [](Session& self, py::handle sql, py::handle bound, Timeout timeout, bool idempotent) {
                return self.execute(text_of(sql), bound, chosen(timeout, idempotent));
            },
            py::arg("sql"), py::arg("parameters") = py::none(), py::arg("timeout") = py::none(),
            py::arg("idempotent") = false)
        .def(
            "execute_many",
            [](Session& self, py::handle sql, py::handle sets, Timeout timeout) {
                return self.execute_many(text_of(sql), sets, chosen(timeout, false));
            },
            py::arg("sql"), py::arg("sets"), py::arg("timeout") = py::none())
        .def(
            "execute_script",
            [](Session& self, py::handle sql, Timeout timeout) {
                self.execute_script(text_of(sql), chosen(timeout, false));
            },
            py::arg("sql"), py::arg("timeout") = py::none())
        .def("interrupt", &Session::interrupt)
        .def("ping", &Session::ping)
        .def("close", &Session::close)
        .def_property_readonly("in_transaction", &Session::in_transaction)
        .def_property_readonly("node", &Session::node)
        .def_property_readonly("closed", &Session::closed);
    py::class_<Cluster, std::shared_ptr<Cluster>>(module, "Cluster")
        .def(py::init([](std::vector<std::string> addresses, double timeout,
                         double connect_timeout, double busy_timeout) {
                 return Cluster(cluster(std::move(addresses), make_options(timeout, connect_timeout,
                                                                           busy_timeout)));
             }),
             py::arg("addresses"), py::arg("timeout"), py::arg("connect_timeout"),
             py::arg("busy_timeout"))
        .def_static(
            "of_store",
            [](std::string path, double timeout, double connect_timeout, double busy_timeout) {
                return Cluster(cluster(open_yaml_store(std::move(path)),
                                       make_options(timeout, connect_timeout, busy_timeout)));
            },
            py::arg("path"), py::arg("timeout"), py::arg("connect_timeout"),
            py::arg("busy_timeout"))
        .def("connect", &Cluster::connect, py::arg("database"))
        .def("nodes", [](Cluster& self) {
            return described(self.call([](cluster& nodes) { return nodes.nodes(); }));
        })
        .def("leader", [](Cluster& self) {
            return described(self.call([](cluster& nodes) { return nodes.leader(); }));
        })
        .def("status", [](Cluster& self) {
            return described(self.call([](cluster& nodes) { return nodes.status(); }));
        })
        .def(
            "add",
            [](Cluster& self, const std::string& address, std::uint64_t id,
               const std::string& role) {
                const node_info node{id, address, role_named(role)};
                self.call([&](cluster& nodes) { nodes.add(node); });
            },
            py::arg("address"), py::arg("id"), py::arg("role"))
        .def(
            "assign",
            [](Cluster& self, std::uint64_t id, const std::string& role) {
                const node_role wanted = role_named(role);
                self.call([&](cluster& nodes) { nodes.assign(id, wanted); });
            },
            py::arg("id"), py::arg("role"))
        .def(
            "remove",
            [](Cluster& self, std::uint64_t id) {
                self.call([&](cluster& nodes) { nodes.remove(id); });
            },
            py::arg("id"))
        .def(
            "transfer",
            [](Cluster& self, std::uint64_t id) {
                self.call([&](cluster& nodes) { nodes.transfer(id); });
            },
            py::arg("id") = 0)
        .def(
            "dump",
            [](Cluster& self, const std::string& database, const std::string& path) {
                self.call([&](cluster& nodes) { dump(nodes, database, path); });
            },
            py::arg("database"), py::arg("path"));
    py::class_<Pool>(module, "Pool")
        .def(py::init<Cluster&, const std::string&, std::size_t, double>(),
             py::arg("cluster"), py::arg("database"), py::arg("size_max"),
             py::arg("acquire_timeout"))
        .def("acquire", &Pool::acquire)
        .def("usage", &Pool::usage);
}

}  // namespace quorlite::python
