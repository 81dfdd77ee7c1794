#include "tests/wire/captures.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace quorlite::wire {
namespace {

using nlohmann::json;

// The files give the raw byte 0xNN of a text that is not UTF-8 as the lone surrogate \udcNN, which
// no JSON parser accepts. It goes through the parser as the private character U+F7NN.
void hide_raw_bytes(std::string& source) {
    const std::string_view surrogate = "\\udc";
    for (std::size_t at = source.find(surrogate); at != std::string::npos;
         at = source.find(surrogate, at + 1)) {
        const bool paired =
            at >= 6 &&
            (source.compare(at - 6, 4, "\\ud8") == 0 || source.compare(at - 6, 4, "\\ud9") == 0 ||
             source.compare(at - 6, 4, "\\uda") == 0 || source.compare(at - 6, 4, "\\udb") == 0);
        if (!paired) source.replace(at, surrogate.size(), "\\uf7");
    }
}

std::string restore_raw_bytes(const std::string& text) {
    std::string raw;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
        const bool hidden = i + 2 < text.size() && byte(0) == 0xef &&
                            (byte(1) == 0x9e || byte(1) == 0x9f) && byte(2) >= 0x80;
        if (hidden) {
            raw.push_back(static_cast<char>((byte(1) == 0x9e ? 0x80 : 0xc0) | (byte(2) & 0x3f)));
            i += 2;
        } else {
            raw.push_back(text[i]);
        }
    }
    return raw;
}

void restore_raw_bytes_within(json& node) {
    if (node.is_string()) node = restore_raw_bytes(node.get<std::string>());
    if (!node.is_structured()) return;
    for (json& child : node) restore_raw_bytes_within(child);
}

Capture::Direction direction_of(const std::string& name) {
    if (name == "c2s") return Capture::Direction::kToServer;
    if (name == "s2c") return Capture::Direction::kToClient;
    return Capture::Direction::kEvent;
}

void load_file(const std::filesystem::path& path, std::vector<Capture>& captures) {
    std::ifstream file(path);
    std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    hide_raw_bytes(source);
    const json document = json::parse(source);
    for (const json& message : document.at("messages")) {
        Capture capture;
        capture.file = path.filename().string();
        capture.connection = message.value("conn", "");
        capture.direction = direction_of(message.at("dir").get<std::string>());
        capture.kind = message.value("kind", "");
        capture.note = message.value("note", "");
        capture.bytes = bytes_from_hex(message.value("hex", ""));
        capture.decoded = message.value("decoded", json());
        restore_raw_bytes_within(capture.decoded);
        captures.push_back(std::move(capture));
    }
}

}  // namespace

std::string Capture::title() const {
    return file + " " + connection + ": " + note;
}

std::vector<Capture> load_captures() {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator(QUORLITE_SOURCE_DIR "/spec/vectors")) {
        const std::string name = entry.path().filename().string();
        const bool capture = name.front() >= '0' && name.front() <= '9';
        const bool other = name.starts_with("3") || name.starts_with("40");  // peers, disk
        const bool wanted = (capture && !other) || name == "run.json";
        if (entry.path().extension() == ".json" && wanted) paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    std::vector<Capture> captures;
    for (const auto& path : paths) load_file(path, captures);
    return captures;
}

Bytes bytes_from_hex(std::string_view hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const std::string digits(hex.substr(i, 2));
        bytes.push_back(static_cast<std::uint8_t>(std::strtoul(digits.c_str(), nullptr, 16)));
    }
    return bytes;
}

}  // namespace quorlite::wire
