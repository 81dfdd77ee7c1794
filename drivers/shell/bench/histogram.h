// Histogram: latencies in buckets whose width grows with the value, so that any quantile is known
// to 1/64 of itself from a fixed 30 KiB, however many values were recorded. Nothing is sampled or
// lost.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace quorlite::benchmark {

class Histogram {
public:
    void record(std::uint64_t nanoseconds) {
        ++buckets_[bucket_of(nanoseconds)];
        ++count_;
        max_ = std::max(max_, nanoseconds);
    }

    std::uint64_t count() const { return count_; }
    std::uint64_t max() const { return max_; }

    // The smallest recorded value (to the bucket's precision) that `quantile` of all do not exceed.
    std::uint64_t at(double quantile) const {
        const auto rank = static_cast<std::uint64_t>(quantile * static_cast<double>(count_));
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
            seen += buckets_[bucket];
            if (seen > rank) return std::min(upper_end(bucket), max_);
        }
        return max_;
    }

private:
    // Values below 2 * kSteps have buckets of width 1; then every power of two has kSteps buckets.
    static constexpr unsigned kStepBits = 6;
    static constexpr std::uint64_t kSteps = 1u << kStepBits;

    static std::size_t bucket_of(std::uint64_t value) {
        if (value < 2 * kSteps) return value;
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kStepBits - 1;
        return (shift << kStepBits) + (value >> shift);
    }

    static std::uint64_t upper_end(std::size_t bucket) {
        if (bucket < 2 * kSteps) return bucket;
        const unsigned shift = static_cast<unsigned>(bucket >> kStepBits) - 1;
        return ((bucket - (std::uint64_t{shift} << kStepBits) + 1) << shift) - 1;
    }

    std::array<std::uint64_t, (64 - kStepBits + 1) << kStepBits> buckets_ = {};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace quorlite::benchmark
