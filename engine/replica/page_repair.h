// PageRepair: pages of the base files that this node's disk has lost, or changed by itself, fetched
// from the other nodes.
//
//   a read fails ──▶ damaged() ── PageRequest ──▶ all other members, again and again
//                        mend  ◀── PageReply ───  whoever has the page
//
// Without I/O. Nobody votes on it: a page that matches the checksum that is kept here is the page,
// whoever sends it (see database::Store::mend()).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/database/database.h"
#include "engine/replica/peer_codec.h"

namespace quorlite::replica {

class PageRepair {
public:
    using Send = std::function<void(NodeId to, PageRequest request)>;

    PageRepair(database::Store& store, Send send) : store_(store), send_(std::move(send)) {}

    // `others`: who may have it. True if it is news.
    bool damaged(const std::string& database, std::uint32_t page, const std::vector<NodeId>& others,
                 TimePoint now);
    // Asks again for what did not come.
    void tick(const std::vector<NodeId>& others, TimePoint now);
    PageReply answer(const PageRequest& request) const;
    // `newer` as for Store::mend(). True if a page was mended by it.
    bool receive(const PageReply& reply, bool newer);

private:
    using Page = std::pair<std::string, std::uint32_t>;
    void ask(const Page& page, const std::vector<NodeId>& others);

    database::Store& store_;
    Send send_;
    std::map<Page, TimePoint> wanted_;  // and when it is asked for again
};

}  // namespace quorlite::replica
