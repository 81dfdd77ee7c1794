// The rules by which connections between nodes are given up, by a clock that stands.
#include "engine/server/link_rules.h"

#include <gtest/gtest.h>

#include <vector>

namespace quorlite::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 300ms;

TimePoint at(Duration time) {
    return TimePoint(1h + time);
}

// Sends a frame every 50 ms; when the connection was replaced.
std::vector<Duration> replacements(LinkSilence& silence, Duration from, Duration to) {
    std::vector<Duration> times;
    for (Duration time = from; time < to; time += 50ms) {
        if (silence.sent(at(time))) times.push_back(time);
    }
    return times;
}

TEST(LinkSilenceTest, APeerThatAnswersIsLeftAlone) {
    LinkSilence silence(kPatience);
    for (Duration time = 0ms; time < 10s; time += 290ms) {
        EXPECT_FALSE(silence.sent(at(time)));
        silence.heard(at(time + 280ms));
    }
}

TEST(LinkSilenceTest, SilenceReplacesTheConnectionLessAndLessOften) {
    LinkSilence silence(kPatience);
    EXPECT_EQ(replacements(silence, 0ms, 4s),
              (std::vector<Duration>{300ms, 600ms, 1200ms, 2400ms}));
    // One every ten seconds at last.
    EXPECT_EQ(replacements(silence, 4s, 125s).size(), 13u);
}

TEST(LinkSilenceTest, AnAnswerBringsPatienceBack) {
    LinkSilence silence(kPatience);
    replacements(silence, 0s, 60s);
    silence.heard(at(60s));
    EXPECT_EQ(replacements(silence, 60s, 61s), (std::vector<Duration>{60'300ms, 60'600ms}));
}

TEST(LinkSilenceTest, ANewConnectionIsGivenItsTime) {
    LinkSilence silence(kPatience);
    EXPECT_FALSE(silence.sent(at(0ms)));
    silence.connected(at(1s));
    EXPECT_FALSE(silence.peer_called(at(1299ms)));
    EXPECT_EQ(replacements(silence, 1s, 1500ms), (std::vector<Duration>{1300ms}));
}

// The last frame of a conversation need not be answered, and the next one may be an hour later.
TEST(LinkSilenceTest, APauseIsNoSilence) {
    LinkSilence silence(kPatience);
    EXPECT_FALSE(silence.sent(at(0s)));
    EXPECT_FALSE(silence.sent(at(3600s)));
    EXPECT_FALSE(silence.sent(at(7200s)));
    // A candidate asks every one or two election timeouts.
    EXPECT_TRUE(silence.sent(at(7201s)));
}

TEST(LinkSilenceTest, ALargeFrameOnItsWayIsNoSilence) {
    LinkSilence silence(kPatience);
    for (Duration time = 0ms; time < 5s; time += 100ms) {
        EXPECT_FALSE(silence.sent(at(time)));
        silence.moving(at(time));
    }
    EXPECT_EQ(replacements(silence, 5s, 5500ms), (std::vector<Duration>{5200ms}));
}

TEST(LinkSilenceTest, APeerThatCallsAnewIsBelieved) {
    LinkSilence silence(kPatience);
    silence.heard(at(0ms));
    EXPECT_TRUE(silence.peer_called(at(1s)));
    // The peer does the same when it sees that: it must not go to and fro.
    EXPECT_FALSE(silence.peer_called(at(1s + 1ms)));
    silence.heard(at(1s + 2ms));
    EXPECT_FALSE(silence.peer_called(at(1s + 299ms)));
    EXPECT_TRUE(silence.peer_called(at(1s + 302ms)));
}

TEST(FramePaceTest, NothingUnfinishedIsNeverSlow) {
    FramePace pace;
    EXPECT_FALSE(pace.is_too_slow(at(1h)));
    pace.read(100, false, at(0s));
    EXPECT_TRUE(pace.is_unfinished());
    pace.read(0, true, at(1s));
    EXPECT_FALSE(pace.is_unfinished());
    EXPECT_FALSE(pace.is_too_slow(at(1h)));
}

TEST(FramePaceTest, AFrameThatStallsIsTooSlow) {
    FramePace pace;
    pace.read(100u << 20, false, at(0s));
    EXPECT_FALSE(pace.is_too_slow(at(4999ms)));
    EXPECT_TRUE(pace.is_too_slow(at(5s)));
    pace.read(100u << 20, false, at(5s));  // nothing came
    EXPECT_TRUE(pace.is_too_slow(at(5s)));
    pace.read((100u << 20) + 1, false, at(5s));
    EXPECT_FALSE(pace.is_too_slow(at(9s)));
}

TEST(FramePaceTest, AFrameThatTricklesIsTooSlow) {
    FramePace pace;
    std::size_t bytes = 0;
    Duration time = 0s;
    while (!pace.is_too_slow(at(time)) && time < 1h) {
        pace.read(++bytes, false, at(time));
        time += 100ms;
    }
    EXPECT_EQ(time, 5s);

    FramePace steady;
    for (int second = 0; second < 100; ++second) {
        steady.read(std::size_t{17u << 10} * static_cast<std::size_t>(second + 1), false,
                    at(std::chrono::seconds(second)));
        ASSERT_FALSE(steady.is_too_slow(at(std::chrono::seconds(second + 1)))) << second;
    }
}

TEST(FramePaceTest, EachFrameHasItsOwnTime) {
    FramePace pace;
    for (int second = 0; second < 100; ++second) {
        pace.read(8, true, at(std::chrono::seconds(second)));
        ASSERT_FALSE(pace.is_too_slow(at(std::chrono::seconds(second + 1)))) << second;
    }
}

}  // namespace
}  // namespace quorlite::server
