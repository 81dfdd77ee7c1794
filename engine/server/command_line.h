// quorlited's command line and configuration file: the options of quorlite::NodeOptions by their
// names.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "quorlite/node.h"

namespace quorlite::server {

struct CommandLine {
    NodeOptions options;
    std::vector<std::string> warnings;  // one line each
};

// Why there is nothing to run. Of --help and --version the status is 0.
struct CommandLineEnd {
    int status = 0;
    std::string text;  // to standard output if the status is 0, else one line of an error
};

std::variant<CommandLine, CommandLineEnd> read_command_line(int argc, const char* const* argv);

}  // namespace quorlite::server
