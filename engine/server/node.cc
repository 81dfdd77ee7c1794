#include "quorlite/node.h"

#include <utility>

#include "engine/database/sqlite.h"
#include "engine/disk/log.h"
#include "engine/server/running_node.h"
#include "quorlite/node_options.h"

namespace quorlite {
namespace {

using Kind = NodeError::Kind;

NodeError not_in_order(std::string message) {
    return NodeError{Kind::kOther, std::move(message)};
}

}  // namespace

struct Node::Impl {
    std::shared_ptr<const disk::Directory> directory;  // none: the node is stopped
    std::optional<NodeIdentity> identity;
    NodeOptions options;
    std::unique_ptr<server::RunningNode> running;  // once it has started

    std::optional<NodeError> open(std::string path);
    std::optional<NodeError> configure(NodeOptions wanted);
    std::optional<NodeError> start();
};

std::optional<NodeError> Node::Impl::open(std::string path) {
    options.directory = std::move(path);
    if (auto error = check(options)) return error;
    auto opened = disk::open_directory(options.directory);
    if (!opened) return NodeError{Kind::kDirectory, opened.error().message};
    directory = std::move(*opened);
    const std::unique_ptr<Disk> disk = disk::blocking_disk(directory);
    const auto records = disk::Records::open(*disk);
    if (!records) return server::directory_error(options.directory, records.error());
    const auto recorded = (*records)->identity();
    if (!recorded) return std::nullopt;
    identity = {recorded->id.value(), recorded->address};
    if (!recorded->removed) return std::nullopt;
    return NodeError{Kind::kRemoved, "the cluster has removed node " +
                                         std::to_string(identity->id) + ", whose directory is " +
                                         options.directory +
                                         ": to let this machine join again, start it with an "
                                         "empty directory and --join"};
}

std::optional<NodeError> Node::Impl::configure(NodeOptions wanted) {
    if (running || !directory) {
        return not_in_order("a node that has started keeps its options: set them before");
    }
    if (wanted.directory.empty()) wanted.directory = options.directory;
    if (wanted.directory != options.directory) {
        return NodeError{Kind::kOptions, "the node was created in " + options.directory +
                                             ", not in " + wanted.directory +
                                             ": leave the directory out"};
    }
    if (auto error = check(wanted)) return error;
    options = std::move(wanted);
    return std::nullopt;
}

std::optional<NodeError> Node::Impl::start() {
    if (!directory) return not_in_order("a stopped node does not start again: create another");
    if (running) return not_in_order("the node has started already");
    auto starting = std::make_unique<server::RunningNode>(options);
    if (auto error = starting->start(directory)) return error;
    running = std::move(starting);
    return std::nullopt;
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

SqliteBuild Node::sqlite() {
    return {database::sqlite_version(), database::sqlite_origin()};
}

Node::Expected Node::create(std::string directory) {
    auto impl = std::make_unique<Impl>();
    if (auto error = impl->open(std::move(directory))) return std::move(*error);
    return Node(std::move(impl));
}

Node::Expected Node::start(NodeOptions options) {
    // Before a directory is made for nothing.
    if (auto error = check(options)) return std::move(*error);
    Expected created = create(options.directory);
    if (!created) return created;
    Node& node = created.node();
    if (auto error = node.configure(std::move(options))) return std::move(*error);
    if (auto error = node.start()) return std::move(*error);
    return created;
}

std::optional<NodeError> Node::configure(NodeOptions options) {
    return impl_->configure(std::move(options));
}

std::optional<NodeError> Node::start() {
    return impl_->start();
}

const NodeOptions& Node::options() const {
    return impl_->options;
}

const std::optional<NodeIdentity>& Node::identity() const {
    return impl_->identity;
}

std::optional<NodeError> Node::wait_ready(std::chrono::milliseconds timeout) {
    if (!impl_->running) return not_in_order("the node has not started");
    return impl_->running->wait_ready(timeout);
}

NodeStatus Node::status() const {
    if (impl_->running) return impl_->running->status();
    NodeStatus status;
    if (impl_->identity) {
        status.id = impl_->identity->id;
        status.address = impl_->identity->address;
    }
    return status;
}

bool Node::handover() {
    return !impl_->running || impl_->running->handover();
}

void Node::stop() {
    if (impl_->running) impl_->running->stop();
    impl_->directory.reset();
}

}  // namespace quorlite
