// Whatever a text holds, it is one line, and no order to a terminal.
#include "engine/base/line.h"

#include <gtest/gtest.h>

namespace quorlite {
namespace {

TEST(Line, KeepsWhatCanBeRead) {
    for (const std::string text : {"", "plain text", "Zürich 東京 🙂", "a\\b \"c\"", "\u00a0"}) {
        EXPECT_EQ(one_line(text), text);
    }
}

TEST(Line, WritesControlCharactersAsNumbers) {
    EXPECT_EQ(one_line("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
    EXPECT_EQ(one_line("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
    EXPECT_EQ(one_line(std::string("\0x", 2)), "\\x00x");
    EXPECT_EQ(one_line("\u009b31m\u0085"), "\\xc2\\x9b31m\\xc2\\x85");
    EXPECT_EQ(one_line("\u2028"), "\\xe2\\x80\\xa8");
}

TEST(Line, WritesBytesThatAreNoTextAsNumbers) {
    EXPECT_EQ(one_line("\x9b"), "\\x9b");
    EXPECT_EQ(one_line("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(one_line("\xe6\x9d"), "\\xe6\\x9d");  // cut short
    EXPECT_EQ(one_line("\xe6\x9dx"), "\\xe6\\x9dx");
    EXPECT_EQ(one_line("\xc0\x8a"), "\\xc0\\x8a");           // a line feed in two bytes
    EXPECT_EQ(one_line("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");  // in three
    EXPECT_EQ(one_line("\xf0\x80\x80\x8a"), "\\xf0\\x80\\x80\\x8a");
    EXPECT_EQ(one_line("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
    EXPECT_EQ(one_line("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    EXPECT_EQ(one_line("\xf8\x88\x80\x80\x80"), "\\xf8\\x88\\x80\\x80\\x80");
}

// Every byte and every two: nothing below a blank comes through.
TEST(Line, NeverHoldsAControlCharacter) {
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const std::string text{static_cast<char>(first), static_cast<char>(second)};
            for (const char letter : one_line(text)) {
                EXPECT_TRUE(static_cast<unsigned char>(letter) >= ' ' && letter != 0x7f);
            }
        }
    }
}

TEST(Line, IsPrintedWhole) {
    testing::internal::CaptureStderr();
    print_line("one\ntwo " + std::string(10'000, 'x'));
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "one\\x0atwo " + std::string(10'000, 'x') + "\n");
}

}  // namespace
}  // namespace quorlite
