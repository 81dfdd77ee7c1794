// Tasks: what is asked after which response, and what an end in the middle means.
#include "drivers/core/admin_task.h"

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

void expect(const std::optional<AdminStep>& step, RequestType type, const std::string& node) {
    ASSERT_TRUE(step);
    EXPECT_EQ(step->operation->admin.type, type);
    EXPECT_EQ(step->node, node);
}

TEST(AdminTask, ASpareIsOnlyAdded) {
    AddNodeTask task({4, "d:1", node_role::spare});
    expect(task.next(kBegin), RequestType::kAdd, "");
    EXPECT_FALSE(task.next(kBegin));
    EXPECT_FALSE(task.error());
}

TEST(AdminTask, AVoterIsAddedAndThenAssigned) {
    AddNodeTask task({4, "d:1", node_role::voter});
    expect(task.next(kBegin), RequestType::kAdd, "");
    expect(task.next(kBegin), RequestType::kAssign, "");
    EXPECT_FALSE(task.next(kBegin));
    EXPECT_FALSE(task.error());
}

TEST(AdminTask, AVoterThatWasNotAddedIsNotAssigned) {
    AddNodeTask task({4, "d:1", node_role::voter});
    task.next(kBegin)->operation->error = failure(error_kind::sql);
    EXPECT_FALSE(task.next(kBegin));
    ASSERT_TRUE(task.error());
    EXPECT_EQ(task.error()->verdict, verdict::not_committed);
}

TEST(AdminTask, AnAdditionThatEndsBetweenItsStepsIsInDoubt) {
    AddNodeTask task({4, "d:1", node_role::voter});
    task.next(kBegin);
    task.next(kBegin)->operation->error = failure(error_kind::cancelled);
    EXPECT_FALSE(task.next(kBegin));
    ASSERT_TRUE(task.error());
    EXPECT_EQ(task.error()->verdict, verdict::in_doubt);
    EXPECT_EQ(task.error()->kind, error_kind::cancelled);
}

TEST(AdminTask, AStatusAsksEveryNodeAndMeasuresOneRoundTrip) {
    ClusterStatusTask task({});
    std::optional<AdminStep> step = task.next(kBegin);
    expect(step, RequestType::kCluster, "");
    step->operation->nodes = {{1, "a:1", node_role::voter}, {2, "b:1", node_role::spare}};
    step = task.next(kBegin);
    expect(step, RequestType::kDescribe, "a:1");
    step->operation->error = failure(error_kind::unavailable);
    step = task.next(kBegin + 3s);
    expect(step, RequestType::kDescribe, "b:1");
    step->operation->metadata = {3, 4};
    step = task.next(kBegin + 4s);
    expect(step, RequestType::kLeader, "b:1");
    step->operation->leader.address = "b:1";
    step = task.next(kBegin + 4s + 5ms);
    expect(step, RequestType::kStatus, "b:1");
    step->operation->error = failure(error_kind::deadline);  // an old server: no progress
    EXPECT_FALSE(task.next(kBegin + 5s));
    EXPECT_FALSE(task.error());
    const std::vector<node_status> status = task.take_status();
    ASSERT_EQ(status.size(), 2u);
    EXPECT_FALSE(status[0].reachable);
    EXPECT_EQ(status[0].trouble, "it failed");
    EXPECT_TRUE(status[1].reachable && status[1].leader);
    EXPECT_EQ(status[1].latency, 5ms);
    EXPECT_EQ(status[1].description.weight, 4u);
    EXPECT_FALSE(status[1].progress);
}

TEST(AdminTask, AStatusThatIsStoppedIsNone) {
    ClusterStatusTask task({});
    task.next(kBegin)->operation->nodes = {{1, "a:1", node_role::voter}};
    task.next(kBegin)->operation->error = failure(error_kind::cancelled);
    EXPECT_FALSE(task.next(kBegin));
    EXPECT_TRUE(task.error());
}

}  // namespace
}  // namespace quorlite::core
