#include "engine/replica/page_repair.h"

#include "engine/base/limits.h"

namespace quorlite::replica {
namespace {

constexpr Duration kAskAgainAfter = std::chrono::milliseconds(200);

}  // namespace

bool PageRepair::damaged(const std::string& database, std::uint32_t page,
                         const std::vector<NodeId>& others, TimePoint now) {
    // Of those beyond the limit the next reader tells again.
    if (wanted_.size() >= limits::kDamagedPagesMax) return false;
    const auto [at, news] = wanted_.try_emplace({database, page}, now + kAskAgainAfter);
    if (news) ask(at->first, others);
    return news;
}

void PageRepair::tick(const std::vector<NodeId>& others, TimePoint now) {
    for (auto& [page, ask_at] : wanted_) {
        if (now < ask_at) continue;
        ask_at = now + kAskAgainAfter;
        ask(page, others);
    }
}

void PageRepair::ask(const Page& page, const std::vector<NodeId>& others) {
    for (const NodeId other : others) send_(other, PageRequest{page.first, page.second});
}

PageReply PageRepair::answer(const PageRequest& request) const {
    PageReply reply{request.database, request.page, Index(), {}};
    if (auto copy = store_.copy_page(request.database, request.page)) {
        reply.as_of = copy->as_of;
        reply.data = std::move(copy->bytes);
    }
    return reply;
}

bool PageRepair::receive(const PageReply& reply, bool newer) {
    const auto found = wanted_.find({reply.database, reply.page});
    if (found == wanted_.end() || reply.data.empty()) return false;
    if (!store_.mend(reply.database, reply.page, {reply.data, reply.as_of}, newer)) return false;
    wanted_.erase(found);
    return true;
}

}  // namespace quorlite::replica
