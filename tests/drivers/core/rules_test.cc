// The retry rules against spec/vectors/rules.json, which the other clients read, too.
#include "drivers/core/rules.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tests/drivers/core/vectors.h"

namespace quorlite::core {
namespace {

using nlohmann::json;

const json& vectors() {
    static const json loaded = read_vectors("rules");
    return loaded;
}

Effect effect_of(const std::string& name) {
    static const std::map<std::string, Effect> kNames = {
        {"none", Effect::kNone},   {"read", Effect::kRead},     {"write", Effect::kWrite},
        {"begin", Effect::kBegin}, {"commit", Effect::kCommit}, {"rollback", Effect::kRollback}};
    return kNames.at(name);
}

error_kind kind_of(const std::string& name) {
    for (int i = 0;; ++i) {
        const auto kind = static_cast<error_kind>(i);
        if (to_string(kind) == name) return kind;
        if (kind == error_kind::store) throw std::invalid_argument(name);
    }
}

verdict verdict_of(const std::string& name) {
    static const std::map<std::string, verdict> kNames = {{"committed", verdict::committed},
                                                          {"not_committed", verdict::not_committed},
                                                          {"in_doubt", verdict::in_doubt}};
    return kNames.at(name);
}

RetryDecision decide(const json& event, const RetryContext& context) {
    if (event.contains("failure")) {
        return classify_failure(event["failure"][0], event["failure"][1].get<std::string>(),
                                context);
    }
    const error_kind kind = kind_of(event["kind"]);
    if (event.contains("loss")) return classify_loss(event["loss"]["sent"], "?", kind, context);
    static const std::map<std::string, Progress> kProgress = {
        {"not_sent", Progress::kNotSent},
        {"stopped", Progress::kStopped},
        {"unanswered", Progress::kUnanswered}};
    return classify_abandoned(kProgress.at(event["abandoned"]), kind, "?", context);
}

json described(const RetryDecision& decision) {
    static constexpr std::array kActions = {"report", "elsewhere", "wait"};
    static constexpr std::array kVerdicts = {"committed", "not_committed", "in_doubt"};
    json then = {{"action", kActions.at(static_cast<std::size_t>(decision.action))},
                 {"verdict", kVerdicts.at(static_cast<std::size_t>(decision.error.verdict))}};
    if (decision.error.may_retry) then["may_retry"] = true;
    if (decision.leave) then["leave"] = true;
    if (decision.transaction_gone) then["transaction_gone"] = true;
    if (decision.probe) then["probe"] = true;
    return then;
}

// Calls `visit` with every combination of one value of each dimension.
void combine(const json& dimensions, const json& narrowed, const std::function<void(json)>& visit) {
    std::vector<json> combinations = {json::object()};
    for (const auto& [name, all] : dimensions.items()) {
        std::vector<json> wider;
        for (const json& each : combinations) {
            for (const json& value : narrowed.contains(name) ? narrowed[name] : all) {
                wider.push_back(each);
                wider.back()[name] = value;
            }
        }
        combinations = std::move(wider);
    }
    for (json& each : combinations) visit(std::move(each));
}

std::size_t combinations(const json& dimensions) {
    std::size_t count = 1;
    for (const json& values : dimensions) count *= values.size();
    return count;
}

TEST(Rules, DecideAsTheCasesSay) {
    std::set<std::string> seen;
    for (const json& each : vectors()["cases"]) {
        for (const std::string name : each["events"]) {
            const json& event = vectors()["events"][name];
            combine(vectors()["context"], each, [&](const json& at) {
                EXPECT_TRUE(seen.insert(name + at.dump()).second)
                    << name << at << " is there twice";
                if (at["several"]) return;  // this client sends one statement in a request
                const RetryContext context{effect_of(at["effect"]), at["in_transaction"],
                                           at["idempotent"], at["delivered"]};
                const RetryDecision decision = decide(event, context);
                EXPECT_EQ(described(decision), each["then"]) << name << at;
                EXPECT_EQ(to_string(decision.error.kind), event["kind"]) << name << at;
            });
        }
    }
    EXPECT_EQ(seen.size(), vectors()["events"].size() * combinations(vectors()["context"]))
        << "combinations are missing";
}

TEST(Rules, TransactionsAreRunAgainAsTheCasesSay) {
    std::set<std::string> seen;
    for (const json& each : vectors()["rerun_cases"]) {
        combine(vectors()["rerun_context"], each, [&](const json& at) {
            EXPECT_TRUE(seen.insert(at.dump()).second) << at << " is there twice";
            error_info error;
            error.kind = kind_of(at["kind"]);
            error.verdict = verdict_of(at["verdict"]);
            error.may_retry = at["may_retry"];
            EXPECT_EQ(may_rerun(error, at["idempotent"]), each["rerun"]) << at;
        });
    }
    EXPECT_EQ(seen.size(), combinations(vectors()["rerun_context"])) << "combinations are missing";
}

TEST(Rules, CodesAreWhatTheServerSent) {
    const RetryDecision conflict = classify_failure(2067, "UNIQUE constraint failed: t.a", {});
    EXPECT_EQ(conflict.error.code(), 19);
    EXPECT_EQ(conflict.error.extended_code, 2067);
    EXPECT_EQ(classify_failure(1002, "no such database", {}).error.code(), 1002);
    EXPECT_GT(classify_failure(~0ull, "absurd", {}).error.extended_code, 0);
}

// What is sent behind the statement: after 516 the server carries out nothing of it.
TEST(Rules, FollowersEscapeOnlyATransactionThatEndedSilently) {
    const RetryContext inside{Effect::kWrite, true, false, false};
    EXPECT_TRUE(classify_failure(13, "full", inside).followers_escaped);
    EXPECT_TRUE(classify_failure(517, "stale", inside).followers_escaped);
    EXPECT_FALSE(classify_failure(516, "rolled back", inside).followers_escaped);
    EXPECT_FALSE(classify_failure(10250, "not leader", inside).followers_escaped);
    EXPECT_FALSE(classify_failure(13, "full", {}).followers_escaped);
}

TEST(Backoff, DoublesUpToItsLimitAndIsJittered) {
    using std::chrono::milliseconds;
    Backoff backoff(milliseconds(10), milliseconds(100));
    for (const int longest : {10, 20, 40, 80, 100, 100}) {
        const Duration pause = backoff.next(static_cast<std::uint64_t>(longest) * 7919);
        EXPECT_GE(pause, milliseconds(longest) / 2);
        EXPECT_LT(pause, milliseconds(longest));
    }
    backoff.reset();
    EXPECT_LT(backoff.next(1), milliseconds(10));
    Backoff never_zero(milliseconds(0), milliseconds(0));
    EXPECT_GT(never_zero.next(0), Duration::zero());
}

}  // namespace
}  // namespace quorlite::core
