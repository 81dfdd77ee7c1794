// Joiner: how a new node becomes a member, sans-I/O.
//
// It speaks the client protocol to the addresses it was given: finds the leader, asks who is a
// member, adds the node, and gives it its role: voter while the cluster has fewer than three, else
// standby. Every step looks at the cluster first, so joining again after any interruption is
// harmless. What can pass (an election, another change under way, a node that restarts) is waited
// for and tried again.
//
// The owner performs the action that each call returns, and reports what came of it with the next
// call:
//
//   Connect   open a connection, dropping any other   -> connected() or failed()
//   Send      write the bytes, then read              -> received(), or failed() when it breaks
//   Read      keep reading                            -> received(), or failed()
//   Wait      drop the connection, let time pass      -> resumed()
//   Joined, Refused: over
//
// Until the node was added there is a deadline, because an operator waits for the answer; after
// that the role is a matter of time, and is asked for until it is granted.
//
// Who answers for another cluster than the node's own is never joined: an address may have come to
// belong to somebody else.
//
// A node that takes itself for a member asks in the same way whether it is one. It may have been
// removed while it could not hear of it, or its directory may belong to another cluster. An old
// leader that does not know yet that it is none may know older members: only the second such
// answer, some time after the first, is believed.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/clock.h"
#include "engine/cluster/roles.h"
#include "wire/base/bytes.h"
#include "wire/base/result.h"
#include "wire/client.h"

namespace quorlite::cluster {

struct JoinerOptions {
    NodeId id;
    std::string address;             // of the joining node
    std::vector<std::string> seeds;  // addresses of members; not empty
    Duration patience = std::chrono::seconds(60);
    // For a member, which only asks whether it is one: how long after a first no to ask again.
    // Longer than a leader goes on without a majority.
    std::optional<Duration> doubt = std::nullopt;
    ClusterId cluster = {};  // that the node's directory belongs to, if it knows one
};

class Joiner {
public:
    struct Connect {
        std::string address;
    };
    struct Send {
        Bytes bytes;
    };
    struct Read {};
    struct Wait {
        Duration time;
    };
    struct Joined {
        wire::Role role;
    };
    struct Refused {
        Error error;  // one line with the remedy
    };
    using Action = std::variant<Connect, Send, Read, Wait, Joined, Refused>;

    Joiner(JoinerOptions options, TimePoint now);

    Action start();
    Action connected();
    Action received(TimePoint now, ByteView bytes);
    Action failed(TimePoint now, std::string reason);  // the connection could not be made, or broke
    Action resumed();

    // As told by the members, once nothing is in the way of the node's being added; none before,
    // and where they are of version 0.1.
    ClusterId cluster() const { return welcome_ ? cluster_ : ClusterId(); }

private:
    enum class Question { kLeader, kMembers, kAdd, kAssign };

    Action ask(Question question);
    Action answer(TimePoint now, const wire::Response& response);
    Action leader_is(TimePoint now, const wire::ServerResponse& server);
    Action members_are(TimePoint now, const wire::ServersResponse& members);
    Action is_member(const wire::ServersResponse& members);
    Action refused(TimePoint now, const wire::FailureResponse& failure);
    Action try_again(TimePoint now, std::string reason);
    void learn(std::string_view address);
    Error another_cluster(ClusterId theirs) const;
    Error give_up() const;

    const JoinerOptions options_;
    const TimePoint deadline_;
    std::vector<std::string> seeds_;  // as given, and members met on the way
    std::size_t next_seed_ = 0;
    std::string target_;  // where the connection goes
    std::size_t redirects_ = 0;
    std::size_t failures_ = 0;  // in a row
    Question question_ = Question::kLeader;
    wire::Role role_ = wire::Role::kVoter;  // to be asked for
    bool welcome_ = false;                  // its id and address are its own
    bool added_ = false;
    bool doubted_ = false;  // a member was told that it is none
    bool reached_ = false;  // somebody answered
    std::string last_reason_;
    ClusterId cluster_;
    wire::MessageReader reader_;
};

}  // namespace quorlite::cluster
