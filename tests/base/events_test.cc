#include "engine/base/events.h"

#include <gtest/gtest.h>

#include <set>

namespace quorlite {
namespace {

template <std::size_t... Kind>
std::vector<Event> one_of_each(std::index_sequence<Kind...>) {
    return {Event(std::in_place_index<Kind>)...};
}

TEST(Events, EachHasWordsOfItsOwn) {
    std::set<std::string> texts;
    for (const Event& event : one_of_each(std::make_index_sequence<std::variant_size_v<Event>>())) {
        const Description described = describe(event);
        EXPECT_TRUE(texts.insert(described.text).second) << described.text;
        EXPECT_EQ(described.text.find('\n'), std::string::npos);
        for (const auto& [name, value] : described.fields) EXPECT_FALSE(value.empty()) << name;
    }
}

TEST(Events, NumbersStandBesideTheirNames) {
    const Description described = describe(event::LeaderChanged{Term(7), NodeId(3)});
    EXPECT_EQ(described.text, "leader");
    ASSERT_EQ(described.fields.size(), 2u);
    EXPECT_EQ(described.fields[0].name, "node");
    EXPECT_EQ(described.fields[0].value, "3");
    EXPECT_EQ(described.fields[1].name, "term");
    EXPECT_EQ(described.fields[1].value, "7");
}

TEST(Events, WhatAnOperatorHasToDoIsAWarning) {
    const Description described = describe(event::DiskFilled{});
    EXPECT_EQ(described.severity, Severity::kWarning);
    EXPECT_NE(described.text.find("free some space"), std::string::npos);
}

}  // namespace
}  // namespace quorlite
