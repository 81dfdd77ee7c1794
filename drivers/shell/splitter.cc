#include "drivers/shell/splitter.h"

#include <algorithm>

#include "drivers/core/sql.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

using core::Effect;

bool ends_by_word(std::string_view line) {
    const std::string_view word = trimmed(line);
    return word == "/" || same_word(word, "go");
}

// Blanks and comments, the last of which has ended: nothing of it is needed any more.
bool is_void(std::string_view text) {
    // In a comment that is still open a word more changes nothing.
    return core::analyse(text).effect == Effect::kNone &&
           core::analyse(std::string(text) + "\nx").effect != Effect::kNone;
}

// Whether the end of the text is the end of a word too, not the middle of a string or comment.
bool at_rest(const std::string& text) {
    return core::analyse(text + "\n;").complete;
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
        Command command{split_words(line.substr(1)), std::string(line), line_};
        if (command.words.empty()) command.words.emplace_back();
        items_.emplace_back(std::move(command));
        return;
    }
    if (!pending_.empty() && ends_by_word(line) && at_rest(pending_)) {
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

// Only what may end a statement is worth a look: a long text is not read again at every line.
void Splitter::split() {
    const std::size_t last = pending_.rfind('\n', pending_.size() - 2);
    const std::size_t line = last == std::string::npos ? 0 : last + 1;
    const bool may_end = pending_.find(';', line) != std::string::npos;
    const bool may_be_void = pending_.find("*/", line) != std::string::npos ||
                             pending_.find("--", line) != std::string::npos;
    if (!may_end && !may_be_void) return;
    while (true) {
        const core::SqlText text = core::analyse(pending_);
        if (!text.complete) break;
        take_statement(text.end);
    }
    if (is_void(pending_)) pending_.clear();
}

// The first bytes of what is pending are a statement: without the blanks around it.
void Splitter::take_statement(std::size_t bytes) {
    const std::string_view whole = std::string_view(pending_).substr(0, bytes);
    const std::string_view sql = trimmed(whole);
    const auto lines = [&](std::string_view text) {
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    };
    const auto before = static_cast<std::size_t>(sql.data() - whole.data());
    items_.emplace_back(
        Statement{std::string(sql), pending_line_ + lines(whole.substr(0, before))});
    pending_line_ += lines(whole);
    pending_.erase(0, bytes);
}

void Splitter::finish() {
    if (!is_void(pending_) && core::analyse(pending_).effect != Effect::kNone) {
        take_statement(pending_.size());
    }
    pending_.clear();
}

void Splitter::reset() {
    pending_.clear();
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
