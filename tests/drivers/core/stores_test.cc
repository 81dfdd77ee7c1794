#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "quorlite/node_store.h"

namespace quorlite {
namespace {

class YamlStore : public ::testing::Test {
protected:
    ~YamlStore() override { std::filesystem::remove(path_); }
    void write(const std::string& text) { std::ofstream(path_) << text; }

    std::string path_ =
        std::filesystem::temp_directory_path() / ("quorlite-store-" + std::to_string(::getpid()));
};

TEST_F(YamlStore, ReadsWhatGoDqliteWrites) {
    write(
        "- Address: 10.0.0.1:9001\n  ID: 3297041220608546238\n  Role: 0\n"
        "- Address: '@abstract'\n  ID: 2\n  Role: 2\n  Weight: 7\n");
    const auto nodes = open_yaml_store(path_)->load();
    ASSERT_TRUE(nodes);
    EXPECT_EQ(*nodes,
              (std::vector<node_info>{{3297041220608546238u, "10.0.0.1:9001", node_role::voter},
                                      {2, "@abstract", node_role::spare}}));
}

TEST_F(YamlStore, ReadsBackWhatItWrites) {
    const auto store = open_yaml_store(path_);
    ASSERT_TRUE(store->load());
    EXPECT_TRUE(store->load()->empty()) << "a missing file is an empty list";
    const std::vector<node_info> nodes = {
        {~0ull, "a \"b\" \\c:1", node_role::standby},
        {1, std::string("\x01\t\n\x1b[2J\x7f:1\0", 12), node_role::voter}};
    ASSERT_TRUE(store->save(nodes));
    EXPECT_EQ(*store->load(), nodes);
}

TEST_F(YamlStore, SaysWhatIsWrong) {
    for (const char* const text :
         {"- ID: 1\n", "Address: a\n", "- [1]\n", "- Address: a\n  Role: 7\n",
          "- Address: a\n  ID: x\n", "- {", "- 1\n"}) {
        write(text);
        const auto nodes = open_yaml_store(path_)->load();
        ASSERT_FALSE(nodes) << text;
        EXPECT_EQ(nodes.error().kind, error_kind::store);
        EXPECT_NE(nodes.error().message.find(path_), std::string::npos);
    }
    EXPECT_FALSE(open_yaml_store("/no such folder/nodes.yaml")->save({}));
}

}  // namespace
}  // namespace quorlite
