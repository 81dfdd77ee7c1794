// The statements that are prepared on one channel: a cache with a limit, and a memory of texts that
// were seen once.
//
// The server numbers statements; the numbers die with the channel. A statement that has to make
// room is finalized by the owner, who is told its number.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace quorlite::core {

class Statements {
public:
    explicit Statements(std::size_t max) : max_(max == 0 ? 1 : max) {}

    // The number of a prepared statement, which becomes the one used last.
    std::optional<std::uint32_t> find(std::string_view sql);
    std::optional<std::uint64_t> parameters(std::string_view sql) const;
    // Adds one; returns the number of another that is to be finalized, if there are too many now.
    std::optional<std::uint32_t> add(std::string sql, std::uint32_t number,
                                     std::uint64_t parameters);
    void clear();

    // True if the text was asked about before, lately.
    bool repeated(std::string_view sql);

private:
    struct Entry {
        std::string sql;
        std::uint32_t number;
        std::uint64_t parameters;
    };
    std::size_t max_;
    std::list<Entry> entries_;  // the one used last in front
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_text_;
    std::unordered_set<std::size_t> seen_;
};

}  // namespace quorlite::core
