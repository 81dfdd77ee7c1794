// Node: a member of a cluster inside this process.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>

#include "core/errors.h"
#include "core/session.h"
#include "quorlite/node.h"

namespace quorlite::python {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// How long signals may wait.
constexpr milliseconds kStep{100};

NodeLogLevel log_level(const std::string& name) {
    if (name == "debug") return NodeLogLevel::kDebug;
    if (name == "info") return NodeLogLevel::kInfo;
    if (name == "warning") return NodeLogLevel::kWarning;
    if (name == "error") return NodeLogLevel::kError;
    if (name == "off") return NodeLogLevel::kOff;
    throw_misuse("a log level is debug, info, warning, error or off, not " + name);
}

// Seconds by the names of NodeOptions.
void set_times(NodeOptions& options, const py::dict& times) {
    const std::pair<const char*, milliseconds*> known[] = {
        {"election_timeout", &options.election_timeout},
        {"heartbeat", &options.heartbeat},
        {"busy_timeout", &options.busy_timeout},
        {"idle_transaction", &options.idle_transaction},
        {"write_timeout", &options.write_timeout},
        {"join_timeout", &options.join_timeout},
    };
    for (const auto& [name, time] : known) {
        if (times.contains(name)) *time = time_of<milliseconds>(times[name]);
    }
    if (times.contains("awake_wait")) {
        options.awake_wait = time_of<microseconds>(times["awake_wait"]);
    }
}

void set_sizes(NodeOptions& options, const py::dict& sizes) {
    const std::pair<const char*, std::size_t*> known[] = {
        {"connections_max", &options.connections_max},
        {"page_cache_bytes", &options.page_cache_bytes},
        {"page_caches_bytes", &options.page_caches_bytes},
        {"memory_bytes_max", &options.memory_bytes_max},
        {"temporary_bytes_max", &options.temporary_bytes_max},
        {"transaction_bytes_max", &options.transaction_bytes_max},
    };
    for (const auto& [name, size] : known) {
        if (!sizes.contains(name)) continue;
        *size = PyLong_AsSize_t(py::object(sizes[name]).ptr());
        if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    }
}

class EmbeddedNode {
public:
    explicit EmbeddedNode(NodeOptions options) : made_at_(forks()) {
        const py::gil_scoped_release released;
        auto started = Node::start(std::move(options));
        if (!started) throw NodeFailure(started.error());
        node_.emplace(std::move(started.node()));
    }

    ~EmbeddedNode() {
        if (made_at_ != forks()) {
            // Its threads are the parent's.
            static_cast<void>(new std::optional<Node>(std::move(node_)));
            return;
        }
        const py::gil_scoped_release released;
        node_.reset();
    }

    // In small steps, between which Python handles signals.
    void wait_ready(py::handle seconds) {
        using std::chrono::steady_clock;
        Node& node = running();
        const auto until = steady_clock::now() + time_of<milliseconds>(seconds);
        while (true) {
            std::optional<NodeError> failed;
            {
                const py::gil_scoped_release released;
                failed = node.wait_ready(
                    std::min(kStep, std::chrono::ceil<milliseconds>(until - steady_clock::now())));
            }
            if (!failed) return;
            if (failed->kind != NodeError::Kind::kTimeout || steady_clock::now() >= until) {
                throw NodeFailure(*failed);
            }
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        }
    }

    bool handover() {
        Node& node = running();
        const py::gil_scoped_release released;
        return node.handover();
    }

    py::dict status() {
        const NodeStatus now = running().status();
        py::dict described;
        described["id"] = now.id;
        described["address"] = now.address;
        described["role"] = now.role;
        described["leader_id"] = now.leader_id;
        described["leader_address"] = now.leader_address;
        described["term"] = now.term;
        described["last_index"] = now.last_index;
        described["committed_index"] = now.committed_index;
        described["applied_index"] = now.applied_index;
        described["clients"] = now.clients;
        described["memory_bytes"] = now.memory_bytes;
        described["log_bytes"] = now.log_bytes;
        return described;
    }

    void stop() {
        if (!node_) return;
        Node& node = running();
        const py::gil_scoped_release released;
        node.stop();
    }

private:
    Node& running() {
        check_process(made_at_);
        return *node_;
    }

    const unsigned made_at_;
    std::optional<Node> node_;
};

}  // namespace

void define_node(py::module_& module) {
    py::class_<EmbeddedNode, std::shared_ptr<EmbeddedNode>>(module, "Node")
        .def(py::init([](std::string directory, std::string address, std::string listen,
                         std::vector<std::string> join, bool bootstrap, py::handle id,
                         const py::dict& times, const py::dict& sizes, const std::string& level) {
                 NodeOptions options;
                 options.directory = std::move(directory);
                 options.address = std::move(address);
                 options.listen = std::move(listen);
                 options.join = std::move(join);
                 options.bootstrap = bootstrap;
                 options.id = node_id_of(id);
                 options.log_level = log_level(level);
                 set_times(options, times);
                 set_sizes(options, sizes);
                 return std::make_shared<EmbeddedNode>(std::move(options));
             }),
             py::arg("directory"), py::arg("address"), py::arg("listen"), py::arg("join"),
             py::arg("bootstrap"), py::arg("id"), py::arg("times"), py::arg("sizes"),
             py::arg("log_level"))
        .def("wait_ready", &EmbeddedNode::wait_ready, py::arg("timeout"))
        .def("handover", &EmbeddedNode::handover)
        .def("status", &EmbeddedNode::status)
        .def("stop", &EmbeddedNode::stop);
}

}  // namespace quorlite::python
