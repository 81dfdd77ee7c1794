#include "engine/replica/page_repair.h"

#include <algorithm>
#include <limits>

#include "engine/base/limits.h"

namespace quorlite::replica {
namespace {

constexpr Duration kAskAgainAfter = std::chrono::milliseconds(200);
constexpr Duration kScanPause = std::chrono::milliseconds(2);
constexpr std::uint32_t kLastPage = std::numeric_limits<std::uint32_t>::max();
// Of the pages wanted at one time, so many are left to readers.
constexpr std::size_t kWantedByScanMax =
    limits::kDamagedPagesMax - 2 * std::size_t{database::kPagesCheckedAtOnce};

}  // namespace

bool PageRepair::damaged(const std::string& database, std::uint32_t page, TimePoint now) {
    // Of those beyond the limit the next reader tells again.
    if (wanted_.size() >= limits::kDamagedPagesMax) return false;
    const auto [at, news] = wanted_.try_emplace({database, page}, now + kAskAgainAfter);
    if (!news) return false;
    ask_({database, page});
    start_scan(at->first);
    return true;
}

void PageRepair::tick(TimePoint now) {
    for (auto& [page, ask_at] : wanted_) {
        if (now < ask_at) continue;
        ask_at = now + kAskAgainAfter;
        ask_({page.first, page.second});
    }
    scan();
}

void PageRepair::start_scan(const Page& found) {
    const auto& [database, page] = found;
    const bool runs =
        std::ranges::any_of(scans_, [&](const Range& range) { return range.database == database; });
    if (runs) return;
    scans_.push_back({database, page, kLastPage});
    scans_.push_back({database, 1, page});
    scan();
}

void PageRepair::scan() {
    if (scanning_ || scans_.empty() || wanted_.size() > kWantedByScanMax) return;
    scanning_ = true;
    store_.check_pages(scans_.front().database, scans_.front().next,
                       lifetime_.guard([this](std::uint32_t next) { scanned(next); }));
}

// What was damaged among them has been told by now.
void PageRepair::scanned(std::uint32_t next) {
    Range& range = scans_.front();
    range.next = next;
    if (next == 0 || next > range.last) scans_.pop_front();
    executor_.after(kScanPause, lifetime_.guard([this] {
        scanning_ = false;
        scan();
    }));
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
    if (!store_.repair(reply.database, reply.page, {reply.data, reply.as_of}, newer)) return false;
    wanted_.erase(found);
    return true;
}

}  // namespace quorlite::replica
