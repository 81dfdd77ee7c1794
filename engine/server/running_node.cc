#include "engine/server/running_node.h"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "engine/base/limits.h"
#include "engine/cluster/roles.h"

namespace quorlite::server {
namespace {

constexpr std::uint64_t kFirstNodeId = 1;
constexpr Duration kReadyInterval = std::chrono::milliseconds(5);
constexpr std::chrono::milliseconds kPollInterval{2};
constexpr std::chrono::milliseconds kFinishMax{1'500};
constexpr int kHandoverAttempts = 3;
constexpr std::chrono::milliseconds kHandoverMax{2'000};  // an attempt, at any election timeout
// How long a node that was leader goes on answering "not leader" before it closes: a client that
// hears it knows that nothing was done, one that only sees its connection close does not.
constexpr std::chrono::milliseconds kDrainRefusals{300};

using Kind = NodeError::Kind;

LogLevel translate(NodeLogLevel level) {
    switch (level) {
        case NodeLogLevel::kDebug:
            return LogLevel::kDebug;
        case NodeLogLevel::kInfo:
            return LogLevel::kInfo;
        case NodeLogLevel::kWarning:
            return LogLevel::kWarning;
        case NodeLogLevel::kError:
            return LogLevel::kError;
        case NodeLogLevel::kOff:
            return LogLevel::kOff;
    }
    return LogLevel::kOff;
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

void Outcome::set_ready() {
    {
        const MutexLock lock(mutex_);
        ready_ = true;
    }
    known_.notify_all();
}

bool Outcome::set_failed(NodeError error) {
    {
        const MutexLock lock(mutex_);
        if (failure_) return false;
        failure_ = std::move(error);
    }
    known_.notify_all();
    return true;
}

bool Outcome::has_failed() const {
    const MutexLock lock(mutex_);
    return failure_.has_value();
}

std::optional<NodeError> Outcome::wait(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    const bool known = known_.wait_for(
        lock.native(), timeout, [this]() QUORLITE_REQUIRES(mutex_) { return ready_ || failure_; });
    if (failure_) return failure_;
    if (known) return std::nullopt;
    return NodeError{Kind::kTimeout, "no leader yet: check that a majority of the voters runs"};
}

// ---- Starting ----

RunningNode::RunningNode(NodeOptions options)
    : options_(std::move(options)),
      log_(translate(options_.log_level)),
      loop_(clock_, {.busy_poll_max = options_.busy_poll}),
      dialer_(loop_, options_.connect),
      peers_(loop_, dialer_, clock_, random_, log_) {
    loop_.round_ended = [this] {
        peers_.flush();
        if (listener_) listener_->send_answers();
    };
}

RunningNode::~RunningNode() {
    stop();
}

std::optional<NodeError> RunningNode::start(
    const std::shared_ptr<const disk::Directory>& directory) {
    loop_.start();
    std::optional<NodeError> error;
    loop_.run([&] { error = open(directory); });
    if (error) stop();
    return error;
}

std::optional<NodeError> RunningNode::open(
    const std::shared_ptr<const disk::Directory>& directory) {
    if (auto error = count_descriptors()) return error;
    if (auto error = open_disk(directory)) return error;
    if (auto error = open_replica()) return error;
    if (auto error = serve()) return error;
    const auto failed = [this](NodeError error) { report_failure(std::move(error)); };
    membership_ = std::make_unique<Membership>(
        MembershipParts{loop_, dialer_, clock_, log_, *disk_, *replica_}, options_, failed);
    if (auto error = membership_->start()) return error;
    watch_readiness();
    roles_ = std::make_unique<RoleKeeper>(loop_, log_, *replica_, options_.election_timeout);
    if (options_.manage_roles) roles_->watch();
    is_open_ = true;
    return std::nullopt;
}

std::optional<NodeError> RunningNode::count_descriptors() {
    const std::size_t limit = descriptor_limit();
    if (limit < limits::kDescriptorsMin) {
        return NodeError{Kind::kOther, "the limit on open files is " + std::to_string(limit) +
                                           ": raise it to " +
                                           std::to_string(limits::kDescriptorsMin) +
                                           " or more (ulimit -n, LimitNOFILE)"};
    }
    descriptors_ = share_descriptors(limit);
    return std::nullopt;
}

std::optional<NodeError> RunningNode::open_disk(
    const std::shared_ptr<const disk::Directory>& directory) {
    if (options_.disk != NodeDisk::kPortable) {
        const disk::Reactor reactor{[this](int descriptor, Task readable) {
            loop_.watch(descriptor, std::move(readable));
        }};
        auto opened = disk::open_libaio_disk(directory, loop_, reactor);
        if (opened) {
            disk_ = std::move(*opened);
            return std::nullopt;
        }
        const std::string& reason = opened.error().message;
        if (options_.disk == NodeDisk::kLibaio) return NodeError{Kind::kDirectory, reason};
        log_.info("no direct disk access", {{"reason", reason}});
    }
    disk_ = disk::portable_disk(directory, loop_);
    return std::nullopt;
}

// What the directory says about the node, completed for a new one by what was asked for.
Result<replica::Options> RunningNode::replica_options() {
    replica::Options wanted{
        .id = NodeId(options_.id),
        .address = options_.address,
        .bootstrap = options_.bootstrap,
        .election_timeout = options_.election_timeout,
        .heartbeat = options_.heartbeat,
        .write_timeout = options_.write_timeout,
        .log_tail_bytes = options_.log_tail_bytes,
        .quorum_reads = options_.quorum_reads,
        .log = {},
        .database = {},
    };
    wanted.database.transaction_bytes_max = options_.transaction_bytes_max;
    wanted.database.flush_bytes = options_.flush_bytes;
    wanted.database.page_cache_bytes = options_.cache_per_connection_bytes;
    wanted.database.page_caches_bytes = options_.cache_total_bytes;
    wanted.database.memory_bytes_max = options_.memory_bytes_max;
    wanted.database.temporary_bytes_max = options_.temporary_bytes_max;
    wanted.database.base_files_open_max = descriptors_.base_files;
    wanted.database.temporary_files_max = descriptors_.temporary_files;
    wanted.database.legacy_null_types = options_.legacy_null_types;
    const auto records = disk::Records::open(*disk_);
    if (!records) return records.error();
    if (const auto identity = (*records)->identity()) {
        if (wanted.address.empty()) wanted.address = identity->address;
        return wanted;
    }
    // Before there is an identity: a node that began to join never takes itself for the first one.
    if (!options_.join.empty()) {
        if (Status saved = disk::save_seeds(*disk_, options_.join); !saved) return saved.error();
    }
    const auto seeds = disk::load_seeds(*disk_);
    if (!seeds) return seeds.error();
    if (seeds->empty() && !options_.bootstrap) {
        return Error{code::kError,
                     "the directory " + options_.directory +
                         " is new: found a new cluster with --bootstrap, or give members of the "
                         "cluster that it is to join with --join"};
    }
    if (options_.address.empty()) {
        return Error{code::kError,
                     "the directory " + options_.directory +
                         " is new: give the node an address with --address HOST:PORT"};
    }
    if (!wanted.id) {
        // Half of 64 bits: some clients keep ids as signed numbers.
        const std::uint64_t drawn = (random_.next() >> 1) | 2;
        wanted.id = NodeId(wanted.bootstrap ? kFirstNodeId : drawn);
    }
    return wanted;
}

std::optional<NodeError> RunningNode::open_replica() {
    const Result<replica::Options> wanted = replica_options();
    if (!wanted) return directory_error(options_.directory, wanted.error());
    // First: a directory that was made for an address which cannot be had would be of no use.
    if (auto error = bind(options_.listen.empty() ? wanted->address : options_.listen))
        return error;
    auto made = replica::Replica::open(*wanted, {.clock = clock_,
                                                 .random = random_,
                                                 .disk = *disk_,
                                                 .network = peers_,
                                                 .executor = loop_,
                                                 .events = log_});
    if (!made) return directory_error(options_.directory, made.error());
    replica_ = std::move(*made);
    return std::nullopt;
}

std::optional<NodeError> RunningNode::bind(const std::string& address) {
    ListenerOptions wanted;
    wanted.connections_max = options_.connections_max;
    wanted.buffers_bytes_max = options_.buffers_bytes_max;
    wanted.descriptors = descriptors_.listener;
    wanted.session.busy_timeout = options_.busy_timeout;
    wanted.session.idle_transaction = options_.idle_transaction;
    wanted.session.failure_domain = options_.failure_domain;
    wanted.session.legacy_null_types = options_.legacy_null_types;
    listener_ = std::make_unique<Listener>(
        loop_, clock_, log_, wanted, [this](std::unique_ptr<Stream> stream, ByteView received) {
            peers_.adopt(std::move(stream), received);
        });
    if (const Status bound = listener_->bind(address); !bound) {
        return NodeError{Kind::kListen, bound.error().message};
    }
    return std::nullopt;
}

std::optional<NodeError> RunningNode::serve() {
    replica_->set_callbacks(
        {.leader_changed = [this] { listener_->leadership_changed(); },
         .removed =
             [this](std::string reason) { report_failure({Kind::kRemoved, std::move(reason)}); },
         .diverged =
             [this](std::string reason) {
                 report_failure({Kind::kDirectory, std::move(reason)});
             }});
    peers_.start(
        {.self = replica_->id(),
         .address = replica_->address(),
         .cluster = [this] { return replica_->cluster_id(); },
         .is_member =
             [this](NodeId node) { return replica_->configuration().find(node) != nullptr; },
         .election_timeout = options_.election_timeout},
        [this](NodeId sender, Channel, ByteView frame) { return replica_->receive(sender, frame); },
        [this](NodeId node) { replica_->peer_gone(node); });
    if (const Status listening = listener_->listen(*replica_); !listening) {
        return NodeError{Kind::kListen, listening.error().message};
    }
    return std::nullopt;
}

void RunningNode::watch_readiness() {
    if (membership_->is_ready()) {
        membership_->became_ready();
        return report_ready();
    }
    loop_.after(kReadyInterval, [this] { watch_readiness(); });
}

void RunningNode::report_ready() {
    log_.info("ready", {{"id", replica_->id().value()}, {"address", replica_->address()}});
    outcome_.set_ready();
    if (options_.on_ready) options_.on_ready();
}

void RunningNode::report_failure(NodeError error) {
    if (!outcome_.set_failed(error)) return;
    if (options_.on_failed) return options_.on_failed(error);
    log_.error("failed", {{"reason", error.message}});
}

// ---- Stopping; not on the loop ----

bool RunningNode::transfer_once() {
    struct Transfer {
        std::promise<void> over;
        bool leading = false;
    };
    const auto transfer = std::make_shared<Transfer>();
    loop_.run([&] {
        const replica::ReplicaStatus status = replica_->status();
        transfer->leading = status.role == raft::RoleName::kLeader;
        const NodeId successor =
            cluster::best_successor(replica_->id(), replica_->configuration(), status.peers);
        if (!transfer->leading || !successor) return transfer->over.set_value();
        replica_->transfer(successor, [transfer](const Status& result) {
            transfer->leading = !result.ok();
            transfer->over.set_value();
        });
    });
    const auto patience = std::min(2 * options_.election_timeout, kHandoverMax);
    const auto ended = transfer->over.get_future().wait_for(patience);
    return ended == std::future_status::ready && !transfer->leading;
}

// On the loop.
NodeStatus RunningNode::current_status() const {
    const replica::ReplicaStatus inner = replica_->status();
    return {.id = replica_->id().value(),
            .address = replica_->address(),
            .role = role_name(inner.role),
            .leader_id = inner.leader.id.value(),
            .leader_address = inner.leader.address,
            .term = inner.term.value(),
            .last_index = inner.last.value(),
            .committed_index = inner.committed.value(),
            .applied_index = inner.applied.value(),
            .clients = listener_->client_count(),
            .memory_bytes = inner.memory_bytes,
            .log_bytes = inner.log_bytes,
            .connections_refused = listener_->counters().refused,
            .peer_frames_dropped = peers_.counters().frames_dropped,
            .statements_overstayed = loop_.counters().hand_offs};
}

NodeStatus RunningNode::status() {
    if (stopped_) return last_status_;
    NodeStatus status;
    loop_.run([&] { status = current_status(); });
    return status;
}

std::optional<NodeError> RunningNode::wait_ready(std::chrono::milliseconds timeout) {
    return outcome_.wait(timeout);
}

bool RunningNode::handover() {
    if (stopped_) return true;
    for (int attempt = 0; attempt < kHandoverAttempts; ++attempt) {
        if (transfer_once()) return true;
    }
    return false;
}

// Until `over`, which is asked on the loop, or for so long at most.
void RunningNode::wait_until(const std::function<bool()>& over, std::chrono::milliseconds time) {
    for (std::chrono::milliseconds waited{0}; waited < time; waited += kPollInterval) {
        bool ended = false;
        loop_.run([&] { ended = over(); });
        if (ended) return;
        std::this_thread::sleep_for(kPollInterval);
    }
}

void RunningNode::wait_for_clients(std::chrono::milliseconds time) {
    wait_until([this] { return listener_->client_count() == 0; }, time);
}

// What runs now is lost with the leadership: a read could not be tried again by its client once
// rows of it were delivered.
void RunningNode::wait_for_statements(std::chrono::milliseconds time) {
    std::function<bool()> running;
    loop_.run([&] { running = listener_->statements_running(); });
    wait_until([&] { return !running(); }, time);
    loop_.run([&] { running = nullptr; });  // with what it holds
}

void RunningNode::drain() {
    bool leading = false;
    bool alone = true;
    loop_.run([&] {
        leading = replica_->status().role == raft::RoleName::kLeader;
        alone = replica_->configuration().voter_count() <= 1;
    });
    if (leading && !alone) wait_for_statements(kFinishMax);
    if (leading && !alone && handover()) {
        log_.info("handed leadership over");
        wait_for_clients(kDrainRefusals);
    }
    loop_.run([this] { listener_->finish(); });
    wait_for_clients(kFinishMax);
}

void RunningNode::stop() {
    if (stopped_) return;
    if (replica_ && listener_) drain();
    stopped_ = true;
    loop_.run([this] {
        if (replica_ && listener_) last_status_ = current_status();
        if (membership_) membership_->stop();
        if (listener_) listener_->close();
        peers_.stop();
        if (!replica_) return;
        replica_->set_callbacks({});
        replica_->stop();
    });
    dialer_.stop();
    loop_.stop();
    if (is_open_ && !outcome_.has_failed()) log_.info("stopped");
    membership_.reset();
    roles_.reset();
    listener_.reset();
    replica_.reset();
    disk_.reset();
}

}  // namespace quorlite::server
