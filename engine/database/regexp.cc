#include "engine/database/regexp.h"

#include <re2/re2.h>

#include <array>
#include <memory>
#include <string>

#include "engine/base/limits.h"
#include "engine/database/sql_function.h"

namespace quorlite::database {
namespace {

std::unique_ptr<RE2> compile(std::string_view pattern) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(limits::kRegexpMemoryBytesMax);
    return std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

// The patterns that a thread used last: a statement matches its own against many rows. They are the
// thread's and not a connection's, of which there are many more.
class Patterns {
public:
    const RE2& find(std::string_view pattern) {
        for (const auto& each : kept_) {
            if (each && each->pattern() == pattern) return *each;
        }
        std::unique_ptr<RE2>& place = kept_[next_++ % kept_.size()];
        place.reset();
        place = compile(pattern);
        return *place;
    }

private:
    std::array<std::unique_ptr<RE2>, limits::kRegexpPatternsMax> kept_;
    std::size_t next_ = 0;
};

}  // namespace

void regexp(sqlite3_context* context, int, sqlite3_value** arguments) {
    thread_local Patterns patterns;
    const std::string_view wanted = text_of(arguments[0]);
    if (wanted.size() > limits::kRegexpPatternBytesMax) {
        return result_error(context, "a pattern of REGEXP has at most 2000 bytes");
    }
    const RE2& pattern = patterns.find(wanted);
    if (!pattern.ok()) {
        return result_error(context, "REGEXP cannot read the pattern: " + pattern.error() +
                                         " (patterns are RE2's)");
    }
    const std::string_view text = text_of(arguments[1]);
    if (text.size() > limits::kRegexpWorkMax / static_cast<std::size_t>(pattern.ProgramSize())) {
        return result_error(context,
                            "the text is too long for this pattern of REGEXP: use a simpler one, "
                            "or a part of the text by substr()");
    }
    const bool found = RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
    sqlite3_result_int(context, found ? 1 : 0);
}

}  // namespace quorlite::database
