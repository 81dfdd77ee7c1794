#include "drivers/shell/arguments.h"

#include <CLI/CLI.hpp>
#include <charconv>
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

}  // namespace

std::variant<Arguments, int> parse_arguments(int count, const char* const* words) {
    Arguments arguments;
    arguments.cluster = "127.0.0.1:9001";
    CLI::App app(kDescription, "quorlite");
    app.footer(kFooter);
    app.set_version_flag("--version", QUORLITE_VERSION);
    add_options(app, arguments);
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? static_cast<int>(kFine) : static_cast<int>(kUsage);
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
