// Completion: what the word at the cursor may become. Pure; names come from whoever knows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quorlite::shell {

// Names of the database that is open.
struct Names {
    std::vector<std::string> tables;
    std::vector<std::string> columns;
};

struct Completion {
    std::size_t begin = 0;                // of the word, in the text
    std::vector<std::string> candidates;  // whole words, sorted, each once
};

// `text`: the line up to the cursor. Keywords are written as the word was begun, in capitals or
// not. Names that are no plain words come in quotes.
Completion complete(std::string_view text, const Names& names);

// What all candidates begin with.
std::string common_prefix(const std::vector<std::string>& candidates);

}  // namespace quorlite::shell
