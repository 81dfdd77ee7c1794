// Errands: what is asked after which answer, and what an end in the middle means.
#include "drivers/core/errand.h"

#include <gtest/gtest.h>

namespace quorlite::core {
namespace {

using namespace std::chrono_literals;
using wire::RequestType;

const Time kBegin = Time() + 1h;

error_info failure(error_kind kind) {
    error_info error;
    error.kind = kind;
    error.message = "it failed";
    return error;
}

void expect(const std::optional<Question>& question, RequestType type, const std::string& node) {
    ASSERT_TRUE(question);
    EXPECT_EQ(question->operation->admin.type, type);
    EXPECT_EQ(question->node, node);
}

TEST(Errand, ASpareIsOnlyAdded) {
    Addition errand({4, "d:1", node_role::spare});
    expect(errand.next(kBegin), RequestType::kAdd, "");
    EXPECT_FALSE(errand.next(kBegin));
    EXPECT_FALSE(errand.error());
}

TEST(Errand, AVoterIsAddedAndThenAssigned) {
    Addition errand({4, "d:1", node_role::voter});
    expect(errand.next(kBegin), RequestType::kAdd, "");
    expect(errand.next(kBegin), RequestType::kAssign, "");
    EXPECT_FALSE(errand.next(kBegin));
    EXPECT_FALSE(errand.error());
}

TEST(Errand, AVoterThatWasNotAddedIsNotAssigned) {
    Addition errand({4, "d:1", node_role::voter});
    errand.next(kBegin)->operation->error = failure(error_kind::sql);
    EXPECT_FALSE(errand.next(kBegin));
    ASSERT_TRUE(errand.error());
    EXPECT_EQ(errand.error()->verdict, verdict::not_committed);
}

TEST(Errand, AnAdditionThatEndsBetweenItsStepsIsInDoubt) {
    Addition errand({4, "d:1", node_role::voter});
    errand.next(kBegin);
    errand.next(kBegin)->operation->error = failure(error_kind::cancelled);
    EXPECT_FALSE(errand.next(kBegin));
    ASSERT_TRUE(errand.error());
    EXPECT_EQ(errand.error()->verdict, verdict::in_doubt);
    EXPECT_EQ(errand.error()->kind, error_kind::cancelled);
}

TEST(Errand, ASurveyAsksEveryNodeAndMeasuresOneRoundTrip) {
    Survey errand({});
    std::optional<Question> question = errand.next(kBegin);
    expect(question, RequestType::kCluster, "");
    question->operation->nodes = {{1, "a:1", node_role::voter}, {2, "b:1", node_role::spare}};
    question = errand.next(kBegin);
    expect(question, RequestType::kDescribe, "a:1");
    question->operation->error = failure(error_kind::unavailable);
    question = errand.next(kBegin + 3s);
    expect(question, RequestType::kDescribe, "b:1");
    question->operation->metadata = {3, 4};
    question = errand.next(kBegin + 4s);
    expect(question, RequestType::kLeader, "b:1");
    question->operation->leader.address = "b:1";
    question = errand.next(kBegin + 4s + 5ms);
    expect(question, RequestType::kStatus, "b:1");
    question->operation->error = failure(error_kind::deadline);  // an old server: no progress
    EXPECT_FALSE(errand.next(kBegin + 5s));
    EXPECT_FALSE(errand.error());
    const std::vector<node_status> status = errand.take_status();
    ASSERT_EQ(status.size(), 2u);
    EXPECT_FALSE(status[0].reachable);
    EXPECT_EQ(status[0].trouble, "it failed");
    EXPECT_TRUE(status[1].reachable && status[1].leader);
    EXPECT_EQ(status[1].latency, 5ms);
    EXPECT_EQ(status[1].description.weight, 4u);
    EXPECT_FALSE(status[1].progress);
}

TEST(Errand, ASurveyThatIsStoppedIsNone) {
    Survey errand({});
    errand.next(kBegin)->operation->nodes = {{1, "a:1", node_role::voter}};
    errand.next(kBegin)->operation->error = failure(error_kind::cancelled);
    EXPECT_FALSE(errand.next(kBegin));
    EXPECT_TRUE(errand.error());
}

}  // namespace
}  // namespace quorlite::core
