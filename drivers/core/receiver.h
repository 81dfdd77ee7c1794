// Receiver: what a connection makes of the bytes that it receives.
//
// Each answer belongs to the request that is outstanding for longest. Bytes that make no sense end
// the channel (Pipeline::lose).
#pragma once

#include <optional>

#include "drivers/core/completion.h"
#include "drivers/core/connection_state.h"
#include "drivers/core/dump_reader.h"

namespace quorlite::core {

class Receiver {
public:
    Receiver(ConnectionState& state, Completion& completion)
        : state_(state), completion_(completion) {}

    // Whether more is to be read, or has to wait until pieces have been taken.
    bool wants_input() const;
    // Precondition: a channel is attached.
    void read(Time now);
    // The channel was left.
    void reset() { dump_.reset(); }

private:
    bool read_message(Time now);
    bool read_dump(Time now);
    void answer(const wire::Response& response, Time now);
    void answer_greeting(const wire::Response& response);
    void answer_opening(const wire::Response& response);
    void answer_prepare(const Outstanding& request, const wire::Response& response, Time now);
    void keep(const std::string& sql, const wire::StmtResponse& statement);
    void answer_rows(const wire::RowsResponse& rows, Time now);
    void answer_statement(const Outstanding& request, const wire::Response& response, Time now);
    void answer_admin(const Outstanding& request, const wire::Response& response, Time now);
    void hold(const OperationPtr& operation, Piece piece, Time now);
    void garbage(std::string what);

    ConnectionState& state_;
    Completion& completion_;
    std::optional<DumpReader> dump_;  // of the request in front
};

}  // namespace quorlite::core
