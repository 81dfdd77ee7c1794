// The queue of writers: in order, in time, and held when the WAL needs it.
#include "engine/database/writer_queue.h"

#include <gtest/gtest.h>

#include "tests/base/test_executor.h"

namespace quorlite::database {
namespace {

using Ticket = WriterQueue::Ticket;
constexpr Duration kSecond = std::chrono::seconds(1);

class WriterQueueTest : public testing::Test {
protected:
    Ticket acquire(const std::string& name, Duration timeout = kSecond) {
        return queue_.acquire(name, timeout, [this, name](Status status) {
            events_.push_back(name + (status.ok() ? "" : ": " + status.error().message));
        });
    }

    test::TestExecutor executor_;
    int released_ = 0;
    FairQueue queue_{executor_, [this] { ++released_; }};
    std::vector<std::string> events_;
    using Events = std::vector<std::string>;
};

TEST_F(WriterQueueTest, GrantsInOrder) {
    const Ticket a = acquire("a");
    const Ticket b = acquire("b");
    const Ticket c = acquire("c");
    EXPECT_EQ(events_, Events{"a"});
    queue_.release(b);  // leaves the queue
    queue_.release(a);
    EXPECT_EQ(events_, (Events{"a", "c"}));
    queue_.release(c);
    queue_.release(c);
    EXPECT_EQ(released_, 2);
    EXPECT_FALSE(queue_.taken());
    executor_.advance(10 * kSecond);
    EXPECT_EQ(events_.size(), 2u);
}

TEST_F(WriterQueueTest, NamesTheHolderWhenTimeIsUp) {
    const Ticket a = acquire("10.0.0.1:77");
    acquire("b");
    acquire("c", Duration::zero());
    EXPECT_EQ(events_.back(), "c: database is locked by 10.0.0.1:77");
    executor_.advance(2 * kSecond);
    EXPECT_EQ(events_.back(), "b: database is locked by 10.0.0.1:77");
    queue_.release(a);
    EXPECT_EQ(events_.size(), 3u);
}

TEST_F(WriterQueueTest, NoTimeoutRunsWhileItIsHeld) {
    queue_.hold();
    const Ticket a = acquire("a", Duration::zero());
    acquire("b");
    executor_.advance(10 * kSecond);
    EXPECT_TRUE(events_.empty());
    queue_.resume();
    EXPECT_EQ(events_, Events{"a"});
    executor_.advance(2 * kSecond);
    EXPECT_EQ(events_.back(), "b: database is locked by a");
    queue_.release(a);
}

TEST_F(WriterQueueTest, AThousandWritersThatFinishAtOnceNeedNoStack) {
    const Ticket first = acquire("first");
    int done = 0;
    std::vector<Ticket> tickets(3'000);
    for (Ticket& ticket : tickets) {
        ticket = queue_.acquire("x", kSecond, [&](Status status) {
            EXPECT_TRUE(status.ok());
            ++done;
            queue_.release(ticket);
        });
    }
    queue_.release(first);
    EXPECT_EQ(done, 3'000);
}

TEST_F(WriterQueueTest, ResetFreesTheLockAndAnswersEveryone) {
    const Ticket a = acquire("a");
    acquire("b");
    queue_.reset(Error{code::kNotLeader, "not leader"});
    EXPECT_EQ(events_.back(), "b: not leader");
    acquire("c");
    EXPECT_EQ(events_.back(), "c");
    queue_.release(a);  // of before: nothing happens
    EXPECT_TRUE(queue_.taken());
}

}  // namespace
}  // namespace quorlite::database
