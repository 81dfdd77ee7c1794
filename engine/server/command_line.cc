#include "engine/server/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>

#include "quorlite/node_options.h"

namespace quorlite::server {
namespace {

constexpr int kUsage = 64;

using Units = std::map<std::string, std::int64_t>;  // how many ticks each is

// A whole number; CLI11 itself takes negative ones and, for the largest, those that are too large.
// `unit`: letters may follow.
CLI::Validator whole_number(std::uint64_t least, bool unit) {
    return {[least, unit](std::string& text) {
                std::uint64_t number = 0;
                const char* const end = text.data() + text.size();
                const auto [parsed, error] = std::from_chars(text.data(), end, number);
                const bool all = unit || parsed == end;
                if (error == std::errc() && all && number >= least) return std::string();
                return "'" + text + "' is not a whole number from " + std::to_string(least) +
                       " to 18446744073709551615" + (unit ? ", and a unit such as MB" : "");
            },
            ""};
}

template <class Validator>
Validator unnamed(Validator validator) {
    validator.description("");
    return validator;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : "|") + name;
    return text;
}

// Adds one option by one name, however its kind is read.
class Adder {
public:
    Adder(CLI::App& app, NodeOptions& values, std::string name, const NodeOption& option)
        : app_(app),
          values_(values),
          name_("--" + std::move(name)),
          help_(option.help),
          default_(to_text(option, values)) {}

    CLI::Option* operator()(const TextOption& text) const {
        return app_.add_option(name_, values_.*text.member, help_)
            ->type_name(std::string(text.form));
    }
    CLI::Option* operator()(const ListOption& list) const {
        return app_.add_option(name_, values_.*list.member, help_)
            ->delimiter(',')
            ->type_name(std::string(list.form));
    }
    CLI::Option* operator()(const FlagOption& flag) const {
        return app_.add_flag(name_ + (flag.when_given ? "" : "{false}"), values_.*flag.member,
                             help_);
    }
    CLI::Option* operator()(const NumberOption& number) const {
        return app_.add_option(name_, values_.*number.member, help_)
            ->check(whole_number(number.least, false))
            ->default_str(default_)
            ->type_name("NUMBER");
    }
    CLI::Option* operator()(const BytesOption& size) const {
        // The validator that is added last looks first.
        return app_.add_option(name_, values_.*size.member, help_)
            ->transform(unnamed(CLI::AsSizeValue(false)))
            ->transform(whole_number(0, true))
            ->default_str(default_)
            ->type_name("SIZE");
    }
    CLI::Option* operator()(const MillisecondsOption& time) const {
        return add_time(values_.*time.member, {{"ms", 1}, {"s", 1'000}, {"min", 60'000}});
    }
    CLI::Option* operator()(const MicrosecondsOption& time) const {
        return add_time(values_.*time.member, {{"us", 1}, {"ms", 1'000}});
    }
    template <class Value>
    CLI::Option* operator()(const ChoiceOption<Value>& option) const {
        std::map<std::string, Value> choices;
        std::vector<std::string> names;
        for (const Choice<Value>& each : option.choices) {
            choices.emplace(each.name, each.value);
            names.emplace_back(each.name);
        }
        return app_.add_option(name_, values_.*option.member, help_)
            ->transform(unnamed(CLI::Transformer(choices)))
            ->transform(unnamed(CLI::IsMember(names)))
            ->default_str(default_)
            ->type_name(joined(names));
    }

private:
    template <class Time>
    CLI::Option* add_time(Time& value, const Units& units) const {
        return app_
            .add_option_function<std::int64_t>(
                name_, [&value](std::int64_t ticks) { value = Time(ticks); }, help_)
            ->transform(unnamed(CLI::AsNumberWithUnit(units)))
            ->default_str(default_)
            ->type_name("TIME");
    }

    CLI::App& app_;
    NodeOptions& values_;
    const std::string name_;
    const std::string help_;
    const std::string default_;
};

// An option by the name that it had before: it works, and is not shown.
struct FormerName {
    CLI::Option* added;
    const NodeOption* option;
};

std::vector<FormerName> add_options(CLI::App& app, NodeOptions& values) {
    std::vector<FormerName> former;
    for (const NodeOption& option : node_options()) {
        std::visit(Adder(app, values, std::string(option.name), option), option.kind);
        if (option.former_name.empty()) continue;
        const Adder adder(app, values, std::string(option.former_name), option);
        former.push_back({std::visit(adder, option.kind)->group(""), &option});
    }
    return former;
}

std::vector<std::string> warnings_of(const std::vector<FormerName>& former) {
    std::vector<std::string> warnings;
    for (const FormerName& each : former) {
        if (each.added->count() == 0) continue;
        warnings.push_back("--" + std::string(each.option->former_name) + " is called --" +
                           std::string(each.option->name) +
                           ": the former name goes with version 1.0");
    }
    return warnings;
}

void describe(CLI::App& app) {
    app.set_version_flag("--version", [] {
        const SqliteBuild sqlite = Node::sqlite();
        return QUORLITE_VERSION "\nSQLite " + sqlite.version + " (" + sqlite.origin + ")";
    });
    app.footer(
        "Exit status: 0 stopped as asked; 64 an option makes no sense; 70 broken (a disk write\n"
        "failed); 71 the directory cannot be used; 72 the port cannot be had; 73 the cluster does\n"
        "not take the node in; 74 the node is no member: the cluster has removed it, or --join\n"
        "names another cluster.");
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.set_config("--config", "", "A file with the same options, one `name = value` per line");
    // A value is the rest of its line, as in `cache-total = 64 MB`, and no list.
    app.get_config_formatter_base()->arrayDelimiter('\n');
}

CommandLineEnd refuse(const std::string& why) {
    return {kUsage, why + ": see --help"};
}

// Of what CLI11 says of a file: its last word is the name.
CommandLineEnd refuse_file(const std::string& said) {
    return refuse("the file given by --config: no option is called '" +
                  said.substr(said.rfind(' ') + 1) + "'");
}

// A slip of the pen is said before what is missing because of it.
CommandLineEnd refuse_missing(const CLI::App& app, const std::string& said) {
    const std::vector<std::string> unknown = app.remaining();
    return refuse(unknown.empty() ? said : "unknown option " + unknown[0]);
}

}  // namespace

std::variant<CommandLine, CommandLineEnd> read_command_line(int argc, const char* const* argv) {
    CommandLine read;
    CLI::App app("quorlited: a node of a replicated SQLite database server");
    describe(app);
    const std::vector<FormerName> former = add_options(app, read.options);
    app.get_option("--dir")->required();
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return CommandLineEnd{0, app.help()};
    } catch (const CLI::CallForVersion& version) {
        return CommandLineEnd{0, std::string(version.what()) + "\n"};
    } catch (const CLI::ConfigError& error) {
        return refuse_file(error.what());
    } catch (const CLI::RequiredError& missing) {
        return refuse_missing(app, missing.what());
    } catch (const CLI::ParseError& error) {
        return refuse(error.what());
    }
    read.warnings = warnings_of(former);
    return read;
}

}  // namespace quorlite::server
