// What the codes of errors mean, and the errors that are given in more than one place.
//
// The codes, their meanings and their texts come from one table, spec/errors.json.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "wire/base/error_codes.h"
#include "wire/base/result.h"

namespace quorlite {

// Of a FAILURE. A code that the table does not list means what its primary code does.
inline ErrorMeaning meaning_of(std::uint64_t failure_code, std::string_view message) {
    constexpr std::uint64_t kCodeMax = 0x7fffffff;
    const auto find = [](std::uint64_t wanted, std::string_view if_text) {
        return std::find_if(std::begin(kErrorRows), std::end(kErrorRows), [&](const ErrorRow& row) {
            return static_cast<std::uint64_t>(row.code) == wanted && row.if_text == if_text;
        });
    };
    for (const auto* const row :
         {message.empty() ? std::end(kErrorRows) : find(failure_code, message),
          find(failure_code, ""), find(failure_code & 0xff, "")}) {
        if (row != std::end(kErrorRows) && failure_code <= kCodeMax) return row->meaning;
    }
    return ErrorMeaning::kRefused;
}

inline Error not_leader() {
    return {code::kNotLeader, text::kNotLeader, Verdict::kNotCommitted};
}

inline Error leadership_lost() {
    return {code::kLeadershipLost, text::kLeadershipLost, Verdict::kInDoubt};
}

inline Error interruption() {
    return {code::kInterrupted, text::kInterrupted, Verdict::kNotCommitted};
}

}  // namespace quorlite
