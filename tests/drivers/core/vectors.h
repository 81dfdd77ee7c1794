// The cases of spec/vectors, which the clients of all languages read.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace quorlite::core {

// NAME.json, whole.
inline nlohmann::json read_vectors(const std::string& name) {
    return nlohmann::json::parse(
        std::ifstream(QUORLITE_SOURCE_DIR "/spec/vectors/" + name + ".json"));
}

}  // namespace quorlite::core
