#include "tests/raft/values.h"

namespace quorlite::raft {

SharedBytes payload(std::string_view text) {
    return std::make_shared<const Bytes>(text.begin(), text.end());
}

Entry command(std::uint64_t index, std::uint64_t term, std::string_view text) {
    return {Term(term), Index(index), EntryKind::kCommand, payload(text)};
}

Entry configured(std::uint64_t index, std::uint64_t term, const Configuration& configuration) {
    return {Term(term), Index(index), EntryKind::kConfiguration,
            std::make_shared<const Bytes>(encode(configuration))};
}

std::vector<Entry> log_of(std::vector<std::uint64_t> terms) {
    std::vector<Entry> entries;
    for (const std::uint64_t term : terms) entries.push_back(command(entries.size() + 1, term));
    return entries;
}

Configuration members(std::string_view roles) {
    Configuration configuration;
    for (const char role : roles) {
        const NodeId id(configuration.servers.size() + 1);
        configuration.servers.push_back({id, "h:" + std::to_string(id.value()),
                                         role == 'v'   ? Role::kVoter
                                         : role == 's' ? Role::kStandby
                                                       : Role::kSpare});
    }
    return configuration;
}

Options options_of(std::uint64_t self) {
    Options options;
    options.self = NodeId(self);
    options.election_timeout = kElectionTimeout;
    options.heartbeat = kHeartbeat;
    return options;
}

Restored restored_of(std::uint64_t term, std::vector<Entry> log, std::string_view roles) {
    Restored restored;
    restored.hard_state.term = Term(term);
    restored.snapshot.configuration = members(roles);
    restored.log = std::move(log);
    return restored;
}

AppendRequest append_of(std::uint64_t term, std::uint64_t previous_index,
                        std::uint64_t previous_term, std::vector<Entry> entries,
                        std::uint64_t commit, std::uint64_t round) {
    return {Term(term), Index(previous_index), Term(previous_term), Index(commit),
            round,      std::move(entries)};
}

}  // namespace quorlite::raft
