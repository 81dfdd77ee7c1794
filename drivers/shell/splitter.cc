#include "drivers/shell/splitter.h"

#include <algorithm>

#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

bool ends_by_word(std::string_view line) {
    const std::string_view word = trimmed(line);
    return word == "/" || same_word(word, "go");
}

char escaped(char c) {
    switch (c) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        default:
            return c;
    }
}

std::string take_quoted(std::string_view text, std::size_t& at) {
    const char quote = text[at++];
    std::string word;
    while (at < text.size() && text[at] != quote) {
        const bool escape = quote == '"' && text[at] == '\\' && at + 1 < text.size();
        if (escape) ++at;
        word += escape ? escaped(text[at]) : text[at];
        ++at;
    }
    at = std::min(at + 1, text.size());
    return word;
}

}  // namespace

void Splitter::feed(std::string_view line) {
    ++line_;
    if (pending_.empty() && line.substr(0, 1) == ".") {
        Command command{split_words(line.substr(1)), line_};
        if (command.words.empty()) command.words.emplace_back();
        items_.emplace_back(std::move(command));
        return;
    }
    if (!pending_.empty() && ends_by_word(line) && end_.may_end()) {
        finish();
        return;
    }
    if (pending_.empty()) {
        if (trimmed(line).empty()) return;
        pending_line_ = line_;
    }
    pending_.append(line).append("\n");
    split();
}

void Splitter::split() {
    while (end_.scan(pending_, scanned_)) take_statement();
    pending_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    // Of blanks and comments nothing is needed any more.
    if (end_.blank() && end_.at_rest()) clear();
}

// What was scanned is a statement: without the blanks around it.
void Splitter::take_statement() {
    const std::string_view whole = std::string_view(pending_).substr(begin_, scanned_ - begin_);
    const std::string_view sql = trimmed(whole);
    const auto lines = [&](std::string_view text) {
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    };
    const auto before = static_cast<std::size_t>(sql.data() - whole.data());
    items_.emplace_back(
        Statement{std::string(sql), pending_line_ + lines(whole.substr(0, before))});
    pending_line_ += lines(whole);
    begin_ = scanned_;
}

void Splitter::clear() {
    pending_.clear();
    begin_ = scanned_ = 0;
    end_ = {};
}

void Splitter::finish() {
    if (!end_.blank()) take_statement();
    clear();
}

void Splitter::reset() {
    clear();
    items_.clear();
}

Item Splitter::take() {
    Item first = std::move(items_.front());
    items_.pop_front();
    return first;
}

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::size_t at = 0;
    while (true) {
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) ++at;
        if (at == text.size()) return words;
        if (text[at] == '\'' || text[at] == '"') {
            words.push_back(take_quoted(text, at));
            continue;
        }
        const std::size_t end = std::min(text.find_first_of(" \t\r", at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = end;
    }
}

}  // namespace quorlite::shell
