#include "drivers/core/connection.h"

#include <algorithm>

#include "drivers/core/limits.h"

namespace quorlite::core {

Connection::Connection(Target target, const options& settings, std::shared_ptr<Directory> directory,
                       std::uint64_t seed)
    : target_(std::move(target)),
      settings_(settings),
      directory_(std::move(directory)),
      generator_(seed),
      backoff_(settings.retry_pause_min, settings.retry_pause_max),
      statements_(settings.statements_cached) {}

// A search that is under way closes its channels: the list of actions must still be there.
Connection::~Connection() {
    search_.reset();
}

void Connection::start(const OperationPtr& operation, Time now) {
    const bool administers =
        operation->kind == OperationKind::kAdmin || operation->kind == OperationKind::kDump;
    const std::size_t name = target_.database.size();
    const bool misnamed = !administers && (name == 0 || name > wire::kDatabaseNameBytesMax);
    if (misnamed) {
        return finish(operation, misuse("a database's name has 1 to " +
                                        std::to_string(wire::kDatabaseNameBytesMax) + " bytes"));
    }
    if (queue_.size() >= limits::kQueuedMax) {
        return finish(operation, misuse("too many operations wait on one connection"));
    }
    next_deadline_ = std::min(next_deadline_, operation->deadline);
    queue_.push_back(operation);
    advance(now);
}

Channel* Connection::find(ChannelId id) {
    if (main_ && id == main_id_) return &*main_;
    return search_ ? search_->channel(id) : nullptr;
}

void Connection::dialled(ChannelId id, Time now) {
    if (main_ && id == main_id_ && phase_ == Phase::kDialling) {
        directory_->answered(main_->address());
        open(id, std::move(*main_), now);
    } else if (search_) {
        search_->dialled(id);
    }
    advance(now);
}

void Connection::failed(ChannelId id, const std::string& reason, Time now) {
    if (main_ && id == main_id_) {
        lose(reason, error_kind::connection, now);
    } else if (search_) {
        search_->failed(id, reason, now);
        look_at_search(now);
    }
    advance(now);
}

std::span<std::uint8_t> Connection::receive_room(ChannelId id) {
    Channel* const channel = find(id);
    return channel ? channel->input().prepare() : std::span<std::uint8_t>();
}

void Connection::received(ChannelId id, std::size_t count, Time now) {
    Channel* const channel = find(id);
    if (channel == nullptr) return;
    channel->input().commit(count);
    if (main_ && id == main_id_) return resume(now);
    search_->received(id, now);
    look_at_search(now);
    advance(now);
}

ByteView Connection::output(ChannelId id) {
    const Channel* const channel = find(id);
    return channel ? channel->output() : ByteView();
}

void Connection::sent(ChannelId id, std::size_t count) {
    if (Channel* const channel = find(id)) channel->consumed(count);
}

void Connection::resume(Time now) {
    read(now);
    settle(now);
    advance(now);
}

void Connection::extend(const OperationPtr& operation, Time deadline) {
    operation->deadline = deadline;
    next_deadline_ = std::min(next_deadline_, deadline);
}

std::vector<Action> Connection::take_actions() {
    return std::exchange(actions_, {});
}

std::vector<OperationPtr> Connection::take_changed() {
    return std::exchange(changed_, {});
}

std::string Connection::address() const {
    return main_ ? main_->address() : std::string();
}

void Connection::tick(Time now) {
    expire(now);
    if (search_) {
        search_->tick(now);
        look_at_search(now);
    }
    advance(now);
}

Time Connection::wake_at() const {
    Time at = std::min(drain_by_, give_up_);
    if (!idle()) at = std::min(at, next_deadline_);
    if (search_) at = std::min(at, search_->wake_at());
    if (queue_.empty()) return at;
    if (phase_ == Phase::kWaiting) at = std::min(at, retry_at_);
    if (phase_ == Phase::kReady && queue_.front()->not_before != Time{}) {
        at = std::min(at, queue_.front()->not_before);
    }
    return at;
}

// Whatever can be done now is done.
void Connection::advance(Time now) {
    expire(now);
    if (phase_ == Phase::kReady) {
        send(now);
    } else if (!queue_.empty()) {
        connect(now);
    }
}

void Connection::connect(Time now) {
    if (transaction_ == Transaction::kLost) {
        while (!queue_.empty() && transaction_ == Transaction::kLost) {
            const OperationPtr operation = queue_.front();
            queue_.pop_front();
            end_in_lost_transaction(operation, now);
        }
        if (queue_.empty()) return;
    }
    if (phase_ == Phase::kWaiting && now < retry_at_) return;
    if (phase_ != Phase::kIdle && phase_ != Phase::kWaiting) return;
    if (!target_.node.empty()) {
        phase_ = Phase::kDialling;
        main_id_ = next_channel_++;
        main_.emplace(target_.node);
        give_up_ = later(now, settings_.connect_timeout);
        actions_.push_back(Action{main_id_, target_.node});
        return;
    }
    phase_ = Phase::kSearching;
    LeaderSearch::Owner owner;
    owner.dial = [this](const std::string& address) {
        actions_.push_back(Action{next_channel_, address});
        return next_channel_++;
    };
    owner.close = [this](ChannelId id) { actions_.push_back(Action{id, {}}); };
    search_.emplace(*directory_, std::move(owner), settings_.probes_max, settings_.connect_timeout,
                    now, random());
    look_at_search(now);
}

void Connection::look_at_search(Time now) {
    if (!search_) return;
    if (auto found = search_->take_found()) {
        search_.reset();
        open(found->id, std::move(found->channel), now);
    } else if (search_->exhausted()) {
        const std::string story = search_->story();
        trouble_ = story.empty() ? "no node is known" : story;
        searched_in_vain_ = true;
        const auto strangers = search_->only_strangers();
        search_.reset();
        if (strangers) refuse(*strangers);
        wait_before_retry(now);
    }
}

void Connection::open(ChannelId id, Channel channel, Time now) {
    main_id_ = id;
    main_ = std::move(channel);
    statements_.clear();
    give_up_ = kNever;
    // The search has asked already. What is asked of a node by name goes out behind this at once.
    if (!target_.node.empty()) expect(wire::ClientRequest{.wants_cluster_id = true}, nullptr);
    if (target_.database.empty()) {
        phase_ = Phase::kReady;
        return;
    }
    phase_ = Phase::kOpening;
    give_up_ = later(now, settings_.connect_timeout);
    expect(wire::OpenRequest{target_.database, 0, "volatile"}, nullptr);
    // A node would wait for a lock for longer than is wanted. What dqlite says to it is no matter.
    if (settings_.busy_timeout >= limits::kNodeBusyTimeout) return;
    const std::string pragma =
        "PRAGMA busy_timeout = " + std::to_string(settings_.busy_timeout.count());
    expect(wire::ExecSqlRequest{wire::kNarrowTuple, 0, pragma, {}}, nullptr);
}

// Closes the channel. Nothing may be outstanding on it.
void Connection::leave() {
    if (main_) actions_.push_back(Action{main_id_, {}});
    main_.reset();
    phase_ = Phase::kIdle;
    statements_.clear();
    files_.reset();
    leaving_ = false;
    drain_by_ = give_up_ = kNever;
}

// The node, or all of them, belong to another cluster: no use in trying again.
void Connection::refuse(const std::string& why) {
    error_info error;
    error.kind = error_kind::unavailable;
    error.extended_code = code::kCannotOpen;
    error.message = why;
    error.node = address();
    for (const Expected& each : std::exchange(expected_, {})) {
        if (each.operation) finish(each.operation, error);
    }
    leave();
    if (transaction_ == Transaction::kOpen) lose_transaction(error);
    fail_queued(error);
}

void Connection::wait_before_retry(Time now) {
    phase_ = Phase::kWaiting;
    retry_at_ = now + backoff_.next(random());
}

// The channel is gone, and the answers that were outstanding will never come.
void Connection::lose(const std::string& reason, error_kind kind, Time now) {
    const std::string node = main_->address();
    const bool dialling = phase_ == Phase::kDialling;
    trouble_ = node + ": " + reason;
    bool first = true;
    for (const Expected& lost : std::exchange(expected_, {})) {
        if (!lost.operation || lost.operation->finished) continue;
        const bool sent = main_->sent(lost.mark);
        RetryDecision decision = classify_loss(sent, reason, kind, lost.operation->context());
        decision.error.node = node;
        // Of those that were sent it is the first that ran.
        if (sent && std::exchange(first, false)) count_loss(*lost.operation, decision);
        lose_operation(lost.operation, std::move(decision));
    }
    leave();
    if (transaction_ == Transaction::kOpen) {
        error_info error =
            classify_loss(true, reason, kind, {Effect::kRead, true, false, false}).error;
        error.node = node;
        lose_transaction(error);
    }
    if (dialling) {
        directory_->failed(node, now);
    } else {
        directory_->lost_leader(node);
    }
    settle(now);
    if (!target_.node.empty() && dialling) {
        error_info error = classify_loss(false, reason, kind, {}).error;
        error.node = node;
        fail_queued(error);
    }
    wait_before_retry(now);
}

// A statement that ends every node that executes it must not go round the cluster.
void Connection::count_loss(Operation& operation, RetryDecision& decision) {
    if (++operation.losses < limits::kLossesMax) return;
    decision.action = RetryAction::kReport;
    decision.error.may_retry = false;
    decision.error.message += ". The connection broke " + std::to_string(operation.losses) +
                              " times during this statement, which may be the reason: it is not "
                              "sent again";
}

// One of the operations that were outstanding on a lost channel.
void Connection::lose_operation(const OperationPtr& operation, RetryDecision decision) {
    if (operation->interrupted) decision.action = RetryAction::kReport;
    if (operation->interrupted && decision.error.verdict == verdict::not_committed) {
        decision.error.kind = error_kind::cancelled;
        decision.error.extended_code = code::kInterrupted;
    }
    note_doubt(*operation, decision);
    if (decision.action == RetryAction::kElsewhere) {
        again_.push_back(operation);
        return;
    }
    if (!operation->in_transaction) return finish(operation, std::move(decision.error));
    // A transaction that nobody can commit any more is rolled back: that is what was wanted. A
    // COMMIT ends the transaction for its owner, whatever became of it.
    const bool rollback = operation->standing == Effect::kRollback;
    if (rollback || operation->standing == Effect::kCommit) {
        transaction_ = Transaction::kNone;
        savepoints_.clear();
    }
    if (rollback) return finish(operation);
    lose_transaction(decision.error);
    finish(operation, std::move(decision.error));
}

// Once nothing is outstanding: what has to be sent again goes back to the front of the queue.
void Connection::settle(Time now) {
    if (!expected_.empty()) return;
    for (const OperationPtr& operation : again_) {
        operation->pieces.clear();
        operation->held_bytes = 0;
        operation->state = Operation::State::kQueued;
    }
    queue_.insert(queue_.begin(), again_.begin(), again_.end());
    again_.clear();
    drain_by_ = kNever;
    if (leaving_) {
        leave();
        wait_before_retry(now);
    }
}

}  // namespace quorlite::core
