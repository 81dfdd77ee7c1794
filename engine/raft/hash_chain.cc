#include "engine/raft/hash_chain.h"

#include <algorithm>

#include "engine/base/check.h"
#include "wire/base/crc32c.h"

namespace quorlite::raft {
namespace {

// The last steps of MurmurHash3 with 64 bits: each bit of the result depends on every bit given.
std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ value >> 33) * 0xff51afd7ed558ccd;
    value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53;
    return value ^ value >> 33;
}

std::uint64_t chained(std::uint64_t before, const Entry& entry) {
    std::uint64_t hash = mixed(before ^ entry.index.value());
    hash = mixed(hash ^ entry.term.value());
    hash = mixed(hash ^ (entry.size() << 8 | static_cast<std::uint64_t>(entry.kind)));
    return mixed(hash ^ crc32c(*entry.payload));
}

}  // namespace

void HashChain::begin(const SnapshotPoint& point) {
    // Nothing is committed before the first entry, so its hash is known.
    if (point.hash || !point.index) return begin(point.hash.value_or(LogHash{}));
    head_.reset();
    recent_.clear();
    kept_.clear();
}

void HashChain::begin(const LogHash& hash) {
    head_ = hash;
    recent_.assign(1, hash.value);
    kept_.assign(1, {hash.index, hash.value});
}

void HashChain::add(const Entry& entry) {
    if (!head_) return;
    QUORLITE_CHECK(entry.index == head_->index.next());
    head_->index = entry.index;
    head_->value = chained(head_->value, entry);
    recent_.push_back(head_->value);
    if (recent_.size() > kRecent) recent_.pop_front();
    const bool keep = entry.index.value() % kSpacing == 0 || entry.size() >= kLargeBytes;
    if (keep) kept_.push_back({entry.index, head_->value});
}

std::optional<LogHash> HashChain::at(Index index) const {
    const std::optional<LogHash> found = at_or_before(index);
    return found && found->index == index ? found : std::nullopt;
}

std::optional<LogHash> HashChain::at_or_before(Index limit) const {
    if (!head_) return std::nullopt;
    limit = std::min(limit, head_->index);
    const std::uint64_t back = head_->index.value() - limit.value();
    if (back < recent_.size())
        return LogHash{head_->origin, limit,
                       *(recent_.rbegin() + static_cast<std::ptrdiff_t>(back))};
    const auto after =
        std::upper_bound(kept_.begin(), kept_.end(), limit,
                         [](Index sought, const Kept& kept) { return sought < kept.index; });
    if (after == kept_.begin()) return std::nullopt;
    return LogHash{head_->origin, (after - 1)->index, (after - 1)->value};
}

void HashChain::compact(Index index) {
    const std::optional<LogHash> first = at(index);
    while (!kept_.empty() && kept_.front().index <= index) kept_.pop_front();
    if (first) kept_.push_front({index, first->value});
}

}  // namespace quorlite::raft
