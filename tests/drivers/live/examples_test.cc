// The examples of the guide run, and say what they should.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

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

// What the examples of this name say in every language.
std::string expected(const std::string& name) {
    const std::string path = std::string(QUORLITE_SOURCE_DIR) + "/tests/examples/" + name + ".txt";
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_FALSE(text.str().empty()) << path;
    return text.str();
}

TEST(Examples, Run) {
    const Nodes nodes("examples");
    const std::string addresses = joined(nodes.addresses());
    for (const char* const name : {"people", "accounts", "parallel"}) {
        EXPECT_EQ(run(example(name) + addresses), expected(name));
    }
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
