// Node: a member of a cluster inside this process.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/connection.h"
#include "core/errors.h"
#include "quorlite/node.h"

namespace quorlite::python {
namespace {

NodeLogLevel log_level(const std::string& name) {
    if (name == "debug") return NodeLogLevel::kDebug;
    if (name == "info") return NodeLogLevel::kInfo;
    if (name == "warning") return NodeLogLevel::kWarning;
    if (name == "error") return NodeLogLevel::kError;
    if (name == "off") return NodeLogLevel::kOff;
    throw_misuse("a log level is debug, info, warning, error or off, not " + name);
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

    void wait_ready(double seconds) {
        Node& node = running();
        const py::gil_scoped_release released;
        const auto patience = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
        if (auto failed = node.wait_ready(patience)) throw NodeFailure(*failed);
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
        .def(py::init([](std::string directory, std::string address, std::vector<std::string> join,
                         const std::string& level) {
                 NodeOptions options;
                 options.directory = std::move(directory);
                 options.address = std::move(address);
                 options.join = std::move(join);
                 options.log_level = log_level(level);
                 return std::make_shared<EmbeddedNode>(std::move(options));
             }),
             py::arg("directory"), py::arg("address") = "",
             py::arg("join") = std::vector<std::string>(), py::arg("log_level") = "warning")
        .def("wait_ready", &EmbeddedNode::wait_ready, py::arg("timeout"))
        .def("handover", &EmbeddedNode::handover)
        .def("status", &EmbeddedNode::status)
        .def("stop", &EmbeddedNode::stop);
}

}  // namespace quorlite::python
