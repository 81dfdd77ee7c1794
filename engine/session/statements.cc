#include "engine/session/statements.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace quorlite::session {

Prepared* StatementCache::insert(std::string_view sql, Prepared prepared) {
    Entry* place = nullptr;
    if (entries_.size() < limits::kCachedStatementsMax) {
        entries_.reserve(limits::kCachedStatementsMax);
        place = &entries_.emplace_back();
    } else {
        place = &*std::ranges::min_element(entries_, {}, &Entry::used);
    }
    *place = {std::string(sql), std::move(prepared), ++uses_};
    return &place->prepared;
}

Prepared* StatementCache::find(std::string_view sql) {
    for (Entry& entry : entries_) {
        if (entry.sql != sql) continue;
        entry.used = ++uses_;
        return &entry.prepared;
    }
    return nullptr;
}

Result<std::uint32_t> StatementTable::insert(Prepared prepared) {
    if (lowest_free_ >= limits::kStatementsPerSessionMax) {
        return Error{code::kError,
                     "too many prepared statements on this connection: finalize some"};
    }
    if (sql_bytes_ + prepared.sql_bytes > limits::kPreparedSqlBytesMax) {
        return Error{code::kError,
                     "the prepared statements of this connection are too long: finalize some"};
    }
    sql_bytes_ += prepared.sql_bytes;
    const std::size_t id = lowest_free_;
    if (id == statements_.size()) statements_.emplace_back();
    statements_[id] = std::move(prepared);
    while (lowest_free_ < statements_.size() && statements_[lowest_free_].statement) ++lowest_free_;
    return static_cast<std::uint32_t>(id);
}

Prepared* StatementTable::find(std::uint64_t id) {
    if (id >= statements_.size() || !statements_[id].statement) return nullptr;
    return &statements_[id];
}

void StatementTable::erase(std::uint64_t id) {
    QUORLITE_CHECK(find(id) != nullptr);
    sql_bytes_ -= statements_[id].sql_bytes;
    statements_[id] = {};
    lowest_free_ = std::min(lowest_free_, static_cast<std::size_t>(id));
}

}  // namespace quorlite::session
