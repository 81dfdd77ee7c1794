#include "drivers/core/sql.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "drivers/core/limits.h"
#include "drivers/core/sql_tables.h"

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

    // :name, @name, #name, $name: with "::" anywhere, and a parenthesis without blanks at the end,
    // as in Tcl.
    Token variable() {
        std::size_t end = at_ + 1;
        std::size_t letters = 0;
        while (end < text_.size()) {
            if (is_word(text_[end])) {
                ++letters, ++end;
            } else if (text_.substr(end, 2) == "::") {
                end += 2;
            } else {
                break;
            }
        }
        if (letters == 0) return take(Kind::kOther, 1);
        if (end < text_.size() && text_[end] == '(') {
            const std::size_t close = text_.find_first_of(") \t\n\v\f\r", end);
            if (close != std::string_view::npos && text_[close] == ')') end = close + 1;
        }
        return take(Kind::kParameter, end - at_);
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

bool is_any_of(std::string_view word, std::span<const std::string_view> lower_case) {
    return std::ranges::any_of(lower_case, [&](auto each) { return is(word, each); });
}

Effect effect_of(std::string_view word) {
    if (is_any_of(word, kReadingVerbs)) return Effect::kRead;
    if (is(word, "with") || is(word, "explain")) return Effect::kRead;
    if (is(word, "begin")) return Effect::kBegin;
    if (is(word, "commit") || is(word, "end")) return Effect::kCommit;
    if (is(word, "rollback")) return Effect::kRollback;
    if (is(word, "savepoint")) return Effect::kSavepoint;
    if (is(word, "release")) return Effect::kRelease;
    return Effect::kWrite;
}

// Follows one statement word by word.
class Reader {
public:
    explicit Reader(SqlText& out) : out_(out) {}

    void word(std::string_view text) {
        ++words_;
        if (words_ == 1 && out_.effect == Effect::kNone) first(text);
        if (with_ && depth_ == 0 && closed_ && !is(text, "as")) end_of_with(text);
        if (explain_ && words_ < 5 && is(text, "pragma")) out_.effect = Effect::kWrite;
        if (pragma_ && !valued_) pragma_name_ = text;
        if (is(text, "returning")) returning_ = true;
        trigger_.word(text);
        follow_savepoint(text);
        closed_ = false;
    }
    void name(std::string_view text) {
        if (names_savepoint()) out_.savepoint = text;
        if (pragma_ && !valued_) pragma_name_ = text;
        closed_ = false;
        trigger_.other();
    }
    void parameter(std::string_view text) {
        trigger_.other();
        if (text[0] == '?') return number(text.substr(1));
        for (const auto& [known, index] : out_.names) {
            if (known == text) return;
        }
        out_.names.emplace_back(text, ++out_.parameters);
    }
    void other(std::string_view text) {
        if (out_.effect == Effect::kNone) out_.effect = Effect::kWrite;
        valued_ = valued_ || text == "=" || text == "(";
        trigger_.other();
        if (text == "(") ++depth_;
        closed_ = text == ")";
        if (closed_) --depth_;
    }
    void finish() {
        const bool reads = valued_ ? is_any_of(pragma_name_, kReadingPragmasOfSomething)
                                   : is_any_of(pragma_name_, kReadingPragmas);
        if (pragma_ && reads) out_.effect = Effect::kRead;
        out_.yields_rows = out_.effect == Effect::kRead || pragma_ || explain_ || returning_;
    }
    // Whether a semicolon here ends the statement.
    bool semicolon() { return trigger_.semicolon(); }

private:
    void first(std::string_view text) {
        out_.effect = effect_of(text);
        out_.verb = text;
        with_ = is(text, "with");
        pragma_ = is(text, "pragma");
        explain_ = is(text, "explain");
    }

    // Behind the parenthesis that ends the last table of WITH: the statement itself.
    void end_of_with(std::string_view text) {
        with_ = false;
        out_.verb = text;
        if (!is(text, "select") && !is(text, "values")) out_.effect = Effect::kWrite;
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
        // A larger number is left to the server to refuse.
        constexpr std::uint32_t kTooLarge = limits::kParametersMax + 1;
        std::uint32_t index = out_.parameters + 1;
        if (!digits.empty()) {
            const auto end = digits.data() + digits.size();
            const bool read = std::from_chars(digits.data(), end, index).ec == std::errc();
            if (!read || index > kTooLarge) index = kTooLarge;
        }
        out_.parameters = std::max(out_.parameters, index);
    }

    SqlText& out_;
    int words_ = 0;
    int depth_ = 0;        // of parentheses
    bool closed_ = false;  // the last token was one that closes
    bool with_ = false;
    bool explain_ = false;
    bool pragma_ = false;
    std::string_view pragma_name_;
    bool valued_ = false;  // the pragma has a value; of others it says nothing
    bool returning_ = false;
    TriggerEnd trigger_;
};

}  // namespace

// ---- TriggerEnd ----

