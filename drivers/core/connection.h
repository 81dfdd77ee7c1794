// Connection: a caller's connection to the leader, or to one node, as logic without I/O.
//
// Operations are queued and sent one behind the other without waiting for answers (pipelining), in
// order. Being connected is the connection's own affair: it looks for the leader when there is
// something to send, leaves a node that no longer leads, and applies the retry rules (rules.h) to
// whatever was under way. BEGIN, COMMIT and the like are never sent while an answer is outstanding,
// nor is anything sent before theirs: so it is always known whether a transaction is open. One that
// was lost stays lost, and every statement fails, until it is rolled back.
//
// The owner does the I/O. It performs take_actions() (dial, close), moves bytes between sockets and
// output()/receive_room(), reports what happens, calls tick() when wake_at() has come, and looks at
// the operations that take_changed() lists. Every call that may change something takes the time.
//
// Cut by subject, each with a header of its own; includes point from the left to the right:
//   Connection -> Sender, Receiver -> Completion -> ConnectionState: Connector, Pipeline,
//   Statements, OperationQueue, Transaction
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/core/completion.h"
#include "drivers/core/connection_state.h"
#include "drivers/core/receiver.h"
#include "drivers/core/sender.h"

namespace quorlite::core {

class Connection {
public:
    Connection(Target target, const options& settings, std::shared_ptr<Directory> directory,
               std::uint64_t seed);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start(const OperationPtr& operation, Time now);
    // The caller would rather not go on. Finishes when the server has said what became of it, or
    // after options::interrupt_timeout.
    void interrupt(const OperationPtr& operation, Time now);
    // The caller does not want any more of it: what is outstanding is dropped.
    void abandon(const OperationPtr& operation, Time now);

    void dialled(ChannelId id, Time now);
    void failed(ChannelId id, const std::string& reason, Time now);
    std::span<std::uint8_t> receive_room(ChannelId id);
    void received(ChannelId id, std::size_t count, Time now);
    ByteView output(ChannelId id);
    void sent(ChannelId id, std::size_t count);
    // Call again after taking a piece of an operation.
    bool wants_input(ChannelId id) const;
    // Goes on with input that was left because too many pieces were waiting.
    void resume(Time now);

    // Changes the deadline of an operation that has not ended.
    void extend(const OperationPtr& operation, Time deadline);

    std::vector<Action> take_actions() { return state_.connector.take_actions(); }
    bool has_actions() const { return state_.connector.has_actions(); }
    Time wake_at() const;
    void tick(Time now) { advance(now); }
    std::vector<OperationPtr> take_changed() { return completion_.take_changed(); }

    bool idle() const;
    bool in_transaction() const { return !state_.transaction.none(); }
    bool transaction_lost() const { return state_.transaction.lost(); }
    bool connected() const { return state_.pipeline.ready(); }
    // Of the node in use; empty if there is none.
    std::string address() const { return state_.address(); }
    // Why there is no leader, if all nodes were asked in vain since the last call.
    std::optional<std::string> take_trouble() { return state_.connector.take_vain_search(); }
    // The list of nodes changed since the last call.
    bool take_nodes_changed() { return std::exchange(state_.nodes_changed, false); }

private:
    Channel* find(ChannelId id);
    void advance(Time now);
    void expire(Time now);
    void connect(Time now);
    void follow_connector(Time now);
    void open(ChannelId id, Channel channel, Time now);
    void follow_pipeline(Time now);
    void lose(error_info loss, Time now);
    void refuse(error_info error);
    void settle(Time now);
    void leave();

    ConnectionState state_;
    Completion completion_{state_};
    Sender sender_{state_, completion_};
    Receiver receiver_{state_, completion_};
};

}  // namespace quorlite::core
