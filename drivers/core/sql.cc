#include "drivers/core/sql.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace quorlite::core {
namespace {

enum class Kind : std::uint8_t { kEnd, kWord, kQuoted, kSemicolon, kParameter, kOther };

struct Token {
    Kind kind = Kind::kEnd;
    std::string_view text;
};

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // a blank, for SQLite

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is(std::string_view word, std::string_view lower_case) {
    return std::equal(word.begin(), word.end(), lower_case.begin(), lower_case.end(),
                      [](char a, char b) { return lower(a) == b; });
}

class Tokens {
public:
    explicit Tokens(std::string_view text) : text_(text) {}

    std::size_t position() const { return at_; }

    Token next() {
        skip_blanks();
        if (at_ >= text_.size()) return {};
        const char c = text_[at_];
        if (c == ';') return take(Kind::kSemicolon, 1);
        if (c == '\'' || c == '"' || c == '`') return quoted(c);
        if (c == '[') return until(']');
        if (c == '?') return take(Kind::kParameter, 1 + count(at_ + 1, is_digit));
        if (c == ':' || c == '@' || c == '#' || c == '$') return variable();
        if (is_word(c)) return take(Kind::kWord, count(at_, is_word));
        return take(Kind::kOther, 1);
    }

private:
    std::size_t count(std::size_t from, bool (*belongs)(char)) const {
        std::size_t end = from;
        while (end < text_.size() && belongs(text_[end])) ++end;
        return end - from;
    }

    Token take(Kind kind, std::size_t size) {
        const std::size_t start = at_;
        at_ = std::min(text_.size(), at_ + size);
        return {kind, text_.substr(start, at_ - start)};
    }

    Token variable() {
        const std::size_t name = count(at_ + 1, is_word);
        if (name == 0) return take(Kind::kOther, 1);
        std::size_t size = 1 + name;
        if (text_[at_] == '$') size += tcl_suffix(at_ + size);
        return take(Kind::kParameter, size);
    }

    // $name may go on with "::" parts and end in a parenthesis, as in Tcl.
    std::size_t tcl_suffix(std::size_t from) const {
        std::size_t end = from;
        while (text_.substr(end, 2) == "::") end += 2 + count(end + 2, is_word);
        if (end < text_.size() && text_[end] == '(') {
            const std::size_t close = text_.find(')', end);
            if (close != std::string_view::npos) end = close + 1;
        }
        return end - from;
    }

    Token quoted(char quote) {
        std::size_t end = at_ + 1;
        while (end < text_.size()) {
            if (text_[end] != quote) {
                ++end;
            } else if (end + 1 < text_.size() && text_[end + 1] == quote) {
                end += 2;
            } else {
                break;
            }
        }
        return take(Kind::kQuoted, end + 1 - at_);
    }

    Token until(char close) {
        const std::size_t end = text_.find(close, at_);
        return take(Kind::kQuoted, end == std::string_view::npos ? text_.size() : end + 1 - at_);
    }

