#include "drivers/shell/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "drivers/shell/output.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

constexpr const char* kDescription =
    "A shell for SQL and for the cluster: statements end with a semicolon, commands begin with a "
    "dot (.help).\nWithout SQL it reads standard input. `quorlite bench --help`: the load "
    "generator.";

constexpr const char* kFooter =
    "Exit status: the worst of what happened.\n"
    "  0   all went well\n"
    "  1   a statement or a command failed\n"
    "  2   in doubt: nobody knows whether a statement was done; look at the data\n"
    "  3   no leader could be reached in time\n"
    "  64  the command line makes no sense\n"
    "  130 stopped by Ctrl-C\n";

std::uint16_t port_of(std::string_view address, std::size_t colon) {
    std::uint16_t port = 0;
    const char* const end = address.data() + address.size();
    if (colon == std::string_view::npos || colon == 0) return 0;
    const auto [parsed, error] = std::from_chars(address.data() + colon + 1, end, port);
    return error == std::errc() && parsed == end ? port : std::uint16_t{0};
}

std::vector<std::string> split_addresses(std::string_view list) {
    std::vector<std::string> addresses;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view address = trimmed(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        if (address.empty()) continue;
        if (port_of(address, address.rfind(':')) == 0) {
            fail("'" + std::string(address) + "' is neither HOST:PORT nor a file that exists");
        }
        addresses.emplace_back(address);
    }
    if (addresses.empty()) fail("no node is named: use -c HOST:PORT,...");
    return addresses;
}

void add_options(CLI::App& app, Arguments& arguments) {
    app.add_option("-c,--cluster", arguments.cluster,
                   "The nodes: HOST:PORT,..., a YAML file of them, or dns:NAME:PORT")
        ->type_name("NODES|FILE")
        ->envname("QUORLITE_CLUSTER")
        ->default_str("127.0.0.1:9001");
    app.add_option("database", arguments.database, "The database; made by its first write");
    app.add_option("sql", arguments.sql, "Statements and commands, instead of standard input");
    app.add_option_function<std::string>(
           "--mode", [&](const std::string& name) { arguments.mode = find_mode(name); },
           "How results are written")
        ->check(CLI::IsMember(mode_names()));
    app.add_flag_function(
        "--json",
        [&](std::int64_t) {
            arguments.json = true;
            arguments.mode = Mode::kJson;
        },
        "Results as JSON, and each error as one line of JSON");
    app.add_flag_function(
        "--header,!--no-header", [&](std::int64_t given) { arguments.headers = given > 0; },
        "The names of the columns above csv and list");
    app.add_option("--null", arguments.null_text, "What NULL is written as")->type_name("TEXT");
    app.add_flag("--bail", arguments.bail, "Stop at the first error of standard input");
    app.add_option_function<double>(
           "--timeout",
           [&](double seconds) {
               arguments.timeout =
                   std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
           },
           "Seconds for a call, looking for the leader included; 60 if not given")
        ->check(CLI::Range(0.001, 86'400.0))
        ->type_name("SECONDS");
}

// Options of sqlite3, which has one dash before all of its words, in ours.
std::optional<std::vector<std::string>> translated(std::string_view word) {
    const std::string bare(word.substr(1));
    if (find_mode(bare)) return std::vector<std::string>{"--mode", bare};
    if (bare == "noheader") return std::vector<std::string>{"--no-header"};
    if (bare == "nullvalue") return std::vector<std::string>{"--null"};
    for (const char* const same : {"header", "bail", "version", "help"}) {
        if (bare == same) return std::vector<std::string>{"--" + bare};
    }
    return std::nullopt;
}

// One dash, a "c" and what may be nodes: the value of -c without a blank.
bool gives_nodes(std::string_view word) {
    return word.starts_with("-c") && word.find_first_of(":./=") != std::string_view::npos;
}

// The words of the command line from the last to the first, as CLI11 takes them.
std::vector<std::string> words_of(int count, const char* const* words) {
    std::vector<std::string> given;
    bool options = true;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        options = options && word != "--";
        const bool one_dash = word.size() > 2 && word[0] == '-' && word[1] != '-';
        if (!options || !one_dash || gives_nodes(word)) {
            given.emplace_back(word);
            continue;
        }
        const auto ours = translated(word);
        if (!ours) fail("unknown option " + std::string(word) + ": see quorlite --help");
        given.insert(given.end(), ours->begin(), ours->end());
    }
    std::ranges::reverse(given);
    return given;
}

void check_database(const std::string& name) {
    if (name.find("://") == std::string::npos) return;
    fail("'" + name + "' is a URL, and this takes nodes and a database: " +
         "quorlite -c HOST:PORT,... DATABASE");
}

}  // namespace

std::variant<Arguments, int> parse_arguments(int count, const char* const* words) {
    Arguments arguments;
    arguments.cluster = "127.0.0.1:9001";
    CLI::App app(kDescription, "quorlite");
    app.footer(kFooter);
    app.set_version_flag("--version", QUORLITE_VERSION);
    add_options(app, arguments);
    try {
        app.parse(words_of(count, words));
        check_database(arguments.database);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? static_cast<int>(kFine) : static_cast<int>(kUsage);
    } catch (const error& senseless) {
        std::fprintf(stderr, "quorlite: %s\n", harmless(senseless.info().message).c_str());
        return static_cast<int>(kUsage);
    }
    return arguments;
}

std::shared_ptr<node_store> open_nodes(const std::string& cluster) {
    if (cluster.starts_with("dns:")) {
        const std::string name = cluster.substr(4);
        const std::size_t colon = name.rfind(':');
        const std::uint16_t port = port_of(name, colon);
        if (port == 0) fail("'" + cluster + "' is not dns:NAME:PORT");
        return make_dns_store(name.substr(0, colon), port);
    }
    if (std::filesystem::is_regular_file(cluster)) {
        const std::shared_ptr<node_store> store = open_yaml_store(cluster);
        if (store->load().value().empty()) fail(cluster + " names no node");
        return store;
    }
    return make_list_store(split_addresses(cluster));
}

}  // namespace quorlite::shell
