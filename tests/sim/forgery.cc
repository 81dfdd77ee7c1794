#include "tests/sim/forgery.h"

#include <limits>

namespace quorlite::sim {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kFarTerm = raft::kTermStepMax + 1'000'000;  // more than any run reaches
constexpr std::uint64_t kEntriesClaimedMax = 8;

std::uint64_t far_index(Seeded& random) {
    constexpr std::uint64_t kChoices[] = {kMost, kMost - 1, kMost / 2, raft::kIndexMax,
                                          raft::kIndexMax + 1};
    return random.one_of(std::span(kChoices));
}

bool with_extreme_term(raft::Message& message, Seeded& random) {
    constexpr std::uint64_t kChoices[] = {0,     kMost / 2,          kMost - 1,
                                          kMost, raft::kTermMax + 1, kFarTerm};
    const Term term(random.one_of(std::span(kChoices)));
    std::visit([term](auto& body) { body.term = term; }, message);
    return true;
}

bool with_extreme_index(raft::Message& message, Seeded& random) {
    if (auto* append = std::get_if<raft::AppendRequest>(&message)) {
        append->previous_index = Index(far_index(random));
        append->commit = append->previous_index;
        return true;
    }
    auto* reply = std::get_if<raft::AppendReply>(&message);
    if (reply == nullptr) return false;
    reply->success = true;
    reply->match = Index(far_index(random));
    if (random.chance(0.3)) reply->round = kMost - random.below(2);
    return true;
}

bool out_of_order(raft::Message& message, Seeded& random) {
    auto* append = std::get_if<raft::AppendRequest>(&message);
    if (append == nullptr || append->entries.empty()) return false;
    raft::Entry& entry = append->entries[random.below(append->entries.size())];
    if (random.chance(0.3)) {
        entry.term = Term(append->term.value() + 1 + random.below(2) * (kMost / 2));
    } else {
        entry.index = random.chance(0.5) ? entry.index.next() : Index(far_index(random));
    }
    return true;
}

// Nobody could ever vote again, or not even read who may.
bool with_bad_membership(raft::Message& message, Seeded& random) {
    auto* append = std::get_if<raft::AppendRequest>(&message);
    if (append == nullptr) return false;
    Bytes payload = encode(raft::Configuration{{{kStranger, "h:7777", raft::Role::kSpare}}});
    if (random.chance(0.5)) payload.resize(random.below(payload.size()));
    append->entries.push_back(
        {append->term, append->previous_index.plus(append->entries.size() + 1),
         raft::EntryKind::kConfiguration, std::make_shared<const Bytes>(std::move(payload))});
    return true;
}

bool is_reply(const raft::Message& message) {
    return std::holds_alternative<raft::VoteReply>(message) ||
           std::holds_alternative<raft::AppendReply>(message);
}

}  // namespace

std::optional<raft::Envelope> forge(const raft::Envelope& real, Seeded& random) {
    raft::Envelope forged = real;
    bool fits = false;
    switch (random.below(5)) {
        case 0:
            fits = with_extreme_term(forged.message, random);
            break;
        case 1:
            fits = with_extreme_index(forged.message, random);
            break;
        case 2:
            fits = out_of_order(forged.message, random);
            break;
        case 3:
            fits = with_bad_membership(forged.message, random);
            break;
        default:
            fits = is_reply(real.message);
            forged.from = NodeId(kStranger.value() + random.below(kStrangers));
            forged.message = tempting(real.message, random);
            break;
    }
    if (!fits) return std::nullopt;
    return forged;
}

raft::Message tempting(const raft::Message& real, Seeded& random) {
    raft::Message message = real;
    if (auto* reply = std::get_if<raft::VoteReply>(&message)) {
        reply->granted = true;
        reply->log_end.reset();
    } else if (auto* ack = std::get_if<raft::AppendReply>(&message)) {
        ack->success = true;
        ack->match = ack->match.plus(1 + random.below(kEntriesClaimedMax));
    } else if (auto* append = std::get_if<raft::AppendRequest>(&message)) {
        append->term = append->term.next();
        append->entries = {{append->term, append->previous_index.next(), raft::EntryKind::kNoOp,
                            std::make_shared<const Bytes>()}};
        append->commit = append->previous_index.next();
    }
    return message;
}

}  // namespace quorlite::sim
