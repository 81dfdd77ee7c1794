#include "tests/sim/node/cluster.h"

#include "engine/base/check.h"

namespace quorlite::sim {
namespace {

// What fatal() throws in the simulation: the node that was running dies.
struct NodeDied {
    std::string what;
};

[[noreturn]] void die(std::string_view what) {
    throw NodeDied{std::string(what)};
}

constexpr Duration kClientDelayMax = std::chrono::milliseconds(1);
constexpr Duration kWakingMax = std::chrono::milliseconds(2);

}  // namespace

class Cluster::NodeEvents final : public Events {
public:
    NodeEvents(const Cluster& cluster, NodeId node) : cluster_(cluster), node_(node) {}
    void record(const quorlite::Event& event) override {
        if (cluster_.on_event) cluster_.on_event(node_, event);
    }

private:
    const Cluster& cluster_;
    const NodeId node_;
};

struct Cluster::Life {
    Life(World& world, const NodeOptions& options, NodeExecutor::Run run)
        : executor(world, options.clock, options.yields, std::move(run)),
          random(world.random.next()) {}

    NodeExecutor executor;
    Seeded random;
    std::unique_ptr<NodeNetwork> network;
    std::unique_ptr<NodeEvents> events;
    std::unique_ptr<replica::Replica> replica;
    std::map<std::uint64_t, std::shared_ptr<session::Session>> sessions;
    std::map<std::uint64_t, std::weak_ptr<SessionLink>> links;
    End end = End::kNone;  // how it ended; its memory may still be in use by a statement
};

struct Cluster::Node {
    NodeOptions options;
    std::unique_ptr<SimDisk> disk;
    std::unique_ptr<Life> life;
    std::uint64_t lives = 0;
    Duration paused_until{};
    bool retired = false;
    bool may_die = false;
};

// One client's connection. Both directions keep their order; each piece takes its own time.
class Cluster::SessionLink : public std::enable_shared_from_this<SessionLink> {
public:
    struct Handle final : Link {
        explicit Handle(std::shared_ptr<SessionLink> its_link) : link(std::move(its_link)) {
            link->client = this;
        }
        ~Handle() override { close(); }
        void send(Bytes bytes) override { link->to_server(std::move(bytes)); }
        void close() override { link->client_closed(); }
        std::shared_ptr<SessionLink> link;
    };

    SessionLink(Cluster& cluster, NodeId node, std::uint64_t number)
        : cluster_(cluster), node_(node), number_(number) {}

    Handle* client = nullptr;

    void open() {
        Life& life = *cluster_.node(node_).life;
        session_ = session::Session::open(*life.replica, life.executor, life.executor, {},
                                          {.address = "client " + std::to_string(number_)},
                                          [weak = weak_from_this()] {
                                              if (auto self = weak.lock()) self->pump();
                                          });
        life.sessions[number_] = session_;
        life.links[number_] = weak_from_this();
    }

    void to_server(Bytes bytes) {
        at_server([bytes = std::move(bytes)](SessionLink& self) {
            self.session_->receive(bytes);
            self.pump();
        });
    }

    // Takes what the session has to say and puts it on its way.
    void pump() {
        if (!session_ || pumping_) return;
        pumping_ = true;
        while (session_ && !session_->output().empty()) {
            const ByteView output = session_->output();
            to_client(Bytes(output.begin(), output.end()));
            session_->consumed(output.size());
        }
        pumping_ = false;
        if (session_ && session_->finished()) server_gone();
    }

    // The session ended.
    void server_gone() {
        drop_session();
        tell_client();
    }

    void tell_client() {
        at_client_ = std::max(at_client_, cluster_.world_.now() + delay());
        cluster_.world_.schedule(at_client_, [self = shared_from_this()] {
            if (self->client == nullptr) return;
            auto on_end = self->client->on_end;
            if (on_end) on_end();
        });
    }

    // Its memory is gone, and with it the session.
    void node_died() {
        session_.reset();
        tell_client();
    }

    void leadership_changed() {
        if (session_) session_->leadership_changed();
    }

    void client_closed() {
        client = nullptr;
        at_server([](SessionLink& self) { self.drop_session(); });
    }

private:
    Duration delay() {
        return cluster_.world_.random.between(std::chrono::microseconds(10), kClientDelayMax);
    }

    // In the order of the calls; a process that stands still finds it later.
    template <class Do>
    void at_server(Do what) {
        at_server_ = std::max(at_server_, cluster_.world_.now() + delay());
        cluster_.world_.schedule(at_server_, [self = shared_from_this(), what]() mutable {
            self->cluster_.run_when_awake(self->node_, [self, what] {
                if (self->session_) what(*self);
            });
        });
    }

    void to_client(Bytes bytes) {
        at_client_ = std::max(at_client_, cluster_.world_.now() + delay());
        cluster_.world_.schedule(at_client_, [self = shared_from_this(), bytes = std::move(bytes)] {
            if (self->client == nullptr) return;
            auto on_bytes = self->client->on_bytes;
            if (on_bytes) on_bytes(bytes);
        });
    }

