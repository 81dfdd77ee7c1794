// Pipeline: the channel that is in use, and the requests on it that are not answered yet, in order.
//
// Whoever finds that the channel is of no use any more says so by lose() or refuse(). The first to
// say so is believed; the connection deals with it as soon as it has the word again, and until then
// nothing is sent or read.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "drivers/core/channel.h"
#include "drivers/core/operation.h"

namespace quorlite::core {

// A statement of a transaction broke a constraint. `followed`: others had been sent behind it.
struct Conflict {
    error_info error;
    bool followed = false;
};

// A request that is not answered yet.
struct Outstanding {
    wire::RequestType request;
    OperationPtr operation;  // null: nobody wants the answer
    std::uint64_t mark = 0;
    std::string sql = {};                   // PREPARE
    bool barrier = false;                   // nothing may be sent until it is answered
    std::optional<Conflict> conflict = {};  // a probe: what it is about
};

// Why a channel is of no use any more.
struct ChannelFailure {
    error_info error;
    bool refused = false;  // trying again would not help
};

class Pipeline {
public:
    // Until the database is open the channel is not ready.
    void attach(ChannelId id, Channel channel);
    // Precondition: nothing is outstanding.
    void detach();

    bool attached() const { return channel_.has_value(); }
    bool ready() const { return ready_ && !failure_; }
    void set_ready();
    ChannelId id() const { return id_; }
    Channel* find(ChannelId id) { return id == id_ && channel_ ? &*channel_ : nullptr; }
    Channel& channel() { return *channel_; }
    const Channel& channel() const { return *channel_; }
    // Of the node; empty if no channel is attached.
    std::string address() const { return channel_ ? channel_->address() : std::string(); }

    void lose(std::string reason, error_kind kind);
    void refuse(error_info error);
    bool failed() const { return failure_.has_value(); }
    std::optional<ChannelFailure> take_failure() { return std::exchange(failure_, std::nullopt); }

    // Fails if the request is too long; then it is not sent.
    Result<void> ask(const wire::Request& request, OperationPtr operation, std::string sql = {});
    bool empty() const { return outstanding_.empty(); }
    std::size_t size() const { return outstanding_.size(); }
    Outstanding& front() { return outstanding_.front(); }
    const Outstanding& front() const { return outstanding_.front(); }
    Outstanding& back() { return outstanding_.back(); }
    const Outstanding& back() const { return outstanding_.back(); }
    // The request behind the first.
    const Outstanding& second() const { return outstanding_[1]; }
    void pop_front() { outstanding_.pop_front(); }
    std::deque<Outstanding> take_outstanding() { return std::exchange(outstanding_, {}); }
    // Nobody wants its answer any more.
    void disown(const OperationPtr& operation);
    // Whether statements are outstanding.
    bool has_statements() const;
    void add_overdue(Time now, std::vector<OperationPtr>& overdue) const;
    Time earliest_deadline() const;

    Time open_by = kNever;   // the database must be open by then
    Time drain_by = kNever;  // an answer that nobody wants must have come by then
    bool leaving = false;    // the channel is to be left once nothing is outstanding

private:
    ChannelId id_ = 0;
    std::optional<Channel> channel_;
    bool ready_ = false;
    std::optional<ChannelFailure> failure_;
    std::deque<Outstanding> outstanding_;
};

}  // namespace quorlite::core
