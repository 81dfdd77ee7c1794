#include "tests/raft/trace.h"

#include "tests/raft/values.h"

namespace quorlite::raft {
namespace {

template <class Id>
std::string number(Id id) {
    return std::to_string(id.value());
}

std::string at(Index index, Term term) {
    return number(index) + "/" + number(term);
}

std::string describe(const std::vector<Entry>& entries) {
    std::string text;
    for (const Entry& entry : entries) text += (text.empty() ? "" : ", ") + describe(entry);
    return text;
}

// The hash of a committed log is worth a word if it is not known from the log's beginning on, or is
// not of the index where it is expected.
std::string hash_of(const std::optional<LogHash>& hash, Index expected) {
    if (!hash) return ", no hash";
    if (!hash->origin && hash->index == expected) return "";
    return ", hash from " + number(hash->origin) + " to " + number(hash->index);
}

std::string describe(const SnapshotPoint& point) {
    return at(point.index, point.term) + " of " + describe(point.configuration) +
           hash_of(point.hash, point.index);
}

// What a voter promises is half of its election timeout: only what differs is worth a word.
std::string promise_of(Duration promise) {
    if (promise == kElectionTimeout / 2) return "";
    return ", promise " +
           std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(promise).count()) +
           " ms";
}

std::string if_so(bool holds, const char* words) {
    return holds ? words : "";
}

struct Words {
    std::string operator()(const VoteRequest& request) const {
        return std::string("asks for a ") + (request.pre_vote ? "pre-vote" : "vote") + " in term " +
               number(request.term) + ", log to " + at(request.last_index, request.last_term) +
               if_so(request.transfer, ", by transfer");
    }
    std::string operator()(const VoteReply& reply) const {
        std::string text = std::string(reply.granted ? "grants" : "refuses") + " its " +
                           (reply.pre_vote ? "pre-vote" : "vote") + ", term " + number(reply.term);
        if (reply.log_end) text += ", log to " + at(reply.log_end->index, reply.log_end->term);
        return text;
    }
    std::string operator()(const AppendRequest& request) const {
        std::string text =
            (request.entries.empty() ? "heartbeat" : "append") +
            (", term " + number(request.term)) + ", round " + std::to_string(request.round) +
            ", after " + at(request.previous_index, request.previous_term) + ", commit " +
            number(request.commit) + ", last " + number(request.last_index) +
            if_so(request.trusted, ", trusted") + if_so(!request.to_voter, ", to a non-voter");
        const char* separator = ", receipts ";
        for (const auto& [voter, upto] : request.receipts) {
            text += std::exchange(separator, " ") + number(voter) + ":" + at(upto.index, upto.term);
        }
        text += hash_of(request.hash, request.commit);
        if (request.agreed) text += ", agreed to " + number(request.agreed);
        return text + if_so(!request.entries.empty(), ": ") + describe(request.entries);
    }
    std::string operator()(const AppendReply& reply) const {
        return (reply.success ? "acknowledges " : "refuses, try ") + number(reply.match) +
               ", term " + number(reply.term) + ", round " + std::to_string(reply.round) +
               ", applied " + number(reply.applied) + promise_of(reply.promise) +
               if_so(reply.full, ", disk full") + if_so(reply.forgot, ", forgot") +
               (reply.agrees ? ", agrees to " + number(reply.agrees) : "");
    }
    std::string operator()(const SnapshotRequest& request) const {
        return "offers snapshot " + describe(request.point) + ", term " + number(request.term) +
               ", round " + std::to_string(request.round) + ", last " + number(request.last_index) +
               if_so(!request.to_voter, ", to a non-voter");
    }
    std::string operator()(const SnapshotReply& reply) const {
        return (reply.installed ? "has snapshot " : "fetches snapshot ") + number(reply.index) +
               ", term " + number(reply.term) + ", round " + std::to_string(reply.round) +
               promise_of(reply.promise) + if_so(reply.forgot, ", forgot");
    }
    std::string operator()(const TimeoutNow& order) const {
        return "orders to take over, term " + number(order.term);
    }
};

std::string describe(const HardState& state) {
    std::string text = "saves term " + number(state.term);
    if (state.vote) text += ", vote for " + number(state.vote);
    if (state.vote_barrier) text += ", vote barrier " + number(state.vote_barrier);
    return text + if_so(state.forgot, ", forgot");
}

// Messages in a row that say the same to several share a line.
void describe_messages(const std::vector<Envelope>& messages, std::vector<std::string>& lines) {
    std::string said_before;
    std::string said_by;
    for (const Envelope& envelope : messages) {
        const std::string text = describe(envelope.message);
        if (!said_before.empty() && text == said_before) {
            said_by += "," + number(envelope.to);
            lines.back() = said_by + " " + text;
        } else {
            said_by = number(envelope.from) + ">" + number(envelope.to);
            lines.push_back(said_by + " " + text);
        }
        said_before = text;
    }
}

}  // namespace

std::string describe(const Configuration& configuration) {
    std::string text;
    for (const Server& server : configuration.servers) {
        const char role = server.role == Role::kVoter     ? 'v'
                          : server.role == Role::kStandby ? 's'
                                                          : '-';
        text += (text.empty() ? "" : " ") + number(server.id) + role;
    }
    return text.empty() ? "nobody" : text;
}

std::string describe(const Entry& entry) {
    const std::string where = at(entry.index, entry.term) + " ";
    switch (entry.kind) {
        case EntryKind::kNoOp:
            return where + "no-op";
        case EntryKind::kCommand:
            return where + std::string(entry.payload->begin(), entry.payload->end());
        case EntryKind::kConfiguration:
            break;
    }
    const auto configuration = decode_configuration(*entry.payload);
    return where + (configuration ? describe(*configuration) : "nonsense");
}

std::string describe(const Message& message) {
    return std::visit(Words(), message);
}

std::vector<std::string> describe(NodeId self, const Ready& output) {
    std::vector<std::string> lines;
    const auto add = [&](const std::string& text) { lines.push_back(number(self) + " " + text); };
    if (output.hard_state) add(describe(*output.hard_state));
    if (output.truncate_from) add("cuts its log from " + number(*output.truncate_from));
    if (!output.append.empty()) add("appends " + describe(output.append));
    describe_messages(output.messages, lines);
    if (!output.committed.empty()) add("applies " + describe(output.committed));
    for (const LogRead& read : output.reads) {
        add("reads its log from " + number(read.from) + " for " + number(read.peer));
    }
    for (const NodeId peer : output.snapshots) add("needs a snapshot for " + number(peer));
    if (output.install) add("is to install snapshot " + describe(output.install->point));
    if (output.conflict) {
        const Conflict& found = *output.conflict;
        add("has another entry at " + number(found.index) + " committed than leader " +
            number(found.leader) + " of term " + number(found.term) +
            if_so(found.by_hash, ", or before it, by its hash") +
            if_so(found.outvoted, ", and is outvoted"));
    }
    if (output.forgetful) {
        const Forgetful& found = *output.forgetful;
        add("finds that " + number(found.voter) + " acknowledged " +
            at(found.acknowledged.index, found.acknowledged.term) + " and has " +
            at(found.log_end.index, found.log_end.term));
    }
    return lines;
}

}  // namespace quorlite::raft
