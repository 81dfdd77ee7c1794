// Errand: a task of administration that takes several questions, as logic without I/O.
//
// The front end asks the errand what to ask next, has it answered (or failed), and asks again until
// there is no more. Questions to the same node, one after the other, go over one connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/operation.h"
#include "quorlite/cluster.h"

namespace quorlite::core {

struct Question {
    OperationPtr operation;
    std::string node;  // HOST:PORT; empty: whichever leads
    call_options chosen = {};
};

class Errand {
public:
    virtual ~Errand() = default;

    // The next question, when the one before has ended; nothing when the errand is over. `now`: the
    // time of that end.
    virtual std::optional<Question> next(Time now) = 0;

    const std::optional<error_info>& error() const { return error_; }

protected:
    std::optional<error_info> error_;
};

// One question.
class Inquiry : public Errand {
public:
    explicit Inquiry(AdminRequest request, std::string node = {});
    std::optional<Question> next(Time now) override;
    const Operation& answer() const { return *operation_; }

private:
    const OperationPtr operation_;
    const std::string node_;
    bool asked_ = false;
};

// A node becomes a member: it joins as a spare, and any other role is given to it afterwards. In
// doubt if it got that far and no further.
class Addition : public Errand {
public:
    explicit Addition(node_info node) : node_(std::move(node)) {}
    std::optional<Question> next(Time now) override;

private:
    const node_info node_;
    OperationPtr adding_;
    OperationPtr assigning_;
};

// Every node of the cluster is asked how it is. One that does not answer is part of the result;
// that the caller would rather not go on ends it.
class Survey : public Errand {
public:
    explicit Survey(const options& settings) : settings_(settings) {}
    std::optional<Question> next(Time now) override;
    std::vector<node_status> take_status() { return std::move(status_); }

private:
    Question ask(wire::RequestType type, std::chrono::milliseconds patience);
    bool failed();

    enum class Stage : std::uint8_t { kNodes, kDescribe, kLeader, kProgress };

    const options settings_;
    std::vector<node_status> status_;
    std::size_t at_ = 0;  // in status_
    bool local_ = false;  // the nodes may be Unix sockets, as the leader is
    Stage stage_ = Stage::kNodes;
    OperationPtr asked_;
    Time begin_ = {};  // of the round trip that is measured
};

}  // namespace quorlite::core