    void drop_session() {
        if (!session_) return;
        auto session = std::exchange(session_, nullptr);
        session->close();
        if (Life* life = cluster_.node(node_).life.get()) {
            life->sessions.erase(number_);
            life->links.erase(number_);
        }
    }

    Cluster& cluster_;
    NodeId node_;
    std::uint64_t number_;
    std::shared_ptr<session::Session> session_;
    Duration at_server_{};
    Duration at_client_{};
    bool pumping_ = false;
};

Cluster::Cluster(World& world)
    : network(world,
              [this](NodeId from, NodeId to, Channel channel, Bytes frame) {
                  if (!running(to)) return;
                  chunks_sent_ += channel == Channel::kBulk;
                  run_unordered(to, [this, from, to, frame = std::move(frame)] {
                      replica(to).receive(from, frame);
                  });
              }),
      world_(world) {
    set_fatal_handler(&die);
}

Cluster::~Cluster() {
    for (auto& [id, node] : nodes_) {
        if (node->life) bury(*node);
    }
    set_fatal_handler(nullptr);
}

void Cluster::add(NodeOptions options) {
    auto node = std::make_unique<Node>();
    node->disk = std::make_unique<SimDisk>(world_.random.next());
    node->options = std::move(options);
    nodes_.emplace(node->options.replica.id, std::move(node));
}

void Cluster::expect_death(NodeId id) {
    node(id).may_die = true;
}

void Cluster::run_on(NodeId id, const std::function<void()>& what) {
    Node& node = this->node(id);
    try {
        what();
    } catch (const NodeDied& died) {
        if (node.may_die) {
            ++deaths_;
            if (on_expected_death) on_expected_death(id);
        } else {
            complaint_ = "node " + std::to_string(id.value()) + " died: " + died.what;
        }
        end(id, End::kCrash);
    } catch (const PowerCut&) {
        if (on_expected_death) on_expected_death(id);
        end(id, End::kCrash);
    }
    if (node.life && node.life->end != End::kNone && !node.life->executor.stepping()) bury(node);
}

void Cluster::run_when_awake(NodeId id, Task what) {
    if (!running(id)) return;
    Node& node = this->node(id);
    if (world_.now() >= node.paused_until) return run_on(id, what);
    world_.schedule(node.paused_until, [this, id, life = node.lives, what = std::move(what)] {
        if (this->node(id).lives == life) run_when_awake(id, what);
    });
}

// What waited for a time, and what came from peers, has no order after a pause, nor is it before or
// after what came from clients.
void Cluster::run_unordered(NodeId id, Task what) {
    Node& node = this->node(id);
    if (world_.now() >= node.paused_until) return run_when_awake(id, std::move(what));
    const Duration late = world_.random.between(Duration(0), kWakingMax);
    world_.schedule(node.paused_until + late, [this, id, life = node.lives, what] {
        if (this->node(id).lives == life) run_when_awake(id, what);
    });
}

void Cluster::pause(NodeId id, Duration duration) {
    Duration& until = node(id).paused_until;
    until = std::max(until, world_.now() + duration);
}

void Cluster::wake_all() {
    for (auto& [id, node] : nodes_) node->paused_until = std::min(node->paused_until, world_.now());
}

void Cluster::start(NodeId id) {
    Node& node = this->node(id);
    if (node.life) {  // the last life has not come to its end
        world_.schedule(world_.now() + kWakingMax, [this, id] {
            if (!running(id) && !retired(id)) start(id);
        });
        return;
    }
    ++node.lives;
    node.paused_until = {};
    node.life =
        std::make_unique<Life>(world_, node.options, [this, id](const Task& task, bool timer) {
            timer ? run_unordered(id, task) : run_when_awake(id, task);
        });
    node.life->network = std::make_unique<NodeNetwork>(network, id);
    node.life->events = std::make_unique<NodeEvents>(*this, id);
    node.disk->attach(node.life->executor);
    run_on(id, [&] { open(id, node); });
}

void Cluster::open(NodeId id, Node& node) {
    Life& life = *node.life;
    auto opened = replica::Replica::open(
        node.options.replica,
        {life.executor, life.random, *node.disk, *life.network, life.executor, *life.events});
    if (!opened.ok()) {
        if (node.may_die) {
            if (on_expected_death) on_expected_death(id);
        } else {
            complaint_ =
                "node " + std::to_string(id.value()) + " does not start: " + opened.error().message;
        }
        return end(id, End::kCrash);
    }
    node.may_die = false;
    life.replica = std::move(*opened);
    life.replica->set_callbacks({.leader_changed = [this, id] { tell_sessions(id); },
                                 .removed =
                                     [this, id](const std::string&) {
                                         world_.schedule(world_.now(), [this, id] { retire(id); });
                                     }});
}

void Cluster::tell_sessions(NodeId id) {
    const auto links = node(id).life->links;
    for (const auto& [number, weak] : links) {
        if (const auto link = weak.lock()) link->leadership_changed();
    }
}

// It is over for everyone else; its memory may have to wait for a statement.
void Cluster::end(NodeId id, End how) {
    Node& node = this->node(id);
    if (!node.life || node.life->end != End::kNone) return;
    node.life->end = how;
    node.life->executor.end();
    node.life->network->off = true;
    tell_peers(id);
    world_.schedule(world_.now(), [this, id] { run_on(id, [] {}); });
}

void Cluster::bury(Node& node) {
    Life& life = *node.life;
    node.disk->kill();  // what is let go of below does not reach it
    life.executor.end();
    life.network->off = true;
    auto sessions = std::move(life.sessions);
    for (const auto& [number, session] : sessions) session->close();
    for (const auto& [number, weak] : life.links) {
        if (const auto link = weak.lock()) link->node_died();
    }
    if (life.replica) life.replica->stop();
    life.executor.drain();
    sessions.clear();
    if (life.end != End::kKill) node.disk->crash(world_.random);
    node.life.reset();
}

void Cluster::crash(NodeId id) {
    end(id, End::kCrash);
}

void Cluster::kill(NodeId id) {
    end(id, End::kKill);
}

void Cluster::retire(NodeId id) {
    node(id).retired = true;
    end(id, End::kCrash);
}

// The others find the connection refused, if they can reach the machine at all.
void Cluster::tell_peers(NodeId gone) {
    for (const NodeId id : ids()) {
        if (id == gone || !network.connected(id, gone)) continue;
        const Duration delay =
            world_.random.between(std::chrono::microseconds(100), std::chrono::milliseconds(60));
        world_.schedule(world_.now() + delay, [this, id, gone] {
            if (running(gone)) return;
            run_when_awake(id, [this, id, gone] { replica(id).peer_gone(gone); });
        });
    }
}

bool Cluster::running(NodeId id) const {
    const Node& node = this->node(id);
    return node.life != nullptr && node.life->end == End::kNone;
}

bool Cluster::retired(NodeId id) const {
    return node(id).retired;
}

void Cluster::crash_after_changes(NodeId id, std::uint64_t count) {
    disk(id).cut_after_changes(count);
}

bool Cluster::paused(NodeId id) const {
    return world_.now() < node(id).paused_until;
}

std::uint64_t Cluster::lives(NodeId id) const {
    return node(id).lives;
}

std::vector<NodeId> Cluster::ids() const {
    std::vector<NodeId> ids;
    for (const auto& [id, node] : nodes_) {
        if (!node->retired) ids.push_back(id);
    }
    return ids;
}

std::vector<NodeId> Cluster::running_ids() const {
    std::vector<NodeId> ids = this->ids();
    std::erase_if(ids, [this](NodeId id) { return !running(id); });
    return ids;
}

replica::Replica& Cluster::replica(NodeId id) {
    return *node(id).life->replica;
}

SimDisk& Cluster::disk(NodeId id) {
    return *node(id).disk;
}

NodeClock& Cluster::clock(NodeId id) {
    return node(id).options.clock;
}

std::optional<NodeId> Cluster::leader() {
    std::optional<NodeId> found;
    for (const NodeId id : running_ids()) {
        if (!replica(id).check_leader().ok()) continue;
        if (!found || replica(*found).status().term < replica(id).status().term) found = id;
    }
    return found;
}

std::unique_ptr<Link> Cluster::dial(NodeId id) {
    if (!running(id)) return nullptr;
    auto link = std::make_shared<SessionLink>(*this, id, ++last_link_);
    link->open();
    return std::make_unique<SessionLink::Handle>(std::move(link));
}

bool Cluster::is_member(NodeId id) {
    const std::optional<NodeId> leading = leader();
    return !leading || replica(*leading).configuration().find(id) != nullptr;
}

// To one that was removed nobody sends pages.
bool Cluster::readable() {
    bool readable = true;
    for (const NodeId id : running_ids()) {
        if (!is_member(id)) continue;
        run_on(id, [&] {
            database::Database* const database = replica(id).store().find("test");
            readable &= database == nullptr || database->checksum().ok();
        });
    }
    return readable;
}

std::optional<std::string> Cluster::compare_databases(bool damaged) {
    std::map<Index, std::pair<NodeId, std::uint64_t>> seen;
    for (const NodeId id : running_ids()) {
        database::Database* database = replica(id).store().find("test");
        if (database == nullptr) continue;
        const Index applied = replica(id).status().applied;
        // Pages may be newer than what was applied, until that has come.
        if (applied < replica(id).store().known_committed()) continue;
        auto checksum = database->checksum();
        if (!checksum.ok() && (damaged || !is_member(id))) continue;
        if (!checksum.ok()) return "checksum: " + checksum.error().message;
        const auto [at, fresh] = seen.try_emplace(applied, id, *checksum);
        if (!fresh && at->second.second != *checksum) {
            return "nodes " + std::to_string(at->second.first.value()) + " and " +
                   std::to_string(id.value()) + " differ at index " +
                   std::to_string(applied.value());
        }
    }
    return {};
}

}  // namespace quorlite::sim
