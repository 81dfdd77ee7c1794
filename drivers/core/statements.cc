#include "drivers/core/statements.h"

#include <functional>

#include "drivers/core/limits.h"

namespace quorlite::core {

std::optional<std::uint32_t> Statements::find(std::string_view sql) {
    const auto found = by_text_.find(sql);
    if (found == by_text_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->number;
}

std::optional<std::uint64_t> Statements::parameters(std::string_view sql) const {
    const auto found = by_text_.find(sql);
    if (found == by_text_.end()) return std::nullopt;
    return found->second->parameters;
}

std::optional<std::uint32_t> Statements::add(std::string sql, std::uint32_t number,
                                             std::uint64_t parameters) {
    entries_.push_front(Entry{std::move(sql), number, parameters});
    by_text_[entries_.front().sql] = entries_.begin();
    if (entries_.size() <= max_) return std::nullopt;
    const std::uint32_t oldest = entries_.back().number;
    by_text_.erase(entries_.back().sql);
    entries_.pop_back();
    return oldest;
}

void Statements::clear() {
    by_text_.clear();
    entries_.clear();
}

bool Statements::repeated(std::string_view sql) {
    const std::size_t hash = std::hash<std::string_view>{}(sql);
    if (seen_.contains(hash)) return true;
    if (seen_.size() >= limits::kTextsRemembered) seen_.clear();
    seen_.insert(hash);
    return false;
}

}  // namespace quorlite::core