    void skip_blanks() {
        while (at_ < text_.size()) {
            if (is_blank(text_[at_])) {
                ++at_;
            } else if (text_.substr(at_).starts_with(kByteOrderMark)) {
                at_ += kByteOrderMark.size();
            } else if (text_.substr(at_, 2) == "--") {
                const std::size_t end = text_.find('\n', at_);
                at_ = end == std::string_view::npos ? text_.size() : end + 1;
            } else if (text_.substr(at_, 2) == "/*") {
                const std::size_t end = text_.find("*/", at_ + 2);
                at_ = end == std::string_view::npos ? text_.size() : end + 2;
            } else {
                return;
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// A word that writes, wherever it stands in a statement that begins with WITH.
bool writes(std::string_view word) {
    static constexpr std::array<std::string_view, 4> kWords = {"insert", "update", "delete",
                                                               "replace"};
    return std::any_of(kWords.begin(), kWords.end(), [&](auto each) { return is(word, each); });
}

Effect effect_of(std::string_view word) {
    if (is(word, "select") || is(word, "values") || is(word, "with")) return Effect::kRead;
    if (is(word, "explain")) return Effect::kRead;
    if (is(word, "begin")) return Effect::kBegin;
    if (is(word, "commit") || is(word, "end")) return Effect::kCommit;
    if (is(word, "rollback")) return Effect::kRollback;
    if (is(word, "savepoint")) return Effect::kSavepoint;
    if (is(word, "release")) return Effect::kRelease;
    if (is(word, "pragma")) return Effect::kRead;
    return Effect::kWrite;
}

// A pragma that does something even without a value.
bool acts(std::string_view pragma) {
    static constexpr std::array<std::string_view, 4> kActing = {
        "wal_checkpoint", "optimize", "incremental_vacuum", "delete_database"};
    return std::any_of(kActing.begin(), kActing.end(), [&](auto each) { return is(pragma, each); });
}

// Follows one statement word by word.
class Reader {
public:
    explicit Reader(SqlText& out) : out_(out) {}

    void word(std::string_view text) {
        ++words_;
        if (words_ == 1 && out_.effect == Effect::kNone) first(text);
        if (words_ > 1 && with_ && writes(text)) out_.effect = Effect::kWrite;
        if (pragma_ && acts(text)) out_.effect = Effect::kWrite;
        if (is(text, "returning")) returning_ = true;
        follow_trigger(text);
        follow_savepoint(text);
    }
    void name(std::string_view text) {
        if (names_savepoint()) out_.savepoint = text;
    }
    void parameter(std::string_view text) {
        if (text[0] == '?') return number(text.substr(1));
        for (const auto& [known, index] : out_.names) {
            if (known == text) return;
        }
        out_.names.emplace_back(text, ++out_.parameters);
    }
    void other(std::string_view text) {
        if (out_.effect == Effect::kNone) out_.effect = Effect::kWrite;
        if (pragma_ && text == "=") out_.effect = Effect::kWrite;
    }
    void finish() { out_.yields_rows = out_.effect == Effect::kRead || pragma_ || returning_; }
    // Whether a semicolon here ends the statement.
    bool ends() const { return !in_trigger_ || trigger_ended_; }

private:
    void first(std::string_view text) {
        out_.effect = effect_of(text);
        with_ = is(text, "with");
        create_ = is(text, "create");
        pragma_ = is(text, "pragma");
    }

    // CREATE [TEMP] TRIGGER ... BEGIN statement; ... END;
    void follow_trigger(std::string_view text) {
        if (create_ && words_ <= 3 && is(text, "trigger")) trigger_ = true;
        if (trigger_ && is(text, "begin")) in_trigger_ = true;
        if (is(text, "case")) ++cases_;
        const bool end = is(text, "end");
        trigger_ended_ = end && cases_ == 0;
        if (end && cases_ > 0) --cases_;
    }

    // ROLLBACK [TRANSACTION] TO [SAVEPOINT] name, RELEASE [SAVEPOINT] name, SAVEPOINT name.
    void follow_savepoint(std::string_view text) {
        if (out_.effect == Effect::kRollback && is(text, "to")) {
            out_.effect = Effect::kRollbackTo;
        } else if (words_ > 1 && names_savepoint() && !is(text, "savepoint")) {
            out_.savepoint = text;
        }
    }

    bool names_savepoint() const {
        return out_.effect == Effect::kSavepoint || out_.effect == Effect::kRelease ||
               out_.effect == Effect::kRollbackTo;
    }

    void number(std::string_view digits) {
        std::uint32_t index = out_.parameters + 1;
        if (!digits.empty()) std::from_chars(digits.data(), digits.data() + digits.size(), index);
        out_.parameters = std::max(out_.parameters, index);
    }

    SqlText& out_;
    int words_ = 0;
    int cases_ = 0;
    bool with_ = false;
    bool create_ = false;
    bool pragma_ = false;
    bool returning_ = false;
    bool trigger_ = false;
    bool in_trigger_ = false;
    bool trigger_ended_ = false;
};

}  // namespace

SqlText analyse(std::string_view text) {
    SqlText out;
    Reader reader(out);
    Tokens tokens(text);
    out.end = text.size();
    for (Token token = tokens.next(); token.kind != Kind::kEnd; token = tokens.next()) {
        if (out.complete) {
            if (token.kind == Kind::kSemicolon) continue;
            out.tail = true;
            break;
        }
        switch (token.kind) {
            case Kind::kWord:
                reader.word(token.text);
                break;
            case Kind::kQuoted:
                if (out.effect == Effect::kNone) out.effect = Effect::kWrite;
                reader.name(token.text);
                break;
            case Kind::kParameter:
                reader.parameter(token.text);
                break;
            case Kind::kSemicolon:
                if (out.effect != Effect::kNone && reader.ends()) {
                    out.complete = true;
                    out.end = tokens.position();
                }
                break;
            case Kind::kOther:
                reader.other(token.text);
                break;
            case Kind::kEnd:
                break;
        }
    }
    reader.finish();
    return out;
}

}  // namespace quorlite::core
