// Node: a member of a cluster inside this process.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>

#include "core/errors.h"
#include "core/session.h"
#include "quorlite/node_options.h"

namespace quorlite::python {
namespace {

using std::chrono::milliseconds;

// How long signals may wait.
constexpr milliseconds kStep{100};

std::size_t whole(std::string_view name, py::handle value) {
    const auto number = py::reinterpret_borrow<py::object>(value);
    const bool numeric = py::isinstance<py::int_>(number) || py::isinstance<py::float_>(number);
    if (!numeric || !number.equal(py::int_(number))) {
        throw py::type_error(std::string(name) + " is a whole number, not " +
                             std::string(py::repr(number)));
    }
    const std::size_t converted = PyLong_AsSize_t(py::int_(number).ptr());
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    return converted;
}

// Takes the value of one option as Python gives it: times in seconds, sizes in bytes.
class Setter {
public:
    Setter(NodeOptions& options, std::string_view name, py::handle value)
        : options_(options), name_(name), value_(value) {}

    void operator()(const TextOption& text) const {
        options_.*text.member = value_.cast<std::string>();
    }
    void operator()(const ListOption& list) const {
        options_.*list.member = value_.cast<std::vector<std::string>>();
    }
    void operator()(const FlagOption& flag) const { options_.*flag.member = value_.cast<bool>(); }
    void operator()(const NumberOption& number) const {
        options_.*number.member =
            number.member == &NodeOptions::id ? node_id_of(value_) : whole(name_, value_);
    }
    void operator()(const BytesOption& size) const { options_.*size.member = whole(name_, value_); }
    template <class Time>
    void operator()(const TimeOption<Time>& time) const {
        options_.*time.member = time_of<Time>(value_);
    }
    template <class Value>
    void operator()(const ChoiceOption<Value>& option) const {
        const auto given = value_.cast<std::string>();
        const auto chosen = std::ranges::find(option.choices, given, &Choice<Value>::name);
        if (chosen != option.choices.end()) {
            options_.*option.member = chosen->value;
            return;
        }
        std::string names;
        for (const auto& each : option.choices) {
            names += (names.empty() ? "" : ", ") + std::string(each.name);
        }
        throw_misuse(std::string(name_) + " is one of " + names + ", not " + given);
    }

private:
    NodeOptions& options_;
    std::string_view name_;
    py::handle value_;
};

// An option by a name that it had before is taken with a warning.
const NodeOption& option_called(std::string_view name) {
    for (const NodeOption& option : node_options()) {
        if (option.member == name) return option;
        if (option.former_member != name) continue;
        const std::string warning = std::string(name) + " is called " + std::string(option.member);
        if (PyErr_WarnEx(PyExc_DeprecationWarning, warning.c_str(), 2) != 0) {
            throw py::error_already_set();
        }
        return option;
    }
    throw_misuse("a node has no option '" + std::string(name) + "'");
}

NodeOptions options_of(const py::dict& given) {
    NodeOptions options;
    for (const auto& [key, value] : given) {
        const auto name = key.cast<std::string>();
        try {
            std::visit(Setter(options, name, value), option_called(name).kind);
        } catch (const py::cast_error&) {
            throw py::type_error(name + " cannot be " + std::string(py::repr(value)));
        }
    }
    return options;
}

// For the documentation of Node: a line for each option.
std::string describe_options() {
    std::string text;
    for (const NodeOption& option : node_options()) {
        const std::string value = to_text(option, NodeOptions());
        text += "* `" + std::string(option.member) + "`: " + std::string(option.help);
        text += value.empty() ? "\n" : " (" + value + ")\n";
    }
    return text;
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
        using namespace py::literals;
        return py::dict("id"_a = now.id, "address"_a = now.address, "role"_a = now.role,
                        "leader_id"_a = now.leader_id, "leader_address"_a = now.leader_address,
                        "term"_a = now.term, "last_index"_a = now.last_index,
                        "committed_index"_a = now.committed_index,
                        "applied_index"_a = now.applied_index, "clients"_a = now.clients,
                        "memory_bytes"_a = now.memory_bytes, "log_bytes"_a = now.log_bytes);
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
    module.def("describe_node_options", &describe_options);
    py::class_<EmbeddedNode, std::shared_ptr<EmbeddedNode>>(module, "Node")
        .def(py::init([](const py::dict& options) {
                 return std::make_shared<EmbeddedNode>(options_of(options));
             }),
             py::arg("options"))
        .def("wait_ready", &EmbeddedNode::wait_ready, py::arg("timeout"))
        .def("handover", &EmbeddedNode::handover)
        .def("status", &EmbeddedNode::status)
        .def("stop", &EmbeddedNode::stop);
}

}  // namespace quorlite::python
