// What must hold between the nodes of one cluster: the oracle sees every vote, append, delivery and
// answer, and remembers the first thing that contradicts an earlier one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/raft/raft.h"

namespace quorlite::sim {

class Oracle {
public:
    void fail(const std::string& what);  // the first counts
    bool failed() const { return !failure_.empty(); }
    const std::string& failure() const { return failure_; }

    // I2: one vote per term and node, also across crashes; one leader per term.
    void forgot(NodeId voter);  // its disk, with its votes, is lost
    void voted(NodeId voter, Term term, NodeId candidate);
    // I1: what was committed in an earlier term is in the log of every later leader.
    void elected(const raft::Core& core);
    // I3: the same index and term means the same entry, and the same before it.
    void appended(NodeId node, const raft::Entry& entry, Term previous_term);
    // I4: nobody delivers different entries at an index. I6: consecutive configurations differ in
    // one voter at most.
    void delivered(NodeId node, Term node_term, const raft::Entry& entry);
    // A snapshot stands for exactly the entries that were delivered up to its index.
    void stands_for(Index index, Term term, std::uint64_t chain);

    void acknowledged(Index index, Term term);
    // A read that began when `floor` had been observed saw the state as of `index`.
    void read(const std::string& how, Index floor, Index index);
    Index floor() const { return floor_; }  // the least state that a read may see from now on
    std::uint64_t commits() const { return chain_.size(); }
    bool is_committed(Index index, Term term) const {
        return index.value() <= chain_.size() && chain_[index.value() - 1].term == term;
    }
    std::uint64_t chain(Index index) const { return index ? chain_[index.value() - 1].chain : 0; }

private:
    struct Committed {
        Term term;
        Term known_in;  // the first deliverer's term: committed in this term or an earlier one
        std::uint64_t chain;
    };
    struct Seen {
        Term previous_term;
        std::uint64_t content;
    };

    std::string failure_;
    std::map<std::pair<NodeId, Term>, NodeId> votes_;
    std::map<Term, NodeId> leaders_;
    std::map<std::pair<Index, Term>, Seen> entries_;
    std::vector<Committed> chain_;  // [i] is index i + 1
    raft::Configuration configuration_;
    Index floor_;
};

std::uint64_t content_hash(const raft::Entry& entry);
std::uint64_t chained(std::uint64_t chain, const raft::Entry& entry);

}  // namespace quorlite::sim
