// The compiled parts of quorlite/cluster.h, and the store that asks the DNS.
#include "quorlite/cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <condition_variable>

#include "drivers/core/admin_task.h"
#include "drivers/sync/resolver.h"
#include "drivers/sync/session.h"
#include "wire/base/mutex.h"

namespace quorlite {

using core::AdminRequest;
using core::OperationPtr;
using wire::RequestType;

namespace {

void run(const std::shared_ptr<detail::blocking_state>& state, core::AdminTask& task) {
    std::shared_ptr<detail::session> session;
    std::string node;
    core::Time now = {};
    while (const std::optional<core::AdminStep> step = task.next(now)) {
        if (!session || node != step->node) {
            node = step->node;
            session = std::make_shared<detail::session>(state, core::Target{node, {}});
        }
        session->run(step->operation, step->chosen);
        now = session->now();
    }
}

// One request to the leader, or to the given node.
core::RequestTask ask(const std::shared_ptr<detail::blocking_state>& state, AdminRequest request,
                      std::string_view node = {}) {
    core::RequestTask task(std::move(request), std::string(node));
    run(state, task);
    return task;
}

result<void> done(const std::optional<error_info>& error) {
    if (error) return *error;
    return {};
}

}  // namespace

cluster::cluster(std::vector<std::string> addresses, const options& chosen)
    : cluster(make_list_store(std::move(addresses)), chosen) {}
cluster::cluster(std::shared_ptr<node_store> store, const options& chosen)
    : state_(std::make_shared<detail::blocking_state>(std::move(store), chosen)) {}
cluster::cluster(const cluster& other) = default;
cluster& cluster::operator=(const cluster& other) = default;
cluster::~cluster() = default;

const std::shared_ptr<detail::cluster_state>& detail::state_of(const cluster& owner) {
    return owner.state_;
}

// Every cluster is made with one.
std::shared_ptr<detail::blocking_state> detail::blocking_state_of(const cluster& owner) {
    return std::static_pointer_cast<blocking_state>(state_of(owner));
}

connection cluster::connect_lazily(std::string_view database) {
    return {std::make_shared<detail::session>(detail::blocking_state_of(*this),
                                              core::Target{{}, std::string(database)}),
            {}};
}

result<connection> cluster::try_connect(std::string_view database) {
    connection made = connect_lazily(database);
    auto operation = std::make_shared<core::Operation>();
    operation->kind = core::OperationKind::kConnect;
    operation->effect = core::Effect::kRead;
    made.session_->run(operation, {});
    if (operation->error) return *operation->error;
    return made;
}

result<std::vector<node_info>> cluster::try_nodes() {
    const core::RequestTask asked =
        ask(detail::blocking_state_of(*this), {RequestType::kCluster, {}, {}, 0});
    if (asked.error()) return *asked.error();
    return asked.response().nodes;
}

result<node_info> cluster::try_leader() {
    const core::RequestTask asked =
        ask(detail::blocking_state_of(*this), {RequestType::kLeader, {}, {}, 0});
    if (asked.error()) return *asked.error();
    return asked.response().leader;
}

result<void> cluster::try_add(const node_info& node) {
    core::AddNodeTask task(node);
    run(detail::blocking_state_of(*this), task);
    return done(task.error());
}

result<void> cluster::try_assign(std::uint64_t id, node_role role) {
    const auto number = static_cast<std::uint64_t>(role);
    return done(
        ask(detail::blocking_state_of(*this), {RequestType::kAssign, NodeId(id), {}, number})
            .error());
}

result<void> cluster::try_remove(std::uint64_t id) {
    return done(
        ask(detail::blocking_state_of(*this), {RequestType::kRemove, NodeId(id), {}, 0}).error());
}

result<void> cluster::try_transfer(std::uint64_t id) {
    return done(
        ask(detail::blocking_state_of(*this), {RequestType::kTransfer, NodeId(id), {}, 0}).error());
}

result<node_description> cluster::try_describe(std::string_view node) {
    const core::RequestTask asked =
        ask(detail::blocking_state_of(*this), {RequestType::kDescribe, {}, {}, 0}, node);
    if (asked.error()) return *asked.error();
    const core::Metadata& found = asked.response().metadata;
    return node_description{found.failure_domain, found.weight};
}

result<void> cluster::try_set_weight(std::string_view node, std::uint64_t weight) {
    return done(ask(detail::blocking_state_of(*this), {RequestType::kWeight, {}, {}, weight}, node)
                    .error());
}

result<std::vector<node_status>> cluster::try_status() {
    core::ClusterStatusTask task(state_->settings);
    run(detail::blocking_state_of(*this), task);
    if (task.error()) return *task.error();
    return task.take_status();
}

result<void> cluster::try_dump(std::string_view database, const dump_sink& sink,
                               std::string_view node) {
    const auto session = std::make_shared<detail::session>(detail::blocking_state_of(*this),
                                                           core::Target{std::string(node), {}});
    const OperationPtr dump = core::make_admin({RequestType::kDump, {}, std::string(database), 0});
    session->start(dump, {});
    while (true) {
        session->await_piece(dump, {});
        const std::optional<core::Piece> piece = dump->take_piece();
        if (!piece) return done(dump->error);
        const auto bytes = std::as_bytes(std::span(piece->bytes));
        if (!sink({piece->file, piece->file_bytes, bytes})) {
            session->abandon(dump);
            return done(dump->error);
        }
    }
}

// ---- The DNS ----

namespace {

class DnsStore : public node_store {
public:
    DnsStore(std::string name, std::uint16_t port) : name_(std::move(name)), port_(port) {}

    result<std::vector<node_info>> load() override {
        const auto waiter = std::make_shared<Waiter>();
        const auto look_up = sync::Resolution::begin(name_ + ":" + std::to_string(port_), [waiter] {
            const MutexLock lock(waiter->mutex);
            waiter->done = true;
            waiter->changed.notify_all();
        });
        MutexLock lock(waiter->mutex);
        waiter->changed.wait_for(lock.native(), kPatience,
                                 [&]() QUORLITE_REQUIRES(waiter->mutex) { return waiter->done; });
        sync::Resolved resolved;
        if (!look_up->take(resolved)) return trouble("no answer in time");
        if (!resolved.problem.empty()) return trouble(resolved.problem);
        std::vector<node_info> nodes;
        nodes.reserve(resolved.addresses.size());
        for (const sync::SocketAddress& each : resolved.addresses) {
            nodes.push_back({0, text_of(each), node_role::voter});
        }
        return nodes;
    }
    result<void> save(const std::vector<node_info>&) override { return {}; }

private:
    static constexpr std::chrono::seconds kPatience{10};

    struct Waiter {
        Mutex mutex;
        std::condition_variable changed;
        bool done QUORLITE_GUARDED_BY(mutex) = false;
    };

    error_info trouble(const std::string& why) const {
        error_info error = core::make_error(error_kind::store, code::kCannotOpen,
                                            "looking up " + name_ + ": " + why);
        error.may_retry = true;
        return error;
    }

    std::string text_of(const sync::SocketAddress& address) const {
        char text[INET6_ADDRSTRLEN] = {};
        if (address.family() == AF_INET) {
            const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
            ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
            return std::string(text) + ":" + std::to_string(port_);
        }
        const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return std::string("[").append(text).append("]:") + std::to_string(port_);
    }

    const std::string name_;
    const std::uint16_t port_;
};

}  // namespace

std::shared_ptr<node_store> make_dns_store(std::string name, std::uint16_t port) {
    return std::make_shared<DnsStore>(std::move(name), port);
}

}  // namespace quorlite
