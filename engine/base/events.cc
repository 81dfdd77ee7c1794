#include "engine/base/events.h"

namespace quorlite {
namespace {

template <class Id>
std::string text_of(Id id) {
    return std::to_string(id.value());
}

struct Describer {
    Description operator()(const event::CandidacyStarted& it) const {
        return {Severity::kInfo, "stands for election", {{"term", text_of(it.term)}}};
    }
    Description operator()(const event::LeaderChanged& it) const {
        if (!it.leader) return {Severity::kInfo, "no leader", {{"term", text_of(it.term)}}};
        return {
            Severity::kInfo, "leader", {{"node", text_of(it.leader)}, {"term", text_of(it.term)}}};
    }
    Description operator()(const event::MembershipChanged& it) const {
        return {Severity::kInfo,
                "membership",
                {{"index", text_of(it.index)},
                 {"voters", std::to_string(it.voters)},
                 {"standbys", std::to_string(it.standbys)},
                 {"spares", std::to_string(it.spares)}}};
    }
    Description operator()(const event::SnapshotOffered& it) const {
        return {Severity::kInfo,
                "snapshot offered",
                {{"node", text_of(it.peer)}, {"index", text_of(it.index)}}};
    }
    Description operator()(const event::SnapshotInstalled& it) const {
        return {Severity::kInfo, "snapshot installed", {{"index", text_of(it.index)}}};
    }
    Description operator()(const event::SnapshotRefused& it) const {
        return {Severity::kInfo,
                "snapshot refused",
                {{"node", text_of(it.leader)}, {"index", text_of(it.index)}}};
    }
    Description operator()(const event::DiskFilled&) const {
        return {Severity::kWarning,
                "the disk is full: nothing more can be written here; free some space",
                {}};
    }
    Description operator()(const event::DiskHasSpace&) const {
        return {Severity::kInfo, "the disk has space again: writing goes on", {}};
    }
    Description operator()(const event::LeadershipGivenUp& it) const {
        return {Severity::kWarning,
                "the disk is full: leadership is handed to node " + text_of(it.successor),
                {}};
    }
    Description operator()(const event::LogContradicted& it) const {
        return {Severity::kWarning,
                "the log of node " + text_of(it.leader) + ", which leads, contradicts at index " +
                    text_of(it.index) + " what is committed here",
                {}};
    }
    Description operator()(const event::HistoryDiffers& it) const {
        return {Severity::kWarning,
                "node " + text_of(it.leader) + ", which leads, and this one, node " +
                    text_of(it.self) +
                    ", hold different histories: what is committed differs at log index " +
                    text_of(it.index) +
                    ", or before. This node takes nothing more from it. If a majority of the "
                    "voters agrees with the leader, this node ends; if no leader lasts, compare "
                    "the databases of the nodes, and remove the node that is wrong from the "
                    "cluster",
                {}};
    }
    Description operator()(const event::VoterForgot& it) const {
        return {Severity::kWarning,
                "node " + text_of(it.voter) + " has acknowledged the log up to " +
                    text_of(it.acknowledged) +
                    " and does not hold all of that: its disk was replaced, or put back to an "
                    "older copy. Its votes do not count until it has caught up: start the nodes "
                    "that hold the rest",
                {}};
    }
    Description operator()(const event::PageDamaged& it) const {
        return {Severity::kWarning,
                "page " + std::to_string(it.page) + " of the database " + it.database +
                    " is damaged on this node's disk: the other nodes are asked for it",
                {}};
    }
    Description operator()(const event::PageRepaired& it) const {
        return {Severity::kWarning,
                "page " + std::to_string(it.page) + " of the database " + it.database +
                    " is repaired, by node " + text_of(it.by),
                {}};
    }
};

}  // namespace

Description describe(const Event& event) {
    return std::visit(Describer(), event);
}

}  // namespace quorlite
