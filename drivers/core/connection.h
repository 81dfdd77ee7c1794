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
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "drivers/core/channel.h"
#include "drivers/core/directory.h"
#include "drivers/core/operation.h"
#include "drivers/core/search.h"
#include "drivers/core/statements.h"
#include "quorlite/options.h"

namespace quorlite::core {

struct Target {
    std::string node;      // HOST:PORT; empty means: whichever leads
    std::string database;  // empty: none is opened
};

struct Action {
    ChannelId channel = 0;
    std::string dial;  // HOST:PORT to be connected to; empty: close the channel
};

class Connection {
public:
    Connection(Target target, const options& settings, std::shared_ptr<Directory> directory,
               std::uint64_t seed);
    ~Connection();
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

    std::vector<Action> take_actions();
    bool has_actions() const { return !actions_.empty(); }
    Time wake_at() const;
    void tick(Time now);
    std::vector<OperationPtr> take_changed();

    bool idle() const { return queue_.empty() && expected_.empty() && again_.empty(); }
    bool in_transaction() const { return transaction_ != Transaction::kNone; }
    bool transaction_lost() const { return transaction_ == Transaction::kLost; }
    bool connected() const { return phase_ == Phase::kReady; }
    // Of the node in use; empty if there is none.
    std::string address() const;
    // Why there is no leader, if all nodes were asked in vain since the last call.
    std::optional<std::string> take_trouble() {
        return std::exchange(searched_in_vain_, false) ? std::optional(trouble_) : std::nullopt;
    }
    // The list of nodes changed since the last call.
    bool take_nodes_changed() { return std::exchange(nodes_changed_, false); }

private:
    enum class Phase : std::uint8_t { kIdle, kWaiting, kSearching, kDialling, kOpening, kReady };
    enum class Transaction : std::uint8_t { kNone, kOpen, kLost };

    // A statement of a transaction broke a constraint. `followed`: others had been sent behind it.
    struct Conflict {
        error_info error;
        bool followed = false;
    };

    // An answer that is outstanding.
    struct Expected {
        wire::RequestType request;
        OperationPtr operation;  // null: nobody wants the answer
        std::uint64_t mark = 0;
        std::string sql = {};                   // PREPARE
        bool barrier = false;                   // nothing may be sent until it is answered
        std::optional<Conflict> conflict = {};  // a probe: what it is about
    };

    std::uint64_t random() { return generator_(); }
    Channel* find(ChannelId id);

    // connection.cc: coming and going
    void advance(Time now);
    void connect(Time now);
    void look_at_search(Time now);
    void open(ChannelId id, Channel channel, Time now);
    void leave();
    void refuse(const std::string& why);
    void lose(const std::string& reason, error_kind kind, Time now);
    static void count_loss(Operation& operation, RetryDecision& decision);
    static void note_doubt(Operation& operation, const RetryDecision& decision);
    void lose_operation(const OperationPtr& operation, RetryDecision decision);
    void wait_before_retry(Time now);
    void settle(Time now);

    // completion.cc: how operations end
    void finish(const OperationPtr& operation, std::optional<error_info> error = std::nullopt);
    void fail_queued(const error_info& error);
    void expire(Time now);
    void apply(const OperationPtr& operation, RetryDecision decision, Time now);
    bool followed() const;
    static void escape(error_info& error);
    bool pause(const OperationPtr& operation, Time now);
    error_info late(const Operation& operation) const;
    bool send_interrupt(const OperationPtr& operation, Time now);
    void drop_in_flight(const OperationPtr& operation, error_info error, Time now);
    void follow_transaction(const Operation& operation);
    void lose_transaction(const error_info& because);

    // requests.cc: what is sent
    void send(Time now);
    bool send_first(Time now);
    bool held_up(const Operation& operation, Time now) const;
    bool prepared(const Operation& operation);
    void end_in_lost_transaction(const OperationPtr& operation, Time now);
    void roll_back_remains(Time now);
    void probe(const OperationPtr& operation, error_info error);
    void situate(Operation& operation) const;
    void send_statement(const OperationPtr& operation);
    void send_admin(const OperationPtr& operation);
    bool leader_moved() const;
    void expect(const wire::Request& request, OperationPtr operation, std::string sql = {});
    void refresh(Time now);

    // responses.cc: what is received
    void read(Time now);
    bool read_dump(Time now);
    void take_file(const OperationPtr& operation, ByteView part, Time now);
    void answer(const wire::Response& response, Time now);
    void answer_greeting(const wire::Response& response, Time now);
    void answer_opening(const wire::Response& response, Time now);
    void answer_prepare(const Expected& expected, const wire::Response& response, Time now);
    void answer_rows(const wire::RowsResponse& rows, Time now);
    void answer_statement(const Expected& expected, const wire::Response& response, Time now);
    void answer_admin(const Expected& expected, const wire::Response& response, Time now);
    void take_failure(const OperationPtr& operation, const wire::FailureResponse& failure,
                      Time now);
    void take_probe(const Expected& expected, const wire::Response& response, Time now);
    void take_stopped(const OperationPtr& operation);
    void hold(const OperationPtr& operation, Piece piece, Time now);

    const Target target_;
    const options settings_;
    const std::shared_ptr<Directory> directory_;
    std::mt19937_64 generator_;

    Phase phase_ = Phase::kIdle;
    Time retry_at_ = {};
    Backoff backoff_;
    std::string trouble_;    // why there is no connection
    Time give_up_ = kNever;  // on dialling one node, or on opening
    std::optional<LeaderSearch> search_;
    ChannelId next_channel_ = 1;
    ChannelId main_id_ = 0;
    std::optional<Channel> main_;
    Statements statements_;
    Time drain_by_ = kNever;  // an answer that nobody wants must have come by then
    std::optional<wire::FilesReader> files_;
    std::string file_;
    std::uint64_t file_bytes_ = 0;

    Transaction transaction_ = Transaction::kNone;
    bool began_ = false;  // by BEGIN, not by SAVEPOINT
    std::vector<std::string> savepoints_;
    error_info lost_because_;

    std::deque<OperationPtr> queue_;
    std::deque<Expected> expected_;
    std::vector<OperationPtr> again_;  // to be sent again once nothing is outstanding, in order
    bool leaving_ = false;             // this node once nothing is outstanding
    Time next_deadline_ = kNever;      // not after any operation's
    std::vector<Action> actions_;
    std::vector<OperationPtr> changed_;
    bool nodes_changed_ = false;
    bool searched_in_vain_ = false;
};

}  // namespace quorlite::core
