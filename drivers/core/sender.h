// Sender: which request goes out next on the channel, and when.
//
// Statements are sent behind one another without waiting for answers, in order. What may change
// whether a transaction is open goes alone.
#pragma once

#include <optional>
#include <string>

#include "drivers/core/completion.h"
#include "drivers/core/connection_state.h"

namespace quorlite::core {

class Sender {
public:
    Sender(ConnectionState& state, Completion& completion)
        : state_(state), completion_(completion) {}

    enum class Outcome : std::uint8_t {
        kWaits,        // all is sent that may be sent now
        kLeaderMoved,  // the channel is to be left: another node leads, and nothing holds us here
    };
    // Precondition: the channel is ready.
    Outcome send(Time now);

private:
    bool held_up(const Operation& operation, Time now) const;
    bool needs_prepare(const Operation& operation);
    bool leader_moved() const;
    void send_front(Time now);
    void send_request(const OperationPtr& operation);
    void send_statement(const OperationPtr& operation);
    void ask(const wire::Request& request, const OperationPtr& operation, std::string sql = {});
    void refresh(Time now);

    ConnectionState& state_;
    Completion& completion_;
};

}  // namespace quorlite::core
