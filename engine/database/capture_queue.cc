#include "engine/database/capture_queue.h"

#include "engine/base/check.h"

namespace quorlite::database {

void CaptureQueue::take(Client& client, Capture& capture) {
    std::size_t begin = proposed_;
    for (const std::size_t batch : batches_) begin += batch;
    if (begin == transactions_.size()) return;
    batches_.push_back(transactions_.size() - begin);
    for (std::size_t i = begin; i < transactions_.size(); ++i) {
        const auto& commands = transactions_[i].commands;
        capture.commands.insert(capture.commands.end(), commands.begin(), commands.end());
        const auto writer = transactions_[i].writer.lock();
        if (writer.get() != &client) {
            if (writer) writer->taken_by_other = true;
        } else if (capture.own == Capture::Own::kNone) {
            capture.own = Capture::Own::kIncluded;
        }
    }
}

CaptureQueue::Proposed CaptureQueue::proposed(Index last) {
    QUORLITE_CHECK(!batches_.empty());
    const std::size_t begin = proposed_;
    proposed_ += batches_.front();
    batches_.pop_front();
    for (std::size_t i = proposed_; i-- > begin;) {
        transactions_[i].last = last;
        last = transactions_[i].first().previous();
    }
    return {transactions_[begin].first(), transactions_[proposed_ - 1]};
}

std::optional<CaptureQueue::Transaction> CaptureQueue::pop_committed(Index committed) {
    if (proposed_ == 0 || transactions_.front().last > committed) return std::nullopt;
    Transaction oldest = std::move(transactions_.front());
    transactions_.pop_front();
    --proposed_;
    return oldest;
}

CaptureQueue::Part CaptureQueue::partly_committed(Index committed) const {
    Part part;
    if (proposed_ == 0 || transactions_.front().first() > committed) return part;
    const Transaction& oldest = transactions_.front();
    part.first = oldest.first();
    const std::size_t count = committed.value() - part.first.value() + 1;
    part.commands.assign(oldest.commands.begin(),
                         oldest.commands.begin() + static_cast<std::ptrdiff_t>(count));
    return part;
}

}  // namespace quorlite::database
