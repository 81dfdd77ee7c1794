// Names to addresses, and the store of nodes that asks the DNS.
#include "drivers/sync/resolver.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "quorlite/node_store.h"

namespace quorlite {
namespace {

TEST(Resolver, TakesNumericAddressesWithoutLookingUp) {
    for (const char* address : {"127.0.0.1:9001", "[::1]:9001", "@name"}) {
        const sync::Resolved found = sync::resolve(address, true);
        EXPECT_EQ(found.addresses.size(), 1u) << address;
        EXPECT_EQ(found.problem, "");
    }
    const sync::Resolved name = sync::resolve("localhost:9001", true);
    EXPECT_TRUE(name.addresses.empty());
    EXPECT_EQ(name.problem, "");
}

TEST(Resolver, SaysWhatIsNoAddress) {
    EXPECT_EQ(sync::resolve("localhost", false).problem, "localhost: not HOST:PORT");
    EXPECT_EQ(sync::resolve("@" + std::string(200, 'a'), false).addresses.size(), 0u);
    EXPECT_NE(sync::resolve("127.0.0.1:port", false).problem, "");
}

TEST(DnsStore, YieldsEveryAddressOfAName) {
    const auto store = make_dns_store("localhost", 9001);
    const auto nodes = store->load();
    ASSERT_TRUE(nodes) << nodes.error().message;
    const auto is = [](const char* address) {
        return [address](const node_info& node) { return node.address == address; };
    };
    EXPECT_TRUE(std::any_of(nodes->begin(), nodes->end(), is("127.0.0.1:9001")) ||
                std::any_of(nodes->begin(), nodes->end(), is("[::1]:9001")));
    EXPECT_TRUE(store->save({}));
}

TEST(DnsStore, ANameThatIsNotThereIsAnErrorOfTheStore) {
    const auto nodes = make_dns_store("no-such-name.invalid", 9001)->load();
    ASSERT_FALSE(nodes);
    EXPECT_EQ(nodes.error().kind, error_kind::store);
    EXPECT_NE(nodes.error().message.find("no-such-name.invalid"), std::string::npos);
}

}  // namespace
}  // namespace quorlite
