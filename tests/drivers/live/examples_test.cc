// The examples of the guide run, and say what they should.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tests/drivers/live/processes.h"
#include "tests/support/ports.h"

namespace quorlite::testing {
namespace {

std::string run(const std::string& command) {
    std::string output;
    FILE* const pipe = ::popen(command.c_str(), "r");
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe)) output += buffer;
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return output;
}

std::string example(const std::string& name) {
    return std::string(std::getenv("QUORLITE_EXAMPLES")) + "/example_" + name + " ";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& each : words) text.append(each).append(" ");
    return text;
}

TEST(Examples, Run) {
    const Nodes nodes("examples");
    const std::string addresses = joined(nodes.addresses());
    EXPECT_EQ(run(example("blocking") + addresses),
              "Ada 36\nAlan unknown\nUNIQUE constraint failed: people.id\n2 people\n");
    EXPECT_EQ(run(example("transaction") + addresses), "1000 accounts\n70 left\n");
    EXPECT_EQ(run(example("coroutines") + addresses), "sum 12, held by 3 nodes\n");
}

TEST(Examples, EmbeddedCluster) {
    const char* const data = std::getenv("QUORLITE_TEST_DATA");
    const std::string folder = std::string(data ? data : "run") + "/embedded";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::vector<std::string> addresses;
    for (int i = 0; i < 3; ++i) addresses.push_back(test::free_address());
    EXPECT_EQ(run(example("embedded") + folder + " " + joined(addresses)), "kept by three\n");
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quorlite::testing
