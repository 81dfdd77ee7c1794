// Scripts of consensus: what happens to a few nodes, a command a line, and below each command,
// indented, all that the nodes say and do then. tests/raft/golden has them; its README.md explains
// the commands.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace quorlite::raft {

struct Played {
    std::string text;     // the script with what happened
    bool broken = false;  // something that must hold did not
    std::string error;    // why it could not be played to its end
};

// Plays the commands of a script; what it says of their effect does not matter.
Played play(std::string_view script);

// The deliberate faults that it is to find: comments "# fault: NAME".
std::vector<std::string> faults_named_in(std::string_view script);

// The scripts in a folder, by name.
std::vector<std::filesystem::path> scripts_in(const std::filesystem::path& folder);

}  // namespace quorlite::raft
