#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <vector>

namespace quorlite::test {
namespace {

class GoldenTest : public testing::Test {
protected:
    GoldenTest() {
        ::unsetenv("QUORLITE_REWRITE");
        std::ofstream(file_) << "one\ntwo\nthree\n";
    }
    ~GoldenTest() override {
        std::filesystem::remove(file_);
        if (rewrites_) ::setenv("QUORLITE_REWRITE", "1", 1);
    }

    const bool rewrites_ = std::getenv("QUORLITE_REWRITE") != nullptr;
    const std::string file_ = testing::TempDir() + "golden_test.txt";
};

TEST_F(GoldenTest, WhatIsEqualPasses) {
    EXPECT_EQ(golden_mismatch(file_, "one\ntwo\nthree\n"), "");
}

TEST_F(GoldenTest, OnlyWhatDiffersIsShown) {
    EXPECT_EQ(difference("one\ntwo\nthree\n", "one\n2\n2b\nthree\n"),
              "line 2:\n- two\n+ 2\n+ 2b\n");
    EXPECT_EQ(difference("one\n", "one"), "line 2:\n+ (no newline at the end)\n");
    EXPECT_EQ(difference("", "a\n"), "line 1:\n- (no newline at the end)\n+ a\n");
}

TEST_F(GoldenTest, AMismatchNamesTheRemedyAndLeavesTheFile) {
    const std::string mismatch = golden_mismatch(file_, "one\n");
    EXPECT_NE(mismatch.find("QUORLITE_REWRITE=1"), std::string::npos) << mismatch;
    EXPECT_NE(mismatch.find(file_), std::string::npos) << mismatch;
    EXPECT_EQ(read_file(file_), "one\ntwo\nthree\n");
}

TEST_F(GoldenTest, AFileThatIsMissingIsAMismatch) {
    EXPECT_NE(golden_mismatch(file_ + ".missing", "one\n"), "");
}

TEST_F(GoldenTest, BytesAreShownWithoutRepetitions) {
    std::vector<std::uint8_t> bytes(64);
    bytes[1] = 'a';
    bytes.push_back(0xff);
    EXPECT_EQ(hex_dump(bytes),
              "000000 00 61 00 00 00 00 00 00 00 00 00 00 00 00 00 00  .a..............\n"
              "000010 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"
              "*\n"
              "000040 ff                                               .\n"
              "000041\n");
}

TEST_F(GoldenTest, RewritingReplacesTheFile) {
    ::setenv("QUORLITE_REWRITE", "1", 1);
    EXPECT_EQ(golden_mismatch(file_, "new\n"), "");
    EXPECT_EQ(read_file(file_), "new\n");
    EXPECT_NE(golden_mismatch("/nowhere/at/all", "new\n"), "");
    ::unsetenv("QUORLITE_REWRITE");
}

}  // namespace
}  // namespace quorlite::test
