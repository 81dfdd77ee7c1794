#include "quorlite/node_options.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/server/command_line.h"
#include "tests/support/golden.h"

namespace quorlite {
namespace {

using server::CommandLine;
using server::CommandLineEnd;

// --- the table is whole ---

// Stands for a value of any member.
struct Anything {
    template <class T>
    operator T() const;
};

template <class T, class... Values>
constexpr std::size_t member_count() {
    if constexpr (requires { T{Values{}..., Anything{}}; }) {
        return member_count<T, Values..., Anything>();
    } else {
        return sizeof...(Values);
    }
}

TEST(Options, EveryMemberIsAnOptionOrAFunctionThatIsCalled) {
    constexpr std::size_t kFunctions = 3;
    EXPECT_EQ(node_options().size() + kFunctions, member_count<NodeOptions>());
}

TEST(Options, NoNameStandsForTwo) {
    std::set<std::string_view> names;
    std::set<std::string_view> members;
    for (const NodeOption& option : node_options()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_TRUE(members.insert(option.member).second) << option.member;
        if (!option.former_name.empty()) {
            EXPECT_TRUE(names.insert(option.former_name).second) << option.former_name;
        }
        if (!option.former_member.empty()) {
            EXPECT_TRUE(members.insert(option.former_member).second) << option.former_member;
        }
    }
}

// --- bounds ---

NodeOptions sound() {
    NodeOptions options;
    options.directory = "directory";
    options.heartbeat = std::chrono::milliseconds(1);
    options.election_timeout = std::chrono::hours(24);
    return options;
}

template <class Kind, class Value>
std::string refusal(const Kind& kind, Value value) {
    NodeOptions options = sound();
    options.*kind.member = value;
    const auto error = check(options);
    return error ? error->message : "";
}

TEST(Options, BoundsAreInclusiveAndTheErrorNamesTheOption) {
    int bounded = 0;
    for (const NodeOption& option : node_options()) {
        std::visit(
            [&](const auto& kind) {
                if constexpr (requires { kind.least; }) {
                    using Value = std::remove_cvref_t<decltype(kind.least)>;
                    ++bounded;
                    EXPECT_NE(refusal(kind, kind.least).find("--" + std::string(option.name)), 0u);
                    const Value zero{};
                    const Value below = kind.least - Value{1};
                    if (kind.least > zero && below != NodeOptions{}.*kind.member) {
                        EXPECT_EQ(refusal(kind, below).find("--" + std::string(option.name)), 0u);
                    }
                    const Value above = kind.most + Value{1};
                    if (above > kind.most) {
                        EXPECT_EQ(refusal(kind, above).find("--" + std::string(option.name)), 0u);
                    }
                }
            },
            option.kind);
    }
    EXPECT_GT(bounded, 15);
    const auto endless = std::chrono::milliseconds::max();
    const MillisecondsOption write_timeout{&NodeOptions::write_timeout, endless, endless};
    for (const auto time : {-endless, endless}) {
        EXPECT_EQ(refusal(write_timeout, time).find("--write-timeout is "), 0u);
    }
    EXPECT_EQ(refusal(BytesOption{&NodeOptions::flush_bytes, 0, 0}, std::size_t{3}),
              "--flush-size is 3B: it must be from 64KiB to 1TiB");
}

TEST(Options, DefaultsAreSoundAndWhatDoesNotSuitIsNot) {
    NodeOptions options;
    EXPECT_TRUE(check(options)) << "no directory";
    options.directory = "directory";
    EXPECT_FALSE(check(options));
    options.heartbeat = options.election_timeout / 3;
    EXPECT_TRUE(check(options));
}

TEST(Options, ValuesAreShownAsTheyAreGiven) {
    const std::map<std::string_view, std::string> of_each_kind = {{"join", ""},
                                                                  {"id", "0"},
                                                                  {"heartbeat", "60ms"},
                                                                  {"idle-transaction", "1min"},
                                                                  {"busy-poll", "150us"},
                                                                  {"connections-max", "10000"},
                                                                  {"flush-size", "16MiB"},
                                                                  {"keep-roles", ""},
                                                                  {"disk", "auto"},
                                                                  {"log-level", "info"}};
    std::map<std::string_view, std::string> shown;
    for (const NodeOption& option : node_options()) {
        if (of_each_kind.contains(option.name)) shown[option.name] = to_text(option, NodeOptions());
    }
    EXPECT_EQ(shown, of_each_kind);
}

// --- the command line ---

auto read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "quorlited");
    return server::read_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, TheCommandLineFillsEveryKind) {
    const auto got =
        read({"--dir=d", "--join=a:1,b:2", "--keep-roles", "--id=7", "--election-timeout=2s",
              "--busy-poll=1ms", "--cache-total", "8 MB", "--disk=portable", "--quorum-reads"});
    const auto* line = std::get_if<CommandLine>(&got);
    ASSERT_TRUE(line != nullptr) << std::get<CommandLineEnd>(got).text;
    const NodeOptions& options = line->options;
    EXPECT_EQ(options.directory, "d");
    EXPECT_EQ(options.join, (std::vector<std::string>{"a:1", "b:2"}));
    EXPECT_FALSE(options.manage_roles);
    EXPECT_EQ(options.id, 7u);
    EXPECT_EQ(options.election_timeout, std::chrono::seconds(2));
    EXPECT_EQ(options.busy_poll, std::chrono::milliseconds(1));
    EXPECT_EQ(options.cache_total_bytes, 8u << 20);
    EXPECT_EQ(options.disk, NodeDisk::kPortable);
    EXPECT_TRUE(options.quorum_reads);
    EXPECT_TRUE(line->warnings.empty());
}

