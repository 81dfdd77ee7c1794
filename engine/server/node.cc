#include "quorlite/node.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <thread>

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/cluster/joiner.h"
#include "engine/cluster/roles.h"
#include "engine/database/sqlite.h"
#include "engine/replica/replica.h"
#include "engine/server/joining.h"
#include "engine/server/listener.h"
#include "engine/server/log.h"
#include "engine/server/loop.h"
#include "engine/server/peers.h"
#include "engine/server/system.h"
#include "quorlite/node_options.h"
#include "wire/base/mutex.h"

namespace quorlite {
namespace {

constexpr std::uint64_t kFirstNodeId = 1;
// A node that hears of no leader for so many election timeouts asks the others whether it is still
// a member, and, told that it is not, asks again half of that later.
constexpr int kLeaderlessTimeouts = 10;
constexpr Duration kRolesInterval = std::chrono::seconds(1);
constexpr Duration kSilenceMax = std::chrono::seconds(15);  // of a voter, until it is replaced
constexpr Duration kReadyInterval = std::chrono::milliseconds(5);
constexpr std::chrono::milliseconds kPollInterval{2};
constexpr std::chrono::milliseconds kFinishMax{1'500};
constexpr int kHandoverAttempts = 3;
constexpr std::chrono::milliseconds kHandoverMax{2'000};  // an attempt, at any election timeout
// How long a node that was leader goes on answering "not leader" before it closes: a client that
// hears it knows that nothing was done, one that only sees its connection close does not.
constexpr std::chrono::milliseconds kDrainRefusals{300};

using Kind = NodeError::Kind;

server::LogLevel translate(NodeLogLevel level) {
    switch (level) {
        case NodeLogLevel::kDebug:
            return server::LogLevel::kDebug;
        case NodeLogLevel::kInfo:
            return server::LogLevel::kInfo;
        case NodeLogLevel::kWarning:
            return server::LogLevel::kWarning;
        case NodeLogLevel::kError:
            return server::LogLevel::kError;
        case NodeLogLevel::kOff:
            return server::LogLevel::kOff;
    }
    return server::LogLevel::kOff;
}

std::string role_name(raft::RoleName role) {
    switch (role) {
        case raft::RoleName::kLeader:
            return "leader";
        case raft::RoleName::kFollower:
            return "follower";
        case raft::RoleName::kPreCandidate:
        case raft::RoleName::kCandidate:
            return "candidate";
    }
    return "follower";
}

// How the descriptors that the process may have are shared.
struct DescriptorShares {
    server::Descriptors listener;
    std::size_t base_files = 0;
    std::size_t temporary_files = 0;
};

DescriptorShares share_descriptors(std::size_t limit) {
    DescriptorShares shares;
    shares.base_files = std::min(limit / 8, limits::kBaseFilesOpenMax);
    shares.temporary_files = std::min(limit / 16, limits::kTemporaryFilesMax);
    const std::size_t peers = std::min(limit / 8, limits::kPeerDescriptorsMax);
    const std::size_t others = shares.base_files + shares.temporary_files + limits::kLogDescriptors;
    shares.listener.limit = limit;
    shares.listener.peers_below = static_cast<int>(limit - others);
    shares.listener.clients_below = static_cast<int>(limit - others - peers);
    return shares;
}

}  // namespace

struct Node::Impl {
    explicit Impl(NodeOptions options_)
        : options(std::move(options_)),
          log(translate(options.log_level)),
          loop(clock, {.busy_poll_max = options.busy_poll}),
          dialer(loop, options.connect),
          peers(loop, dialer, clock, random, log) {}
    ~Impl() { stop(); }

    const NodeOptions options;
    server::Log log;
    server::SystemClock clock;
    server::SystemRandom random;
    server::Loop loop;
    DescriptorShares descriptors;
    std::unique_ptr<Disk> disk;
    server::Dialer dialer;
    server::Peers peers;
    std::unique_ptr<replica::Replica> replica;
    std::unique_ptr<server::Listener> listener;
    std::unique_ptr<server::Joining> joining;
    std::unique_ptr<server::Joining> verification;  // asks whether this member is still one
    TimePoint last_led{};  // when a leader was last known, or the members last answered
    bool has_role = true;  // false while the node joins: a voter begins as a spare and a standby
    std::vector<NodeId> voters_before;  // while this node leads
    bool voter_removed = false;         // and its place is not taken yet
    bool changing_role = false;
    bool is_open = false;
    bool stopped = false;
    NodeStatus last_status;  // once it is stopped

    Mutex outcome_mutex;
    std::condition_variable outcome_known;
    bool ready QUORLITE_GUARDED_BY(outcome_mutex) = false;
    std::optional<NodeError> failure QUORLITE_GUARDED_BY(outcome_mutex);

    std::optional<NodeError> open();
    std::optional<NodeError> count_descriptors();
    std::optional<NodeError> open_disk();
    std::optional<NodeError> check_membership();
    Result<replica::Options> replica_options();
    NodeError directory_error(const Error& error) const;
    std::optional<NodeError> bind(const std::string& address);
    std::optional<NodeError> open_replica();
    std::optional<NodeError> serve();
    std::optional<NodeError> join_if_needed();
    Status record_seeds();
    void forget_seeds_beyond(Index known);
    void forget_seeds();
    void join(std::vector<std::string> seeds);
    void verify_membership(std::vector<std::string> seeds);
    void watch_leaderless();
    void watch_roles();
    void change_role(const cluster::RoleChange& change);
    void watch_readiness();
    bool is_ready() const;
    bool has_failed() QUORLITE_EXCLUDES(outcome_mutex);
    void report_ready();
    void report_failure(NodeError error);
    bool transfer_once();
    NodeStatus status() const;
    bool handover();
    void drain();
    void wait_until(const std::function<bool()>& over, std::chrono::milliseconds time);
    void wait_for_clients(std::chrono::milliseconds time);
    void wait_for_statements(std::chrono::milliseconds time);
    void stop();
};

// ---- Starting; on the loop ----

std::optional<NodeError> Node::Impl::open() {
    if (auto error = count_descriptors()) return error;
    if (auto error = open_disk()) return error;
    if (auto error = check_membership()) return error;
    if (auto error = open_replica()) return error;
    if (auto error = serve()) return error;
    if (auto error = join_if_needed()) return error;
    watch_readiness();
    watch_leaderless();
    if (options.manage_roles) watch_roles();
    is_open = true;
    return std::nullopt;
}

// A node that has not joined yet, or has no role yet, looks for its cluster where it was told to,
// also after a restart.
std::optional<NodeError> Node::Impl::join_if_needed() {
    const raft::Server* self = replica->configuration().find(replica->id());
    if (self == nullptr) {
        if (const Status saved = record_seeds(); !saved) return directory_error(saved.error());
    }
    const auto seeds = disk::load_seeds(*disk);
    if (!seeds) return directory_error(seeds.error());
    if (self == nullptr && seeds->empty()) {
        return NodeError{Kind::kJoin, "node " + std::to_string(replica->id().value()) +
                                          " is not a member of a cluster: give the addresses of "
                                          "members with --join"};
    }
    const bool has_role_already = self != nullptr && self->role != raft::Role::kSpare;
    if (!seeds->empty() && !has_role_already) {
        join(*seeds);
        return std::nullopt;
    }
    if (!seeds->empty()) forget_seeds();
    if (!options.join.empty()) verify_membership(options.join);
    return std::nullopt;
}

std::optional<NodeError> Node::Impl::count_descriptors() {
    const std::size_t limit = server::descriptor_limit();
    if (limit < limits::kDescriptorsMin) {
        return NodeError{Kind::kOther, "the limit on open files is " + std::to_string(limit) +
                                           ": raise it to " +
                                           std::to_string(limits::kDescriptorsMin) +
                                           " or more (ulimit -n, LimitNOFILE)"};
    }
    descriptors = share_descriptors(limit);
    return std::nullopt;
}

Status Node::Impl::record_seeds() {
    return options.join.empty() ? Status() : disk::save_seeds(*disk, options.join);
}

// The cluster knows the node as a member before the node itself does, above all while a snapshot is
// on its way; until its own disk says so, up to `known`, a restart has to find the cluster again.
void Node::Impl::forget_seeds_beyond(Index known) {
    if (replica->status().durable >= known) return forget_seeds();
    loop.after(kReadyInterval, [this, known] { forget_seeds_beyond(known); });
}

// A member that is removed later must not come back by itself.
void Node::Impl::forget_seeds() {
    const Status saved = disk::save_seeds(*disk, {});
    if (!saved)
        log.warning("the addresses to join cannot be forgotten",
                    {{"reason", saved.error().message}});
}

std::optional<NodeError> Node::Impl::open_disk() {
    const disk::Reactor reactor{
        [this](int descriptor, Task readable) { loop.watch(descriptor, std::move(readable)); }};
    std::string libaio_error;
    if (options.disk != NodeDisk::kPortable) {
        auto opened = disk::open_libaio_disk(options.directory, loop, reactor);
        if (opened) {
            disk = std::move(*opened);
            return std::nullopt;
        }
        const bool final = options.disk == NodeDisk::kLibaio || opened.error().code == code::kBusy;
        if (final) return NodeError{Kind::kDirectory, opened.error().message};
        libaio_error = opened.error().message;
    }
    auto opened = disk::open_portable_disk(options.directory, loop);
    if (!opened) return NodeError{Kind::kDirectory, opened.error().message};
    disk = std::move(*opened);
    if (!libaio_error.empty()) log.info("no direct disk access", {{"reason", libaio_error}});
    return std::nullopt;
}

std::optional<NodeError> Node::Impl::check_membership() {
    const auto records = disk::Records::open(*disk);
    if (!records) return directory_error(records.error());
    const auto identity = (*records)->identity();
    if (!identity || !identity->removed) return std::nullopt;
    return NodeError{Kind::kRemoved, "the cluster has removed node " +
                                         std::to_string(identity->id.value()) +
                                         ", whose directory is " + options.directory +
                                         ": to let this machine join again, start it with an "
                                         "empty directory and --join"};
}

// What the directory says about the node, completed for a new one by what was asked for.
Result<replica::Options> Node::Impl::replica_options() {
    replica::Options wanted{
        .id = NodeId(options.id),
        .address = options.address,
        .bootstrap = options.bootstrap,
        .election_timeout = options.election_timeout,
        .heartbeat = options.heartbeat,
        .write_timeout = options.write_timeout,
        .log_tail_bytes = options.log_tail_bytes,
        .quorum_reads = options.quorum_reads,
        .log = {},
        .database = {},
    };
    wanted.database.transaction_bytes_max = options.transaction_bytes_max;
    wanted.database.flush_bytes = options.flush_bytes;
    wanted.database.page_cache_bytes = options.cache_per_connection_bytes;
    wanted.database.page_caches_bytes = options.cache_total_bytes;
    wanted.database.memory_bytes_max = options.memory_bytes_max;
    wanted.database.temporary_bytes_max = options.temporary_bytes_max;
    wanted.database.base_files_open_max = descriptors.base_files;
    wanted.database.temporary_files_max = descriptors.temporary_files;
    wanted.database.legacy_null_types = options.legacy_null_types;
    const auto records = disk::Records::open(*disk);
    if (!records) return records.error();
    if (const auto identity = (*records)->identity()) {
        if (wanted.address.empty()) wanted.address = identity->address;
        return wanted;
    }
    // Before there is an identity: a node that began to join never takes itself for the first one.
    if (const Status saved = record_seeds(); !saved) return saved.error();
    const auto seeds = disk::load_seeds(*disk);
    if (!seeds) return seeds.error();
    if (seeds->empty() && !options.bootstrap) {
        return Error{code::kError,
                     "the directory " + options.directory +
                         " is new: found a new cluster with --bootstrap, or give members of the "
                         "cluster that it is to join with --join"};
    }
    if (options.address.empty()) {
        return Error{code::kError,
                     "the directory " + options.directory +
                         " is new: give the node an address with --address HOST:PORT"};
    }
    if (!wanted.id) {
        // Half of 64 bits: some clients keep ids as signed numbers.
        const std::uint64_t drawn = (random.next() >> 1) | 2;
        wanted.id = NodeId(wanted.bootstrap ? kFirstNodeId : drawn);
    }
    return wanted;
}

// Errors from below name files; an operator with several nodes needs the directory as well.
NodeError Node::Impl::directory_error(const Error& error) const {
    std::string message = error.message;
    if (message.find(options.directory) == std::string::npos) {
        message = "directory " + options.directory + ": " + message;
    }
    if (error.code == code::kFull) message += ": free some space, then start the node again";
    return {Kind::kDirectory, std::move(message)};
}

std::optional<NodeError> Node::Impl::open_replica() {
    const Result<replica::Options> wanted = replica_options();
    if (!wanted) return directory_error(wanted.error());
    // First: a directory that was made for an address which cannot be had would be of no use.
    if (auto error = bind(options.listen.empty() ? wanted->address : options.listen)) return error;
    auto made = replica::Replica::open(*wanted, {.clock = clock,
                                                 .random = random,
                                                 .disk = *disk,
                                                 .network = peers,
                                                 .executor = loop,
                                                 .events = log});
    if (!made) return directory_error(made.error());
    replica = std::move(*made);
    return std::nullopt;
}

std::optional<NodeError> Node::Impl::bind(const std::string& address) {
    server::ListenerOptions wanted;
    wanted.connections_max = options.connections_max;
    wanted.buffers_bytes_max = options.buffers_bytes_max;
    wanted.descriptors = descriptors.listener;
    wanted.session.busy_timeout = options.busy_timeout;
    wanted.session.idle_transaction = options.idle_transaction;
    wanted.session.failure_domain = options.failure_domain;
    wanted.session.legacy_null_types = options.legacy_null_types;
    listener = std::make_unique<server::Listener>(
        loop, clock, log, wanted,
        [this](std::unique_ptr<server::Stream> stream, ByteView received) {
            peers.adopt(std::move(stream), received);
        });
    if (const Status bound = listener->bind(address); !bound) {
        return NodeError{Kind::kListen, bound.error().message};
    }
    return std::nullopt;
}

std::optional<NodeError> Node::Impl::serve() {
    replica->on_leader_change = [this] { listener->leadership_changed(); };
    replica->on_removed = [this](std::string reason) {
        report_failure({Kind::kRemoved, std::move(reason)});
    };
    replica->on_diverged = [this](std::string reason) {
        report_failure({Kind::kDirectory, std::move(reason)});
    };
    peers.start(
        {.self = replica->id(),
         .address = replica->address(),
         .cluster = [this] { return replica->cluster_id(); },
         .is_member =
             [this](NodeId node) { return replica->configuration().find(node) != nullptr; },
         .election_timeout = options.election_timeout},
        [this](NodeId sender, Channel, ByteView frame) { return replica->receive(sender, frame); },
        [this](NodeId node) { replica->peer_gone(node); });
    if (const Status listening = listener->listen(*replica); !listening) {
        return NodeError{Kind::kListen, listening.error().message};
    }
    return std::nullopt;
}

void Node::Impl::join(std::vector<std::string> seeds) {
    cluster::JoinerOptions wanted{.id = replica->id(),
                                  .address = replica->address(),
                                  .seeds = std::move(seeds),
                                  .patience = options.join_timeout,
                                  .cluster = replica->cluster_id()};
    has_role = false;
    joining = std::make_unique<server::Joining>(
        loop, dialer, clock, log, std::move(wanted),
        [this](ClusterId cluster) { replica->meet_cluster(cluster); },
        [this](const Result<wire::Role>& role) {
            if (!role) return report_failure({Kind::kJoin, role.error().message});
            has_role = true;
            log.info("joined", {{"role", *role == wire::Role::kVoter ? "voter" : "standby"}});
        });
    joining->start();
}

void Node::Impl::verify_membership(std::vector<std::string> seeds) {
    cluster::JoinerOptions wanted{.id = replica->id(),
                                  .address = replica->address(),
                                  .seeds = std::move(seeds),
                                  .doubt = options.election_timeout * kLeaderlessTimeouts / 2,
                                  .cluster = replica->cluster_id()};
    verification = std::make_unique<server::Joining>(
        loop, dialer, clock, log, std::move(wanted), nullptr,
        [this](const Result<wire::Role>& role) {
            verification = nullptr;
            last_led = clock.now();
            if (!role) report_failure({Kind::kRemoved, role.error().message});
        });
    verification->start();
}

// A node that was removed while it was down, or cut off, has nobody who tells it.
void Node::Impl::watch_leaderless() {
    const TimePoint now = clock.now();
    if (replica->leader().id || last_led == TimePoint{}) last_led = now;
    if (has_role && !verification &&
        now - last_led > options.election_timeout * kLeaderlessTimeouts) {
        std::vector<std::string> others;
        for (const raft::Server& server : replica->configuration().servers) {
            if (server.id != replica->id()) others.push_back(server.address);
        }
        if (!others.empty()) verify_membership(std::move(others));
    }
    loop.after(options.election_timeout, [this] { watch_leaderless(); });
}

// While this node leads; a change takes the time that catching up takes.
void Node::Impl::watch_roles() {
    loop.after(kRolesInterval, [this] { watch_roles(); });
    if (!replica->check_leader()) {
        voters_before.clear();
        voter_removed = false;
        return;
    }
    const raft::Configuration& members = replica->configuration();
    for (const NodeId voter : voters_before) {
        if (members.find(voter) == nullptr) voter_removed = true;
    }
    voters_before.clear();
    for (const raft::Server& server : members.servers) {
        if (server.role == raft::Role::kVoter) voters_before.push_back(server.id);
    }
    if (voters_before.size() >= cluster::kVotersWanted) voter_removed = false;
    if (changing_role) return;
    const Duration patience = std::max(kSilenceMax, 10 * Duration(options.election_timeout));
    if (const auto change = cluster::next_role_change(
            replica->id(), members, replica->status().peers, patience, voter_removed)) {
        change_role(*change);
    }
}

void Node::Impl::change_role(const cluster::RoleChange& change) {
    changing_role = true;
    const char* const role = change.role == raft::Role::kVoter ? "voter" : "standby";
    replica->assign(change.node, change.role, [this, node = change.node, role](const Status& done) {
        changing_role = false;
        if (!done) return;  // tried again, if it is still wanted
        log.info("role changed, for a voter is gone", {{"node", node.value()}, {"role", role}});
    });
}

bool Node::Impl::is_ready() const {
    const raft::Server* self = replica->configuration().find(replica->id());
    if (self == nullptr || !has_role) return false;
    if (self->role != raft::Role::kVoter)
        return true;  // is told of no leader (protocol section 6.1)
    const replica::Leader leader = replica->leader();
    return leader.id == replica->id() ? replica->check_leader().ok() : bool(leader.id);
}

void Node::Impl::watch_readiness() {
    if (is_ready()) {
        if (joining) forget_seeds_beyond(replica->status().last);
        return report_ready();
    }
    loop.after(kReadyInterval, [this] { watch_readiness(); });
}

void Node::Impl::report_ready() {
    log.info("ready", {{"id", replica->id().value()}, {"address", replica->address()}});
    {
        const MutexLock lock(outcome_mutex);
        ready = true;
    }
    outcome_known.notify_all();
    if (options.on_ready) options.on_ready();
}

bool Node::Impl::has_failed() {
    const MutexLock lock(outcome_mutex);
    return failure.has_value();
}

void Node::Impl::report_failure(NodeError error) {
    {
        const MutexLock lock(outcome_mutex);
        if (failure) return;
        failure = error;
    }
    outcome_known.notify_all();
    if (options.on_failed) return options.on_failed(error);
    log.error("failed", {{"reason", error.message}});
}

// ---- Stopping; not on the loop ----

bool Node::Impl::transfer_once() {
    struct Outcome {
        std::promise<void> over;
        bool leading = false;
    };
    const auto outcome = std::make_shared<Outcome>();
    loop.run([&] {
        const replica::ReplicaStatus status = replica->status();
        outcome->leading = status.role == raft::RoleName::kLeader;
        const NodeId successor =
            cluster::best_successor(replica->id(), replica->configuration(), status.peers);
        if (!outcome->leading || !successor) return outcome->over.set_value();
        replica->transfer(successor, [outcome](const Status& result) {
            outcome->leading = !result.ok();
            outcome->over.set_value();
        });
    });
    const auto patience = std::min(2 * options.election_timeout, kHandoverMax);
    const auto ended = outcome->over.get_future().wait_for(patience);
    return ended == std::future_status::ready && !outcome->leading;
}

// On the loop.
NodeStatus Node::Impl::status() const {
    const replica::ReplicaStatus inner = replica->status();
    return {.id = replica->id().value(),
            .address = replica->address(),
            .role = role_name(inner.role),
            .leader_id = inner.leader.id.value(),
            .leader_address = inner.leader.address,
            .term = inner.term.value(),
            .last_index = inner.last.value(),
            .committed_index = inner.committed.value(),
            .applied_index = inner.applied.value(),
            .clients = listener->client_count(),
            .memory_bytes = inner.memory_bytes,
            .log_bytes = inner.log_bytes,
            .connections_refused = listener->counters().refused,
            .peer_frames_dropped = peers.counters().frames_dropped,
            .statements_overstayed = loop.counters().hand_offs};
}

bool Node::Impl::handover() {
    if (stopped) return true;
    for (int attempt = 0; attempt < kHandoverAttempts; ++attempt) {
        if (transfer_once()) return true;
    }
    return false;
}

// Until `over`, which is asked on the loop, or for so long at most.
void Node::Impl::wait_until(const std::function<bool()>& over, std::chrono::milliseconds time) {
    for (std::chrono::milliseconds waited{0}; waited < time; waited += kPollInterval) {
        bool ended = false;
        loop.run([&] { ended = over(); });
        if (ended) return;
        std::this_thread::sleep_for(kPollInterval);
    }
}

void Node::Impl::wait_for_clients(std::chrono::milliseconds time) {
    wait_until([this] { return listener->client_count() == 0; }, time);
}

// What runs now is lost with the leadership: a read could not be tried again by its client once
// rows of it were delivered.
void Node::Impl::wait_for_statements(std::chrono::milliseconds time) {
    std::function<bool()> running;
    loop.run([&] { running = listener->statements_running(); });
    wait_until([&] { return !running(); }, time);
    loop.run([&] { running = nullptr; });  // with what it holds
}

void Node::Impl::drain() {
    bool leading = false;
    bool alone = true;
    loop.run([&] {
        leading = replica->status().role == raft::RoleName::kLeader;
        alone = replica->configuration().voter_count() <= 1;
    });
    if (leading && !alone) wait_for_statements(kFinishMax);
    if (leading && !alone && handover()) {
        log.info("handed leadership over");
        wait_for_clients(kDrainRefusals);
    }
    loop.run([this] { listener->finish(); });
    wait_for_clients(kFinishMax);
}

void Node::Impl::stop() {
    if (stopped) return;
    if (replica && listener) drain();
    stopped = true;
    loop.run([this] {
        if (replica && listener) last_status = status();
        if (joining) joining->stop();
        if (verification) verification->stop();
        if (listener) listener->close();
        peers.stop();
        if (!replica) return;
        replica->on_leader_change = nullptr;
        replica->on_removed = nullptr;
        replica->on_diverged = nullptr;
        replica->stop();
    });
    dialer.stop();
    loop.stop();
    if (is_open && !has_failed()) log.info("stopped");
    joining.reset();
    verification.reset();
    listener.reset();
    replica.reset();
    disk.reset();
}

// ---- The public face ----

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

SqliteBuild Node::sqlite() {
    return {database::sqlite_version(), database::sqlite_origin()};
}

Node::Started Node::start(NodeOptions options) {
    if (auto error = check(options)) return std::move(*error);
    auto impl = std::make_unique<Impl>(std::move(options));
    impl->loop.round_ended = [impl = impl.get()] {
        impl->peers.flush();
        if (impl->listener) impl->listener->send_answers();
    };
    impl->loop.start();
    std::optional<NodeError> error;
    impl->loop.run([&] { error = impl->open(); });
    if (error) return std::move(*error);
    return Node(std::move(impl));
}

std::optional<NodeError> Node::wait_ready(std::chrono::milliseconds timeout) {
    MutexLock lock(impl_->outcome_mutex);
    const bool known = impl_->outcome_known.wait_for(
        lock.native(), timeout, [this]() QUORLITE_REQUIRES(impl_->outcome_mutex) {
            return impl_->ready || impl_->failure;
        });
    if (impl_->failure) return impl_->failure;
    if (known) return std::nullopt;
    return NodeError{Kind::kTimeout, "no leader yet: check that a majority of the voters runs"};
}

NodeStatus Node::status() const {
    if (impl_->stopped) return impl_->last_status;
    NodeStatus status;
    impl_->loop.run([&] { status = impl_->status(); });
    return status;
}

bool Node::handover() {
    return impl_->handover();
}

void Node::stop() {
    impl_->stop();
}

}  // namespace quorlite
