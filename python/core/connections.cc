// What Python sees of the driver: sessions, results, clusters and pools.
#include <pybind11/stl.h>

#include <fstream>

#include "core/async.h"
#include "core/errors.h"
#include "core/session.h"
#include "core/signals.h"
#include "drivers/sync/session.h"
#include "quorlite/pool.h"
#include "quorlite/quorlite.h"

namespace quorlite::python {
namespace {

using std::chrono::milliseconds;

options make_options(py::handle timeout, py::handle connect_timeout, py::handle busy_timeout) {
    options made;
    made.timeout = time_of<milliseconds>(timeout);
    made.connect_timeout = time_of<milliseconds>(connect_timeout);
    made.busy_timeout = time_of<milliseconds>(busy_timeout);
    return made;
}

void check_database(const std::string& name) {
    if (!name.empty() && name.size() <= wire::kDatabaseNameBytesMax) return;
    throw_misuse("a database's name has 1 to " + std::to_string(wire::kDatabaseNameBytesMax) +
                 " bytes");
}

// A cluster object may be used from every thread by itself.
class Cluster {
public:
    explicit Cluster(cluster own) : nodes_(std::move(own)) {
        detail::blocking_state_of(nodes_)->make_transport = make_interruptible_sockets;
    }

    cluster& nodes() {
        check_process(made_at_);
        return nodes_;
    }

    // Connects at once: what is wrong with the name or the nodes should be known here.
    std::shared_ptr<Session> connect(const std::string& database) {
        check_database(database);
        auto made = std::make_shared<Session>(nodes().connect_lazily(database));
        made->ping();
        return made;
    }

    // Calls function(cluster&), which may wait, without the GIL.
    template <class Function>
    auto call(Function function) {
        cluster& used = nodes();
        const py::gil_scoped_release released;
        return interruptibly([&] { return function(used); });
    }

private:
    cluster nodes_;
    const unsigned made_at_ = forks();
};

struct Pool {
    Pool(Cluster& owner, const std::string& database, std::size_t size_max,
         py::handle acquire_timeout)
        : connections(std::make_shared<pool>(owner.nodes(), database,
                                             settings(size_max, acquire_timeout))) {}

    static pool_options settings(std::size_t size_max, py::handle acquire_timeout) {
        pool_options made;
        made.size_max = size_max;
        made.acquire_timeout = time_of<milliseconds>(acquire_timeout);
        return made;
    }

    std::shared_ptr<Session> acquire() {
        check_process(made_at);
        if (!connections) throw_misuse("the pool is closed");
        const std::shared_ptr<pool> used = connections;  // which another thread may close
        const py::gil_scoped_release released;
        return std::make_shared<Session>(used->acquire());
    }

    py::tuple usage() const {
        if (!connections) return py::make_tuple(0, 0, 0);
        const pool_usage now = connections->usage();
        return py::make_tuple(now.in_use, now.idle, now.waiting);
    }

    // Idle connections are closed; those in use when they are given back.
    void close() {
        if (made_at != forks()) return;  // they are the parent's
        std::shared_ptr<pool> closed = std::exchange(connections, nullptr);
        const py::gil_scoped_release released;
        closed.reset();
    }

