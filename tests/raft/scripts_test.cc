// The scripts under tests/raft/golden: what consensus says and does is what they say.

#include "tests/raft/script.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/base/mutants.h"
#include "tests/support/golden.h"

namespace quorlite::raft {
namespace {

using test::golden_mismatch;
using test::read_file;

const std::string kFolder = QUORLITE_SOURCE_DIR "/tests/raft/golden";

class ScriptTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(ScriptTest, HappensAsItSays) {
    const Played played = play(read_file(GetParam()));
    ASSERT_EQ(played.error, "");
    EXPECT_FALSE(played.broken) << played.text;
    const std::string mismatch = golden_mismatch(GetParam(), played.text);
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

INSTANTIATE_TEST_SUITE_P(Golden, ScriptTest, testing::ValuesIn(scripts_in(kFolder)),
                         [](const auto& script) { return script.param.stem().string(); });

TEST(Scripts, NameFaultsThatExistAndEachFaultOfTheirsIsNamed) {
    std::set<std::string> named;
    for (const auto& script : scripts_in(kFolder)) {
        for (const std::string& fault : faults_named_in(read_file(script))) named.insert(fault);
    }
    for (const MutantInfo& info : kMutants) {
        const bool known = named.erase(std::string(info.name)) != 0;
        EXPECT_TRUE(known || info.layer != "script") << info.name << " is in no script";
    }
    EXPECT_EQ(named, std::set<std::string>());
}

// --- the player itself ---

TEST(Scripts, WhatAScriptSaysOfItsEffectIsMadeAnew) {
    const std::string first = play("nodes v\n").text;
    EXPECT_EQ(play("nodes v\n    made up\n").text, first);
    EXPECT_NE(first.find("    1 leads term 1\n"), std::string::npos) << first;
}

TEST(Scripts, MistakesAreNamed) {
    EXPECT_EQ(play("nodes vvv\nelect 1\n").error, "elect 1: no such command");
    EXPECT_EQ(play("nodes vvv\ntick 4\n").error, "tick 4: there is no node 4");
    EXPECT_EQ(play("nodes vvv\ncrash 1\ntick 1\n").error, "tick 1: node 1 is down");
    EXPECT_EQ(play("nodes vvv\nwait 5\n").error, "wait 5: a time is written as 100ms");
    EXPECT_EQ(play("nodes vvv\nwait 5ms 6\n").error, "wait 5ms 6: too many words: 6");
}

}  // namespace
}  // namespace quorlite::raft