TEST(Options, FormerNamesAreTakenWithAWarning) {
    for (const NodeOption& option : node_options()) {
        if (option.former_name.empty()) continue;
        const std::string given = "--" + std::string(option.former_name) + "=7";
        const bool time = std::holds_alternative<MicrosecondsOption>(option.kind);
        const auto got = read({"--dir=d", (given + (time ? "us" : "")).c_str()});
        const auto* line = std::get_if<CommandLine>(&got);
        ASSERT_TRUE(line != nullptr) << std::get<CommandLineEnd>(got).text;
        ASSERT_EQ(line->warnings.size(), 1u);
        EXPECT_NE(line->warnings[0].find("is called --" + std::string(option.name)),
                  std::string::npos);
        EXPECT_EQ(to_text(option, line->options).substr(0, 1), "7");
    }
}

TEST(Options, EveryOptionIsInTheHelpByItsNameOnly) {
    const auto got = read({"--help"});
    const auto& help = std::get<CommandLineEnd>(got);
    EXPECT_EQ(help.status, 0);
    for (const NodeOption& option : node_options()) {
        EXPECT_NE(help.text.find("--" + std::string(option.name)), std::string::npos);
        if (option.former_name.empty()) continue;
        EXPECT_EQ(help.text.find("--" + std::string(option.former_name) + " "), std::string::npos);
    }
}

TEST(Options, WhatMakesNoSenseIsAnErrorThatNamesIt) {
    for (const auto& [argument, named] :
         std::vector<std::pair<const char*, const char*>>{{"--no-such", "--no-such"},
                                                          {"--id=0", "--id"},
                                                          {"--id=-1", "--id"},
                                                          {"--cache-total=-1", "--cache-total"},
                                                          {"--cache-total=1XB", "--cache-total"},
                                                          {"--heartbeat=1parsec", "--heartbeat"},
                                                          {"--log-level=loud", "--log-level"}}) {
        const auto got = read({"--dir=d", argument});
        const auto* end = std::get_if<CommandLineEnd>(&got);
        ASSERT_TRUE(end != nullptr) << argument;
        EXPECT_EQ(end->status, 64);
        EXPECT_NE(end->text.find(named), std::string::npos) << end->text;
    }
}

// --- the README ---

constexpr std::string_view kBegin =
    "<!-- options: written by QUORLITE_REWRITE=1 and server_node_options_test -->\n";
constexpr std::string_view kEnd = "<!-- options end -->\n";

std::string table() {
    std::string text = "| option | default | |\n| --- | --- | --- |\n";
    for (const NodeOption& option : node_options()) {
        text += "| `--" + std::string(option.name) + "` | " + to_text(option, NodeOptions()) +
                " | " + std::string(option.help) + " |\n";
    }
    return text;
}

TEST(Options, TheReadmeHasAllOfThem) {
    const std::string path = QUORLITE_SOURCE_DIR "/README.md";
    std::string text = test::read_file(path);
    const std::size_t begin = text.find(kBegin);
    const std::size_t end = text.find(kEnd);
    ASSERT_LT(begin, end);
    ASSERT_NE(end, std::string::npos);
    const std::size_t from = begin + kBegin.size();
    const std::string mismatch =
        test::golden_mismatch(path, text.replace(from, end - from, table()));
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

}  // namespace
}  // namespace quorlite
