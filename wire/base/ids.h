// Strong ids: a term cannot be passed where an index is wanted.
//
// Every number that names a thing in the protocol or the log has its own type, built explicitly
// from and read explicitly as 64 bits. Zero means "none" for Term, Index and NodeId: logs begin at
// index 1, elections at term 1, and no node may have the id 0.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace quorlite {

template <class Tag>
class StrongId {
public:
    constexpr StrongId() = default;
    explicit constexpr StrongId(std::uint64_t value) : value_(value) {}

    constexpr std::uint64_t value() const { return value_; }
    constexpr StrongId next() const { return StrongId(value_ + 1); }
    constexpr StrongId previous() const { return StrongId(value_ == 0 ? 0 : value_ - 1); }
    constexpr StrongId plus(std::uint64_t count) const { return StrongId(value_ + count); }
    explicit constexpr operator bool() const { return value_ != 0; }
    friend constexpr auto operator<=>(StrongId, StrongId) = default;

private:
    std::uint64_t value_ = 0;
};

using Term = StrongId<struct TermTag>;
using Index = StrongId<struct IndexTag>;
using NodeId = StrongId<struct NodeIdTag>;

// Names a cluster for as long as it lives: 128 random bits, drawn when it is founded. Zero: not
// known.
struct ClusterId {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    explicit constexpr operator bool() const { return high != 0 || low != 0; }
    friend constexpr bool operator==(const ClusterId&, const ClusterId&) = default;
};

// 32 hexadecimal digits.
inline std::string to_text(const ClusterId& id) {
    std::string text;
    for (const std::uint64_t half : {id.high, id.low}) {
        for (int shift = 60; shift >= 0; shift -= 4) {
            text += "0123456789abcdef"[(half >> shift) & 15];
        }
    }
    return text;
}

// Nodes of version 0.1 know, and say, only the low half.
constexpr bool same_cluster(const ClusterId& a, const ClusterId& b) {
    return a.low == b.low && (a.high == b.high || a.high == 0 || b.high == 0);
}

}  // namespace quorlite

template <class Tag>
struct std::hash<quorlite::StrongId<Tag>> {
    std::size_t operator()(quorlite::StrongId<Tag> id) const noexcept {
        return std::hash<std::uint64_t>{}(id.value());
    }
};