    std::shared_ptr<pool> connections;
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
        all.append(py::make_tuple(each.node.id, each.node.address, to_string(each.node.role),
                                  each.reachable, each.leader,
                                  static_cast<double>(each.latency.count()) / 1e6, each.trouble));
    }
    return all;
}

node_role role_named(py::handle role) {
    const std::string name = py::str(role);
    for (const node_role each : {node_role::voter, node_role::standby, node_role::spare}) {
        if (name == to_string(each)) return each;
    }
    throw_misuse("a role is voter, standby or spare, not " + name);
}

// The database's file as `path`, its WAL beside it; as that node has it, or the leader.
void dump(cluster& nodes, const std::string& database, const std::string& path,
          const std::string& node) {
    std::string problem;
    std::ofstream file;
    const auto write = [&](const dump_part& part) {
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
    };
    nodes.dump(database, write, node);
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
        .def("fetch_inserts", &Result::fetch_inserts, py::arg("insert"), py::arg("paired"),
             py::arg("rows_max"))
        .def("fetch_into", &Result::fetch_into, py::arg("columns"), py::arg("rows_max"))
        .def("next", &Result::next, py::arg("decoding"))
        .def("close", &Result::close);
}

void define_sessions(py::module_& module) {
    py::class_<Session, std::shared_ptr<Session>>(module, "Session")
        .def(
            "execute",
            [](Session& self, py::handle sql, py::handle bound, py::handle timeout,
               bool idempotent) {
                return self.execute(text_of(sql), bound, chosen(timeout, idempotent));
            },
            py::arg("sql"), py::arg("parameters") = py::none(), py::arg("timeout") = py::none(),
            py::arg("idempotent") = false)
        .def(
            "execute_many",
            [](Session& self, py::handle sql, py::handle sets, py::handle timeout) {
                return self.execute_many(text_of(sql), sets, chosen(timeout, false));
            },
            py::arg("sql"), py::arg("sets"), py::arg("timeout") = py::none())
        .def(
            "execute_script",
            [](Session& self, py::handle sql, py::handle timeout) {
                self.execute_script(text_of(sql), chosen(timeout, false));
            },
            py::arg("sql"), py::arg("timeout") = py::none())
        .def("interrupt", &Session::interrupt)
        .def("ping", &Session::ping)
        .def("close", &Session::close)
        .def_property_readonly("in_transaction", &Session::in_transaction)
        .def_property_readonly("node", &Session::node)
        .def_property_readonly("closed", &Session::closed);
}

void define_administration(py::class_<Cluster, std::shared_ptr<Cluster>>& defined) {
    defined
        .def("nodes",
             [](Cluster& self) {
                 return described(self.call([](cluster& nodes) { return nodes.nodes(); }));
             })
        .def("leader",
             [](Cluster& self) {
                 return described(self.call([](cluster& nodes) { return nodes.leader(); }));
             })
        .def("status",
             [](Cluster& self) {
                 return described(self.call([](cluster& nodes) { return nodes.status(); }));
             })
        .def(
            "add",
            [](Cluster& self, const std::string& address, py::handle id, py::handle role) {
                const node_info node{node_id_of(id), address, role_named(role)};
                self.call([&](cluster& nodes) { nodes.add(node); });
            },
            py::arg("address"), py::arg("id"), py::arg("role"))
        .def(
            "assign",
            [](Cluster& self, py::handle id, py::handle role) {
                const std::uint64_t node = node_id_of(id);
                const node_role wanted = role_named(role);
                self.call([&](cluster& nodes) { nodes.assign(node, wanted); });
            },
            py::arg("id"), py::arg("role"))
        .def(
            "remove",
            [](Cluster& self, py::handle id) {
                const std::uint64_t node = node_id_of(id);
                self.call([&](cluster& nodes) { nodes.remove(node); });
            },
            py::arg("id"))
        .def(
            "transfer",
            [](Cluster& self, py::handle id) {
                const std::uint64_t node = node_id_of(id);
                self.call([&](cluster& nodes) { nodes.transfer(node); });
            },
            py::arg("id") = 0)
        .def(
            "dump",
            [](Cluster& self, const std::string& database, const std::string& path,
               const std::string& node) {
                self.call([&](cluster& nodes) { dump(nodes, database, path, node); });
            },
            py::arg("database"), py::arg("path"), py::arg("node") = "");
}

void define_clusters(py::module_& module) {
    py::class_<Cluster, std::shared_ptr<Cluster>> defined(module, "Cluster");
    define_administration(defined);
    defined
        .def(py::init([](std::vector<std::string> addresses, py::handle timeout,
                         py::handle connect_timeout, py::handle busy_timeout) {
                 return Cluster(cluster(std::move(addresses),
                                        make_options(timeout, connect_timeout, busy_timeout)));
             }),
             py::arg("addresses"), py::arg("timeout"), py::arg("connect_timeout"),
             py::arg("busy_timeout"))
        .def_static(
            "of_store",
            [](std::string path, py::handle timeout, py::handle connect_timeout,
               py::handle busy_timeout) {
                return Cluster(cluster(open_yaml_store(std::move(path)),
                                       make_options(timeout, connect_timeout, busy_timeout)));
            },
            py::arg("path"), py::arg("timeout"), py::arg("connect_timeout"),
            py::arg("busy_timeout"))
        .def(
            "connect_async",
            [](Cluster& self, std::shared_ptr<LoopBridge> bridge, const std::string& database) {
                check_database(database);
                return std::make_shared<AsyncSession>(std::move(bridge), self.nodes(), database);
            },
            py::arg("bridge"), py::arg("database"))
        .def("connect", &Cluster::connect, py::arg("database"));
    py::class_<Pool>(module, "Pool")
        .def(py::init<Cluster&, const std::string&, std::size_t, py::handle>(), py::arg("cluster"),
             py::arg("database"), py::arg("size_max"), py::arg("acquire_timeout"))
        .def("acquire", &Pool::acquire)
        .def("usage", &Pool::usage)
        .def("close", &Pool::close);
}

}  // namespace

void define_connections(py::module_& module) {
    define_results(module);
    define_sessions(module);
    define_clusters(module);
}

}  // namespace quorlite::python
