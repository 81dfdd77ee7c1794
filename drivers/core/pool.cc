#include "drivers/core/pool.h"

#include <algorithm>

#include "drivers/core/rules.h"

namespace quorlite::core {

PoolQueue::Ticket PoolQueue::ask() {
    line_.push_back(next_ticket_);
    return next_ticket_++;
}

std::optional<PoolQueue::Grant> PoolQueue::grant(Ticket ticket, Time now) {
    if (line_.empty() || line_.front() != ticket) return std::nullopt;
    Grant grant;
    if (!idle_.empty()) {
        grant = {idle_.back().slot, false, now - idle_.back().since >= check_after_};
        idle_.pop_back();
    } else if (!empty_.empty()) {
        grant = {empty_.back(), true, false};
        empty_.pop_back();
    } else if (slots_ < size_max_) {
        grant = {slots_++, true, false};
    } else {
        return std::nullopt;
    }
    line_.pop_front();
    ++in_use_;
    return grant;
}

void PoolQueue::give_up(Ticket ticket) {
    line_.erase(std::remove(line_.begin(), line_.end(), ticket), line_.end());
}

void PoolQueue::release(Slot slot, bool kept, Time now) {
    --in_use_;
    if (kept) {
        idle_.push_back({slot, now});
    } else {
        empty_.push_back(slot);
    }
}

std::vector<PoolQueue::Slot> PoolQueue::expire(Time now) {
    std::vector<Slot> over;
    std::erase_if(idle_, [&](const Idle& each) {
        if (now - each.since < idle_max_) return false;
        over.push_back(each.slot);
        return true;
    });
    empty_.insert(empty_.end(), over.begin(), over.end());
    return over;
}

error_info all_in_use() {
    error_info error =
        make_error(error_kind::busy, code::kBusy, "all connections of the pool are in use");
    error.may_retry = true;
    return error;
}

}  // namespace quorlite::core
