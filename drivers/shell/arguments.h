// The command line of `quorlite`.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "drivers/shell/renderer.h"
#include "quorlite/node_store.h"

namespace quorlite::shell {

// What `quorlite` ends with: of everything that went wrong, the worst.
enum Exit : int {
    kFine = 0,
    kFailed = 1,       // a statement or command failed, without effect
    kInDoubt = 2,      // of a statement it is not known whether it was done
    kUnavailable = 3,  // no leader could be reached in time
    kUsage = 64,       // the command line makes no sense
    kInterrupted = 130,
};

struct Arguments {
    std::string cluster;  // as given: addresses, a file, or dns:NAME:PORT
    std::string database;
    std::vector<std::string> sql;
    std::optional<Mode> mode;
    std::optional<bool> headers;
    std::string null_text;
    bool json = false;  // errors as well
    bool bail = false;
    std::chrono::milliseconds timeout{60'000};
};

// The arguments, or what the process is to end with: --help and mistakes are answered here.
std::variant<Arguments, int> parse_arguments(int count, const char* const* words);

// Where the nodes are: "host:port,host:port", the path of a YAML file, or "dns:NAME:PORT". Throws
// an error of kind usage.
std::shared_ptr<node_store> open_nodes(const std::string& cluster);

}  // namespace quorlite::shell
