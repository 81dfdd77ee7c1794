// Captures: the client conversations of spec/vectors, loaded for the tests that replay them.
//
// Every byte in them was sent or received by a real process: dqlite's, or for RUN our own;
// spec/vectors/README.md describes the files. Those with peers' streams and disk files are not
// loaded.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "wire/base/bytes.h"

namespace quorlite::wire {

struct Capture {
    enum class Direction { kToServer, kToClient, kEvent };

    std::string file;
    std::string connection;  // unique within the file
    Direction direction = Direction::kEvent;
    std::string kind;  // "handshake", "fragment", or empty for one whole message
    std::string note;
    Bytes bytes;
    // The fields as spec/vectors gives them, except that texts are raw bytes; null if not given.
    nlohmann::json decoded;

    bool is_message() const { return direction != Direction::kEvent && kind.empty(); }
    // For a failing test: which capture this is.
    std::string title() const;
};

// In order of files, and of time within a file.
std::vector<Capture> load_captures();

Bytes bytes_from_hex(std::string_view hex);

}  // namespace quorlite::wire
