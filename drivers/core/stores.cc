// The stores that need nothing but memory and a file.
#include <yaml.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "drivers/core/rules.h"
#include "quorlite/node_store.h"
#include "wire/base/mutex.h"

namespace quorlite {

node_store::~node_store() = default;

namespace {

error_info trouble(std::string message) {
    return core::make_error(error_kind::store, code::kCannotOpen, std::move(message));
}

class ListStore : public node_store {
public:
    explicit ListStore(std::vector<std::string> addresses) {
        for (std::string& address : addresses) {
            nodes_.push_back({0, std::move(address), node_role::voter});
        }
    }
    result<std::vector<node_info>> load() override {
        const MutexLock lock(mutex_);
        return nodes_;
    }
    result<void> save(const std::vector<node_info>& nodes) override {
        const MutexLock lock(mutex_);
        nodes_ = nodes;
        return {};
    }

private:
    Mutex mutex_;
    std::vector<node_info> nodes_ QUORLITE_GUARDED_BY(mutex_);
};

// A document as a tree, as far as a list of mappings of scalars needs one.
class YamlFile {
public:
    static result<std::vector<node_info>> parse(const std::string& text, const std::string& path) {
        yaml_parser_t parser;
        if (yaml_parser_initialize(&parser) == 0) return trouble("out of memory");
        yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size());
        yaml_document_t document;
        if (yaml_parser_load(&parser, &document) == 0) {
            const std::string problem = parser.problem ? parser.problem : "not YAML";
            const std::string line = std::to_string(parser.problem_mark.line + 1);
            yaml_parser_delete(&parser);
            return trouble(path + ":" + line + ": " + problem);
        }
        result<std::vector<node_info>> nodes = read(document, path);
        yaml_document_delete(&document);
        yaml_parser_delete(&parser);
        return nodes;
    }

private:
    static result<std::vector<node_info>> read(yaml_document_t& document, const std::string& path) {
        std::vector<node_info> nodes;
        const yaml_node_t* const root = yaml_document_get_root_node(&document);
        if (root == nullptr) return nodes;
        if (root->type == YAML_SCALAR_NODE && text_of(root).empty()) return nodes;
        if (root->type != YAML_SEQUENCE_NODE) return trouble(path + ": not a list of nodes");
        for (auto* item = root->data.sequence.items.start; item < root->data.sequence.items.top;
             ++item) {
            const yaml_node_t* const entry = yaml_document_get_node(&document, *item);
            if (entry == nullptr || entry->type != YAML_MAPPING_NODE) {
                return trouble(path + ": an entry has no Address");
            }
            node_info node;
            const std::string problem = read_entry(document, *entry, node);
            if (!problem.empty()) {
                return trouble(path + ":" + std::to_string(entry->start_mark.line + 1) + ": " +
                               problem);
            }
            nodes.push_back(std::move(node));
        }
        return nodes;
    }

    // Returns what is wrong, or nothing. Keys that are not known are skipped.
    static std::string read_entry(yaml_document_t& document, const yaml_node_t& entry,
                                  node_info& node) {
        for (auto* pair = entry.data.mapping.pairs.start; pair < entry.data.mapping.pairs.top;
             ++pair) {
            const std::string key = text_of(yaml_document_get_node(&document, pair->key));
            const std::string text = text_of(yaml_document_get_node(&document, pair->value));
            if (key == "Address") node.address = text;
            std::uint64_t number = 0;
            const bool numeric = key == "ID" || key == "Role";
            if (numeric && !to_number(text, number)) return key + " is not a number: " + text;
            if (key == "ID") node.id = number;
            if (key == "Role" && number > 2) return "there is no role " + text;
            if (key == "Role") node.role = static_cast<node_role>(number);
        }
        return node.address.empty() ? "an entry has no Address" : "";
    }

    static std::string text_of(const yaml_node_t* node) {
        if (node == nullptr || node->type != YAML_SCALAR_NODE) return {};
        return {reinterpret_cast<const char*>(node->data.scalar.value), node->data.scalar.length};
    }

    static bool to_number(const std::string& text, std::uint64_t& into) {
        const char* const end = text.data() + text.size();
        const auto read = std::from_chars(text.data(), end, into);
        return read.ec == std::errc() && read.ptr == end;
    }
};

// As a double-quoted scalar: quotes and control characters need care.
std::string quoted(const std::string& text) {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out.append("\\x").append({kDigits[byte >> 4], kDigits[byte & 15]});
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

class YamlStore : public node_store {
public:
    explicit YamlStore(std::string path) : path_(std::move(path)) {}

    result<std::vector<node_info>> load() override {
        errno = 0;
        const std::ifstream file(path_);
        if (!file && errno == ENOENT) return std::vector<node_info>{};
        if (!file) return trouble(path_ + ": " + std::strerror(errno));
        std::ostringstream text;
        text << file.rdbuf();
        if (file.bad()) return trouble(path_ + ": cannot be read");
        return YamlFile::parse(text.str(), path_);
    }

    // Written beside the file and renamed, so that no reader ever sees half of it.
    result<void> save(const std::vector<node_info>& nodes) override {
        const std::string beside = path_ + ".new";
        {
            std::ofstream file(beside, std::ios::trunc);
            for (const node_info& node : nodes) {
                file << "- Address: " << quoted(node.address) << "\n  ID: " << node.id
                     << "\n  Role: " << static_cast<int>(node.role) << '\n';
            }
            file.flush();
            if (!file) return trouble(beside + ": cannot be written");
        }
        if (std::rename(beside.c_str(), path_.c_str()) != 0) {
            return trouble(path_ + ": " + std::strerror(errno));
        }
        return {};
    }

private:
    const std::string path_;
};

}  // namespace

std::shared_ptr<node_store> make_list_store(std::vector<std::string> addresses) {
    return std::make_shared<ListStore>(std::move(addresses));
}

std::shared_ptr<node_store> open_yaml_store(std::string path) {
    return std::make_shared<YamlStore>(std::move(path));
}

}  // namespace quorlite
