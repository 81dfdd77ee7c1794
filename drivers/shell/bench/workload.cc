#include "drivers/shell/bench/workload.h"

#include <algorithm>

namespace quorlite::benchmark {

const Statement& statement(StatementId id) {
    static constexpr std::array<Statement, kStatementCount> kStatements = {{
        {"BEGIN", Takes::kNothing, Gives::kResult},
        {"COMMIT", Takes::kNothing, Gives::kResult},
        {"ROLLBACK", Takes::kNothing, Gives::kResult},
        {"INSERT INTO inserted (value) VALUES (?)", Takes::kValue, Gives::kOneChange},
        {"UPDATE item SET value = ? WHERE id = ?", Takes::kValueAndKey, Gives::kOneChange},
        {"SELECT value FROM item WHERE id = ?", Takes::kKey, Gives::kOneRow},
        {"SELECT id, value FROM item", Takes::kNothing, Gives::kAllItems},
        {"REPLACE INTO slot (id, value) VALUES (?, ?)", Takes::kSlotAndBlob, Gives::kOneChange},
    }};
    return kStatements[id];
}

std::span<const Workload> workloads() {
    static const std::vector<StatementId> kTransaction = [] {
        std::vector<StatementId> steps(12, kInsert);
        steps.front() = kBegin;
        steps.back() = kCommit;
        return steps;
    }();
    static const std::array<Workload, 8> kWorkloads = {{
        {"insert", {kInsert}},
        {"update", {kUpdate}},
        {"transaction", kTransaction},
        {"read", {kRead}},
        {"scan", {kScan}},
        {"mixed", {kRead}, {kUpdate}, 10},
        {"blob-64k", {kBlob}, {}, 0, 64 << 10},
        {"blob-1m", {kBlob}, {}, 0, 1 << 20},
    }};
    return kWorkloads;
}

const Workload* find_workload(std::string_view name) {
    const auto all = workloads();
    const auto found = std::ranges::find(all, name, &Workload::name);
    return found == all.end() ? nullptr : &*found;
}

Drawer::Drawer(const Workload& workload, std::uint64_t seed)
    : workload_(workload),
      random_(static_cast<std::uint32_t>(seed + 1)),
      slot_(static_cast<std::int64_t>(seed) * 7 % kBlobSlots),
      text_(kItemBytes, 'v'),
      blob_(workload.blob_bytes) {
    // Random bytes: dqlite compresses its snapshots, and real blobs hardly shrink.
    for (std::uint8_t& byte : blob_) byte = static_cast<std::uint8_t>(random_() >> 8);
}

std::span<const StatementId> Drawer::operation() {
    const bool other = workload_.other_percent > 0 && random_() % 100 < workload_.other_percent;
    return other ? workload_.other_steps : workload_.steps;
}

wire::Parameters Drawer::parameters(StatementId id) {
    const std::int64_t key = 1 + static_cast<std::int64_t>(random_()) % kItemCount;
    // Every value differs, so that no update is one that changes nothing.
    text_.replace(0, 10, std::to_string(1'000'000'000 + random_() % 1'000'000'000));
    switch (statement(id).takes) {
        case Takes::kNothing:
            return {};
        case Takes::kValue:
            values_[0] = std::string_view(text_);
            return wire::Parameters(std::span(values_).first(1));
        case Takes::kValueAndKey:
            values_ = {std::string_view(text_), key};
            return wire::Parameters(values_);
        case Takes::kKey:
            values_[0] = key;
            return wire::Parameters(std::span(values_).first(1));
        case Takes::kSlotAndBlob:
            slot_ = (slot_ + 1) % kBlobSlots;
            store_little(blob_.data(), static_cast<std::uint64_t>(random_()));
            values_ = {slot_, ByteView(blob_)};
            return wire::Parameters(values_);
    }
    return {};
}

}  // namespace quorlite::benchmark
