// What: the options of a node as data. Each is one row, from which quorlited's command line and
// configuration file, the checks of Node::start(), the README's table and Python's keyword
// arguments come. A program that has a configuration of its own can read it by this table too:
//
//     for (const quorlite::NodeOption& option : quorlite::node_options()) {
//         std::cout << "--" << option.name << ": " << option.help << '\n';
//     }
//
// Errors: check() says in one line what makes no sense, and what to do. It looks at nothing but the
// options: whether the directory can be used, or the port be had, only Node::start() knows.
//
// Exception safety: nothing throws but std::bad_alloc.
//
// Lifetimes: the table, and what its rows point to, are there as long as the program.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quorlite/node.h"

namespace quorlite {

// The kinds of options: which member of NodeOptions holds the value, and what it may be. Bounds are
// inclusive.
struct TextOption {
    std::string NodeOptions::* member;
    std::string_view form;
};
struct ListOption {
    std::vector<std::string> NodeOptions::* member;
    std::string_view form;
};
struct FlagOption {
    bool NodeOptions::* member;
    bool when_given = true;
};
struct NumberOption {
    std::uint64_t NodeOptions::* member;
    std::uint64_t least;
    std::uint64_t most;
};
struct BytesOption {
    std::size_t NodeOptions::* member;
    std::size_t least;
    std::size_t most;
};
template <class Time>
struct TimeOption {
    Time NodeOptions::* member;
    Time least;
    Time most;
};
using MillisecondsOption = TimeOption<std::chrono::milliseconds>;
using MicrosecondsOption = TimeOption<std::chrono::microseconds>;
template <class Value>
struct Choice {
    std::string_view name;
    Value value;
};
template <class Value>
struct ChoiceOption {
    Value NodeOptions::* member;
    std::span<const Choice<Value>> choices;
};
using DiskOption = ChoiceOption<NodeDisk>;
using LogLevelOption = ChoiceOption<NodeLogLevel>;

struct NodeOption {
    std::string_view name;    // on the command line after `--`, and in a configuration file
    std::string_view member;  // of NodeOptions; the name of Python's keyword argument
    std::variant<TextOption, ListOption, FlagOption, NumberOption, BytesOption, MillisecondsOption,
                 MicrosecondsOption, DiskOption, LogLevelOption>
        kind;
    std::string_view help;
    // What they were called before; accepted with a warning until version 1.0.
    std::string_view former_name = {};
    std::string_view former_member = {};
};

[[gnu::visibility("default")]] std::span<const NodeOption> node_options();

// The value of one of them, as the command line takes it: `600ms`, `256MiB`, `10.0.0.1:9001`; empty
// where none is given.
[[gnu::visibility("default")]] std::string to_text(const NodeOption& option,
                                                   const NodeOptions& values);

// Why no node can be started with these options; nothing if one can. Looks at nothing but them.
[[gnu::visibility("default")]] std::optional<NodeError> check(const NodeOptions& options);

}  // namespace quorlite
