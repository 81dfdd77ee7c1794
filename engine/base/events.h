// The Events seam: what happens in a node, as values, for whoever watches it. The server writes
// them to its log, the simulator to its trace. They are told on the loop, in the order in which
// they happen; nothing depends on whether anybody listens.
//
// An event is a fact about the node or its cluster, not about one client. What an operator has to
// act on is a warning, and its text says what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wire/base/ids.h"

namespace quorlite {

namespace event {

struct CandidacyStarted {
    Term term;  // of the candidate until now
};
struct LeaderChanged {
    Term term;
    NodeId leader;  // none: nobody is known to lead
};
struct MembershipChanged {
    Index index;
    std::size_t voters;
    std::size_t standbys;
    std::size_t spares;
};
struct SnapshotOffered {
    NodeId peer;
    Index index;
};
struct SnapshotInstalled {
    Index index;
};
struct SnapshotRefused {
    NodeId leader;
    Index index;
};
struct DiskFilled {};
struct DiskHasSpace {};
struct LeadershipGivenUp {  // by a leader whose disk is full
    NodeId successor;
};
struct LogContradicted {
    NodeId leader;
    Index index;
};
struct HistoryDiffers {
    NodeId self;
    NodeId leader;
    Index index;  // there, or before
};
struct VoterForgot {
    NodeId voter;
    Index acknowledged;
};
struct PageDamaged {
    std::string database;
    std::uint32_t page;
};
struct PageRepaired {
    std::string database;
    std::uint32_t page;
    NodeId by;
};

}  // namespace event

using Event = std::variant<event::CandidacyStarted, event::LeaderChanged, event::MembershipChanged,
                           event::SnapshotOffered, event::SnapshotInstalled, event::SnapshotRefused,
                           event::DiskFilled, event::DiskHasSpace, event::LeadershipGivenUp,
                           event::LogContradicted, event::HistoryDiffers, event::VoterForgot,
                           event::PageDamaged, event::PageRepaired>;

class Events {
public:
    virtual ~Events() = default;
    virtual void record(const Event& event) = 0;
};

enum class Severity { kDebug, kInfo, kWarning };

// An event in words, and its numbers by name.
struct Description {
    struct Field {
        std::string_view name;
        std::string value;
    };
    Severity severity;
    std::string text;
    std::vector<Field> fields;
};

Description describe(const Event& event);

}  // namespace quorlite
