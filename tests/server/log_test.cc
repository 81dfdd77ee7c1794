// The log of a node: one event, one line, whatever names it tells.
#include "engine/server/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace quorlite::server {
namespace {

std::string logged(std::string_view event, Log::Fields fields) {
    testing::internal::CaptureStderr();
    {
        Log log(LogLevel::kInfo);
        log.warning(event, fields);
    }
    return testing::internal::GetCapturedStderr();
}

TEST(LogTest, FieldsAreQuotedWhereTheyMustBe) {
    const std::string line =
        logged("ready", {{"id", std::uint64_t{7}}, {"plain", "a.b"}, {"odd", "a \"b\" \\"}});
    EXPECT_NE(line.find(" warning quorlited: ready id=7 plain=a.b odd=\"a \\\"b\\\" \\\\\"\n"),
              std::string::npos)
        << line;
}

TEST(LogTest, ANameMakesNoLineOfItsOwn) {
    const std::string name = "db\n2026-01-01 error quorlited: FORGED \x1b[31m";
    for (const std::string& line :
         {logged("page 1 of " + name + " is damaged", {}), logged("opened", {{"name", name}})}) {
        EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
        EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
        EXPECT_NE(line.find("db\\x0a2026"), std::string::npos) << line;
    }
}

// A pipe that is full and that nobody reads stands in for standard error.
TEST(LogTest, AReaderThatIsStuckIsNotWaitedForLong) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    const std::string filling(4096, 'x');
    while (::write(ends[1], filling.data(), filling.size()) > 0) {
    }
    ::fcntl(ends[1], F_SETFL, 0);
    const int original = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    const auto begun = std::chrono::steady_clock::now();
    {
        Log log(LogLevel::kInfo);
        for (int i = 0; i < 5000; ++i) log.info("a line that nobody reads");
    }
    const auto taken = std::chrono::steady_clock::now() - begun;
    ::dup2(original, STDERR_FILENO);  // the pipe stays: a thread waits for it
    ::close(original);
    EXPECT_LT(taken, std::chrono::seconds(60));
}

}  // namespace
}  // namespace quorlite::server