void TriggerEnd::word(std::string_view text) {
    switch (state_) {
        case State::kStart:
            if (is(text, "explain")) return;
            state_ = is(text, "create") ? State::kCreate : State::kOrdinary;
            return;
        case State::kCreate:
            if (is(text, "temp") || is(text, "temporary")) return;
            state_ = is(text, "trigger") ? State::kTrigger : State::kOrdinary;
            return;
        case State::kSemicolon:
            state_ = is(text, "end") ? State::kEnd : State::kTrigger;
            return;
        case State::kOrdinary:
        case State::kTrigger:
        case State::kEnd:
            other();
    }
}

void TriggerEnd::other() {
    if (state_ == State::kStart || state_ == State::kCreate) state_ = State::kOrdinary;
    if (state_ == State::kSemicolon || state_ == State::kEnd) state_ = State::kTrigger;
}

bool TriggerEnd::semicolon() {
    if (state_ != State::kTrigger && state_ != State::kSemicolon) return true;
    state_ = State::kSemicolon;
    return false;
}

// ---- StatementEnd ----

void StatementEnd::begin_token() {
    begun_ = true;
    trigger_.other();
}

// Behind the end of the string or comment; false if it is not there yet.
bool StatementEnd::leave(std::string_view text, std::size_t& at) {
    while (true) {
        const bool comment = within_ == '*';
        const std::size_t end = comment ? text.find("*/", at) : text.find(within_, at);
        if (end == std::string_view::npos) {
            at = text.size();
            return false;
        }
        at = end + (comment ? 2 : 1);
        const bool doubled = !comment && within_ != ']' && at < text.size() && text[at] == within_;
        if (!doubled) break;
        ++at;
    }
    within_ = '\0';
    return true;
}

bool StatementEnd::scan(std::string_view text, std::size_t& at) {
    while (at < text.size()) {
        if (within_ != '\0' && !leave(text, at)) return false;
        const std::string_view rest = text.substr(at);
        if (rest.empty()) return false;
        const char c = rest[0];
        if (is_blank(c)) {
            ++at;
        } else if (rest.starts_with(kByteOrderMark)) {
            at += kByteOrderMark.size();
        } else if (rest.starts_with("--")) {
            at = std::min(text.find('\n', at), text.size());
        } else if (rest.starts_with("/*")) {
            within_ = '*';
            at += 2;
        } else if (c == '\'' || c == '"' || c == '`' || c == '[') {
            begin_token();
            within_ = c == '[' ? ']' : c;
            ++at;
        } else if (c == ';') {
            ++at;
            if (!begun_ || !trigger_.semicolon()) continue;
            *this = StatementEnd();
            return true;
        } else if (is_word(c)) {
            const std::size_t start = at;
            while (at < text.size() && is_word(text[at])) ++at;
            begun_ = true;
            trigger_.word(text.substr(start, at - start));
        } else {
            begin_token();
            ++at;
        }
    }
    return false;
}

// ---- Texts ----

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    Tokens tokens(text);
    for (Token token = tokens.next(); token.kind != Kind::kEnd; token = tokens.next()) {
        if (token.kind == Kind::kWord) words.push_back(token.text);
    }
    return words;
}

std::string terminated(std::string_view statement) {
    for (const std::string_view end : {";", "\n;"}) {
        std::string whole = std::string(statement).append(end);
        if (analyse(whole).complete) return whole;
    }
    return std::string(statement).append("*/;");
}

namespace {

// Literals below this stay where they are.
constexpr std::size_t kLongLiteral = 64;

int digit(char c) {
    if (is_digit(c)) return c - '0';
    const char small = lower(c);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// Of what stands between the quotes of X'...'; nothing if it is not hexadecimal.
std::optional<std::string> bytes_of(std::string_view digits) {
    if (digits.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(digits.size() / 2);
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const int high = digit(digits[i]);
        const int low = digit(digits[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

std::string without_doubled_quotes(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        if (text[i] == '\'') ++i;
    }
    return out;
}

}  // namespace

Lifted lift_literals(std::string_view sql) {
    Lifted lifted;
    std::size_t copied = 0;
    Token before;
    std::size_t before_end = 0;
    Tokens tokens(sql);
    for (Token token = tokens.next(); token.kind != Kind::kEnd; token = tokens.next()) {
        const std::size_t end = tokens.position();
        std::size_t start = end - token.text.size();
        const bool literal = token.kind == Kind::kQuoted && token.text[0] == '\'' &&
                             token.text.size() > kLongLiteral && token.text.back() == '\'';
        if (literal) {
            const std::string_view inside = token.text.substr(1, token.text.size() - 2);
            const bool blob =
                before.kind == Kind::kWord && before_end == start && is(before.text, "x");
            auto bytes = blob ? bytes_of(inside) : without_doubled_quotes(inside);
            if (bytes) {
                if (blob) --start;
                lifted.sql.append(sql.substr(copied, start - copied)).append("?");
                lifted.literals.push_back({blob, *std::move(bytes)});
                copied = end;
            }
        }
        before = token;
        before_end = end;
    }
    lifted.sql.append(sql.substr(copied));
    return lifted;
}

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
                if (out.effect != Effect::kNone && reader.semicolon()) {
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
