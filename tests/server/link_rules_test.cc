// The rules by which connections between nodes are given up, by a clock that stands.
#include "engine/server/link_rules.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
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
    EXPECT_EQ(replacements(silence, 60s, 61s), (std::vector<Duration>{60'400ms, 60'700ms}));
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

// Two candidates: each answers the other's question, and asks its own some time later.
TEST(LinkSilenceTest, AnAnswerHasNone) {
    LinkSilence silence(kPatience);
    for (Duration time = 0s; time < 60s; time += 1s) {
        silence.heard(at(time));
        EXPECT_FALSE(silence.sent(at(time + 5ms)));
        EXPECT_FALSE(silence.sent(at(time + 500ms)));
    }
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

// Two nodes and a network between them that forgets connections. Each asks, at times of its own,
// and answers what it is asked.
class Pair {
public:
    explicit Pair(std::uint64_t seed) : random_(seed) {}

    std::array<Duration, 2> asks_every_min{};
    std::array<Duration, 2> asks_every_max{};

    void run_until(Duration end) {
        for (; time_ < end; time_ += 1ms) {
            for (const std::size_t node : {0u, 1u}) {
                if (time_ >= asks_at_[node] && asks_every_max[node] > Duration()) ask(node);
            }
        }
    }
    void forget(std::size_t node) { ends_[node].forgotten = true; }
    Duration time() const { return time_; }
    int replaced() const { return replaced_; }
    // The newest answer to a question of this node.
    Duration answered(std::size_t node) const { return ends_[node].answered; }

private:
    struct End {
        LinkSilence silence{kPatience};
        bool forgotten = false;
        Duration answered{};
    };

    void ask(std::size_t node) {
        const auto range = asks_every_max[node] - asks_every_min[node] + Duration(1);
        asks_at_[node] =
            time_ + asks_every_min[node] + Duration(random_() % std::uint64_t(range.count()));
        if (!send(node) || !send(1 - node)) return;
        ends_[node].answered = time_;
    }
    // Over the connection that this node has made; false: it did not arrive.
    bool send(std::size_t node) {
        End& end = ends_[node];
        End& other = ends_[1 - node];
        if (end.silence.sent(at(time_))) replace(node);
        if (end.forgotten) return false;
        other.silence.heard(at(time_));
        return true;
    }
    void replace(std::size_t node) {
        ++replaced_;
        ends_[node].forgotten = false;
        ends_[node].silence.connected(at(time_));
        if (ends_[1 - node].silence.peer_called(at(time_))) replace(1 - node);
    }

    std::mt19937_64 random_;
    std::array<End, 2> ends_;
    std::array<Duration, 2> asks_at_{};
    Duration time_{};
    int replaced_ = 0;
};

// A leader and its follower; two candidates; two followers, of whom one begins to ask at last.
TEST(LinkSilenceTest, WhateverTheNetworkForgetsIsReplacedSoonAndNothingElse) {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        std::mt19937_64 random(seed);
        Pair pair(seed);
        const bool leads = random() % 2;
        pair.asks_every_min[0] = leads ? 60ms : 2 * kPatience;
        pair.asks_every_max[0] = leads ? 60ms : 4 * kPatience;
        if (!leads && random() % 2) {
            pair.asks_every_min[1] = 2 * kPatience;
            pair.asks_every_max[1] = 4 * kPatience;
        }
        pair.run_until(60s);
        ASSERT_EQ(pair.replaced(), 0) << seed;
        for (int turn = 0; turn < 5; ++turn) {
            const auto which = 1 + random() % 3;
            if (which & 1) pair.forget(0);
            if (which & 2) pair.forget(1);
            const Duration moment = pair.time();
            const int before = pair.replaced();
            pair.run_until(moment + (leads ? 4 : 12) * kPatience);
            ASSERT_GT(pair.answered(0), moment) << "seed " << seed << ", turn " << turn;
            ASSERT_LE(pair.replaced() - before, 4) << "seed " << seed << ", turn " << turn;
            const int healed = pair.replaced();
            pair.run_until(pair.time() + 60s);
            ASSERT_EQ(pair.replaced(), healed) << "seed " << seed << ", turn " << turn;
        }
    }
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

// The first of two may hear nothing, for what is for it goes to its clone: then it asks for votes
// after two election timeouts at the most, by a clock that may be 30 % slower than this one.
TEST(ProcessTest, OneThatHearsNobodyKeepsItsPlaceAgainstItsClone) {
    EXPECT_TRUE(keeps_its_place(2 * 600ms * 13 / 7, 600ms));
    EXPECT_FALSE(keeps_its_place(4 * 600ms, 600ms));
    EXPECT_FALSE(keeps_its_place(10s, 60s));
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
